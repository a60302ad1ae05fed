"""Independent draws of rows, uniform or by weight, in machine code.

The k-th draw is a hash of the key and k, so it does not depend on the draws before it.

Source: Lemire 2019, Fast Random Integer Generation in an Interval (a range by a multiplication,
the few draws that would favour some numbers drawn again); Chen & Asau 1974, On Generating Random
Variates from an Empirical Distribution (a guide table into the cumulative weights).
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.shuffle import SIGNED_GOLDEN, draw_text, hash_text, native

_UNIFORM: Final = f"""
target triple = "TRIPLE"

define void @draw(ptr %order, i64 %n, i64 %key, i64 %uneven) {{
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %draw, label %done
draw:
  %i = phi i64 [ 0, %entry ], [ %next, %store ]
  %next = add i64 %i, 1
  %a = mul i64 %next, {SIGNED_GOLDEN}
  %first = add i64 %a, %key
  br label %try
try:
  %b = phi i64 [ %first, %draw ], [ %again, %try ]
{hash_text("%b", "%r")}
  %again = add i64 %r, %key
  %wide = zext i64 %r to i128
  %bound = zext i64 %n to i128
  %product = mul i128 %wide, %bound
  %low = trunc i128 %product to i64
  %is_uneven = icmp ult i64 %low, %uneven
  br i1 %is_uneven, label %try, label %store
store:
  %high = lshr i128 %product, 64
  %row = trunc i128 %high to i32
  %at = getelementptr inbounds i32, ptr %order, i64 %i
  store i32 %row, ptr %at, align 4
  %more = icmp slt i64 %next, %n
  br i1 %more, label %draw, label %done
done:
  ret void
}}
"""

_WEIGHTED: Final = f"""
target triple = "TRIPLE"

define void @draw_weighted(
    ptr %order, i64 %n, i64 %key, ptr %bounds, ptr %guide, i64 %total, i64 %shift) {{
entry:
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %draw, label %done
draw:
  %i = phi i64 [ 0, %entry ], [ %next, %store ]
  %next = add i64 %i, 1
{draw_text("%next", "%total", "%u")}
  %bucket = lshr i64 %u, %shift
  %hint = getelementptr inbounds i32, ptr %guide, i64 %bucket
  %narrow = load i32, ptr %hint, align 4
  %first = zext i32 %narrow to i64
  br label %walk
walk:
  %row = phi i64 [ %first, %draw ], [ %following, %walk ]
  %following = add i64 %row, 1
  %place = getelementptr inbounds i64, ptr %bounds, i64 %row
  %upper = load i64, ptr %place, align 8
  %past = icmp ule i64 %upper, %u
  br i1 %past, label %walk, label %store
store:
  %number = trunc i64 %row to i32
  %at = getelementptr inbounds i32, ptr %order, i64 %i
  store i32 %number, ptr %at, align 4
  %more = icmp slt i64 %next, %n
  br i1 %more, label %draw, label %done
done:
  ret void
}}
"""


@cache
def _uniform() -> Any:
    pointer, number, bits = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64
    return native(_UNIFORM, "draw", pointer, number, bits, bits)


@cache
def _weighted() -> Any:
    pointer, number, bits = ctypes.c_void_p, ctypes.c_int64, ctypes.c_uint64
    arguments = (pointer, number, bits, pointer, pointer, bits, bits)
    return native(_WEIGHTED, "draw_weighted", *arguments)


def draw_into(order: np.ndarray, n: int, key: int) -> None:
    """Write n independent draws from 0 ... n - 1, all equally likely, to an int32 array."""
    assert order.dtype == np.int32 and order.flags.c_contiguous and len(order) >= n
    uneven = (1 << 64) % n if n else 0
    _uniform().call(order.ctypes.data, n, key, uneven)


@dataclass(frozen=True, eq=False)
class Cumulative:
    """Weights as whole numbers, added up, with the row to begin to look at for each stretch.

    Attributes:
        bounds: uint64[n]; row k has the numbers from bounds[k - 1] to bounds[k] - 1.
        guide: int32, for each 2^shift numbers the row that has the first of them.
    """

    bounds: np.ndarray
    guide: np.ndarray
    shift: int

    @classmethod
    def of(cls, weights: np.ndarray) -> Cumulative:
        """Weights, float64[n], finite, >= 0 and not all zero: each to 2^-53, or 2^-62 of all."""
        shares = weights / weights.max()
        whole = np.rint(shares * (2.0**62 / shares.sum())).astype(np.uint64)
        bounds = np.cumsum(whole, dtype=np.uint64)
        total = int(bounds[-1])
        shift = max(0, total.bit_length() - len(weights).bit_length())
        begins = np.arange((total >> shift) + 1, dtype=np.uint64) << np.uint64(shift)
        guide = np.searchsorted(bounds, begins, side="right").astype(np.int32)
        return cls(bounds, guide, shift)

    def draw_into(self, order: np.ndarray, n: int, key: int) -> None:
        """Write n independent draws, each row in proportion to its weight, to an int32 array."""
        assert order.dtype == np.int32 and order.flags.c_contiguous and len(order) >= n
        _weighted().call(
            order.ctypes.data, n, key, self.bounds.ctypes.data, self.guide.ctypes.data,
            int(self.bounds[-1]), self.shift,
        )  # fmt: skip
