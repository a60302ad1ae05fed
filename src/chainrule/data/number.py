"""Columns of numbers: scaled, and one-hot as well where they are few whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import ArrowColumn
from chainrule.data.values import numbers
from chainrule.data.words import count

CLIP = 10.0  # scaled values lie in -CLIP..CLIP, so that one outlier cannot throw the descent
MAX_LEVELS = 60  # minutes of an hour, days of a month, weeks of a year
ROWS_PER_LEVEL = 20  # fewer rows than this for a level, and its weight is mostly noise

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers (or of true and false), with what its training rows showed.

    Encoded as the scaled value ``(v - mean) / scale``, clipped to ±10; then a marker 1 for
    "missing" if training rows missed some; then one column for each of ``levels``. A missing
    value takes the median; a whole number that is no level has zeros there.

    Fields:
        mean, scale, median, low, high: of the training rows' values, in the column's own unit;
            scale is the standard deviation.
        missing: training rows without a value.
        levels: the whole numbers that have a column each; empty if there are none.
    """

    kind: ClassVar[str] = "number"

    name: str
    mean: float
    scale: float
    median: float
    low: float
    high: float
    missing: int = 0
    levels: tuple[int, ...] = ()
    boolean: bool = False

    @classmethod
    def fit(cls, name: str, values: F64, boolean: bool = False) -> Number:
        """Statistics of ``values``: (n,), NaN where missing, at least one value present."""
        kept = values[~np.isnan(values)]
        low, high = float(kept.min()), float(kept.max())
        mean, scale = centre_and_scale(kept)
        median = float(np.median(kept / 2) * 2)  # the sum of two values beyond 9e307 overflows
        column = cls(name, mean, scale, median, low, high, boolean=boolean)
        return replace(column, missing=len(values) - len(kept), levels=_levels(kept))

    @property
    def width(self) -> int:
        """How many encoded columns."""
        return 1 + bool(self.missing) + len(self.levels)

    @property
    def found(self) -> str:
        """The values of the training rows, in words."""
        return "false, true" if self.boolean else f"{self.low:.4g} to {self.high:.4g}"

    @property
    def treatment(self) -> str:
        """What is done with the column, in words."""
        steps = ["scaled"]
        if self.levels:
            steps.append(f"one-hot of {count(len(self.levels), 'value')}")
        if self.missing:
            steps.append(f"missing ({self.missing:,}): median {self.median:.4g} and a marker")
        return "; ".join(steps)

    def features(self) -> list[str]:
        """The name of each encoded column."""
        marker = [f"{self.name} is missing"] if self.missing else []
        return [self.name, *marker, *(f"{self.name}={level}" for level in self.levels)]

    def fill(self, column: ArrowColumn, x: F32) -> None:
        """Encode ``column`` into ``x``: (n, width), zeros before."""
        self.fill_values(numbers(self.name, column), x)

    def fill_values(self, values: F64, x: F32) -> None:
        """Encode ``values``: (n,), NaN where missing, into ``x``: (n, width), zeros before."""
        gaps = np.isnan(values)
        known = np.where(gaps, self.median, values)
        with np.errstate(over="ignore"):  # beyond float64 is beyond the clip too
            x[:, 0] = np.clip((known - self.mean) / self.scale, -CLIP, CLIP)
        if self.missing:
            x[:, 1] = gaps
        if self.levels:
            levels = np.asarray(self.levels, dtype=np.float64)
            at = np.searchsorted(levels, known).clip(max=len(levels) - 1)
            rows = np.flatnonzero(levels[at] == known)
            x[rows, self.width - len(levels) + at[rows]] = 1.0


def centre_and_scale(values: F64) -> tuple[float, float]:
    """Mean and standard deviation of ``values``: (n,); 1 for the latter if they are all equal."""
    # Divided by the largest first: squares of values beyond 1e154 would overflow.
    unit = float(np.abs(values).max()) or 1.0
    mean, scale = float((values / unit).mean() * unit), float((values / unit).std() * unit)
    # Equal values have a spread of rounding errors only, which must not be blown up.
    return mean, scale if scale > 1e-12 * unit else 1.0


def _levels(values: F64) -> tuple[int, ...]:
    """Whole numbers that are few enough, and frequent enough, for a column each."""
    if len(values) < 3 * ROWS_PER_LEVEL or not _all_whole(values):
        return ()
    distinct = np.unique(values)
    most = min(MAX_LEVELS, len(values) // ROWS_PER_LEVEL)
    return tuple(int(v) for v in distinct) if 3 <= len(distinct) <= most else ()


def _all_whole(values: F64) -> bool:
    return bool(np.all(np.abs(values) < 2**53) and np.all(values == np.rint(values)))
