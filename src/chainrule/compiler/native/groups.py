"""Groups of rows in machine code: a shuffle within each, and which one each place belongs to.

Source: Tijdeman 1980, The Chairman Assignment Problem (the groups spread evenly: among the first
t places each group has its share of t to within 1 - 1 / (2 k - 2), for k groups, which is the
best that holds for all shares).
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.shuffle import draw_text, native

_SHUFFLE: Final = f"""
target triple = "TRIPLE"

define void @shuffle_groups(
    ptr %order, ptr %values, ptr %starts, ptr %sources, i64 %groups, i64 %key) {{
entry:
  %some = icmp sgt i64 %groups, 0
  br i1 %some, label %group, label %done
group:
  %g = phi i64 [ 0, %entry ], [ %later, %close ]
  %later = add i64 %g, 1
  %start_at = getelementptr inbounds i64, ptr %starts, i64 %g
  %start = load i64, ptr %start_at, align 8
  %end_at = getelementptr inbounds i64, ptr %starts, i64 %later
  %end = load i64, ptr %end_at, align 8
  %source_at = getelementptr inbounds i64, ptr %sources, i64 %g
  %source = load i64, ptr %source_at, align 8
  %size = sub i64 %end, %start
  %to = getelementptr inbounds i32, ptr %order, i64 %start
  %from = getelementptr inbounds i32, ptr %values, i64 %source
  %any = icmp sgt i64 %size, 0
  br i1 %any, label %draw, label %close
draw:
  %i = phi i64 [ 0, %group ], [ %next, %draw ]
  %next = add i64 %i, 1
  %number = add i64 %start, %next
{draw_text("%number", "%next", "%j")}
  %at = getelementptr inbounds i32, ptr %to, i64 %i
  %drawn = getelementptr inbounds i32, ptr %to, i64 %j
  %moved = load i32, ptr %drawn, align 4
  store i32 %moved, ptr %at, align 4
  %value_at = getelementptr inbounds i32, ptr %from, i64 %i
  %value = load i32, ptr %value_at, align 4
  store i32 %value, ptr %drawn, align 4
  %more = icmp slt i64 %next, %size
  br i1 %more, label %draw, label %close
close:
  %others = icmp slt i64 %later, %groups
  br i1 %others, label %group, label %done
done:
  ret void
}}
"""

# A group's lag is n times what it has too little: its share of the places so far, less those that
# it got. Of those that lag by 1 / (2 k - 2) or more, the next place goes to the one that would be
# the first to lag by more than 1 - 1 / (2 k - 2).
_SPREAD: Final = """
target triple = "TRIPLE"

define void @spread(
    ptr %groups, i64 %n, ptr %sizes, ptr %paces, ptr %lags, i64 %k, i64 %least, double %most) {
entry:
  br label %place
place:
  %t = phi i64 [ 0, %entry ], [ %next, %close ]
  %next = add i64 %t, 1
  br label %look
look:
  %g = phi i64 [ 0, %place ], [ %later, %look ]
  %best = phi i64 [ 0, %place ], [ %chosen, %look ]
  %soonest = phi double [ 0x7FF0000000000000, %place ], [ %sooner, %look ]
  %later = add i64 %g, 1
  %size_at = getelementptr inbounds i64, ptr %sizes, i64 %g
  %size = load i64, ptr %size_at, align 8
  %lag_at = getelementptr inbounds i64, ptr %lags, i64 %g
  %before = load i64, ptr %lag_at, align 8
  %lag = add i64 %before, %size
  store i64 %lag, ptr %lag_at, align 8
  %lag_float = sitofp i64 %lag to double
  %room = fsub double %most, %lag_float
  %pace_at = getelementptr inbounds double, ptr %paces, i64 %g
  %pace = load double, ptr %pace_at, align 8
  %time = fmul double %room, %pace
  %may = icmp sge i64 %lag, %least
  %wait = select i1 %may, double %time, double 0x7FF0000000000000
  %is_sooner = fcmp olt double %wait, %soonest
  %chosen = select i1 %is_sooner, i64 %g, i64 %best
  %sooner = select i1 %is_sooner, double %wait, double %soonest
  %others = icmp slt i64 %later, %k
  br i1 %others, label %look, label %close
close:
  %group = trunc i64 %chosen to i32
  %group_at = getelementptr inbounds i32, ptr %groups, i64 %t
  store i32 %group, ptr %group_at, align 4
  %paid_at = getelementptr inbounds i64, ptr %lags, i64 %chosen
  %owed = load i64, ptr %paid_at, align 8
  %paid = sub i64 %owed, %n
  store i64 %paid, ptr %paid_at, align 8
  %more = icmp slt i64 %next, %n
  br i1 %more, label %place, label %done
done:
  ret void
}
"""


@cache
def _shuffle() -> Any:
    pointers = [ctypes.c_void_p] * 4
    return native(_SHUFFLE, "shuffle_groups", *pointers, ctypes.c_int64, ctypes.c_uint64)


@cache
def _spread() -> Any:
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    arguments = (pointer, number, pointer, pointer, pointer, number, number, ctypes.c_double)
    return native(_SPREAD, "spread", *arguments)


def shuffle_groups_into(
    order: np.ndarray, values: np.ndarray, starts: np.ndarray, sources: np.ndarray, key: int
) -> None:
    """Write each group's values in a random order.

    Args:
        order: int32[n], written.
        values: int32[n], read; not the same memory.
        starts: int64[k + 1]; group g is written to starts[g] ... starts[g + 1] - 1.
        sources: int64[k]; the values of group g begin there.
        key: that the draws follow from.
    """
    arrays = (order, values, starts, sources)
    assert [a.dtype.name for a in arrays] == ["int32", "int32", "int64", "int64"]
    assert all(a.flags.c_contiguous for a in arrays) and len(starts) == len(sources) + 1
    _shuffle().call(*(a.ctypes.data for a in arrays), len(sources), key)


def spread(sizes: np.ndarray) -> np.ndarray:
    """Which group each of n places belongs to, int32[n], each spread as evenly as can be.

    Args:
        sizes: int64[k], each from 1; group g gets sizes[g] of the n = Σ sizes places. Takes time
            in proportion to n k.
    """
    sizes = np.ascontiguousarray(sizes, np.int64)
    n, k = int(sizes.sum()), len(sizes)
    groups = np.zeros(n, np.int32)
    if k > 1:
        paces, lags, margin = 1.0 / sizes, np.zeros(k, np.int64), 2 * k - 2
        _spread().call(
            groups.ctypes.data, n, sizes.ctypes.data, paces.ctypes.data, lags.ctypes.data, k,
            -(-n // margin), n - n / margin,
        )  # fmt: skip
    return groups
