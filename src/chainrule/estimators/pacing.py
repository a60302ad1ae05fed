"""The batch size of a descent: fixed, or as a schedule of ``chainrule.optim`` decides it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from chainrule.estimators.solvers import Memory
from chainrule.optim import BatchSchedule, ConstantBatch, Measurement, Optimizer
from chainrule.training.deciding import VARIANCE, Deciding
from chainrule.training.measures import columns, sums_for


class Batches:
    """How many rows a step takes, and what schedules make of the learning rate.

    A batch schedule and a plateau are shown an epoch's measurements when it has ended.

    Attributes:
        size: rows of a step.
        rate: what the solver's learning rate is multiplied by.
        sums: what each step measures for them.
    """

    def __init__(self, model: Any, memory: Memory, n: int) -> None:
        self._memory, self._n, self.rate = memory, n, 1.0
        self.sums: tuple[str, ...] = ()
        observer = model.solver.observer if isinstance(model.solver, Optimizer) else None
        given = model.batch_size
        is_schedule = isinstance(given, BatchSchedule)
        self._deciding: Deciding | None = None
        self.size = 0 if is_schedule else _fixed(given, n)
        if is_schedule or observer is not None:
            schedule = given if is_schedule else ConstantBatch(self.size)
            self._deciding = Deciding(schedule, observer, n)
            if memory.deciding is not None:
                self._deciding.restore(memory.deciding, [])
            if getattr(schedule, "measures_variance", False):
                self.sums = sums_for(("gradient_norm", VARIANCE))
            self._take()

    def _take(self) -> None:
        assert self._deciding is not None
        self.size, self.rate = self._deciding.batch, self._deciding.rate
        self._memory.deciding = self._deciding.position()

    def end_epoch(self, model: Any, found: list[np.ndarray]) -> None:
        """Show the schedules the epoch: its losses, and what the steps measured."""
        if self._deciding is None:
            return
        measurement = self._measurement(model, found)
        if self._deciding.varies:
            self._deciding.at_check(measurement)
        if self._deciding.plateau is not None:
            self._deciding.at_epoch(measurement)
        self._take()

    def _measurement(self, model: Any, found: list[np.ndarray]) -> Measurement:
        _, *sums = found
        made = columns(dict(zip(self.sums, sums, strict=True)), self.size)
        norm, variance = made.get("gradient_norm"), made.get(VARIANCE)
        curve = model.validation_loss_curve_
        rate = getattr(model.solver, "learning_rate", model.learning_rate_init)
        return Measurement(
            step=self._memory.updates, epoch=float(len(model.loss_curve_)),
            examples=model.t_, n=self._n, batch=self.size,
            learning_rate=self.rate * (float(rate) if isinstance(rate, int | float) else 1.0),
            loss=float(model.loss_),
            gradient_square=None if norm is None else float(np.mean(norm**2)),
            variance=None if variance is None else float(np.nanmean(variance)),
            throughput=None, validation_loss=curve[-1] if curve else None,
        )  # fmt: skip


def _fixed(given: Any, n: int) -> int:
    """Rows of a step, as scikit-learn takes them."""
    if isinstance(given, str):
        return min(200, n)
    if given > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=7,
        )
    return int(min(given, n))
