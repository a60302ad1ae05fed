"""Linear models in Chainrule: a loss in plain NumPy, given to ``cr.train``."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.linear_models import LinearTask, start
from benchmarks.peers.chainrule_train import OPTIMIZERS, Trained


def squares(p: Any, x: Any, y: Any) -> Any:
    """Half the mean square of the errors."""
    return 0.5 * np.mean((x @ p["w"] + p["b"] - y) ** 2)


def cross_entropy(p: Any, x: Any, y: Any) -> Any:
    """The mean of -log p(y | x), in nats."""
    z = x @ p["w"] + p["b"]
    return np.mean(np.logaddexp(np.float32(0), z) - y * z)


class Chainrule(Trained):
    """One example a step."""

    def __init__(self, task: LinearTask, threads: int) -> None:
        weight, bias = start(task)
        loss = cross_entropy if task.logistic else squares
        params = {"w": weight, "b": bias}
        super().__init__(task, threads, params, loss, OPTIMIZERS["sgd"](task.learning_rate))

    def weights_now(self) -> Any:
        """The weight and the bias."""
        return self.model["w"], self.model["b"]
