"""Lion: the sign of a momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.optim.arguments import fractions, non_negative
from chainrule.optim.optimizer import Array, Rated, decayed, downhill, moved, zeros_like
from chainrule.optim.schedules import Schedule
from chainrule.tracing.trees import Tree, tree_map


@dataclass(frozen=True, repr=False)
class Lion(Rated):
    """Steps of one size, along the sign of a momentum.

    With the gradient g of the loss at the parameters p, each update is::

        d = sign(β₁ m + (1 - β₁) g)
        p = p - learning_rate (d + weight_decay p)
        m = β₂ m + (1 - β₂) g

    A rate three to ten times smaller than Adam's, and a weight decay as many times larger, is
    the paper's advice (section 5).

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        betas: (β₁, β₂), each in [0, 1).
        weight_decay: >= 0, decoupled.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Chen et al. 2023, Symbolic Discovery of Optimization Algorithms, algorithm 2.

    Example:
        >>> p = np.array([1.0, 1.0, 1.0])
        >>> Lion().update(np.array([3.0, -0.01, 0.0]), Lion().init(p), p, 0.1)[0]
        array([0.9, 1.1, 1. ])
    """

    learning_rate: float | Schedule = 1e-4
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0

    RANGES: ClassVar = {"betas": fractions, "weight_decay": non_negative}

    def init(self, params: Tree) -> Tree:
        """``momentum`` like params."""
        return {"momentum": zeros_like(params)}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        direction = tree_map(np.sign, moved(state["momentum"], grads, self.betas[0]))
        params = decayed(params, learning_rate, self.weight_decay)
        momentum = moved(state["momentum"], grads, self.betas[1])
        return downhill(params, direction, learning_rate), {"momentum": momentum}
