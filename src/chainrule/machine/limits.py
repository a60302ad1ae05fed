"""What the machine can do at most, measured: operations and bytes a second, and a barrier."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.clock import Calibration, read
from chainrule.compiler.native.executable import aligned
from chainrule.compiler.native.peaks import Rate, arithmetic, meeting, reading
from chainrule.machine.processor import Processor, processor

#: What lies beyond the last cache.
MEMORY: Final = "memory"
#: Bytes read to measure memory: beyond the last cache, but no more than this, nor than a part of
#: all memory.
_LEAST, _MOST, _PART = 64 << 20, 256 << 20, 8
#: Bytes that a thread reads in the third cache: more than its second cache, less than its share.
_THIRD: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Level:
    """A cache or memory, as one thread of several sees it.

    Attributes:
        name: "L1", "L2", "L3" or "memory".
        size: bytes that fit.
        rate: bytes that all threads together read from it a second.
    """

    name: str
    size: float
    rate: Rate


@dataclass(frozen=True, eq=False, slots=True)
class Limits:
    """What so many threads can do at most.

    Attributes:
        threads: how many.
        flops: floating-point operations a second by dtype ("f32", "f64"), all threads together.
        levels: where data can lie, the nearest first; the last is memory.
        barrier: seconds until all threads have passed a barrier.
    """

    threads: int
    flops: Mapping[str, Rate]
    levels: tuple[Level, ...]
    barrier: float

    def level_of(self, size: float) -> Level:
        """The nearest level in which so many bytes fit."""
        return next(level for level in self.levels if size <= level.size)

    def named(self, name: str) -> Level:
        """The level of a name."""
        return next(level for level in self.levels if level.name == name)

    def joined(self, other: Limits) -> Limits:
        """The best of two measurements: a busy moment spoils one."""
        flops = {kind: _joined(rate, other.flops[kind]) for kind, rate in self.flops.items()}
        levels = tuple(
            replace(level, rate=_joined(level.rate, other.named(level.name).rate))
            for level in self.levels
        )
        return replace(self, flops=flops, levels=levels, barrier=min(self.barrier, other.barrier))

    def to_json(self) -> dict[str, Any]:
        """Numbers in FLOP/s, bytes/s and seconds."""
        return {
            "threads": self.threads,
            "flops_per_second": {kind: _rated(rate) for kind, rate in self.flops.items()},
            "bytes_per_second": {level.name: _rated(level.rate) for level in self.levels},
            "barrier_seconds": self.barrier,
        }


def _joined(a: Rate, b: Rate) -> Rate:
    return Rate((*a.tries, *b.tries))


def _rated(rate: Rate) -> dict[str, float]:
    return {"best": rate.best, "spread": rate.spread}


def silent(_: str) -> None:
    """Tell nobody."""


def measure(threads: int, quick: bool = False, tell: Callable[[str], None] = silent) -> Limits:
    """Measure what so many threads can do; about a third of a second, ``quick`` half of it.

    Args:
        threads: how many.
        quick: three tries of each loop instead of five.
        tell: called with what is about to be measured.
    """
    tries = 3 if quick else 5
    tell(f"arithmetic, {threads_in_words(threads)}")
    flops = {kind: arithmetic(kind, threads, tries) for kind in ("f32", "f64")}
    tell(f"memory and caches, {threads_in_words(threads)}")
    levels = tuple(_levels(processor(), threads, tries))
    barrier = 0.0
    if threads > 1:
        tell("barriers")
        barrier = 1 / meeting(threads, tries).best
    return Limits(threads, flops, levels, barrier)


def threads_in_words(count: int) -> str:
    """``one thread``, ``2 threads``."""
    return "one thread" if count == 1 else f"{count} threads"


def _levels(of: Processor, threads: int, tries: int) -> list[Level]:
    """Each cache by what half of it holds, and memory by more than the last one."""
    last = of.caches[-1].bytes
    memory = int(max(_LEAST, min(_MOST, 2 * last, of.memory // _PART or _MOST)))
    data = aligned(memory).view(np.float32)
    data[:] = 1  # pages that were never written to are all one page of zeros
    found = []
    for cache_ in of.caches[:3]:
        each = min(cache_.bytes // 2, _THIRD) if cache_.level > 2 else cache_.bytes // 2
        part = data[: min(each * threads // 4, len(data))]
        rate = reading(part, threads, tries)
        found.append(Level(f"L{cache_.level}", cache_.bytes, rate))
    return [*found, Level(MEMORY, float("inf"), reading(data, threads, tries))]


@dataclass(frozen=True, slots=True)
class Clock:
    """The processor's clock: nanoseconds of a tick, and of reading it."""

    tick: float
    reading: float


def clock() -> Clock:
    """Measure the clock, in about 10 ms."""
    calibration = Calibration()
    spans = []
    for _ in range(200):
        found = read(1001)
        spans.append((found[-1] - found[0]) / 1000)
    tick = calibration.seconds_per_tick() * 1e9
    return Clock(tick, min(spans) * tick)
