"""An order that draws rows in proportion to their weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.compiler.native.draws import Cumulative
from chainrule.errors import DataError
from chainrule.orders.order import PerRow, Remainder, one_axis


@dataclass(frozen=True, eq=False, repr=False)
class Weighted(PerRow):
    """Draws with replacement by weight; made by ``weighted``."""

    weights: Any
    name = "weighted"
    permutes = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", _checked(self.weights))

    def values(self) -> np.ndarray:
        """The weight of each row, float64[n]."""
        return np.asarray(self.weights)

    def take(self, rows: np.ndarray) -> Weighted:
        """See ``Order.take``."""
        return Weighted(self.weights[rows], remainder=self.remainder)

    def epoch_into(self, out: np.ndarray, seed: int, epoch: int) -> None:
        """See ``Order.epoch_into``."""
        self._cumulative.draw_into(out, len(out), self.key(seed, epoch))

    @cached_property
    def _cumulative(self) -> Cumulative:
        return Cumulative.of(self.weights)


def weighted(weights: Any, remainder: Remainder = "drop") -> Weighted:
    """Each epoch n independent draws, row i with probability weights[i] / Σ weights.

    The loss is then no longer the mean over the data but the weighted mean. A row of weight 0 is
    never drawn. For classes that are all seen equally often, weigh each row by 1 over the size
    of its class.

    Args:
        weights: one per row, finite and >= 0, not all zero; taken as float64. A probability is
            right to 2⁻⁵¹ of itself or 2⁻⁶⁰, whichever is more.
        remainder: "drop", "smaller" or "carry"; see ``Order``.

    Raises:
        DataError: no such weights; when the run begins, another number of them than rows.
        TrainingError: another remainder.

    Source:
        Chen & Asau 1974, On Generating Random Variates from an Empirical Distribution.

    Example:
        >>> rows = weighted([3.0, 0.0, 1.0, 1.0]).epoch(4, seed=0, epoch=0)
        >>> 1 in rows
        False
    """
    return Weighted(weights, remainder=remainder)


def _checked(weights: Any) -> np.ndarray:
    array = one_axis("weighted", "weights", weights)
    if array.dtype.kind not in "biuf":
        raise DataError(f"weighted: weights are {array.dtype}; expected numbers >= 0")
    array = array.astype(np.float64)
    wrong = ~(np.isfinite(array) & (array >= 0))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise DataError(f"weighted: the weight of row {k} is {array[k]}; expected finite, >= 0")
    if not array.any():
        raise DataError("weighted: all weights are 0; expected one that is more")
    array.flags.writeable = False
    return array
