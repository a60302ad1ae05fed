"""Columns of prose: the parts of their words, hashed to a fixed number of columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import ArrowColumn, need
from chainrule.data.values import codes
from chainrule.data.words import count

WIDTH: Final = 128
PARTS: Final = (2, 4)  # letters
_ROWS: Final = 16_384  # encoded at a time


@dataclass(frozen=True, slots=True)
class Text:
    """A column of texts, encoded by the parts of 2 to 4 letters of their words.

    Each part adds 1 or -1 to one of ``hashed`` columns, by a hash of it (MurmurHash3); a row is
    then divided by its length. Capital letters count as small ones. A marker 1 for "missing"
    follows if training rows missed some; a missing text has zeros elsewhere.

    Source:
        Weinberger et al. 2009, Feature Hashing for Large Scale Multitask Learning; scikit-learn's
        ``HashingVectorizer``.
    """

    kind: ClassVar[str] = "text"

    name: str
    example: str
    hashed: int = WIDTH
    missing: int = 0

    @classmethod
    def fit(cls, name: str, column: ArrowColumn) -> Text:
        """A column with at least one text."""
        indices, texts = codes(column)
        return cls(name, texts[0][:30], WIDTH, int(np.sum(indices < 0)))

    @property
    def width(self) -> int:
        """How many encoded columns."""
        return self.hashed + bool(self.missing)

    @property
    def found(self) -> str:
        """One of the training rows' values."""
        return self.example

    @property
    def treatment(self) -> str:
        """What is done with the column, in words."""
        first, last = PARTS
        step = f"parts of {first} to {last} letters, hashed to {count(self.hashed, 'number')}"
        return f"{step}; missing ({self.missing:,}): a marker" if self.missing else step

    def features(self) -> list[str]:
        """The name of each encoded column."""
        marker = [f"{self.name} is missing"] if self.missing else []
        return [*(f"{self.name} part {k}" for k in range(1, self.hashed + 1)), *marker]

    def encode(self, column: ArrowColumn, x: NDArray[Any]) -> None:
        """Encode ``column`` into ``x``: (n, width), zeros before."""
        indices, texts = codes(column)
        hashed = self._vectorizer().transform([*texts, ""])  # the last one serves the index -1
        for first in range(0, len(indices), _ROWS):
            rows = indices[first : first + _ROWS]
            x[first : first + _ROWS, : self.hashed] = hashed[rows % hashed.shape[0]].toarray()
        if self.missing:
            x[:, -1] = indices < 0

    def _vectorizer(self) -> Any:
        make = need("sklearn.feature_extraction.text").HashingVectorizer
        return make(analyzer="char_wb", ngram_range=PARTS, n_features=self.hashed, dtype=np.float64)
