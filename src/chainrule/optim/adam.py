"""Adam and its kin: steps of the mean gradient over the root of its mean square."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.optim.arguments import boolean, fractions, non_negative
from chainrule.optim.optimizer import (
    Array,
    Rated,
    counter,
    moved,
    moved_square,
    scaled,
    weight_decayed,
    wide,
    zeros_like,
)
from chainrule.optim.schedules import Schedule
from chainrule.tracing.trees import Tree, tree_map


@dataclass(frozen=True, repr=False)
class _Adam(Rated):
    """The update that Adam and AdamW share; they differ in what the decay acts on."""

    learning_rate: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    amsgrad: bool = False

    DECOUPLED: ClassVar[bool] = False
    RANGES: ClassVar = {
        "betas": fractions,
        "eps": non_negative,
        "weight_decay": non_negative,
        "amsgrad": boolean,
    }

    def init(self, params: Tree) -> Tree:
        """``mean`` and ``square`` (with amsgrad ``largest`` too) like params; ``updates``."""
        names = ("mean", "square", "largest") if self.amsgrad else ("mean", "square")
        return {name: zeros_like(params) for name in names} | {"updates": counter()}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        grads, params = weight_decayed(
            self.DECOUPLED, grads, params, learning_rate, self.weight_decay
        )
        new = self._moments(grads, state)
        below = new["largest"] if self.amsgrad else new["square"]
        return self._stepped(params, new["mean"], below, learning_rate, new["updates"]), new

    def _moments(self, grads: Tree, state: Tree) -> Tree:
        new = {
            "mean": moved(state["mean"], grads, self.betas[0]),
            "square": moved_square(state["square"], grads, self.betas[1]),
            "updates": state["updates"] + 1,
        }
        if self.amsgrad:
            new["largest"] = tree_map(np.maximum, state["largest"], new["square"])
        return new

    def _stepped(
        self, params: Tree, mean: Tree, square: Tree, learning_rate: Array, updates: Array
    ) -> Tree:
        first, second = (1 - beta ** wide(updates) for beta in self.betas)
        rate, root = wide(learning_rate) / first, 1 / np.sqrt(second)
        return tree_map(
            lambda p, m, v: p - scaled(rate, m) / (scaled(root, np.sqrt(v)) + self.eps),
            params, mean, square,
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
class Adam(_Adam):
    """Adaptive moments, as PyTorch defines them.

    With the gradient g of the loss at the parameters p, update t = 1, 2, ... is::

        g = g + weight_decay p
        m = β₁ m + (1 - β₁) g        v = β₂ v + (1 - β₂) g²
        p = p - learning_rate · m / (1 - β₁ᵗ) / (√(v / (1 - β₂ᵗ)) + eps)

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        betas: (β₁, β₂), each in [0, 1).
        eps: >= 0; outside of the root, as in the paper.
        weight_decay: >= 0; adds weight_decay / 2 · |p|² to the loss; ``AdamW`` decouples it.
        amsgrad: divide by the root of the largest v so far. PyTorch's form: the largest of the
            v before their correction by 1 - β₂ᵗ, which the paper leaves out.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Kingma & Ba 2015, Adam: A Method for Stochastic Optimization, algorithm 1; amsgrad: Reddi,
        Kale & Kumar 2018, On the Convergence of Adam and Beyond. Definition: ``torch.optim.Adam``.

    Example:
        >>> optimizer = Adam(0.1)
        >>> p = np.array([1.0, 2.0])
        >>> p, state = optimizer.update(np.array([3.0, -0.1]), optimizer.init(p), p, 0.1)
        >>> p.round(6)  # the first step is the rate, whatever the gradient's size
        array([0.9, 2.1])
    """


@dataclass(frozen=True, repr=False)
class AdamW(_Adam):
    """Adam with decoupled weight decay, as PyTorch defines it.

    Before Adam's step with the gradient of the loss alone,
    p = p - learning_rate · weight_decay · p. The decay is then the same for every parameter,
    whatever its gradients were. As in PyTorch it is multiplied with the learning rate; the
    paper's is multiplied with the schedule alone.

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        betas: (β₁, β₂), each in [0, 1).
        eps: >= 0.
        weight_decay: >= 0, default 0.01.
        amsgrad: as in ``Adam``.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization, algorithm 2.
        Definition: ``torch.optim.AdamW``.

    Example:
        >>> p = np.array([1.0])
        >>> AdamW(0.1, weight_decay=0.5).update(np.zeros(1), AdamW().init(p), p, 0.1)[0]
        array([0.95])
    """

    weight_decay: float = 0.01

    DECOUPLED: ClassVar = True


@dataclass(frozen=True, repr=False)
class NAdam(Rated):
    """Adam with Nesterov's momentum, as PyTorch defines it.

    At update t = 1, 2, ..., with m and v of Adam::

        μₜ = β₁ (1 - ½ 0.96^(t momentum_decay))
        p = p - learning_rate · (μₜ₊₁ m / (1 - μ₁ ⋯ μₜ₊₁) + (1 - μₜ) g / (1 - μ₁ ⋯ μₜ))
                / (√(v / (1 - β₂ᵗ)) + eps)

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        betas: (β₁, β₂), each in [0, 1).
        eps: >= 0.
        weight_decay: >= 0; adds weight_decay / 2 · |p|² to the loss.
        momentum_decay: >= 0; how fast μ climbs from β₁ / 2 to β₁.
        decoupled: weight decay as in ``AdamW`` instead (PyTorch's ``decoupled_weight_decay``).

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Dozat 2016, Incorporating Nesterov Momentum into Adam. Definition: ``torch.optim.NAdam``.

    Example:
        >>> p = np.array([1.0])
        >>> NAdam().update(np.ones(1), NAdam().init(p), p, 0.1)[0].round(4)
        array([0.8944])
    """

    learning_rate: float | Schedule = 2e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum_decay: float = 0.004
    decoupled: bool = False

    RANGES: ClassVar = {
        "betas": fractions,
        "eps": non_negative,
        "weight_decay": non_negative,
        "momentum_decay": non_negative,
        "decoupled": boolean,
    }

    def init(self, params: Tree) -> Tree:
        """``mean`` and ``square`` like params; ``updates``; ``product``, of the μ so far."""
        moments = {"mean": zeros_like(params), "square": zeros_like(params)}
        return moments | {"updates": counter(), "product": np.ones(())}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        grads, params = weight_decayed(
            self.decoupled, grads, params, learning_rate, self.weight_decay
        )
        updates = state["updates"] + 1
        now, ahead = self._momentum(updates), self._momentum(updates + 1)
        new = {
            "mean": moved(state["mean"], grads, self.betas[0]),
            "square": moved_square(state["square"], grads, self.betas[1]),
            "updates": updates,
            "product": state["product"] * now,
        }
        of_grad = wide(learning_rate) * (1 - now) / (1 - new["product"])
        of_mean = wide(learning_rate) * ahead / (1 - new["product"] * ahead)
        root = 1 / np.sqrt(1 - self.betas[1] ** wide(updates))

        def stepped(p: Array, g: Array, m: Array, v: Array) -> Array:
            below = scaled(root, np.sqrt(v)) + self.eps
            return p - (scaled(of_grad, g) + scaled(of_mean, m)) / below

        return tree_map(stepped, params, grads, new["mean"], new["square"]), new

    def _momentum(self, t: Array) -> Array:
        return self.betas[0] * (1 - 0.5 * 0.96 ** (wide(t) * self.momentum_decay))
