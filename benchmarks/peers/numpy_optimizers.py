"""Momentum and Adam for NumPy, in place, on all weights as one vector: the fewest calls."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.networks import BETAS, EPSILON, MOMENTUM

Vector = NDArray[Any]


class Optimizer(ABC):
    """The update of a vector of weights by its gradient, which may be overwritten.

    The gradient is given times ``scale``: with the rate where the update is linear in it.
    """

    def __init__(self, rate: float, weights: Vector) -> None:
        self.rate = self.scale = rate
        self.weights = weights

    @abstractmethod
    def update(self, g: Vector) -> None:
        """One step."""


class Sgd(Optimizer):
    """w -= rate g."""

    def update(self, g: Vector) -> None:
        self.weights -= g


class Momentum(Optimizer):
    """v = 0.9 v + rate g; w -= v."""

    def __init__(self, rate: float, weights: Vector) -> None:
        super().__init__(rate, weights)
        self.velocity = np.zeros_like(weights)

    def update(self, g: Vector) -> None:
        self.velocity *= MOMENTUM
        self.velocity += g
        self.weights -= self.velocity


class Adam(Optimizer):
    """Kingma & Ba 2015, algorithm 1, the corrections of bias taken into the rate and epsilon."""

    def __init__(self, rate: float, weights: Vector) -> None:
        super().__init__(rate, weights)
        self.mean, self.square = np.zeros_like(weights), np.zeros_like(weights)
        self.room = np.empty_like(weights)
        self.count = 0
        self.scale = 1.0

    def update(self, g: Vector) -> None:
        first, second = BETAS
        self.count += 1
        np.multiply(g, 1 - first, out=self.room)
        self.mean *= first
        self.mean += self.room
        g *= g
        g *= 1 - second
        self.square *= second
        self.square += g
        root = (1 - second**self.count) ** 0.5
        np.sqrt(self.square, out=g)
        g += EPSILON * root
        np.divide(self.mean, g, out=g)
        g *= self.rate * root / (1 - first**self.count)
        self.weights -= g


OPTIMIZERS: Final[dict[str, Callable[[float, Vector], Optimizer]]] = {
    "sgd": Sgd,
    "momentum": Momentum,
    "adam": Adam,
}
