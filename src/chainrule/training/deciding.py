"""Schedules that act on what is measured: they are shown each measurement, and may decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from chainrule.optim import BatchSchedule, ConstantBatch, Decision, Measurement

#: What is recorded for schedules that act on the variance of the gradients.
VARIANCE: Final = "gradient_variance"


@dataclass(eq=False)
class Deciding:
    """The batch schedule and the plateau of a run, with what they have decided so far.

    Attributes:
        batch, first_batch: examples per update now, and of the run's first update.
        batch_rate, plateau_rate, fault_rate: what the planned learning rates are multiplied by.
        decisions: each change with its rule, reason and numbers.
    """

    batches: BatchSchedule
    plateau: Any
    n: int
    batch: int = 0
    first_batch: int = field(init=False)
    batch_rate: float = 1.0
    plateau_rate: float = 1.0
    fault_rate: float = 1.0
    decisions: list[dict[str, Any]] = field(default_factory=list)
    _batch_state: Mapping[str, Any] = field(default_factory=dict)
    _plateau_state: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        decision, self._batch_state = self.batches.start(self.n)
        self.batch = self.first_batch = int(decision.batch)
        if self.plateau is not None:
            self._plateau_state = self.plateau.start()
        if self.varies:
            self._note(decision, 0, 0.0)

    @property
    def varies(self) -> bool:
        """Whether the batch may change."""
        return not isinstance(self.batches, ConstantBatch)

    def next_check(self, rows: int, interval: int) -> float:
        """After how many rows of the run the batch schedule wants to be shown a measurement."""
        asked = getattr(self.batches, "next_check", None)
        return rows + interval if asked is None else asked(rows / self.n) * self.n

    @property
    def rate(self) -> float:
        """What the planned learning rate is multiplied by."""
        return self.batch_rate * self.plateau_rate * self.fault_rate

    def at_check(self, measurement: Measurement) -> Decision | None:
        """Show the batch schedule what was measured since the last check."""
        decision, self._batch_state = self.batches.observe(measurement, self._batch_state)
        if decision is not None:
            self.batch = min(int(decision.batch), self.n)
            self.batch_rate = decision.rate
            self._note(decision, measurement.step, measurement.epoch)
        return decision

    def at_epoch(self, measurement: Measurement) -> None:
        """Show the plateau, if there is one, an epoch's loss."""
        decision, self._plateau_state = self.plateau.observe(measurement, self._plateau_state)
        if decision is not None:
            self.plateau_rate = decision.rate
            self._note(decision, measurement.step, measurement.epoch)

    def fell_back(self, step: int, epoch: float, factor: float, reason: str) -> None:
        """Lower the rate after a loss that was not finite."""
        self.fault_rate *= factor
        decision = Decision(self.batch, self.fault_rate, rule="roll back", reason=reason)
        self._note(decision, step, epoch)

    def note_longer(self, step: int, epoch: float, reason: str) -> None:
        """The run was given more epochs, and its learning rate is planned anew."""
        rate = self.batch_rate
        self._note(Decision(self.batch, rate, rule="more epochs", reason=reason), step, epoch)

    def _note(self, decision: Decision, step: int, epoch: float) -> None:
        self.decisions.append({"step": step, "epoch": epoch, **asdict(decision)})

    # -- checkpoints -----------------------------------------------------------------------------

    def position(self) -> dict[str, Any]:
        """Plain values from which a resumed run decides the same."""
        return {
            "batch": self.batch,
            "batch_rate": self.batch_rate,
            "plateau_rate": self.plateau_rate,
            "fault_rate": self.fault_rate,
            "batch_state": dict(self._batch_state),
            "plateau_state": dict(self._plateau_state),
        }

    def restore(self, position: Mapping[str, Any], decisions: list[dict[str, Any]]) -> None:
        """Stand where ``position`` was taken."""
        self.batch = int(position["batch"])
        self.batch_rate = float(position["batch_rate"])
        self.plateau_rate = float(position["plateau_rate"])
        self.fault_rate = float(position["fault_rate"])
        self._batch_state = dict(position["batch_state"])
        self._plateau_state = dict(position["plateau_state"])
        self.decisions = decisions
