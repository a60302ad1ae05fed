"""What an estimator minimises: the weighted mean of a loss, and the L2 penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import TrainingError
from chainrule.losses import Loss

Array: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Objective:
    """Σ w loss / Σ w + alpha / 2 · |weights|² / Σ w over a batch, as scikit-learn's networks.

    Attributes:
        loss: one of ours, or a function (output, y) -> the losses (batch, ...) in NumPy.
        factor: what its mean is multiplied by to be descended: scikit-learn's squared error is
            half of ours, and its losses of several answers are summed where ours are averaged.
        shown: what the same mean is multiplied by in ``loss_curve_``.
    """

    loss: Loss | Callable[..., Any]
    factor: float = 1.0
    shown: float = 1.0

    def link(self, output: np.ndarray) -> np.ndarray:
        """The prediction from an output: the mean from its logarithm, say."""
        return np.asarray(self.loss.link(output) if isinstance(self.loss, Loss) else output)

    @property
    def key(self) -> Any:
        """Equal for objectives whose steps are the same program."""
        if isinstance(self.loss, Loss):
            return (
                self.loss.formula,
                repr(sorted(self.loss.options.items())),
                self.factor,
                self.shown,
            )
        return self.loss, self.factor, self.shown

    def totals(self, output: Array, y: Array, w: Array) -> tuple[Array, Array]:
        """(Σ w loss, Σ w), the loss of a row averaged over its outputs; w may be None for 1."""
        if isinstance(self.loss, Loss):
            total, count = self.loss.totals(output, y, w)
            return total, count
        return _totals(self.loss(output, y), output, w)

    def mean(self, output: Array, y: Array, w: Array) -> Array:
        """Σ w loss / Σ w."""
        total, count = self.totals(output, y, w)
        return total / np.where(count > 0, count, np.ones_like(count))


def _totals(elements: Array, output: Array, w: Array) -> tuple[Array, Array]:
    if np.shape(elements)[:1] != output.shape[:1]:
        raise TrainingError(
            f"loss: the function returned shape {np.shape(elements)} for outputs of "
            f"{output.shape}; expected one loss per row",
            "return the losses themselves, not their mean: rows may be weighted",
        )
    each = np.mean(np.reshape(elements, (output.shape[0], -1)), axis=1)
    if w is None:
        return np.sum(each), each.dtype.type(each.size)
    return np.sum(w * each), np.sum(w)


def penalty(coefs: list[Array]) -> Array:
    """½ Σ |weights|²; biases are free."""
    return 0.5 * sum(np.sum(w * w) for w in coefs)
