"""Schedules that rise again: warm restarts and one cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import (
    at_least,
    at_least_one,
    boolean,
    non_negative,
    positive,
)
from chainrule.optim.schedules import Ranged


@dataclass(frozen=True, repr=False)
class WarmRestarts(Ranged):
    """Waves that begin anew; made by ``warm_restarts``."""

    start: float
    period: int
    growth: int = 1
    end: float = 0.0

    NAME = "warm_restarts"
    RANGES: ClassVar = {
        "start": non_negative,
        "period": at_least(1),
        "growth": at_least(1),
        "end": non_negative,
    }

    def __call__(self, step: Any, total: int) -> Any:
        passed = self._passed(np.asarray(step))
        return self.end + (self.start - self.end) * 0.5 * (1.0 + np.cos(np.pi * passed))

    def _passed(self, step: Any) -> Any:
        """The share of its wave that each step has behind it."""
        if self.growth == 1:
            return (step % self.period) / self.period
        beginnings, lengths = self._waves(int(np.max(step, initial=0)))
        wave = np.searchsorted(beginnings, step, side="right") - 1
        return (step - beginnings[wave]) / lengths[wave]

    def _waves(self, last: int) -> tuple[Any, Any]:
        beginnings, lengths = [0], [self.period]
        while beginnings[-1] + lengths[-1] <= last:
            beginnings.append(beginnings[-1] + lengths[-1])
            lengths.append(lengths[-1] * self.growth)
        return np.array(beginnings), np.array(lengths)


@dataclass(frozen=True, repr=False)
class OneCycle(Ranged):
    """One rise and one long fall; made by ``one_cycle``."""

    largest: float
    rise: float = 0.3
    first: float = 25.0
    last: float = 1e4
    linear: bool = False

    NAME = "one_cycle"
    RANGES: ClassVar = {
        "largest": non_negative,
        "rise": positive,
        "first": at_least_one,
        "last": at_least_one,
        "linear": boolean,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rise >= 1:
            raise TrainingError(f"one_cycle: rise is {self.rise}; expected a number below 1")

    def __call__(self, step: Any, total: int) -> Any:
        step = np.asarray(step)
        top, bottom = self.rise * total - 1, total - 1
        begin = self.largest / self.first
        up = self._between(begin, self.largest, step / top if top > 0 else np.ones(step.shape))
        down = self._between(
            self.largest, begin / self.last, np.maximum(step - top, 0) / (bottom - top)
        )
        return np.where(step < top, up, down)[()] if top > 0 else down

    def _between(self, a: float, b: float, passed: Any) -> Any:
        passed = np.clip(passed, 0.0, 1.0)
        if self.linear:
            return a + (b - a) * passed
        return b + (a - b) * 0.5 * (1.0 + np.cos(np.pi * passed))


def warm_restarts(start: float, period: int, growth: int = 1, end: float = 0.0) -> WarmRestarts:
    """A cosine from ``start`` down to ``end`` that begins anew after each period.

    Args:
        start: the rate at the beginning of each wave.
        period: steps of the first wave, from 1.
        growth: a whole number from 1; each wave is that many times as long as the one before.
        end: what each wave comes down to.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Loshchilov & Hutter 2017, SGDR, equation 5; as
        ``torch.optim.lr_scheduler.CosineAnnealingWarmRestarts``.

    Example:
        >>> warm_restarts(0.8, period=2, growth=2)(np.arange(7), 7).round(4)
        array([0.8   , 0.4   , 0.8   , 0.6828, 0.4   , 0.1172, 0.8   ])
    """
    return WarmRestarts(start, period, growth, end)


def one_cycle(
    largest: float, rise: float = 0.3, first: float = 25.0, last: float = 1e4,
    linear: bool = False,
) -> OneCycle:  # fmt: skip
    """From ``largest / first`` up to ``largest``, then down to ``largest / first / last``.

    Args:
        largest: the rate at the top.
        rise: above 0 and below 1; the share of the run that climbs.
        first: >= 1; how many times smaller the first rate is.
        last: >= 1; how many times smaller than the first the last is.
        linear: lines; by default halves of a cosine's wave.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Smith & Topin 2018, Super-Convergence; as ``torch.optim.lr_scheduler.OneCycleLR``, whose
        momentum, which cycles too by default, is left as it is.

    Example:
        >>> one_cycle(1.0, rise=0.5, first=5, last=10, linear=True)(np.arange(6), 6).round(4)
        array([0.2   , 0.6   , 1.    , 0.6733, 0.3467, 0.02  ])
    """
    return OneCycle(largest, rise, first, last, linear)
