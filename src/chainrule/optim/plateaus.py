"""A learning rate that falls when the loss no longer does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import at_least, boolean, non_negative, one_of
from chainrule.optim.measured import Decision, Measurement, State
from chainrule.optim.schedules import Ranged


@dataclass(frozen=True, repr=False)
class Plateau(Ranged):
    """A rate that falls when the loss does not; made by ``plateau``."""

    start_rate: float
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    relative: bool = True
    cooldown: int = 0
    least: float = 0.0
    watch: str = "validation_loss"

    NAME = "plateau"
    RANGES: ClassVar = {
        "start_rate": non_negative,
        "factor": non_negative,
        "patience": at_least(0),
        "threshold": non_negative,
        "relative": boolean,
        "cooldown": at_least(0),
        "least": non_negative,
        "watch": one_of("validation_loss", "loss"),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.factor < 1:
            raise TrainingError(f"plateau: factor is {self.factor}; expected above 0 and below 1")

    def __call__(self, step: Any, total: int) -> Any:
        """The first rate: what is decided on the way multiplies it."""
        return np.full(np.shape(step), self.start_rate, np.float64)[()]

    def start(self) -> State:
        """The state before the first measurement."""
        return {"best": math.inf, "bad": 0, "cooling": 0, "rate": 1.0}

    def observe(
        self, measurement: Measurement, state: Mapping[str, Any]
    ) -> tuple[Decision | None, State]:
        """One measurement later: a lower rate, or None.

        Call it once for each new value of what is watched: at the end of each epoch.
        """
        loss, new = self._watched(measurement), dict(state)
        if loss is None:
            return None, new
        is_better = loss < self._bound(new["best"])
        new["best"] = loss if is_better else new["best"]
        new["bad"] = 0 if is_better else new["bad"] + 1
        if new["cooling"] > 0:
            new["cooling"] -= 1
            new["bad"] = 0
        if new["bad"] <= self.patience:
            return None, new
        return self._lowered(measurement, new)

    def _watched(self, measurement: Measurement) -> float | None:
        if self.watch == "loss" or measurement.validation_loss is None:
            return measurement.loss
        return measurement.validation_loss

    def _bound(self, best: float) -> float:
        if math.isinf(best):
            return best
        return best - self.threshold * abs(best) if self.relative else best - self.threshold

    def _lowered(self, measurement: Measurement, new: State) -> tuple[Decision | None, State]:
        bad = int(new["bad"])
        new |= {"bad": 0, "cooling": self.cooldown}
        floor = self.least / self.start_rate if self.start_rate else 1.0
        rate = max(new["rate"] * self.factor, floor)
        if new["rate"] - rate <= 1e-8 / max(self.start_rate, 1e-300):
            return None, new
        new["rate"] = rate
        reason = (
            f"the {self.watch.replace('_', ' ')} has not fallen below {new['best']:.6g} for {bad}"
            f" checks: learning rate times {self.factor:.3g}, now {self.start_rate * rate:.3g}"
        )
        numbers = {"best": new["best"], "checks": float(bad), "rate": rate}
        decision = Decision(measurement.batch, rate, rule="plateau", reason=reason, numbers=numbers)
        return decision, new


def plateau(
    start: float, factor: float = 0.1, patience: int = 10, threshold: float = 1e-4,
    relative: bool = True, cooldown: int = 0, least: float = 0.0, watch: str = "validation_loss",
) -> Plateau:  # fmt: skip
    """The rate is multiplied by ``factor`` when the loss has not fallen for a while.

    It acts on what is measured: the loop gives it the validation loss (without one, the training
    loss) at the end of each epoch.

    Args:
        start: the first rate.
        factor: above 0 and below 1.
        patience: checks without a fall that are let pass.
        threshold: what a fall must exceed, >= 0.
        relative: the threshold is a share of the best loss's size; else a difference.
        cooldown: checks after a change that are not counted.
        least: the rate falls no lower.
        watch: "validation_loss" or "loss".

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        ``torch.optim.lr_scheduler.ReduceLROnPlateau`` (for a negative loss its relative threshold
        has the wrong sign; here it is a share of the loss's size).

    Example:
        >>> from chainrule.optim import Measurement
        >>> schedule = plateau(0.1, factor=0.5, patience=1)
        >>> state = schedule.start()
        >>> for epoch, loss in enumerate([3.0, 2.0, 2.0, 2.0]):
        ...     now = Measurement(epoch, epoch, 0, 100, 10, 0.1, loss)
        ...     decision, state = schedule.observe(now, state)
        >>> decision.rate, decision.reason
        (0.5, 'the validation loss has not fallen below 2 for 2 checks:
        learning rate times 0.5, now 0.05')
    """
    return Plateau(start, factor, patience, threshold, relative, cooldown, least, watch)
