"""What the processor can do at most: measured by loops that do nothing else.

Each loop is native code of the emitter's own, for any target, and each thread notes when it begins
and when it ends. A rate is all work by the time from the first beginning to the last end. The best
of some tries is the peak; how far the others lie below tells how noisy the machine is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import numpy as np

from chainrule.compiler.native.clock import Calibration, ticks_text
from chainrule.compiler.native.emit import I64, PTR, Emitter, NativeType, Val
from chainrule.compiler.native.executable import aligned
from chainrule.compiler.native.jit import assemble
from chainrule.compiler.native.program import ATTRIBUTES, barrier_text
from chainrule.compiler.native.target import Target, host
from chainrule.compiler.native.threads import run_together

Float = Literal["f32", "f64"]
_TABLE, _THREAD, _THREADS = Val(PTR, "%table"), Val(I64, "%thread"), Val(I64, "%threads")
#: Words of a loop's table.
_NOTES, _DATA, _BYTES, _TIMES, _BARRIER = range(5)
#: Vectors that a loop of reads takes at a time, and that are summed apart.
_READS: Final = 16
#: Seconds that one try should last.
_TRY: Final = 0.006


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate in units a second: the best of some tries, and all of them."""

    tries: tuple[float, ...]

    @property
    def best(self) -> float:
        return max(self.tries)

    @property
    def spread(self) -> float:
        """How far the slowest try lies below the best, as a part of it."""
        return 1 - min(self.tries) / self.best


# -- loops ---------------------------------------------------------------------------------------


def _word(e: Emitter, place: int, type_: NativeType) -> Val:
    return e.load(e.pointer(_TABLE, e.i64(place), "i64"), type_)


def _module(target: Target, e: Emitter) -> str:
    head = "define void @run(ptr %table, i64 %thread, i64 %threads) #0 {"
    run = "\n".join([head, "entry:", *e.lines, "  ret void", "}"])
    texts = [ticks_text(target), barrier_text(target), run, f"attributes {ATTRIBUTES}"]
    return "\n\n".join([f'target triple = "{target.triple}"', *sorted(e.declarations), *texts])


def _note(e: Emitter, place: int) -> None:
    """Write the time down in this thread's line of notes."""
    at = e.add(e.mul(_THREAD, e.i64(8)), e.i64(place))
    e.store(e.define(I64, "call i64 @ticks()"), e.pointer(_word(e, _NOTES, PTR), at, "i64"))


def _meet(e: Emitter, passed: Val) -> Val:
    """All threads come together; how often they have."""
    meeting = _word(e, _BARRIER, PTR)
    return e.define(I64, f"call i64 @barrier({meeting.typed}, {passed.typed}, {_THREADS.typed})")


def _begin(e: Emitter) -> Val:
    """Take the time when all threads are there."""
    passed = _meet(e, e.i64(0))
    _note(e, 0)
    return passed


def _keep(e: Emitter, sums: list[Val]) -> None:
    """Store what was worked out, or nothing would be."""
    total = sums[0]
    for x in sums[1:]:
        total = e.add(total, x)
    place = e.pointer(_word(e, _NOTES, PTR), e.mul(_THREADS, e.i64(8)), "i64")
    own = e.pointer(place, e.mul(_THREAD, e.i64(total.type.lanes)), total.type.kind)
    e.store(total, own)


def _has_fma(target: Target) -> bool:
    return not target.triple.startswith(("x86_64", "i686")) or "+fma" in target.features.split(",")


def arithmetic_text(target: Target, kind: Float) -> tuple[str, int]:
    """A loop of multiplications and additions in registers; its operations each time round.

    With fused multiply-adds where the processor has them; as many chains as hide their latency.
    """
    e, lanes = Emitter(), target.lanes(64 if kind == "f64" else 32)
    type_ = NativeType(kind, lanes)
    chains = target.registers - 6 if target.registers > 16 else 10
    data = _word(e, _DATA, PTR)
    a, b = e.load(data, type_), e.load(e.pointer(data, e.i64(lanes), kind), type_)
    fused = _has_fma(target)

    def body(_: Val, sums: list[Val]) -> list[Val]:
        return [e.fma(x, a, b) if fused else e.add(e.mul(x, a), b) for x in sums]

    _begin(e)
    sums = e.loop(e.i64(0), _word(e, _TIMES, I64), 1, body, [b] * chains)
    _note(e, 1)
    _keep(e, sums)
    return _module(target, e), 2 * chains * lanes


