"""scikit-learn's two stochastic solvers; their settings are numbers given to each step.

So a grid over learning rates or momenta runs one compiled program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from chainrule.tracing.trees import Tree, tree_map


class Rule(Protocol):
    """What a step needs of a solver."""

    @property
    def rates(self) -> int:
        """How many numbers a step takes."""

    def init(self, params: Tree) -> Tree:
        """The state before the first update."""

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Any
    ) -> tuple[Tree, Tree]:
        """The next parameters and state; see ``optim.Optimizer``."""


def _zeros(params: Tree) -> Tree:
    return tree_map(np.zeros_like, params)


@dataclass(frozen=True)
class AdamRule:
    """Adam with its corrections of the bias in the learning rate.

    Source:
        Kingma & Ba 2015, Adam, the form before section 2.1: α_t = α √(1 - β₂ᵗ) / (1 - β₁ᵗ), with
        ε beside the uncorrected √v. As ``sklearn.neural_network``.
    """

    rates: ClassVar[int] = 6

    def init(self, params: Tree) -> Tree:
        return {"mean": _zeros(params), "square": _zeros(params)}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Any
    ) -> tuple[Tree, Tree]:
        rate, beta_1, rest_1, beta_2, rest_2, epsilon = learning_rate
        mean = tree_map(lambda m, g: beta_1 * m + rest_1 * g, state["mean"], grads)
        square = tree_map(lambda v, g: beta_2 * v + rest_2 * (g * g), state["square"], grads)
        new = tree_map(lambda p, m, v: p - rate * m / (np.sqrt(v) + epsilon), params, mean, square)
        return new, {"mean": mean, "square": square}

    @staticmethod
    def numbers(
        rate: float, first: int, count: int, beta_1: float, beta_2: float, epsilon: float
    ) -> np.ndarray:
        """What ``count`` steps after ``first`` updates take, (count, rates)."""
        t = np.arange(first + 1, first + count + 1)
        made = np.empty((count, AdamRule.rates))
        made[:, 0] = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
        made[:, 1:] = beta_1, 1 - beta_1, beta_2, 1 - beta_2, epsilon
        return made


@dataclass(frozen=True)
class SGDRule:
    """Gradient descent with momentum, velocities in the parameters' units.

    Source:
        ``sklearn.neural_network``: v = μ v - rate g; p + v, or with Nesterov's p + μ v - rate g.
    """

    nesterov: bool

    rates: ClassVar[int] = 2

    def init(self, params: Tree) -> Tree:
        return {"velocity": _zeros(params)}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Any
    ) -> tuple[Tree, Tree]:
        rate, momentum = learning_rate
        velocity = tree_map(lambda v, g: momentum * v - rate * g, state["velocity"], grads)
        if not self.nesterov:
            return tree_map(lambda p, v: p + v, params, velocity), {"velocity": velocity}
        new = tree_map(lambda p, v, g: p + (momentum * v - rate * g), params, velocity, grads)
        return new, {"velocity": velocity}

    @staticmethod
    def numbers(rate: float, count: int, momentum: float) -> np.ndarray:
        """What ``count`` steps take, (count, rates)."""
        return np.tile([rate, momentum], (count, 1))
