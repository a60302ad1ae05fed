"""Steps over the root of a sum or a mean of squared gradients: Adagrad, RMSprop, Adadelta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.optim.arguments import boolean, fraction, non_negative
from chainrule.optim.optimizer import (
    Array,
    Rated,
    counter,
    downhill,
    moved,
    moved_square,
    penalised,
    wide,
    zeros_like,
)
from chainrule.optim.schedules import Schedule
from chainrule.tracing.trees import Tree, tree_map


@dataclass(frozen=True, repr=False)
class Adagrad(Rated):
    """Steps over the root of the sum of all squared gradients, as PyTorch defines it.

    With the gradient g of the loss at the parameters p, update t = 1, 2, ... is::

        g = g + weight_decay p
        s = s + g²                   (s = initial before the first)
        p = p - learning_rate / (1 + (t - 1) rate_decay) · g / (√s + eps)

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        rate_decay: >= 0 (PyTorch's ``lr_decay``).
        weight_decay: >= 0; adds weight_decay / 2 · |p|² to the loss.
        initial: >= 0; what each sum begins with (``initial_accumulator_value``).
        eps: >= 0.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Duchi, Hazan & Singer 2011, Adaptive Subgradient Methods for Online Learning and
        Stochastic Optimization. Definition: ``torch.optim.Adagrad``.

    Example:
        >>> p = np.array([1.0, 1.0])
        >>> Adagrad().update(np.array([4.0, -0.5]), Adagrad().init(p), p, 0.1)[0]
        array([0.9, 1.1])
    """

    learning_rate: float | Schedule = 1e-2
    rate_decay: float = 0.0
    weight_decay: float = 0.0
    initial: float = 0.0
    eps: float = 1e-10

    RANGES: ClassVar = dict.fromkeys(("rate_decay", "weight_decay", "initial", "eps"), non_negative)

    def init(self, params: Tree) -> Tree:
        """``sum`` like params; ``updates``."""
        start = tree_map(lambda p: np.full_like(p, self.initial), params)
        return {"sum": start, "updates": counter()}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        grads = penalised(grads, params, self.weight_decay)
        total = tree_map(lambda s, g: s + g * g, state["sum"], grads)
        rate = wide(learning_rate) / (1 + wide(state["updates"]) * self.rate_decay)
        direction = tree_map(lambda g, s: g / (np.sqrt(s) + self.eps), grads, total)
        return downhill(params, direction, rate), {"sum": total, "updates": state["updates"] + 1}


@dataclass(frozen=True, repr=False)
class RMSprop(Rated):
    """Steps over the root of the mean of squared gradients, as PyTorch defines it.

    With the gradient g of the loss at the parameters p, each update is::

        g = g + weight_decay p
        v = α v + (1 - α) g²         d = g / (√v + eps)
        b = momentum b + d           p = p - learning_rate b

    Centered, √v is √(v - m²) with m = α m + (1 - α) g: the spread and not the size. (v - m²
    may be rounded to just below 0; it is then taken as 0, where PyTorch gives NaN.)

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        alpha: in [0, 1); how much of the mean is kept.
        eps: >= 0; outside of the root.
        weight_decay: >= 0; adds weight_decay / 2 · |p|² to the loss.
        momentum: in [0, 1).
        centered: divide by the standard deviation.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Tieleman & Hinton 2012, Lecture 6.5; centered: Graves 2013, Generating Sequences With
        Recurrent Neural Networks, equations 38-45. Definition: ``torch.optim.RMSprop``.

    Example:
        >>> p = np.array([1.0])
        >>> RMSprop(alpha=0.75).update(np.ones(1), RMSprop().init(p), p, 0.1)[0].round(6)
        array([0.8])
    """

    learning_rate: float | Schedule = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False

    RANGES: ClassVar = {
        "alpha": fraction,
        "eps": non_negative,
        "weight_decay": non_negative,
        "momentum": fraction,
        "centered": boolean,
    }

    def init(self, params: Tree) -> Tree:
        """``square`` like params, with ``mean`` where centered, ``momentum`` where there is any."""
        has = {"square": True, "mean": self.centered, "momentum": self.momentum > 0}
        return {name: zeros_like(params) for name, wanted in has.items() if wanted}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        grads = penalised(grads, params, self.weight_decay)
        new = {"square": moved_square(state["square"], grads, self.alpha)}
        spread = new["square"]
        if self.centered:
            new["mean"] = moved(state["mean"], grads, self.alpha)
            spread = tree_map(lambda v, m: np.maximum(v - m * m, 0), spread, new["mean"])
        direction = tree_map(lambda g, v: g / (np.sqrt(v) + self.eps), grads, spread)
        if self.momentum:
            direction = tree_map(lambda b, d: self.momentum * b + d, state["momentum"], direction)
            new["momentum"] = direction
        return downhill(params, direction, learning_rate), new


@dataclass(frozen=True, repr=False)
class Adadelta(Rated):
    """Steps in the parameters' own unit, as PyTorch defines them.

    With the gradient g of the loss at the parameters p, each update is::

        g = g + weight_decay p
        v = ρ v + (1 - ρ) g²
        d = √(u + eps) / √(v + eps) · g
        u = ρ u + (1 - ρ) d²         p = p - learning_rate d

    Args:
        learning_rate: a number >= 0, or a schedule; 1 is the paper's.
        rho: in [0, 1); how much of the means is kept.
        eps: > 0 in effect, since u begins at 0 and nothing would move; inside of the roots.
        weight_decay: >= 0; adds weight_decay / 2 · |p|² to the loss.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Zeiler 2012, ADADELTA: An Adaptive Learning Rate Method, algorithm 1.
        Definition: ``torch.optim.Adadelta``.

    Example:
        >>> p = np.array([1.0])
        >>> Adadelta().update(np.ones(1), Adadelta().init(p), p, 1.0)[0].round(5)
        array([0.99684])
    """

    learning_rate: float | Schedule = 1.0
    rho: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0.0

    RANGES: ClassVar = {"rho": fraction, "eps": non_negative, "weight_decay": non_negative}

    def init(self, params: Tree) -> Tree:
        """``square`` of the gradients and ``steps``, of the steps squared, like params."""
        return {"square": zeros_like(params), "steps": zeros_like(params)}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        grads = penalised(grads, params, self.weight_decay)
        square = moved_square(state["square"], grads, self.rho)
        step = tree_map(
            lambda u, v, g: np.sqrt(u + self.eps) / np.sqrt(v + self.eps) * g,
            state["steps"], square, grads,
        )  # fmt: skip
        new = {"square": square, "steps": moved_square(state["steps"], step, self.rho)}
        return downhill(params, step, learning_rate), new
