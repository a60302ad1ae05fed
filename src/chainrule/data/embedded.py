"""Columns of many categories: a whole number for each, which looks up a learnt row of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.category import kept_levels
from chainrule.data.extras import ArrowColumn
from chainrule.data.values import codes
from chainrule.data.words import count, listed

MOST_NUMBERS: Final = 50
#: Numbers of a column's table: each update goes through all of them.
MOST_IN_TABLE: Final = 2**15


@dataclass(frozen=True, slots=True)
class Embedded:
    """A column of texts, each of which stands for one of many categories.

    Encoded as one whole number: 0 for a category that training did not see, a rare one or a
    missing value; else 1 and the place among ``levels``. ``nn.EmbedColumns`` makes ``numbers``
    learnt numbers of it.

    Fields:
        levels: the categories of their own, the most frequent first.
        rare: how many further categories share 0.
        missing: training rows without a value.
    """

    kind: ClassVar[str] = "embedded"

    name: str
    levels: tuple[str, ...]
    rare: int = 0
    missing: int = 0

    @classmethod
    def fit(
        cls, name: str, indices: NDArray[np.int64], texts: Sequence[str],
        weights: NDArray[np.float64] | None = None,
    ) -> Embedded:  # fmt: skip
        """The levels of a column given as ``codes`` gives it."""
        kept, rare = kept_levels(indices, texts, weights)
        return cls(name, kept, rare, int(np.sum(indices < 0)))

    @property
    def width(self) -> int:
        """How many encoded columns: one."""
        return 1

    @property
    def rows(self) -> int:
        """Rows of the table that is learnt: one for each level, and one for all others."""
        return len(self.levels) + 1

    @property
    def numbers(self) -> int:
        """Learnt numbers for a category.

        Source:
            The rule of fastai's tabular models, 1.6 n^0.56 (``emb_sz_rule``); here at most 50,
            and at most 2¹⁵ for all categories together, as far as two for each allow it.
        """
        by_rule = min(MOST_NUMBERS, math.ceil(1.6 * math.pow(self.rows, 0.56)))
        return max(2, min(by_rule, MOST_IN_TABLE // self.rows))

    @property
    def found(self) -> str:
        """The values of the training rows, in words."""
        return listed(self.levels, 3)

    @property
    def treatment(self) -> str:
        """What is done with the column, in words."""
        categories = count(len(self.levels), "category", "categories")
        steps = [f"{self.numbers} learnt numbers for each of {categories}"]
        if self.rare:
            steps.append(f"{self.rare:,} rarer: as unseen")
        if self.missing:
            steps.append(f"missing ({self.missing:,}): as unseen")
        return "; ".join(steps)

    def features(self) -> list[str]:
        """The name of the encoded column."""
        return [self.name]

    def encode(self, column: ArrowColumn, x: NDArray[Any]) -> None:
        """Encode ``column`` into ``x``: (n, 1)."""
        indices, texts = codes(column)
        place = {level: i for i, level in enumerate(self.levels, 1)}
        # The last entry serves the index -1 of missing values.
        x[:, 0] = np.array([*(place.get(text, 0) for text in texts), 0])[indices]
