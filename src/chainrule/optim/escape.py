"""Noise where the gradient is nearly 0, so that a descent does not stop at a saddle point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from chainrule.optim.arguments import at_least, non_negative, positive
from chainrule.optim.clipping import global_norm
from chainrule.optim.optimizer import Array, Optimizer, Wrapper, counter
from chainrule.tracing.control import cond
from chainrule.tracing.counter import bits, key_of
from chainrule.tracing.trees import Tree, flatten, tree_map, unflatten

#: An odd number by which neighbouring seeds lie far apart, and below 2⁶² for counts to be added.
_APART: Final = 0x1E3779B97F4A7C15
_RANGE: Final = 1 << 61


@dataclass(frozen=True, repr=False)
class Escape(Wrapper):
    """Perturbs where the gradient is small; made by ``escape``."""

    gradient: float = 1e-3
    radius: float = 1e-2
    wait: int = 100
    seed: int = 0

    RANGES: ClassVar = {
        "gradient": non_negative, "radius": positive, "wait": at_least(1), "seed": at_least(0),
    }  # fmt: skip

    def init(self, params: Tree) -> Tree:
        """Counts of ``updates`` and of those ``since`` the last noise; ``inner``."""
        since = np.asarray(self.wait, np.int64)
        return {"updates": counter(), "since": since, "inner": self.optimizer.init(params)}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        is_due = (global_norm(grads) <= self.gradient) & (state["since"] >= self.wait)
        params, inner = self.optimizer.update(grads, state["inner"], params, learning_rate)
        updates = state["updates"]
        params = cond(is_due, self._perturbed, lambda p, _: p, params, updates)
        since = np.where(is_due, 1, state["since"] + 1)
        return params, {"updates": updates + 1, "since": since, "inner": inner}

    def evaluation(self, params: Tree, state: Tree) -> Tree:
        return self.optimizer.evaluation(params, state["inner"])

    def _perturbed(self, params: Tree, updates: Array) -> Tree:
        """The parameters, moved by a vector drawn uniformly from the ball of that radius."""
        leaves, structure = flatten(params)
        key = key_of(updates + np.int64(self.seed * _APART % _RANGE))
        normal = [_normal(key, k, leaf.shape) for k, leaf in enumerate(leaves)]
        length = np.sqrt(sum(np.sum(x * x) for x in normal))
        size = sum(math.prod(leaf.shape) for leaf in leaves)
        # A share uᵈ of the ball's volume lies within u of its radius.
        share = np.exp(np.log(_uniform(bits(key, 2 * len(leaves), ()))) / size)
        noise = unflatten(structure, [self.radius * share / length * x for x in normal])
        return tree_map(lambda p, x: p + x.astype(p.dtype), params, noise)


def _uniform(word: Array) -> Array:
    """From 32 bits a float64 between 0 and 1, neither included."""
    return (word.astype(np.float64) + (2.0**31 + 0.5)) * 2.0**-32


def _normal(key: tuple[Array, Array], leaf: int, shape: tuple[int, ...]) -> Any:
    """Standard normal numbers, float64 (Box & Muller 1958)."""
    u, v = (_uniform(bits(key, 2 * leaf + k, shape)) for k in (0, 1))
    return np.sqrt(-2 * np.log(u)) * np.cos(2 * np.pi * v)


def escape(
    optimizer: Optimizer, gradient: float = 1e-3, radius: float = 1e-2, wait: int = 100,
    seed: int = 0,
) -> Escape:  # fmt: skip
    """Add noise once where the gradient is nearly 0, then leave the descent alone for a while.

    Where |g| <= ``gradient``, and there was no noise in the last ``wait`` updates, a vector drawn
    uniformly from the ball of that radius is added to the parameters behind the update. Near a
    saddle point the next gradients carry it away along the direction that falls; near a minimum
    they bring it back. The noise is a function of the seed and the number of the update.

    The paper also ends the descent where a perturbation has not lowered the loss within ``wait``
    updates, and returns the point before it; here the descent goes on.

    Args:
        optimizer: what updates.
        gradient: >= 0; the length, of all leaves together, below which noise is added.
        radius: > 0, in the parameters' unit.
        wait: updates, from 1; long enough to get away: about log(|θ| / radius) / (rate |λ_min|).
        seed: of the noise, from 0.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Jin, Ge, Netrapalli, Kakade & Jordan 2017, How to Escape Saddle Points Efficiently,
        algorithm 2.

    Example:
        >>> from chainrule import optim
        >>> optimizer = escape(optim.SGD(0.1), radius=0.01)
        >>> p = np.zeros(2)  # the saddle of x² - y²
        >>> moved, state = optimizer.update(np.zeros(2), optimizer.init(p), p, 0.1)
        >>> bool(0 < np.linalg.norm(moved) <= 0.01), int(state["since"])
        (True, 1)
    """
    return Escape(optimizer, gradient, radius, wait, seed)
