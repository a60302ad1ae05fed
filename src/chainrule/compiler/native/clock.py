"""Readings of the processor's clock: what native code writes down between two pieces of work.

A reading is a count of ticks of a counter that runs evenly, whatever the processor's frequency
(``rdtsc``; on ARM ``cntvct_el0``; else the system's clock, in nanoseconds). How long a tick is, is
measured. ``rdtsc`` does not wait for what stands before it, as ``rdtscp`` does: some tens of
nanoseconds of a nest may be counted to the next one, and a reading takes half as long.
"""

from __future__ import annotations

import ctypes
import itertools
from dataclasses import dataclass
from functools import cache
from time import perf_counter_ns
from typing import Any, Final

from chainrule.compiler.native.emit import I64, PTR, Emitter, Val
from chainrule.compiler.native.jit import assemble
from chainrule.compiler.native.target import Target, host

_X86: Final = """
declare i64 @llvm.readcyclecounter()
define internal i64 @ticks() alwaysinline nounwind {
  %ticks = call i64 @llvm.readcyclecounter()
  ret i64 %ticks
}
"""
_ARM: Final = """
define internal i64 @ticks() alwaysinline nounwind {
  %ticks = call i64 asm sideeffect "mrs $0, cntvct_el0", "=r"()
  ret i64 %ticks
}
"""
_SYSTEM: Final = """
declare i32 @clock_gettime(i32, ptr)
define internal i64 @ticks() nounwind {
  %room = alloca [2 x i64], align 8
  %r = call i32 @clock_gettime(i32 1, ptr %room)
  %seconds = load i64, ptr %room, align 8
  %place = getelementptr inbounds i64, ptr %room, i64 1
  %rest = load i64, ptr %place, align 8
  %scaled = mul i64 %seconds, 1000000000
  %ticks = add i64 %scaled, %rest
  ret i64 %ticks
}
"""
_READINGS: Final = {"x86_64": _X86, "aarch64": _ARM, "arm64": _ARM}

#: Fills an array with readings, one straight after the other.
_READ: Final = """
define void @read(ptr %out, i64 %count) nounwind {
entry:
  br label %head
head:
  %k = phi i64 [ 0, %entry ], [ %next, %body ]
  %more = icmp slt i64 %k, %count
  br i1 %more, label %body, label %end
body:
  %now = call i64 @ticks()
  %place = getelementptr inbounds i64, ptr %out, i64 %k
  store i64 %now, ptr %place, align 8
  %next = add i64 %k, 1
  br label %head
end:
  ret void
}
"""
_Read = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)


def ticks_text(target: Target) -> str:
    """The LLVM text of ``@ticks()`` for a processor."""
    return _READINGS.get(target.triple.partition("-")[0], _SYSTEM)


@dataclass(eq=False)
class Stamps:
    """Writes the readings of a step: one when it begins, one after each piece of work.

    Attributes:
        row: where this thread's readings of this step stand.
        count: readings written so far.
    """

    e: Emitter
    row: Val
    count: int = 0

    def __call__(self) -> None:
        """Write a reading down."""
        now = self.e.define(I64, "call i64 @ticks()")
        self.e.store(now, self.e.pointer(self.row, self.e.i64(self.count), "i64"))
        self.count += 1


def stamps(e: Emitter, first: Val, thread: Val, steps: Val, at: Val, each: int) -> Stamps:
    """The readings of one step, in an array of (threads, steps, each)."""
    assert first.type == PTR
    row = e.mul(e.add(e.mul(thread, steps), at), e.i64(each))
    return Stamps(e, e.pointer(first, row, "i64"))


@cache
def _reader() -> Any:
    target = host()
    text = f'target triple = "{target.triple}"\n{ticks_text(target)}{_READ}'
    return assemble(text, target, "read", _Read)


def read(count: int) -> list[int]:
    """Readings, one straight after the other."""
    out = (ctypes.c_int64 * count)()
    _reader().call(ctypes.addressof(out), count)
    return list(out)


class Calibration:
    """How long a tick is, from the creation of this object on: the longer, the more exact."""

    def __init__(self) -> None:
        self._begin = self._now()

    def _now(self) -> tuple[int, int]:
        """Nanoseconds and ticks at the same moment: of some tries the quickest."""
        tries = []
        for _ in range(9):
            before = perf_counter_ns()
            (ticks,) = read(1)
            after = perf_counter_ns()
            tries.append((after - before, (before + after) // 2, ticks))
        _, nanoseconds, ticks = min(tries)
        return nanoseconds, ticks

    def seconds_per_tick(self) -> float:
        """Seconds of one tick."""
        nanoseconds, ticks = self._now()
        return (nanoseconds - self._begin[0]) / (ticks - self._begin[1]) * 1e-9


def resolution() -> int:
    """The fewest ticks between two readings that differ."""
    found = read(1000)
    return min(b - a for a, b in itertools.pairwise(found) if b > a)
