"""Batch sizes planned beforehand: constant, growing in steps, doubling."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chainrule.errors import TrainingError
from chainrule.optim.arguments import (
    above_one,
    at_least,
    check_fields,
    one_of,
    optional,
    positive,
    rising,
    share,
)
from chainrule.optim.measured import Decision, Measurement, State

#: What the learning rate is multiplied by when the batch is multiplied by r.
RESCALES: Final = {"none": lambda r: 1.0, "linear": lambda r: r, "sqrt": math.sqrt}


def rescaled(rule: str, ratio: float) -> float:
    """The factor on the learning rate for a batch ``ratio`` times as large.

    "none": the noise of a step falls as the batch grows. "linear" keeps ε / b, and with it the
    noise per example (Krizhevsky 2014; Goyal et al. 2017); "sqrt" keeps the variance of a step
    (Hoffer, Hubara & Soudry 2017; for Adam, Malladi et al. 2022).
    """
    return float(RESCALES[rule](ratio))


def first_batch(name: str, batch: int, n: int) -> int:
    """The batch to begin with, or TrainingError where there are fewer examples."""
    if batch > n:
        raise TrainingError(
            f"{name}: begins with batches of {batch}, more than the {n} examples",
            f"begin with {max(1, n // 10)}",
        )
    return batch


def bound(limit: int | None, batch: int, n: int) -> int:
    """The largest batch: ``limit``, or n / 10; no less than the first, no more than n."""
    largest = limit if limit is not None else max(batch, n // 10)
    return min(largest, n)


@dataclass(frozen=True)
class ConstantBatch:
    """The same batch size throughout.

    Raises:
        TrainingError: no whole number from 1; by ``start``, more than there are examples.

    Example:
        >>> ConstantBatch(32).start(100)[0].batch
        32
    """

    batch: int

    def __post_init__(self) -> None:
        check_fields(self, "ConstantBatch", {"batch": at_least(1)})

    def start(self, n: int) -> tuple[Decision, State]:
        """See ``BatchSchedule.start``."""
        batch = first_batch("ConstantBatch", self.batch, n)
        return Decision(batch, rule="constant", reason=f"constant: batches of {batch}"), {}

    def next_check(self, epoch: float) -> float:
        """Never: infinity."""
        del epoch
        return math.inf

    def observe(
        self, measurement: Measurement, state: Mapping[str, Any]
    ) -> tuple[Decision | None, State]:
        """See ``BatchSchedule.observe``."""
        del measurement
        return None, dict(state)


@dataclass(frozen=True)
class _Planned:
    """Batches that are multiplied at planned epochs, then rates that fall instead."""

    def start(self, n: int) -> tuple[Decision, State]:
        """See ``BatchSchedule.start``."""
        name, plan = type(self).__name__, self._plan()
        batch = first_batch(name, plan.batch, n)
        reason = f"{plan.rule}: begins with batches of {batch}"
        state = {"first": batch, "batch": batch, "done": 0, "rate": 1.0}
        return Decision(batch, rule=plan.rule, reason=reason), state

    def observe(
        self, measurement: Measurement, state: Mapping[str, Any]
    ) -> tuple[Decision | None, State]:
        """See ``BatchSchedule.observe``."""
        due, new = self._due(measurement.epoch), dict(state)
        if due <= new["done"]:
            return None, new
        decision = None
        while new["done"] < due:
            decision, new = self._grown(measurement, new)
        return decision, new

    def next_check(self, epoch: float) -> float:
        """The next epoch at which it decides; infinity if there is none."""
        raise NotImplementedError

    def _due(self, epoch: float) -> int:
        """How many times the batch should have grown by then."""
        raise NotImplementedError

    def _plan(self) -> _Plan:
        raise NotImplementedError

    def _grown(self, measurement: Measurement, state: State) -> tuple[Decision, State]:
        plan, before = self._plan(), int(state["batch"])
        largest = bound(plan.limit, plan.batch, measurement.n)
        batch = max(before, min(round(before * plan.factor), largest))
        grew = batch / before
        rate = state["rate"] * plan.rate * rescaled(plan.rescale, grew)
        if plan.keep_falling:
            rate *= min(1.0, grew / plan.factor)
        new = state | {"batch": batch, "done": state["done"] + 1, "rate": rate}
        return self._decision(plan, measurement, before, new), new

    def _decision(
        self, plan: _Plan, measurement: Measurement, before: int, state: State
    ) -> Decision:
        batch, rate, n = int(state["batch"]), state["rate"], measurement.n
        noise = measurement.learning_rate * n / before
        did = f"batch {before} -> {batch}" if batch > before else f"batch stays {batch}, its limit"
        reason = (
            f"{plan.rule}: epoch {measurement.epoch:.3g}: {did}, learning rate times {rate:.3g};"
            f" noise scale ε N / B was {noise:.3g}"
        )
        numbers = {
            "epoch": measurement.epoch, "before": before, "batch": batch, "rate": rate,
            "sgd_noise": noise,
        }  # fmt: skip
        return Decision(batch, rate, rule=plan.rule, reason=reason, numbers=numbers)


@dataclass(frozen=True)
class _Plan:
    rule: str
    batch: int
    factor: float
    limit: int | None
    rescale: str
    rate: float = 1.0
    keep_falling: bool = False


@dataclass(frozen=True)
class StepGrowth(_Planned):
    """Multiply the batch where the learning rate would have been divided.

    The noise of SGD has the scale g ≈ ε N / B for a learning rate ε, N examples and batches of B.
    A rate that falls by ``factor`` at an epoch can be left as it is and the batch be multiplied by
    ``factor`` instead: g falls alike, with fewer updates. From ``limit`` on the rate falls, by
    what is left of the factor.

    Args:
        batch: to begin with, from 1.
        at: epochs, rising: where the rate would have been divided.
        factor: > 1.
        limit: the largest batch; None for n / 10, up to which g is right for B ≪ N.
        rescale: of the learning rate when the batch grows: "none" (Smith's), "linear", "sqrt".

    Raises:
        TrainingError: an argument outside of its range; by ``start``, too few examples.

    Source:
        Smith, Kindermans, Ying & Le 2018, Don't Decay the Learning Rate, Increase the Batch Size,
        sections 2 to 4.

    Example:
        >>> schedule = StepGrowth(32, at=[2, 4], factor=5, limit=300)
        >>> decision, state = schedule.start(3000)
        >>> for epoch in range(1, 5):
        ...     now = Measurement(0, epoch, 0, 3000, decision.batch, 0.1, 1.0)
        ...     new, state = schedule.observe(now, state)
        ...     decision = new or decision
        ...     print(decision.batch, decision.rate)
        32 1.0
        160 1.0
        160 1.0
        300 0.375
    """

    batch: int
    at: Sequence[float]
    factor: float = 5.0
    limit: int | None = None
    rescale: str = "none"

    def __post_init__(self) -> None:
        ranges = {
            "batch": at_least(1), "at": rising(positive), "factor": above_one,
            "limit": optional(at_least(1)), "rescale": one_of(*RESCALES),
        }  # fmt: skip
        check_fields(self, "StepGrowth", ranges)

    def next_check(self, epoch: float) -> float:
        """The next epoch at which it decides; infinity if there is none."""
        return next((float(at) for at in self.at if at > epoch), math.inf)

    def _due(self, epoch: float) -> int:
        return sum(epoch >= at for at in self.at)

    def _plan(self) -> _Plan:
        return _Plan(
            "step growth", self.batch, self.factor, self.limit, self.rescale, keep_falling=True
        )


@dataclass(frozen=True)
class Doubling(_Planned):
    """Double the batch every so many epochs.

    AdaBatch also decays the rate when it doubles, but less than a run of one batch size would:
    ``rate=0.75`` with a doubled batch moves as a rate of 0.375 without.

    Args:
        batch: to begin with, from 1.
        every: epochs, > 0.
        rate: above 0 and at most 1; what each doubling multiplies the learning rate by.
        limit: the largest batch; None for n / 10.
        rescale: of the learning rate when the batch grows, beside ``rate``: "none", "linear",
            "sqrt".

    Raises:
        TrainingError: an argument outside of its range; by ``start``, too few examples.

    Source:
        Devarakonda, Naumov & Garland 2017, AdaBatch: Adaptive Batch Sizes for Training Deep
        Neural Networks, section 3.

    Example:
        >>> schedule = Doubling(32, every=20, rate=0.75)
        >>> _, state = schedule.start(50_000)
        >>> now = Measurement(0, 20, 0, 50_000, 32, 0.1, 1.0)
        >>> decision, state = schedule.observe(now, state)
        >>> decision.batch, decision.rate
        (64, 0.75)
    """

    batch: int
    every: float
    rate: float = 1.0
    limit: int | None = None
    rescale: str = "none"
    factor: float = field(default=2.0, init=False, repr=False)

    def __post_init__(self) -> None:
        ranges = {
            "batch": at_least(1), "every": positive, "rate": share,
            "limit": optional(at_least(1)), "rescale": one_of(*RESCALES),
        }  # fmt: skip
        check_fields(self, "Doubling", ranges)

    def next_check(self, epoch: float) -> float:
        """The next epoch at which it decides."""
        return float((self._due(epoch) + 1) * self.every)

    def _due(self, epoch: float) -> int:
        return math.floor(epoch / self.every + 1e-9)

    def _plan(self) -> _Plan:
        return _Plan("doubling", self.batch, self.factor, self.limit, self.rescale, self.rate)
