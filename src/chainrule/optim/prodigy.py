"""Prodigy: Adam that estimates its own rate from the distance to the solution."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.optim.arguments import (
    at_least_one,
    boolean,
    fractions,
    non_negative,
    positive,
)
from chainrule.optim.optimizer import (
    Array,
    Rated,
    counter,
    decayed,
    downhill,
    penalised,
    scaled,
    wide,
    zeros_like,
)
from chainrule.optim.schedules import Schedule
from chainrule.tracing.trees import Tree, flatten, tree_map


@dataclass(frozen=True, repr=False)
class Prodigy(Rated):
    """Adam at a rate d that grows to the distance from the first parameters to the solution.

    With γ = learning_rate (times √(1 - β₂ᵗ) / (1 - β₁ᵗ) with ``bias_correction``), β₃ = √β₂, the
    first parameters p₀ and d = d₀ before the first update, each update is::

        m = β₁ m + (1 - β₁) d g       v = β₂ v + (1 - β₂) d² g²
        r = β₃ r + γ d² ⟨g, p₀ - p⟩ / d₀
        s = β₃ s + γ d² g / d₀                      (without γ with safeguard_warmup)
        d' = max(d, coefficient · r / |s|₁), at most growth · d
        p = p - γ d (m / (√v + d' eps) + weight_decay p)

    Sums run over all leaves. γ is a share of the estimated rate: leave the learning rate at 1,
    or give it a schedule that ends low, such as ``optim.cosine(1.0)``.

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        betas: (β₁, β₂), each in [0, 1).
        eps: >= 0.
        weight_decay: >= 0.
        decoupled: the decay as in ``AdamW``; else as in ``Adam``.
        bias_correction: of the moments, as in Adam.
        safeguard_warmup: leave the rate out of s, so that a long warm-up does no harm.
        d0: > 0; the first estimate. Rather too small than too large.
        coefficient: > 0; multiplies the estimate.
        growth: >= 1; the most that the estimate grows by in one update.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Mishchenko & Defazio 2024, Prodigy: An Expeditiously Adaptive Parameter-Free Learner,
        algorithm 4. Definition: the authors' package ``prodigyopt`` 1.1.

    Example:
        >>> optimizer, p = Prodigy(), np.array([1.0])
        >>> state = optimizer.init(p)
        >>> for _ in range(300):  # the gradient of ½ (p - 5)²
        ...     p, state = optimizer.update(p - 5, state, p, 1.0)
        >>> bool(abs(p[0] - 5) < 0.1), bool(1 < state["d"] < 10)
        (True, True)
    """

    learning_rate: float | Schedule = 1.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = True
    bias_correction: bool = False
    safeguard_warmup: bool = False
    d0: float = 1e-6
    coefficient: float = 1.0
    growth: float = math.inf

    RANGES: ClassVar = {
        "betas": fractions,
        "eps": non_negative,
        "weight_decay": non_negative,
        "decoupled": boolean,
        "bias_correction": boolean,
        "safeguard_warmup": boolean,
        "d0": positive,
        "coefficient": positive,
        "growth": at_least_one,
    }

    def init(self, params: Tree) -> Tree:
        """``start``, ``mean``, ``square``, ``sum`` like params; four scalars."""
        trees = {name: zeros_like(params) for name in ("mean", "square", "sum")}
        scalars = {"d": np.asarray(self.d0), "largest": np.asarray(self.d0)}
        return {
            "start": tree_map(np.array, params), **trees, **scalars,
            "distance": np.zeros(()), "updates": counter(),
        }  # fmt: skip

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        if not self.decoupled:
            grads = penalised(grads, params, self.weight_decay)
        updates, d = state["updates"] + 1, state["d"]
        rate = d * wide(learning_rate) * self._correction(updates)
        new = self._sums(grads, state, params, rate, learning_rate)
        new |= self._estimate(new, state) | {"start": state["start"], "updates": updates}
        if self.decoupled:
            params = decayed(params, rate, self.weight_decay)
        direction = tree_map(
            lambda m, v: m / (np.sqrt(v) + scaled(new["d"] * self.eps, np.ones_like(v))),
            new["mean"], new["square"],
        )  # fmt: skip
        return downhill(params, direction, rate), new

    def _correction(self, updates: Array) -> Any:
        if not self.bias_correction:
            return 1.0
        first, second = (1 - beta ** wide(updates) for beta in self.betas)
        return np.sqrt(second) / first

    def _sums(
        self, grads: Tree, state: Tree, params: Tree, rate: Array, learning_rate: Array
    ) -> dict[str, Tree]:
        (first, second), d = self.betas, state["d"]
        keep = math.sqrt(second)
        unit = d / self.d0
        of_sum = unit * (d if self.safeguard_warmup else rate)
        of_sum = np.where(wide(learning_rate) > 0, of_sum, 0.0)
        lean = _total(lambda g, p0, p: g * (p0 - p), grads, state["start"], params)
        return {
            "mean": tree_map(
                lambda m, g: first * m + scaled(d * (1 - first), g), state["mean"], grads
            ),
            "square": tree_map(
                lambda v, g: second * v + scaled(d * d * (1 - second), g * g),
                state["square"], grads,
            ),
            "sum": tree_map(lambda s, g: keep * s + scaled(of_sum, g), state["sum"], grads),
            "distance": keep * state["distance"] + unit * rate * lean,
        }  # fmt: skip

    def _estimate(self, new: Tree, state: Tree) -> dict[str, Array]:
        """d grows to its largest estimate so far, no faster than ``growth``."""
        size, d = _total(np.abs, new["sum"]), state["d"]
        is_measured = size > 0
        estimate = self.coefficient * new["distance"] / np.where(is_measured, size, 1.0)
        first = np.where(d == self.d0, np.maximum(d, estimate), d)
        largest = np.maximum(state["largest"], estimate)
        grown = np.minimum(largest, first * self.growth) if self.growth < math.inf else largest
        return {
            "d": np.where(is_measured, grown, d),
            "largest": np.where(is_measured, largest, state["largest"]),
        }


def _total(f: Any, *trees: Tree) -> Array:
    """The sum over all elements of f of the leaves, in float64."""
    return sum(wide(np.sum(x)) for x in flatten(tree_map(f, *trees))[0])
