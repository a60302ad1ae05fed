"""Columns of categories: one-hot, with a shared column for the rare ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import ArrowColumn
from chainrule.data.values import codes
from chainrule.data.words import count, listed

MAX_LEVELS = 60
RARE = 2  # a level of fewer training rows (or of fewer than one in 10,000) has no column of its own


@dataclass(frozen=True, slots=True)
class Category:
    """A column of texts, each of which stands for a category.

    Encoded one-hot: a column for each of ``levels``; one for "other" if training rows had rarer
    categories; one for "missing" if training rows missed some. A category that training did not
    see is "other"; where there is no such column, it has zeros everywhere.

    Fields:
        levels: the most frequent categories, at most 60, the most frequent first.
        rare: how many further categories share "other".
        missing: training rows without a value.
    """

    kind: ClassVar[str] = "category"

    name: str
    levels: tuple[str, ...]
    rare: int = 0
    missing: int = 0

    @classmethod
    def fit(
        cls, name: str, indices: NDArray[np.int64], texts: Sequence[str],
        weights: NDArray[np.float64] | None = None,
    ) -> Category:  # fmt: skip
        """The levels of a column given as ``codes`` gives it."""
        kept, rare = kept_levels(indices, texts, weights)
        more = max(0, len(kept) - MAX_LEVELS)
        return cls(name, kept[:MAX_LEVELS], rare + more, int(np.sum(indices < 0)))

    @property
    def width(self) -> int:
        """How many encoded columns."""
        return len(self.levels) + bool(self.rare) + bool(self.missing)

    @property
    def found(self) -> str:
        """The values of the training rows, in words."""
        return listed(self.levels, 3)

    @property
    def treatment(self) -> str:
        """What is done with the column, in words."""
        steps = [f"one-hot of {count(len(self.levels), 'category', 'categories')}"]
        if self.rare:
            steps.append(f"{self.rare:,} rarer: other")
        if self.missing:
            steps.append(f"missing ({self.missing:,}): a category of its own")
        return "; ".join(steps)

    def features(self) -> list[str]:
        """The name of each encoded column."""
        shared = [f"{self.name} is other"] if self.rare else []
        marker = [f"{self.name} is missing"] if self.missing else []
        return [*(f"{self.name}={level}" for level in self.levels), *shared, *marker]

    def encode(self, column: ArrowColumn, x: NDArray[Any]) -> None:
        """Encode ``column`` into ``x``: (n, width), zeros before."""
        indices, texts = codes(column)
        nowhere = -1
        other = len(self.levels) if self.rare else nowhere
        gap = self.width - 1 if self.missing else nowhere
        slot = {level: i for i, level in enumerate(self.levels)}
        # The last entry serves the index -1 of missing values.
        slots = np.array([*(slot.get(text, other) for text in texts), gap])[indices]
        rows = np.flatnonzero(slots >= 0)
        x[rows, slots[rows]] = 1.0


def kept_levels(
    indices: NDArray[np.int64], texts: Sequence[str], weights: NDArray[np.float64] | None = None
) -> tuple[tuple[str, ...], int]:
    """The categories that are frequent enough, the most frequent first; how many are not."""
    known = indices >= 0
    rows = np.bincount(indices[known], None if weights is None else weights[known], len(texts))
    order = sorted(np.flatnonzero(rows).tolist(), key=lambda i: (-rows[i], texts[i]))
    least = max(RARE, (len(indices) if weights is None else weights.sum()) // 10_000)
    kept = tuple(texts[i] for i in order if rows[i] >= least)
    return kept, len(order) - len(kept)
