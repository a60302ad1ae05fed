"""Muon: a momentum, made orthogonal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from chainrule.optim.adam import AdamW
from chainrule.optim.arguments import (
    at_least,
    boolean,
    fraction,
    fractions,
    non_negative,
    one_of,
)
from chainrule.optim.optimizer import Array, Rated, decayed, moved, scaled, wide, zeros_like
from chainrule.optim.partition import joined, parted
from chainrule.optim.schedules import Schedule
from chainrule.tracing.trees import Tree, flatten, tree_map

#: x -> a x + b x³ + c x⁵ draws every singular value in (0, 1] to between 0.7 and 1.2.
COEFFICIENTS: Final = (3.4445, -4.7750, 2.0315)


@dataclass(frozen=True, repr=False)
class Muon(Rated):
    """Momentum made orthogonal by Newton-Schulz for each matrix, AdamW for the rest.

    With the gradient G of the loss at a matrix W (n_out, n_in), each update is::

        B = momentum B + (1 - momentum) G
        D = (1 - momentum) G + momentum B with nesterov, else B
        O = newton_schulz(D), nearly U Vᵀ of D = U S Vᵀ
        W = W - learning_rate (weight_decay W + s O)

    with s = √max(1, n_out / n_in) ("original") or 0.2 √max(n_out, n_in) ("match_rms_adamw":
    an update as large as AdamW's, so that its rates fit). Leaves that are no matrices take
    AdamW's step at ``rest`` times the learning rate, with ``rest_betas`` and the same decay.
    PyTorch's takes matrices alone, and rounds the iteration to bfloat16; here it has the
    parameter's dtype. Embeddings and the last layer are better left to AdamW, too:
    ``optim.groups({"layers.4.*": optim.AdamW(3e-4)}, optim.Muon())``.

    Args:
        learning_rate: a number >= 0, or a schedule ``(step, total) -> rate``.
        momentum: in [0, 1).
        nesterov: look ahead along the momentum.
        weight_decay: >= 0, decoupled.
        iterations: of Newton-Schulz, from 1.
        adjust: "original" or "match_rms_adamw".
        rest: >= 0; AdamW's learning rate as a share of Muon's.
        rest_betas: AdamW's.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Jordan et al. 2024, Muon: An optimizer for hidden layers in neural networks; adjustment:
        Liu et al. 2025, Muon is Scalable for LLM Training, 2.2. Definition: ``torch.optim.Muon``.

    Example:
        >>> W = np.zeros((2, 2))
        >>> gradient = np.array([[5.0, 0.0], [0.0, 0.1]])
        >>> W, _ = Muon(0.1).update(gradient, Muon(0.1).init(W), W, 0.1)
        >>> bool((np.abs(np.diag(W) + 0.1) < 0.04).all())  # -0.1, nearly, in both directions
        True
    """

    learning_rate: float | Schedule = 0.02
    momentum: float = 0.95
    nesterov: bool = True
    weight_decay: float = 0.1
    iterations: int = 5
    adjust: str = "original"
    rest: float = 0.015
    rest_betas: tuple[float, float] = (0.9, 0.95)

    RANGES: ClassVar = {
        "momentum": fraction,
        "nesterov": boolean,
        "weight_decay": non_negative,
        "iterations": at_least(1),
        "adjust": one_of("original", "match_rms_adamw"),
        "rest": non_negative,
        "rest_betas": fractions,
    }

    def init(self, params: Tree) -> Tree:
        """``momentum`` of the matrices and the ``rest``'s AdamW state, by the leaves' names."""
        matrices, others = parted(params, _labels(params), 2)
        return {"momentum": zeros_like(matrices), "rest": self._adamw.init(others)}

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        labels = _labels(params)
        matrices, others = parted(params, labels, 2)
        slopes, other_grads = parted(grads, labels, 2)
        stepped, momentum = self._matrices(slopes, state["momentum"], matrices, learning_rate)
        rate = self.rest * wide(learning_rate)
        others, rest = self._adamw.update(other_grads, state["rest"], others, rate)
        return joined(params, [stepped, others]), {"momentum": momentum, "rest": rest}

    @property
    def _adamw(self) -> AdamW:
        return AdamW(betas=self.rest_betas, weight_decay=self.weight_decay)

    def _matrices(
        self, grads: Tree, momentum: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        momentum = moved(momentum, grads, self.momentum)
        direction = moved(momentum, grads, self.momentum) if self.nesterov else momentum
        params = decayed(params, learning_rate, self.weight_decay)

        def stepped(p: Array, d: Array) -> Array:
            orthogonal = newton_schulz(d, self.iterations)
            return p - scaled(wide(learning_rate) * self._size(*p.shape), orthogonal)

        return tree_map(stepped, params, direction), momentum

    def _size(self, n_out: int, n_in: int) -> float:
        if self.adjust == "original":
            return math.sqrt(max(1.0, n_out / n_in))
        return 0.2 * math.sqrt(max(n_out, n_in))


def _labels(params: Tree) -> list[int]:
    """0 for matrices, 1 for the rest."""
    return [0 if len(leaf.shape) == 2 else 1 for leaf in flatten(params)[0]]


def newton_schulz(x: Array, iterations: int = 5) -> Array:
    """A matrix with the singular vectors of x and singular values near 1, in matrix products.

    Shapes:
        x: (m, n) -> (m, n).

    Source:
        Jordan et al. 2024, Muon; the coefficients are tuned for a steep slope at 0, so the
        values end between 0.7 and 1.2 and not at 1.
    """
    a, b, c = COEFFICIENTS
    is_tall = x.shape[0] > x.shape[1]
    y = x.T if is_tall else x
    y = y / np.maximum(np.sqrt(np.sum(y * y)), 1e-7)
    for _ in range(iterations):
        gram = y @ y.T
        y = a * y + (b * gram + c * (gram @ gram)) @ y
    return y.T if is_tall else y
