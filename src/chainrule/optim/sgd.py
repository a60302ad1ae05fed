"""Stochastic gradient descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import fraction, non_negative
from chainrule.optim.schedules import Schedule, learning_rates
from chainrule.tracing.tracer import cast
from chainrule.tracing.trees import Tree, tree_map

Array: TypeAlias = Any
_RANGES: Final = {
    "learning_rate": non_negative,
    "momentum": fraction,
    "dampening": fraction,
    "weight_decay": non_negative,
}


@dataclass(frozen=True)
class SGD:
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

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Robbins & Monro 1951; momentum: Polyak 1964, Some Methods of Speeding Up the Convergence
        of Iteration Methods; nesterov: Sutskever, Martens, Dahl & Hinton 2013, On the Importance
        of Initialization and Momentum in Deep Learning. Definition: ``torch.optim.SGD``.

    Example:
        >>> optimizer = SGD(0.1, momentum=0.9)
        >>> params = {"w": np.array([1.0, 2.0])}
        >>> state = optimizer.init(params)
        >>> grads = {"w": np.array([1.0, -1.0])}
        >>> optimizer.update(grads, state, params, learning_rate=0.1)
        ({'w': array([0.9, 2.1])}, {'momentum': {'w': array([ 1., -1.])}})
    """

    learning_rate: float | Schedule
    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name, checked in _RANGES.items():
            value = getattr(self, name)
            if not (name == "learning_rate" and callable(value)):
                object.__setattr__(self, name, checked(f"SGD: {name}", value))
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
        state: dict[str, Tree] = {"momentum": tree_map(np.zeros_like, params)}
        return state | {"updates": np.zeros((), np.int64)} if self.dampening else state

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """One step downhill; nothing is changed in place.

        Args:
            grads: a tree like params.
            state: from ``init`` or the last ``update``.
            params: a tree of arrays.
            learning_rate: this step's rate, shape ``()``; it is rounded to each leaf's dtype.

        Returns:
            (the new parameters, the new state), of the same structure, shapes and dtypes.

        Raises:
            ShapeError: the trees differ.
        """
        if self.weight_decay:
            grads = tree_map(lambda g, p: g + self.weight_decay * p, grads, params)
        direction, state = self._direction(grads, state)
        return tree_map(_downhill(learning_rate), params, direction), state

    def learning_rates(self, steps: Any, total: int) -> Any:
        """The rate at each of these steps of a run of ``total``; see ``optim.learning_rates``."""
        return learning_rates(self.learning_rate, steps, total)

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


def _downhill(learning_rate: Array) -> Any:
    # A rate of float64 would make a float32 parameter one of float64.
    return lambda p, direction: p - cast(learning_rate, direction.dtype) * direction
