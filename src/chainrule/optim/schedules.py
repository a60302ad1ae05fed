"""Learning rates over the steps of a run: ``schedule(step, total) -> rate``.

A schedule is any such function. It is called once per run with all steps at a time, so it is
written with NumPy's functions. Those made here are frozen records: they print as they are
written, and two of equal numbers are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import Range, check_fields, count, non_negative

#: (step, total) -> learning rate: step is int64[n] in 0 ... total - 1, the rate float64[n] or one.
Schedule: TypeAlias = Callable[[Any, int], Any]


class Rule:
    """What the schedules made here have beside their rate."""

    @property
    def robbins_monro(self) -> bool:
        """Whether Σ rate = ∞ and Σ rate² < ∞ over endless steps (Robbins & Monro 1951).

        Then SGD's noise dies out and yet any point can be reached: with bounded noise it goes to
        a stationary point with probability 1 (Bottou 2010, section 2). A schedule whose form
        depends on the end of the run, such as the cosine, makes no such promise.
        """
        return False


@dataclass(frozen=True, repr=False)
class Ranged(Rule):
    """A schedule whose settings each have a range, printed as the call that makes it."""

    #: The function that makes it, and what each field must be.
    NAME: ClassVar[str]
    RANGES: ClassVar[Mapping[str, Range]]

    def __post_init__(self) -> None:
        check_fields(self, self.NAME, self.RANGES)

    def __repr__(self) -> str:
        first, *others = ((field.name, getattr(self, field.name)) for field in fields(self))
        named = "".join(f", {name}={value!r}" for name, value in others)
        return f"{self.NAME}({first[1]!r}{named})"


@dataclass(frozen=True, repr=False)
class Constant(Ranged):
    """The same rate at every step; made by ``constant``."""

    value: float

    NAME = "constant"
    RANGES: ClassVar = {"value": non_negative}

    def __call__(self, step: Any, total: int) -> Any:
        return np.full(np.shape(step), self.value, np.float64)[()]


@dataclass(frozen=True, repr=False)
class Cosine(Ranged):
    """Half a wave of a cosine down from ``start`` to ``end``; made by ``cosine``."""

    start: float
    end: float = 0.0
    warmup: int = 0

    NAME = "cosine"
    RANGES: ClassVar = {"start": non_negative, "end": non_negative, "warmup": count}

    def __call__(self, step: Any, total: int) -> Any:
        if self.warmup >= total:
            raise TrainingError(
                f"cosine: warmup takes {self.warmup} steps and the run has {total}",
                "train for more epochs or warm up in fewer steps",
            )
        passed = np.clip((step - self.warmup) / (total - self.warmup), 0.0, 1.0)
        wave = self.end + (self.start - self.end) * 0.5 * (1.0 + np.cos(np.pi * passed))
        climb = self.start * (step + 1) / (self.warmup + 1)
        return np.where(step < self.warmup, climb, wave)[()]


def constant(value: float) -> Constant:
    """The same learning rate at every step.

    Raises:
        TrainingError: a value that is negative or not finite.

    Example:
        >>> constant(0.1)(np.arange(3), 3)
        array([0.1, 0.1, 0.1])
    """
    return Constant(value)


def cosine(start: float, end: float = 0.0, warmup: int = 0) -> Cosine:
    """Half a wave of a cosine from ``start`` down to ``end``, without restarts.

    The rate is end + (start - end) (1 + cos(π t / T)) / 2 at step t of T. The last step, T - 1,
    stands just above ``end``.

    Args:
        start: the rate at the first step after the warm-up, the largest one.
        end: the rate that the wave comes down to.
        warmup: this many steps climb to ``start`` first, evenly, and not from 0, which would
            waste a step; the wave then has ``total - warmup`` steps.

    Raises:
        TrainingError: a rate that is negative or not finite; when the schedule is called, a
            warm-up that is not shorter than the run.

    Source:
        Loshchilov & Hutter 2017, SGDR: Stochastic Gradient Descent with Warm Restarts, equation 5.
        The warm-up: Goyal et al. 2017, Accurate, Large Minibatch SGD, section 2.2.

    Example:
        >>> cosine(0.1)(np.arange(4), 4).round(4)
        array([0.1   , 0.0854, 0.05  , 0.0146])
        >>> cosine(0.3, warmup=2)(np.arange(4), 4).round(4)
        array([0.1 , 0.2 , 0.3 , 0.15])
    """
    return Cosine(start, end, warmup)


def observer(rate: Any) -> Any:
    """The part of a schedule that acts on what is measured (``plateau``), or None."""
    if hasattr(rate, "observe"):
        return rate
    return getattr(rate, "observer", None)


def learning_rates(rate: float | Schedule, steps: Any, total: int) -> Any:
    """The learning rate at each of these steps, float64[len(steps)].

    Args:
        rate: a number or a schedule.
        steps: int64[n], each in 0 ... total - 1.
        total: how many steps the run has.

    Raises:
        TrainingError: the schedule does not take an array of steps, does not return one rate per
            step, or returns one that is negative or not finite.

    Example:
        >>> learning_rates(lambda step, total: np.where(step < 2, 0.1, 0.01), np.arange(4), 4)
        array([0.1 , 0.1 , 0.01, 0.01])
    """
    steps = np.asarray(steps, np.int64)
    if isinstance(rate, float) and 0 <= rate < np.inf:  # no need to look at each
        return np.full(steps.shape, rate)
    rates = _evaluated(rate, steps, total) if callable(rate) else rate
    rates = _one_per_step(rates, steps, rate)
    wrong = ~(np.isfinite(rates) & (rates >= 0))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise TrainingError(f"the learning rate at step {steps[k]} is {rates[k]} by {rate!r}")
    return rates


def _evaluated(schedule: Schedule, steps: Any, total: int) -> Any:
    try:
        return schedule(steps, total)
    except TrainingError:
        raise
    except (TypeError, ValueError) as error:
        raise TrainingError(
            f"the schedule {schedule!r} could not take an array of steps: {error}",
            "write it with NumPy: np.where(step < 100, 0.1, 0.01), not `if step < 100:`",
        ) from error


def _one_per_step(rates: Any, steps: Any, rate: float | Schedule) -> Any:
    rates = np.asarray(rates, np.float64)
    if rates.shape not in ((), steps.shape):
        raise TrainingError(
            f"the schedule {rate!r} returned shape {rates.shape} for {len(steps)} steps;"
            " expected one rate or one per step"
        )
    return np.array(np.broadcast_to(rates, steps.shape))  # its own memory, to be written to
