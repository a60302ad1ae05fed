"""Schedules one after another, and a warm-up before any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import at_least, check_fields, fraction, non_negative, rising
from chainrule.optim.schedules import Rule, Schedule, observer


def _schedule(what: str, value: Any) -> Any:
    return value if callable(value) else non_negative(what, value)


def _rates(schedule: Any, step: Any, total: int) -> Any:
    return schedule(step, total) if callable(schedule) else np.full(np.shape(step), schedule)


@dataclass(frozen=True)
class Join(Rule):
    """Schedules one after another; made by ``join``."""

    schedules: Sequence[float | Schedule]
    at: Sequence[int]

    def __post_init__(self) -> None:
        check_fields(self, "join", {"at": rising(at_least(1))})
        found = tuple(_schedule(f"join: schedules[{k}]", s) for k, s in enumerate(self.schedules))
        object.__setattr__(self, "schedules", found)
        if len(found) != len(self.at) + 1:
            raise TrainingError(
                f"join: {len(found)} schedules at {len(self.at)} steps; expected one step less",
                "join([a, b, c], at=[100, 500]): b from step 100 on, c from step 500 on",
            )

    def __call__(self, step: Any, total: int) -> Any:
        step = np.asarray(step)
        ends = [min(end, total) for end in (*self.at, total)]
        rates, begin = np.zeros(step.shape), 0
        for schedule, end in zip(self.schedules, ends, strict=True):
            if end > begin:  # its own steps, from 0, of its own length
                own = np.clip(step - begin, 0, end - begin - 1 if end < total else None)
                rates = np.where(step >= begin, _rates(schedule, own, end - begin), rates)
            begin = end
        return rates[()]

    @property
    def robbins_monro(self) -> bool:
        """That of the last: the conditions are of the endless rest."""
        return bool(getattr(self.schedules[-1], "robbins_monro", False))

    @property
    def observer(self) -> Any:
        """The part that acts on what is measured, or None."""
        found = [o for o in map(observer, self.schedules) if o is not None]
        return found[0] if found else None

    def __repr__(self) -> str:
        return f"join({list(self.schedules)!r}, at={list(self.at)!r})"


@dataclass(frozen=True)
class WarmUp(Rule):
    """A line before a schedule; made by ``warm_up``."""

    schedule: float | Schedule
    steps: int
    begin: float = 0.0

    def __post_init__(self) -> None:
        ranges = {"schedule": _schedule, "steps": at_least(0), "begin": fraction}
        check_fields(self, "warm_up", ranges)

    def __call__(self, step: Any, total: int) -> Any:
        if self.steps >= total:
            raise TrainingError(
                f"warm_up: takes {self.steps} steps and the run has {total}",
                "train for more epochs or warm up in fewer steps",
            )
        step = np.asarray(step)
        rates = _rates(self.schedule, np.maximum(step - self.steps, 0), total - self.steps)
        climbed = (step + 1) / (self.steps + 1)
        share = self.begin + (1 - self.begin) * np.minimum(climbed, 1.0)
        return (share * rates)[()]

    @property
    def robbins_monro(self) -> bool:
        """That of the schedule."""
        return bool(getattr(self.schedule, "robbins_monro", False))

    @property
    def observer(self) -> Any:
        """The part that acts on what is measured, or None."""
        return observer(self.schedule)

    def __repr__(self) -> str:
        return f"warm_up({self.schedule!r}, {self.steps!r}, begin={self.begin!r})"


def join(schedules: Sequence[float | Schedule], at: Sequence[int]) -> Join:
    """One schedule after another: the k-th from the step at[k - 1] on.

    Each counts its own steps from 0, and its run ends where the next begins: a cosine comes all
    the way down.

    Args:
        schedules: numbers or schedules.
        at: steps from 1, rising, one less than there are schedules.

    Raises:
        TrainingError: not one step less than schedules, steps that do not rise, a rate below 0.

    Source:
        ``torch.optim.lr_scheduler.SequentialLR``.

    Example:
        >>> join([0.1, lambda step, total: 0.8 * 0.5**step], at=[2])(np.arange(5), 5)
        array([0.1, 0.1, 0.8, 0.4, 0.2])
    """
    return Join(schedules, at)


def warm_up(schedule: float | Schedule, steps: int, begin: float = 0.0) -> WarmUp:
    """An even climb to a schedule's first rate, then the schedule, counted from there.

    Step t < steps has the share begin + (1 - begin) (t + 1) / (steps + 1) of the first rate, so
    that no step is wasted on a rate of 0; step ``steps`` is the schedule's first.

    Args:
        schedule: a number or a schedule.
        steps: of the climb, from 0.
        begin: in [0, 1); the share that it climbs from.

    Raises:
        TrainingError: an argument outside of its range; when the schedule is called, a warm-up
            that is not shorter than the run.

    Source:
        Goyal et al. 2017, Accurate, Large Minibatch SGD, section 2.2.

    Example:
        >>> warm_up(0.4, 3)(np.arange(5), 5)
        array([0.1, 0.2, 0.3, 0.4, 0.4])
    """
    return WarmUp(schedule, steps, begin)