def reading_text(target: Target) -> str:
    """A loop that reads a thread's part of an array from end to end, some times."""
    e, lanes = Emitter(), target.lanes(32)
    type_, step = NativeType("f32", lanes), _READS * lanes
    count = e.divide_exactly(_word(e, _BYTES, I64), 4)
    data = e.pointer(_word(e, _DATA, PTR), e.mul(_THREAD, count), "f32")

    def block(at: Val, sums: list[Val]) -> list[Val]:
        places = [e.pointer(data, e.add(at, e.i64(k * lanes)), "f32") for k in range(_READS)]
        return [e.add(x, e.load(place, type_)) for x, place in zip(sums, places, strict=True)]

    def whole(_: Val, sums: list[Val]) -> list[Val]:
        return e.loop(e.i64(0), count, step, block, sums)

    _begin(e)
    zeros = [e.constant(0, type_)] * _READS
    sums = e.loop(e.i64(0), _word(e, _TIMES, I64), 1, whole, zeros)
    _note(e, 1)
    _keep(e, sums)
    return _module(target, e)


def meeting_text(target: Target) -> str:
    """A loop of barriers."""
    e = Emitter()
    times = _word(e, _TIMES, I64)
    e.loop(e.i64(0), times, 1, lambda _, passed: [_meet(e, passed[0])], [_begin(e)])
    _note(e, 1)
    return _module(target, e)


# -- running them --------------------------------------------------------------------------------


@dataclass(eq=False)
class _Loop:
    """A finished loop and its table."""

    code: Any
    threads: int
    data: np.ndarray
    each: int = 0

    def ticks(self, times: int) -> int:
        """From the first thread's beginning to the last one's end."""
        notes = aligned(64 * self.threads * 3).view(np.int64)
        meeting = aligned(64)
        given = (notes.ctypes.data, self.data.ctypes.data, self.each, times, meeting.ctypes.data)
        table = np.array(given, np.int64)
        run_together(self.code.call, table.ctypes.data, self.threads)
        lines = notes[: 8 * self.threads].reshape(self.threads, 8)
        return int(lines[:, 1].max() - lines[:, 0].min())

    def rate(self, work: float, tries: int) -> Rate:
        """``work`` is done by each thread each time round.

        So often that the quickest try is long enough: a slow one may have waited for a processor.
        """
        calibration, times = Calibration(), 1
        while True:
            found = [self.ticks(times) for _ in range(tries)]
            tick = calibration.seconds_per_tick()
            quickest = min(found) * tick
            if quickest > _TRY / 2:
                return Rate(tuple(work * times * self.threads / (n * tick) for n in found))
            times *= min(8, max(2, round(_TRY / quickest)))


@cache
def _arithmetic(target: Target, kind: Float) -> tuple[Any, int]:
    text, operations = arithmetic_text(target, kind)
    return assemble(text, target), operations


@cache
def _reading(target: Target) -> Any:
    return assemble(reading_text(target), target)


@cache
def _meeting(target: Target) -> Any:
    return assemble(meeting_text(target), target)


def arithmetic(kind: Float, threads: int = 1, tries: int = 5, target: Target | None = None) -> Rate:
    """Floating-point operations a second of all threads together, a fused multiply-add two."""
    code, operations = _arithmetic(target or host(), kind)
    data = aligned(256).view(np.float32 if kind == "f32" else np.float64)
    data[:] = 0.5  # x/2 + 1/2: stays near 1
    return _Loop(code, threads, data).rate(operations, tries)


def reading(data: np.ndarray, threads: int = 1, tries: int = 5) -> Rate:
    """Bytes read a second by all threads together, each from its own part of an array."""
    step = _READS * host().lanes(32) * 4
    each = data.nbytes // threads // step * step
    assert each, f"{data.nbytes} bytes are too few for {threads} threads"
    return _Loop(_reading(host()), threads, data, each).rate(each, tries)


def meeting(threads: int, tries: int = 5) -> Rate:
    """Barriers a second that all threads pass."""
    return _Loop(_meeting(host()), threads, aligned(64)).rate(1 / threads, tries)
