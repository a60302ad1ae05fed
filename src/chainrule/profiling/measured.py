"""Time the steps of a run: on copies, with readings of the clock and without, in turns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.clock import Calibration
from chainrule.compiler.native.clocked import Clocked
from chainrule.training.keys import noise_keys
from chainrule.training.order import Chunk, Cursor, Place
from chainrule.training.rates import PlannedRates
from chainrule.training.step import Step

#: Seconds of one stretch of steps, and the most steps of one: their readings must be kept.
_STRETCH: Final = 0.02
_MOST_STEPS: Final = 20_000
_LEAST_ROUNDS: Final = 5
#: As good as without an end: no schedule's steps and no epochs run out.
_EPOCHS: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class Measured:
    """What steps took.

    Attributes:
        step: the program with readings of the clock.
        plain, clocked: seconds of a step without and with readings, the medians of stretches.
        laps: seconds, float64[threads, steps, laps]: of each piece of work and each barrier of
            all measured steps.
        between: seconds from a step's last reading to the next step's first.
        steps: how many were measured.
    """

    step: Step
    plain: float
    clocked: float
    laps: np.ndarray
    between: float

    @property
    def steps(self) -> int:
        """How many steps were measured."""
        return int(self.laps.shape[1])


def measure_steps(job: Any, step: Step, batch: int, threads: int, seconds: float) -> Measured:
    """Run both programs over the same rows in turns for about so many seconds.

    They begin with the same weights and go on alike, so their weights stay the same bits.
    """
    clocked = replace(step, executable=Clocked(step.executable))
    stretches = _Stretches(job, batch, threads)
    stretches.settle(step, clocked)
    calibration = Calibration()
    end = perf_counter() + seconds
    plain: list[float] = []
    read: list[float] = []
    stamps: list[np.ndarray] = []
    while perf_counter() < end or len(plain) < _LEAST_ROUNDS:
        chunk = stretches.next()
        plain.append(stretches.run(step, chunk))
        read.append(stretches.run(clocked, chunk))
        stamps.append(_stamps(clocked))
    tick = calibration.seconds_per_tick()
    laps = np.concatenate([np.diff(found, axis=2) for found in stamps], axis=1) * tick
    gaps = [found[:, 1:, 0] - found[:, :-1, -1] for found in stamps]
    between = float(np.median(np.concatenate(gaps, axis=1))) * tick if gaps[0].size else 0.0
    return Measured(clocked, float(np.median(plain)), float(np.median(read)), laps, between)


def _stamps(step: Step) -> np.ndarray:
    assert isinstance(step.executable, Clocked)
    return step.executable.stamps


class _Stretches:
    """Stretches of steps over a run's data, in the run's order."""

    def __init__(self, job: Any, batch: int, threads: int) -> None:
        self.examples, self.batch, self.threads = job.examples, batch, threads
        self.cursor = Cursor(job.order, job.examples.rows, _EPOCHS, 0)
        self.place = Place()
        self.rates = PlannedRates(job.optimizer, _MOST_STEPS)
        self.dtype = job.carried.dtype
        self.steps = 1

    def next(self) -> Chunk:
        """The next stretch: no longer than the rows at hand."""
        chunk = self.cursor.take(self.place, self.batch, self.steps)
        while chunk.batch != self.batch:  # the rest of an epoch, smaller
            chunk = self.cursor.take(chunk.after, self.batch, self.steps)
        self.place = chunk.after
        return chunk

    def run(self, step: Step, chunk: Chunk) -> float:
        """Seconds of a step."""
        rates = self.rates.at(np.arange(chunk.steps)).astype(self.dtype)
        keys = noise_keys(0, 0, chunk.steps)
        start = perf_counter()
        step.run(rates, keys, chunk.rows, self.examples, chunk.batch, self.threads)
        return (perf_counter() - start) / chunk.steps

    def settle(self, *steps: Step) -> None:
        """Find how many steps a stretch has; the caches are warm then."""
        for _ in range(4):
            chunk = self.next()
            took = max(self.run(step, chunk) for step in steps)
            wanted = int(_STRETCH / max(took, 1e-9))
            self.steps = max(1, min(_MOST_STEPS, wanted, 8 * self.steps))
