"""Columns of numbers: scaled, and one-hot as well where they are few whole numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import ArrowColumn
from chainrule.data.statistics import (
    farthest,
    mean_and_scale,
    median,
    median_and_scale,
    most_frequent,
    normal_scores,
)
from chainrule.data.values import numbers
from chainrule.data.words import count

CLIP = 10.0  # scaled values lie in -CLIP..CLIP, so that one outlier cannot throw the descent
MAX_LEVELS = 60  # minutes of an hour, days of a month, weeks of a year
ROWS_PER_LEVEL = 20  # fewer rows than this for a level, and its weight is mostly noise
KNOTS = 101  # values whose normal scores are kept

F64 = NDArray[np.float64]
Scaling: TypeAlias = Literal["standard", "robust", "quantile"]
SCALES: Final = ("auto", "standard", "robust", "quantile")

_SAID: Final = {
    "standard": "scaled",
    "robust": "scaled by median and quartiles",
    "quantile": "to normal scores",
}


@dataclass(frozen=True, slots=True)
class Number:
    """A column of numbers (or of true and false), with what its training rows showed.

    Encoded as the scaled value; then a marker 1 for "missing" if training rows missed some; then
    one column for each of ``levels``. A missing value takes ``fill``; a whole number that is no
    level has zeros there. Scaled is

    - "standard", "robust": ``(v - centre) / scale``, clipped to ±10, by the mean and the standard
      deviation, or by the median and the quartiles;
    - "quantile": the normal score, interpolated between ``knots``, that of the nearest beyond.

    Fields:
        centre, scale, fill, low, high: of the training rows' values, in the column's own unit.
        missing: training rows without a value.
        levels: the whole numbers that have a column each; empty if there are none.
        knots, scores: values and their normal scores, both rising; empty unless "quantile".
    """

    kind: ClassVar[str] = "number"

    name: str
    centre: float
    scale: float
    fill: float
    low: float
    high: float
    missing: int = 0
    levels: tuple[int, ...] = ()
    boolean: bool = False
    scaling: Scaling = "standard"
    knots: tuple[float, ...] = ()
    scores: tuple[float, ...] = ()

    @classmethod
    def fit(
        cls, name: str, values: F64, boolean: bool = False, scale: str = "standard",
        weights: F64 | None = None,
    ) -> Number:  # fmt: skip
        """Statistics of ``values``: (n,), NaN where missing, at least one value present."""
        known = ~np.isnan(values)
        kept = values[known]
        weights = None if weights is None else weights[known]
        low, high = float(kept.min()), float(kept.max())
        usual = mean_and_scale(kept, weights)
        far = farthest(low, high, *usual)
        scaling = _scaling("standard" if boolean else scale, far)
        column = cls(
            name, *(median_and_scale(kept, weights) if scaling == "robust" else usual),
            most_frequent(kept, weights) if boolean else median(kept, weights), low, high,
            missing=len(values) - len(kept), levels=_levels(kept, weights), boolean=boolean,
            scaling=scaling,
        )  # fmt: skip
        if scaling != "quantile":
            return column
        knots, scores = normal_scores(kept, KNOTS, weights)
        return replace(column, knots=tuple(knots.tolist()), scores=tuple(scores.tolist()))

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
        steps = [_SAID[self.scaling]]
        if self.levels:
            steps.append(f"one-hot of {count(len(self.levels), 'value')}")
        if self.missing:
            what = "more frequent" if self.boolean else "median"
            steps.append(f"missing ({self.missing:,}): {what} {self.fill:.4g} and a marker")
        return "; ".join(steps)

    def features(self) -> list[str]:
        """The name of each encoded column."""
        marker = [f"{self.name} is missing"] if self.missing else []
        return [self.name, *marker, *(f"{self.name}={level}" for level in self.levels)]

    def encode(self, column: ArrowColumn, x: NDArray[Any]) -> None:
        """Encode ``column`` into ``x``: (n, width), zeros before."""
        self.encode_values(numbers(self.name, column), x)

    def encode_values(self, values: F64, x: NDArray[Any]) -> None:
        """Encode ``values``: (n,), NaN where missing, into ``x``: (n, width), zeros before."""
        gaps = np.isnan(values)
        known = np.where(gaps, self.fill, values)
        x[:, 0] = self._scaled(known)
        if self.missing:
            x[:, 1] = gaps
        if self.levels:
            levels = np.asarray(self.levels, dtype=np.float64)
            at = np.searchsorted(levels, known).clip(max=len(levels) - 1)
            rows = np.flatnonzero(levels[at] == known)
            x[rows, self.width - len(levels) + at[rows]] = 1.0

    def _scaled(self, values: F64) -> F64:
        with np.errstate(over="ignore"):  # beyond float64 is beyond the clip too
            if self.knots:
                # In a unit of their own: the slope between subnormal knots would overflow.
                unit = max(abs(self.knots[0]), abs(self.knots[-1])) or 1.0
                return np.interp(values / unit, np.divide(self.knots, unit), self.scores)
            return np.clip((values - self.centre) / self.scale, -CLIP, CLIP)


def _scaling(scale: str, far: float) -> Scaling:
    """What ``scale`` asks for; "auto": normal scores where the clip would cut a value off."""
    match scale:
        case "standard" | "robust" | "quantile":
            return scale
        case _:
            return "quantile" if far > CLIP else "standard"


def _levels(values: F64, weights: F64 | None) -> tuple[int, ...]:
    """Whole numbers that are few enough, and frequent enough, for a column each."""
    rows = len(values) if weights is None else float(weights.sum())
    if rows < 3 * ROWS_PER_LEVEL or not _all_whole(values):
        return ()
    distinct = np.unique(values)
    most = min(MAX_LEVELS, rows // ROWS_PER_LEVEL)
    return tuple(int(v) for v in distinct) if 3 <= len(distinct) <= most else ()


def _all_whole(values: F64) -> bool:
    return bool(np.all(np.abs(values) < 2**53) and np.all(values == np.rint(values)))
