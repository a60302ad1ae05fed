"""Schedule-free descent: an average of the iterates takes the place of a falling rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.optim.arguments import fraction, fractions, non_negative
from chainrule.optim.optimizer import (
    Array,
    Rated,
    counter,
    downhill,
    moved_square,
    penalised,
    scaled,
    wide,
    zeros_like,
)
from chainrule.optim.schedules import Schedule
from chainrule.tracing.trees import Tree, tree_map


@dataclass(frozen=True, repr=False)
class _ScheduleFree(Rated):
    """The average that both forms keep. The parameters are y, between z and x."""

    def evaluation(self, params: Tree, state: Tree) -> Tree:
        """x, the average: what is to be evaluated, saved and used."""
        del params
        return state["x"]

    def _start(self, params: Tree) -> dict[str, Tree]:
        copies = {name: tree_map(np.array, params) for name in ("x", "z")}
        zeros = {name: np.zeros(()) for name in ("largest_rate", "weights")}
        return copies | zeros | {"updates": counter()}

    def _averaged(
        self, direction: Tree, state: Tree, learning_rate: Array, beta: float, power: float
    ) -> tuple[Tree, dict[str, Tree]]:
        """y and the state after a step of z along the direction."""
        largest = np.maximum(state["largest_rate"], wide(learning_rate))
        updates = state["updates"] + 1
        weight = wide(updates) ** power * largest**2
        weights = state["weights"] + weight
        share = weight / np.where(weights > 0, weights, 1.0)
        z = downhill(state["z"], direction, learning_rate)
        x = tree_map(lambda x, z: scaled(1 - share, x) + scaled(share, z), state["x"], z)
        y = tree_map(lambda x, z: beta * x + (1 - beta) * z, x, z)
        new = {"x": x, "z": z, "largest_rate": largest, "weights": weights, "updates": updates}
        return y, new


@dataclass(frozen=True, repr=False)
class ScheduleFreeSGD(_ScheduleFree):
    """SGD whose iterates are averaged as it goes, at a rate that need not fall.

    With the gradient g of the loss at the parameters y, update t = 1, 2, ... is::

        z = z - learning_rate (g + weight_decay y)
        x = (1 - c) x + c z          c = w / Σ w,  w = t^power · (largest rate so far)²
        y = (1 - momentum) z + momentum x

    The parameters in training are y; what is to be evaluated and kept is x, by
    ``evaluation(params, state)``. Batch normalisation has to see x again before it is used.

    Args:
        learning_rate: a number >= 0, or a schedule; a warm-up is of use, a decay is not.
        momentum: in [0, 1); β of the paper.
        weight_decay: >= 0, at y.
        power: >= 0; later iterates weigh more (``r`` of the authors' package).

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Defazio et al. 2024, The Road Less Scheduled, algorithm 1. Definition: the authors'
        package ``schedulefree`` 1.4, which finds x from y and z; here x is kept.

    Example:
        >>> optimizer = ScheduleFreeSGD(0.5)
        >>> y = np.array([1.0])
        >>> state = optimizer.init(y)
        >>> for _ in range(2000):
        ...     y, state = optimizer.update(2 * y, state, y, 0.5)
        >>> bool(abs(optimizer.evaluation(y, state)[0]) < 1e-6)
        True
    """

    learning_rate: float | Schedule = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    power: float = 0.0

    RANGES: ClassVar = {"momentum": fraction, "weight_decay": non_negative, "power": non_negative}

    def init(self, params: Tree) -> Tree:
        """``x`` and ``z`` are params; ``largest_rate``, ``weights`` and ``updates`` of shape ()."""
        return self._start(params)

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        direction = penalised(grads, params, self.weight_decay)
        return self._averaged(direction, state, learning_rate, self.momentum, self.power)


@dataclass(frozen=True, repr=False)
class ScheduleFreeAdamW(_ScheduleFree):
    """AdamW whose iterates are averaged as it goes, at a rate that need not fall.

    As ``ScheduleFreeSGD``, along g / (√(v / (1 - β₂ᵗ)) + eps) + weight_decay y in place of
    g + weight_decay y, with v = β₂ v + (1 - β₂) g², and β₁ in place of the momentum.

    Args:
        learning_rate: a number >= 0, or a schedule; a warm-up is of use, a decay is not.
        betas: (β₁, β₂), each in [0, 1).
        eps: >= 0.
        weight_decay: >= 0, decoupled, at y.
        power: >= 0; later iterates weigh more (``r`` of the authors' package).

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Defazio et al. 2024, The Road Less Scheduled, section 4. Definition: the authors' package
        ``schedulefree`` 1.4, AdamWScheduleFree.

    Example:
        >>> optimizer = ScheduleFreeAdamW()
        >>> y = np.array([1.0, 1.0])
        >>> y, state = optimizer.update(np.array([3.0, -0.1]), optimizer.init(y), y, 0.1)
        >>> optimizer.evaluation(y, state).round(6)
        array([0.9, 1.1])
    """

    learning_rate: float | Schedule = 2.5e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    power: float = 0.0

    RANGES: ClassVar = {
        "betas": fractions,
        "eps": non_negative,
        "weight_decay": non_negative,
        "power": non_negative,
    }

    def init(self, params: Tree) -> Tree:
        """``x``, ``z`` and ``square`` like params; three scalars as in ``ScheduleFreeSGD``."""
        return self._start(params) | {"square": zeros_like(params)}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        square = moved_square(state["square"], grads, self.betas[1])
        root = 1 / np.sqrt(1 - self.betas[1] ** wide(state["updates"] + 1))
        direction = tree_map(lambda g, v: g / (scaled(root, np.sqrt(v)) + self.eps), grads, square)
        direction = penalised(direction, params, self.weight_decay)
        y, new = self._averaged(direction, state, learning_rate, self.betas[0], self.power)
        return y, new | {"square": square}
