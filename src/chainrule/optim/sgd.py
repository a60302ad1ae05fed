"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import boolean, fraction, non_negative
from chainrule.optim.optimizer import (
    Array,
    Rated,
    counter,
    downhill,
    weight_decayed,
    zeros_like,
)
from chainrule.tracing.trees import Tree, tree_map


@dataclass(frozen=True, repr=False)
class SGD(Rated):
    """Stochastic gradient descent with momentum, as PyTorch defines it.

    With the gradient g of the loss at the parameters p, each update is::

        g = g + weight_decay p
        b = momentum b + (1 - dampening) g      (b = g at the first update)
        p = p - learning_rate b                 (g + momentum b in place of b with nesterov)

    The rate stands outside of the momentum b, so a schedule acts on all of the step at once
    (Sutskever's form has it inside; at a constant rate the two are the same).

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        momentum: in [0, 1); the share of the last step's direction that is kept.
        nesterov: look ahead along the momentum; needs momentum > 0 and no dampening.
        dampening: in [0, 1); the share of each gradient that is left out of the momentum.
        weight_decay: >= 0; adds weight_decay / 2 · |p|² to the loss. Not in the loss's value.
        decoupled: in place of that, p = p - learning_rate · weight_decay · p before each step, so
            that the decay stays out of the momentum (SGDW; not in PyTorch).

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Robbins & Monro 1951; momentum: Polyak 1964, Some Methods of Speeding Up the Convergence
        of Iteration Methods; nesterov: Sutskever, Martens, Dahl & Hinton 2013, On the Importance
        of Initialization and Momentum in Deep Learning; decoupled: Loshchilov & Hutter 2019,
        Decoupled Weight Decay Regularization, algorithm 1, with the decay multiplied by the
        learning rate as in AdamW. Definition: ``torch.optim.SGD``.

    Example:
        >>> optimizer = SGD(0.1, momentum=0.9)
        >>> params = {"w": np.array([1.0, 2.0])}
        >>> state = optimizer.init(params)
        >>> grads = {"w": np.array([1.0, -1.0])}
        >>> optimizer.update(grads, state, params, learning_rate=0.1)
        ({'w': array([0.9, 2.1])}, {'momentum': {'w': array([ 1., -1.])}})
    """

    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0
    weight_decay: float = 0.0
    decoupled: bool = False

    RANGES: ClassVar = {
        "momentum": fraction,
        "nesterov": boolean,
        "dampening": fraction,
        "weight_decay": non_negative,
        "decoupled": boolean,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not (self.momentum > 0 and self.dampening == 0):
            raise TrainingError(
                f"SGD: nesterov with momentum {self.momentum} and dampening {self.dampening}",
                "SGD(..., momentum=0.9, nesterov=True), without dampening",
            )

    def init(self, params: Tree) -> Tree:
        """The state before the first update, of the parameters' shapes and dtypes.

        Returns:
            ``()`` without momentum, else ``{"momentum": tree like params}``, and with dampening
            the number of ``"updates"`` so far, int64 of shape ``()``.
        """
        if not self.momentum:
            return ()
        state = {"momentum": zeros_like(params)}
        return state | {"updates": counter()} if self.dampening else state

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        grads, params = weight_decayed(
            self.decoupled, grads, params, learning_rate, self.weight_decay
        )
        direction, state = self._direction(grads, state)
        return downhill(params, direction, learning_rate), state

    def _direction(self, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """What the step goes along, and the new state."""
        if not self.momentum:
            return grads, state
        if self.dampening:
            return self._damped(grads, state)
        momentum = tree_map(lambda b, g: self.momentum * b + g, state["momentum"], grads)
        if self.nesterov:
            ahead = tree_map(lambda g, b: g + self.momentum * b, grads, momentum)
            return ahead, {"momentum": momentum}
        return momentum, {"momentum": momentum}

    def _damped(self, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """The first gradient enters the momentum whole, all later ones damped."""
        is_later, share = state["updates"] > 0, 1 - self.dampening

        def damped(b: Array, g: Array) -> Array:
            return np.where(is_later, self.momentum * b + share * g, g)

        momentum = tree_map(damped, state["momentum"], grads)
        return momentum, {"momentum": momentum, "updates": state["updates"] + 1}
