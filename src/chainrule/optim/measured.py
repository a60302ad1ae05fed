"""What the loop measures at a check point, and what a schedule may decide by it.

A schedule that acts on measurements is a frozen record of two pure functions, as an optimiser
is: ``start`` gives the first decision and state, ``observe`` turns a measurement and the state
into a decision, or None for "go on", and the next state. The state is a plain dict of numbers, so
that it can be written to a checkpoint, and the run that goes on from there decides the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

#: Numbers by name: finite or not, whole or real.
State: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class Measurement:
    """What is known at a check point; None where it was not measured.

    Args:
        step: updates done.
        epoch: passes over the data done, with fractions.
        examples: examples seen in all.
        n: examples there are.
        batch: examples per update now.
        learning_rate: of the last update.
        loss: the mean over the updates since the last check point.
        gradient_square: |g|², of the mean gradient g over one batch, squared length, as it is:
            what noise adds to it is taken off by who uses it.
        variance: tr Σ, the estimated variance of one example's gradient, summed over all
            parameters: (Σ |gᵢ|² - b |g|²) / (b - 1) over a batch of b.
        throughput: examples per second since the last check point.
        validation_loss: at the last epoch's end.
    """

    step: int
    epoch: float
    examples: int
    n: int
    batch: int
    learning_rate: float
    loss: float
    gradient_square: float | None = None
    variance: float | None = None
    throughput: float | None = None
    validation_loss: float | None = None


@dataclass(frozen=True)
class Decision:
    """What is to be done from here on, and why.

    Args:
        batch: examples per update.
        rate: what the planned learning rates are multiplied by from here on; it stands in place
            of earlier decisions', and is not multiplied with them.
        average: begin to average the iterates.
        rule: the rule that fired, in a word or two.
        reason: the same in words, with its numbers.
        numbers: the numbers.
    """

    batch: int
    rate: float = 1.0
    average: bool = False
    rule: str = ""
    reason: str = ""
    numbers: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class BatchSchedule(Protocol):
    """How many examples each update takes: ``cr.train(..., batch=schedule)``.

    Beside the two methods it may have ``measures_variance``, True if it needs the variance of the
    gradients; ``averages``, True if it may decide to average; and ``next_check(epoch)``, the next
    epoch at which it wants to be shown a measurement. Without that it is shown one about twenty
    times an epoch, less often where an epoch takes milliseconds.
    """

    def start(self, n: int) -> tuple[Decision, State]:
        """The first decision, for n examples.

        Raises:
            TrainingError: it begins with more examples than there are.
        """

    def observe(
        self, measurement: Measurement, state: Mapping[str, Any]
    ) -> tuple[Decision | None, State]:
        """A new decision or None, and the next state."""
