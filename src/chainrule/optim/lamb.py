"""LAMB: Adam's direction, its length on each layer set by the layer's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.optim.arguments import fractions, non_negative
from chainrule.optim.optimizer import (
    Array,
    Rated,
    counter,
    moved,
    moved_square,
    scaled,
    wide,
    zeros_like,
)
from chainrule.optim.schedules import Schedule
from chainrule.tracing.trees import Tree, tree_map


@dataclass(frozen=True, repr=False)
class LAMB(Rated):
    """Layer-wise adaptive moments, for large batches.

    With m and v of Adam at update t, each leaf p of the tree takes the step::

        u = m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + eps) + weight_decay p
        p = p - learning_rate · |p| / |u| · u      (|p| / |u| is 1 where either is 0)

    φ of the paper is the identity, and neither the gradient nor the ratio is clipped
    (``optim.clip_norm`` does the first; NVIDIA's implementation has it inside).

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        betas: (β₁, β₂), each in [0, 1).
        eps: >= 0.
        weight_decay: >= 0.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        You et al. 2020, Large Batch Optimization for Deep Learning: Training BERT in 76 minutes,
        algorithm 2.

    Example:
        >>> p = np.array([3.0, 4.0])
        >>> LAMB(0.1).update(np.array([2.0, 0.0]), LAMB().init(p), p, 0.1)[0].round(4)  # |p| = 5
        array([2.5, 4. ])
    """

    learning_rate: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    weight_decay: float = 0.0

    RANGES: ClassVar = {"betas": fractions, "eps": non_negative, "weight_decay": non_negative}

    def init(self, params: Tree) -> Tree:
        """``mean`` and ``square`` like params; ``updates``."""
        moments = {"mean": zeros_like(params), "square": zeros_like(params)}
        return moments | {"updates": counter()}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        new = {
            "mean": moved(state["mean"], grads, self.betas[0]),
            "square": moved_square(state["square"], grads, self.betas[1]),
            "updates": state["updates"] + 1,
        }
        first, second = (1 - beta ** wide(new["updates"]) for beta in self.betas)
        grow, root = 1 / first, 1 / np.sqrt(second)

        def stepped(p: Array, m: Array, v: Array) -> Array:
            u = scaled(grow, m) / (scaled(root, np.sqrt(v)) + self.eps) + self.weight_decay * p
            return p - scaled(wide(learning_rate) * _trust(p, u), u)

        return tree_map(stepped, params, new["mean"], new["square"]), new


def _trust(p: Array, u: Array) -> Array:
    """|p| / |u|, or 1 where either is 0."""
    above, below = wide(np.sum(p * p)), wide(np.sum(u * u))
    is_ratio = (above > 0) & (below > 0)
    return np.sqrt(np.where(is_ratio, above / np.where(is_ratio, below, 1.0), 1.0))
