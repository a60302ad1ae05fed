"""Gradients cut to a size before another optimiser's update; and gradients added up first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.optim.arguments import at_least, positive
from chainrule.optim.optimizer import (
    Array,
    Optimizer,
    Wrapper,
    counter,
    scaled,
    wide,
    zeros_like,
)
from chainrule.tracing.trees import Tree, flatten, tree_map


@dataclass(frozen=True, repr=False)
class _Clip(Wrapper):
    """An update with clipped gradients."""

    def init(self, params: Tree) -> Tree:
        """``inner``: the inner optimiser's."""
        return {"inner": self.optimizer.init(params)}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        clipped = self._clipped(grads)
        params, inner = self.optimizer.update(clipped, state["inner"], params, learning_rate)
        return params, {"inner": inner}

    def evaluation(self, params: Tree, state: Tree) -> Tree:
        return self.optimizer.evaluation(params, state["inner"])

    def _clipped(self, grads: Tree) -> Tree:
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class ClipNorm(_Clip):
    """Clips the gradient's length; made by ``clip_norm``."""

    max_norm: float

    RANGES: ClassVar = {"max_norm": positive}

    def _clipped(self, grads: Tree) -> Tree:
        share = np.minimum(self.max_norm / (global_norm(grads) + 1e-6), 1.0)
        return tree_map(lambda g: scaled(share, g), grads)


@dataclass(frozen=True, repr=False)
class ClipValue(_Clip):
    """Clips each element of the gradient; made by ``clip_value``."""

    max_value: float

    RANGES: ClassVar = {"max_value": positive}

    def _clipped(self, grads: Tree) -> Tree:
        return tree_map(lambda g: np.clip(g, -self.max_value, self.max_value), grads)


@dataclass(frozen=True, repr=False)
class Accumulate(Wrapper):
    """Updates with the mean of several gradients; made by ``accumulate``."""

    every: int

    RANGES: ClassVar = {"every": at_least(1)}

    def init(self, params: Tree) -> Tree:
        """``sum`` of the gradients so far, like params; their ``count``; ``inner``."""
        inner = self.optimizer.init(params)
        return {"sum": zeros_like(params), "count": counter(), "inner": inner}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``; parameters and inner state stay until the last of them."""
        total = tree_map(lambda s, g: s + g, state["sum"], grads)
        is_due = state["count"] + 1 == self.every
        mean = tree_map(lambda s: s * (1 / self.every), total)
        before = params, state["inner"]
        after = self.optimizer.update(mean, state["inner"], params, learning_rate)
        params, inner = tree_map(lambda old, new: np.where(is_due, new, old), before, after)
        kept = tree_map(lambda s: np.where(is_due, np.zeros_like(s), s), total)
        count = np.where(is_due, 0, state["count"] + 1)
        return params, {"sum": kept, "count": count, "inner": inner}

    def evaluation(self, params: Tree, state: Tree) -> Tree:
        return self.optimizer.evaluation(params, state["inner"])


def global_norm(grads: Tree) -> Any:
    """The Euclidean length of all leaves together, float64 of shape ()."""
    return np.sqrt(sum(wide(np.sum(g * g)) for g in flatten(grads)[0]))


def clip_norm(optimizer: Optimizer, max_norm: float) -> ClipNorm:
    """Make a gradient longer than ``max_norm`` that long, then update.

    The length is that of all leaves together. g = g · min(1, max_norm / (|g| + 10⁻⁶)).

    Args:
        optimizer: what updates.
        max_norm: > 0, in units of loss per parameter.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Pascanu, Mikolov & Bengio 2013, On the Difficulty of Training Recurrent Neural Networks,
        algorithm 1; as ``torch.nn.utils.clip_grad_norm_``.

    Example:
        >>> from chainrule import optim
        >>> optimizer = clip_norm(optim.SGD(1.0), 1.0)
        >>> p = np.zeros(2)
        >>> optimizer.update(np.array([3.0, 4.0]), optimizer.init(p), p, 1.0)[0].round(3)
        array([-0.6, -0.8])
    """
    return ClipNorm(optimizer, max_norm)


def clip_value(optimizer: Optimizer, max_value: float) -> ClipValue:
    """Put each element of the gradient between -max_value and max_value, then update.

    Args:
        optimizer: what updates.
        max_value: > 0.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        ``torch.nn.utils.clip_grad_value_``.

    Example:
        >>> from chainrule import optim
        >>> optimizer = clip_value(optim.SGD(1.0), 1.0)
        >>> p = np.zeros(2)
        >>> optimizer.update(np.array([3.0, 0.5]), optimizer.init(p), p, 1.0)[0]
        array([-1. , -0.5])
    """
    return ClipValue(optimizer, max_value)


def accumulate(optimizer: Optimizer, every: int) -> Accumulate:
    """One update with the mean of ``every`` gradients, at the rate of the last.

    Batches of b are then like batches of every · b. Schedules count steps, not updates.

    Args:
        optimizer: what updates.
        every: gradients, from 1.

    Raises:
        TrainingError: an argument outside of its range.

    Example:
        >>> from chainrule import optim
        >>> optimizer, p = accumulate(optim.SGD(1.0), 2), np.zeros(1)
        >>> state = optimizer.init(p)
        >>> for gradient in (1.0, 3.0, 5.0):
        ...     p, state = optimizer.update(np.array([gradient]), state, p, 1.0)
        >>> p  # the mean of 1 and 3; 5 waits for another
        array([-2.])
    """
    return Accumulate(optimizer, every)
