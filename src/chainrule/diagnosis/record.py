"""The record of a descent, and what its losses say by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

#: Medians that a record is looked at by.
_BINS: Final = 20
#: Of fewer steps nothing is said.
_SHORTEST: Final = 8
#: Losses that are looked at, evenly spread, of each bin of a longer record.
_LOOKED_AT: Final = 1024


@dataclass(frozen=True, eq=False)
class Record:
    """Losses by step, before each update.

    Attributes:
        loss: float64[steps].
        learning_rate: float64[steps]; NaN where it is not known.
        batch: examples per update, [steps]; 0 where it is not known.
        rows: examples there are; 0 where that is not known.
    """

    loss: np.ndarray
    learning_rate: np.ndarray
    batch: np.ndarray
    rows: int = 0

    @classmethod
    def of(cls, history: Any, rows: int = 0, batch: int = 0) -> Record:
        """The record in a ``run.history``; ``batch`` stands where the history has none."""
        loss = np.asarray(history.loss, np.float64)
        steps = len(loss)
        rate = getattr(history, "learning_rate", None)
        sizes = getattr(history, "batch", None)
        return cls(
            loss,
            np.full(steps, np.nan) if rate is None else np.asarray(rate, np.float64)[:steps],
            np.full(steps, batch) if sizes is None else np.asarray(sizes)[:steps],
            rows,
        )

    @property
    def steps(self) -> int:
        """Updates that are recorded."""
        return len(self.loss)

    @property
    def is_whole(self) -> bool:
        """Whether every update takes all rows, so that the losses carry no noise."""
        return bool(self.rows and self.steps and np.min(self.batch) >= self.rows)

    @property
    def is_short(self) -> bool:
        """Whether there is too little to judge by."""
        return self.steps < _SHORTEST

    @cached_property
    def first_nonfinite(self) -> int | None:
        """The first step with a loss of NaN or infinity."""
        finite = np.isfinite(self.loss)
        return None if finite.all() else int(np.argmin(finite))

    @property
    def peak_rate(self) -> float:
        """The largest learning rate; NaN where none is known."""
        known = self.learning_rate[np.isfinite(self.learning_rate)]
        return float(np.max(known)) if len(known) else float("nan")

    @property
    def rate(self) -> float:
        """The last learning rate; NaN where none is known."""
        return float(self.learning_rate[-1]) if self.steps else float("nan")

    @cached_property
    def trend(self) -> Trend:
        """What the losses do."""
        return Trend.of(self.loss)


@dataclass(frozen=True, eq=False)
class Trend:
    """Losses by medians over equal parts of the record, which a few wild batches do not move.

    Attributes:
        levels: medians, first to last.
        width: steps of a part.
        noise: what a level is uncertain by, as a standard deviation.
        spread: how far one step's loss lies from its neighbours', as a standard deviation.
    """

    levels: np.ndarray
    width: float
    noise: float
    spread: float

    @classmethod
    def of(cls, loss: np.ndarray) -> Trend:
        """Of a record of at least three finite losses."""
        parts = np.array_split(loss, min(_BINS, len(loss)))
        width = len(loss) / len(parts)
        apart = -(-len(parts[0]) // _LOOKED_AT)
        levels = np.array([np.median(part[::apart]) for part in parts])
        # Of second differences a smooth fall is no part. 1.4826: from a normal's MAD; 6: 1 + 4 + 1.
        bends = loss[:-2:apart] - 2 * loss[1:-1:apart] + loss[2::apart]
        spread = 1.4826 * float(np.median(np.abs(bends))) / np.sqrt(6)
        return cls(levels, width, 1.25 * spread / np.sqrt(width / apart), spread)

    @property
    def first(self) -> float:
        return float(self.levels[0])

    @property
    def last(self) -> float:
        return float(self.levels[-1])

    @property
    def lowest(self) -> float:
        return float(np.min(self.levels))

    @property
    def lowest_at(self) -> float:
        """The share of the record, 0 to 1, at which the lowest level stands."""
        return float((np.argmin(self.levels) + 0.5) / len(self.levels))

    @property
    def fall(self) -> float:
        """What the loss has fallen by, of its size at the beginning."""
        return (self.first - self.last) / max(abs(self.first), 1e-300)

    def slope(self, first: float = 0.0, last: float = 1.0) -> float:
        """Loss per step over a share of the record: the median of all pairs' slopes (Theil-Sen)."""
        found = self._part(first, last)
        far, near = np.triu_indices(len(found), 1)
        slopes = (found[near] - found[far]) / (near - far)
        return float(np.median(slopes)) / self.width if len(slopes) else 0.0

    def direction(self, first: float = 0.0, last: float = 1.0) -> float:
        """Kendall's τ over a share of the record: -1 where every level is below those before."""
        found = self._part(first, last)
        far, near = np.triu_indices(len(found), 1)
        signs = np.sign(found[near] - found[far])
        return float(np.mean(signs)) if len(signs) else 0.0

    def _part(self, first: float, last: float) -> np.ndarray:
        n = len(self.levels)
        return self.levels[int(first * n) : int(np.ceil(last * n))]
