"""Linear and logistic regression that are measured, with their data: the same for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import Rows

Floats = NDArray[np.float32]
Weights = tuple[Floats, Floats]  # weight (features,), bias ()

SQUARES: Final = "linear regression"
LOGISTIC: Final = "logistic regression"


@dataclass(frozen=True)
class LinearModel:
    """Which loss, how many features, the rows of its data, and those that make a step."""

    loss: str
    features: int
    rows: int
    batch: int = 1

    @property
    def flops(self) -> int:
        """Products and sums of one step: the prediction, and the gradient or its update."""
        return 4 * self.batch * self.features


@dataclass(frozen=True)
class LinearTask(Rows):
    """What a peer is given: x (rows, features), y (rows,) numbers or labels 0 and 1, rates."""

    loss_name: str
    x: Floats
    y: Floats
    batch: int
    learning_rate: float

    @property
    def logistic(self) -> bool:
        """Else it is least squares."""
        return self.loss_name == LOGISTIC

    def loss(self, weights: Weights) -> float:
        """The yardstick in float64: half the mean square, or the mean cross-entropy in nats."""
        z = self.x.astype(np.float64) @ weights[0] + weights[1]
        if not self.logistic:
            return float(0.5 * np.mean((z - self.y) ** 2))
        return float(np.mean(np.logaddexp(0.0, z) - self.y * z))


def make_linear(model: LinearModel, *, learning_rate: float = 1e-3) -> LinearTask:
    """Normal inputs, a noisy linear teacher of unit variance, from seed 0; all weights begin at 0.

    The noise keeps the loss away from zero.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((model.rows, model.features), dtype=np.float32)
    teacher = rng.standard_normal(model.features, dtype=np.float32)
    y = x @ (teacher / np.float32(model.features**0.5))
    y += np.float32(0.5) * rng.standard_normal(model.rows, dtype=np.float32)
    if model.loss == LOGISTIC:
        y = (y > 0).astype(np.float32)
    return LinearTask(model.loss, x, y, model.batch, learning_rate)


def mirrored(model: LinearModel) -> LinearTask:
    """Two rows, x with y and -x with the opposite: their order hardly changes the loss.

    Taken the other way round, the bias has the other sign and all else is the same. The rate is
    such that a step moves a prediction by about a tenth of its error.
    """
    task = make_linear(replace(model, rows=2), learning_rate=0.1 / model.features)
    x = np.stack([task.x[0], -task.x[0]])
    y = np.array([1, 0] if task.logistic else [1.5, -1.5], np.float32)
    return replace(task, x=x, y=y)


def start(task: LinearTask, dtype: Any = np.float32) -> tuple[Any, Any]:
    """The first weights."""
    return np.zeros(task.x.shape[1], dtype), np.zeros((), dtype)
