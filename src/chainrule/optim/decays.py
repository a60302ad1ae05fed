"""Schedules that fall: in stairs, exponentially, as a power of the step, as a polynomial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.optim.arguments import (
    at_least,
    non_negative,
    positive,
    rising,
    share,
)
from chainrule.optim.schedules import Ranged


@dataclass(frozen=True, repr=False)
class Step(Ranged):
    """Stairs of one length; made by ``step``."""

    start: float
    every: int
    factor: float = 0.1

    NAME = "step"
    RANGES: ClassVar = {"start": non_negative, "every": at_least(1), "factor": share}

    def __call__(self, step: Any, total: int) -> Any:
        return self.start * self.factor ** (np.asarray(step) // self.every)


@dataclass(frozen=True, repr=False)
class MultiStep(Ranged):
    """Stairs at given steps; made by ``multi_step``."""

    start: float
    at: Sequence[int]
    factor: float = 0.1

    NAME = "multi_step"
    RANGES: ClassVar = {"start": non_negative, "at": rising(at_least(1)), "factor": share}

    def __call__(self, step: Any, total: int) -> Any:
        return self.start * self.factor ** np.searchsorted(self.at, step, side="right")


@dataclass(frozen=True, repr=False)
class Exponential(Ranged):
    """The same factor at every step; made by ``exponential``."""

    start: float
    factor: float
    every: float = 1.0

    NAME = "exponential"
    RANGES: ClassVar = {"start": non_negative, "factor": share, "every": positive}

    def __call__(self, step: Any, total: int) -> Any:
        return self.start * self.factor ** (np.asarray(step) / self.every)


@dataclass(frozen=True, repr=False)
class InverseTime(Ranged):
    """A power of the steps so far; made by ``inverse_time``."""

    start: float
    decay: float
    power: float = 1.0

    NAME = "inverse_time"
    RANGES: ClassVar = {"start": non_negative, "decay": non_negative, "power": positive}

    def __call__(self, step: Any, total: int) -> Any:
        return self.start / (1 + self.decay * np.asarray(step)) ** self.power

    @property
    def robbins_monro(self) -> bool:
        """True for 1/2 < power <= 1 (and a rate and a decay above 0): Σ 1/tᵖ = ∞, Σ 1/t²ᵖ < ∞."""
        return self.start > 0 and self.decay > 0 and 0.5 < self.power <= 1


@dataclass(frozen=True, repr=False)
class Polynomial(Ranged):
    """A power of what is left of the run; made by ``polynomial``."""

    start: float
    end: float = 0.0
    power: float = 1.0

    NAME = "polynomial"
    RANGES: ClassVar = {"start": non_negative, "end": non_negative, "power": positive}

    def __call__(self, step: Any, total: int) -> Any:
        left = 1 - np.clip(np.asarray(step) / max(total, 1), 0.0, 1.0)
        return self.end + (self.start - self.end) * left**self.power


def step(start: float, every: int, factor: float = 0.1) -> Step:
    """Stairs: start · factor^⌊t / every⌋ at step t.

    Args:
        start: the first rate.
        every: steps on each stair, from 1.
        factor: above 0 and at most 1.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        ``torch.optim.lr_scheduler.StepLR``.

    Example:
        >>> step(0.8, every=2, factor=0.5)(np.arange(5), 5)
        array([0.8, 0.8, 0.4, 0.4, 0.2])
    """
    return Step(start, every, factor)


def multi_step(start: float, at: Sequence[int], factor: float = 0.1) -> MultiStep:
    """Stairs: the rate is multiplied by ``factor`` at each of the steps ``at``.

    Args:
        start: the first rate.
        at: steps from 1, rising.
        factor: above 0 and at most 1.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        ``torch.optim.lr_scheduler.MultiStepLR``.

    Example:
        >>> multi_step(0.8, at=[1, 4], factor=0.5)(np.arange(6), 6)
        array([0.8, 0.4, 0.4, 0.4, 0.2, 0.2])
    """
    return MultiStep(start, at, factor)


def exponential(start: float, factor: float, every: float = 1.0) -> Exponential:
    """start · factor^(t / every) at step t.

    Its rates have a finite sum, so the descent can come to rest before the minimum.

    Args:
        start: the first rate.
        factor: above 0 and at most 1; what ``every`` steps multiply the rate by.
        every: steps, > 0.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        ``torch.optim.lr_scheduler.ExponentialLR``, which has ``every=1``.

    Example:
        >>> exponential(0.8, factor=0.25, every=2)(np.arange(4), 4)
        array([0.8, 0.4, 0.2, 0.1])
    """
    return Exponential(start, factor, every)


def inverse_time(start: float, decay: float, power: float = 1.0) -> InverseTime:
    """start / (1 + decay t)^power at step t.

    With 1/2 < power <= 1 it fulfils the Robbins-Monro conditions: the sum of the rates is
    infinite, the sum of their squares finite (``.robbins_monro`` is True).

    Args:
        start: the first rate.
        decay: >= 0; per step. The rate halves after 1 / decay steps, for a power of 1.
        power: > 0.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Robbins & Monro 1951, A Stochastic Approximation Method, equations 26 and 27; a power
        below 1 with averaged iterates: Polyak & Juditsky 1992.

    Example:
        >>> inverse_time(0.6, decay=1)(np.arange(3), 3)
        array([0.6, 0.3, 0.2])
        >>> inverse_time(0.6, 1).robbins_monro, inverse_time(0.6, 1, power=0.5).robbins_monro
        (True, False)
    """
    return InverseTime(start, decay, power)


def polynomial(start: float, end: float = 0.0, power: float = 1.0) -> Polynomial:
    """end + (start - end) (1 - t / T)^power at step t of T; a line with power 1.

    Args:
        start: the first rate.
        end: what it comes down to.
        power: > 0.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        ``torch.optim.lr_scheduler.PolynomialLR``, which ends in 0.

    Example:
        >>> polynomial(0.8)(np.arange(4), 4)
        array([0.8, 0.6, 0.4, 0.2])
    """
    return Polynomial(start, end, power)
