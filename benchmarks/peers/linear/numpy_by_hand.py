"""Linear models in NumPy by hand: one example a step."""

from __future__ import annotations

from math import exp
from typing import Any

import numpy as np

from benchmarks.linear_models import LinearTask, Weights, start
from benchmarks.peers.numpy_by_hand import NumpyByHand as OfNetworks
from benchmarks.peers.peer import Peer


class NumpyByHand(Peer):
    """The rate times the error is a Python number, so that two calls of NumPy make a step."""

    def __init__(self, task: LinearTask, threads: int) -> None:
        super().__init__(task, threads)
        self.rng = np.random.default_rng(0)
        self.w, self.b = start(task)[0], 0.0
        self.y = task.y.tolist()

    @staticmethod
    def versions() -> dict[str, str]:
        """As for networks."""
        return OfNetworks.versions()

    def epoch(self) -> None:
        """A step for each row of a permutation."""
        task, y, w, b = self.task, self.y, self.w, self.b
        rate, logistic, rows = task.learning_rate, task.logistic, list(task.x)
        for i in self.rng.permutation(len(y)).tolist():
            x = rows[i]
            z = float(x.dot(w)) + b
            step = rate * ((1 / (1 + exp(-z)) if logistic else z) - y[i])
            w -= step * x
            b -= step
        self.b = b

    def weights_now(self) -> Weights | Any:
        """The weight and the bias."""
        return self.w, np.float32(self.b)
