"""What the peers of full-batch gradients share: an epoch is one gradient and one step along it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from benchmarks.linear_models import LinearTask, start
from benchmarks.peers.peer import Peer


class FullBatch(Peer):
    """The parameters are NumPy's: a hundred numbers, whose step costs nothing beside the data."""

    def __init__(self, task: LinearTask, threads: int) -> None:
        super().__init__(task, threads)
        self.w, self.b = start(task)

    @abstractmethod
    def gradient(self) -> tuple[Any, Any]:
        """Of the mean loss, in the weight and in the bias."""

    def epoch(self) -> None:
        """One step of gradient descent."""
        weight, bias = self.gradient()
        self.w = self.w - np.float32(self.task.learning_rate) * np.asarray(weight)
        self.b = self.b - np.float32(self.task.learning_rate) * np.asarray(bias)

    def weights_now(self) -> Any:
        """The weight and the bias."""
        return self.w, self.b
