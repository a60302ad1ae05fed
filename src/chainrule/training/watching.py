"""What is looked at between epochs: held-out loss, metrics, the best epoch, when to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import TrainingError
from chainrule.evaluation.evaluator import Evaluator
from chainrule.evaluation.examples import Examples


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when what is watched has not improved for a while; the best weights are kept.

    Args:
        patience: epochs without an improvement that are let pass, from 1.
        watch: "validation_loss", "loss", or "validation_" and a metric's name.
        least: what an improvement must exceed, >= 0, in the unit of what is watched.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Prechelt 1998, Early Stopping - But When?, section 2.

    Example:
        >>> EarlyStopping(5, watch="validation_accuracy").patience
        5
    """

    patience: int = 10
    watch: str = "validation_loss"
    least: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.patience, bool) or not isinstance(self.patience, int | np.integer):
            raise TrainingError(f"early_stopping: patience is {self.patience!r}; expected epochs")
        if self.patience < 1:
            raise TrainingError(f"early_stopping: patience is {self.patience}; expected from 1")
        if not (math.isfinite(self.least) and self.least >= 0):
            raise TrainingError(f"early_stopping: least is {self.least}; expected from 0")


@dataclass(eq=False)
class Watch:
    """The held-out examples of a run and what is worked out on them at the end of each epoch.

    Attributes:
        best: the weights of the best epoch, as leaves; None before the first.
        best_epoch: its number, from 1; 0 before the first.
    """

    validation: Examples | None = None
    losses: Evaluator | None = None
    outputs: Evaluator | None = None
    metrics: Any = None
    stopping: EarlyStopping | None = None
    best: list[np.ndarray] | None = None
    best_epoch: int = 0
    _value: float = math.inf
    _waited: int = 0

    @property
    def looks(self) -> bool:
        """Whether there is something to look at when an epoch ends."""
        return self.losses is not None or self.stopping is not None

    def score(self, leaves: list[np.ndarray]) -> dict[str, float]:
        """``validation_loss`` and ``validation_...`` of each metric; empty without examples."""
        if self.losses is None or self.validation is None:
            return {}
        found = {"validation_loss": self.losses.mean(leaves, self.validation)}
        if self.outputs is not None and self.metrics is not None:
            parts = [result for _, result in self.outputs.blocks(leaves, self.validation)]
            _, y, *weights = self.validation.tree(list(self.validation.arrays))
            scores = self.metrics.score(np.concatenate(parts), y, weights[0] if weights else None)
            found |= {f"validation_{name}": value for name, value in scores.items()}
        return found

    def is_best(self, epoch: Mapping[str, Any]) -> bool:
        """Note an epoch; whether it is the best so far."""
        if self.stopping is None:
            return False
        sign = -1.0 if self._greater_is_better() else 1.0
        value = sign * float(epoch[self.stopping.watch])
        if not value < self._value - (self.stopping.least if self.best_epoch else 0.0):
            self._waited += 1
            return False
        self._value, self._waited, self.best_epoch = value, 0, int(epoch["epoch"])
        return True

    @property
    def has_waited(self) -> bool:
        """Whether patience has run out."""
        return self.stopping is not None and self._waited >= self.stopping.patience

    def why_stopped(self) -> str:
        """The same in words."""
        assert self.stopping is not None
        if not self.best_epoch:
            return f"{self.stopping.watch} was no number in {self._waited} epochs"
        return (
            f"{self.stopping.watch} has not improved for {self._waited} epochs; the best was "
            f"epoch {self.best_epoch}"
        )

    def _greater_is_better(self) -> bool:
        name = self.stopping.watch.removeprefix("validation_") if self.stopping else ""
        return self.metrics is not None and bool(self.metrics.greater_is_better.get(name, False))

    # -- checkpoints -----------------------------------------------------------------------------

    def position(self) -> dict[str, Any]:
        """Plain values from which a resumed run stops at the same epoch."""
        return {"value": self._value, "waited": self._waited, "best_epoch": self.best_epoch}

    def restore(self, position: Mapping[str, Any], best: list[np.ndarray] | None) -> None:
        """Stand where ``position`` was taken."""
        self._value, self._waited = float(position["value"]), int(position["waited"])
        self.best_epoch, self.best = int(position["best_epoch"]), best
