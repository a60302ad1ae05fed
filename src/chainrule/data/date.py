"""Columns of dates and times: their parts, each as a number."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import ArrowColumn, need
from chainrule.data.number import Number
from chainrule.data.values import moments

# The part's name, and its function in pyarrow.compute. Monday is 0.
PARTS = {
    "year": "year",
    "month": "month",
    "day": "day",
    "day of week": "day_of_week",
    "day of year": "day_of_year",
    "hour": "hour",
    "minute": "minute",
}


@dataclass(frozen=True, slots=True)
class Date:
    """A column of dates or times, encoded as those of its parts that vary in the training rows.

    Fields:
        zone: the time zone in which the parts are taken; "" for times without one.
        low, high: the first and the last time of the training rows, as text.
        parts: how each part is encoded; the first has the marker for missing values.
    """

    kind: ClassVar[str] = "date"

    name: str
    zone: str
    low: str
    high: str
    parts: tuple[Number, ...]

    @classmethod
    def fit(
        cls, name: str, column: ArrowColumn, weights: NDArray[np.float64] | None = None
    ) -> Date:
        """The parts of ``column`` that vary."""
        pc = need("pyarrow.compute")
        zone = getattr(column.type, "tz", None) or ""
        times = moments(name, column, zone)
        ends = pc.min_max(times).as_py()
        split = {part: _part(part, times) for part in PARTS}
        varying = [
            Number.fit(part, values, weights=weights)
            for part, values in split.items()
            if np.nanmax(values) > np.nanmin(values)
        ]
        parts = varying or [Number.fit("year", split["year"], weights=weights)]
        shown = (ends["min"].isoformat(), ends["max"].isoformat())
        return cls(name, zone, *shown, parts=_one_marker(parts))

    @property
    def width(self) -> int:
        """How many encoded columns."""
        return sum(part.width for part in self.parts)

    @property
    def found(self) -> str:
        """The values of the training rows, in words."""
        return f"{self.low[:10]} to {self.high[:10]}"

    @property
    def treatment(self) -> str:
        """What is done with the column, in words."""
        zone = f" ({self.zone})" if self.zone else ""
        return f"parts{zone}: {', '.join(_said(part) for part in self.parts)}"

    def features(self) -> list[str]:
        """The name of each encoded column."""
        return [f"{self.name} {name}" for part in self.parts for name in part.features()]

    def encode(self, column: ArrowColumn, x: NDArray[Any]) -> None:
        """Encode ``column`` into ``x``: (n, width), zeros before."""
        times = moments(self.name, column, self.zone)
        start = 0
        for part in self.parts:
            part.encode_values(_part(part.name, times), x[:, start : start + part.width])
            start += part.width


def _part(part: str, times: ArrowColumn) -> NDArray[np.float64]:
    pa, pc = need("pyarrow"), need("pyarrow.compute")
    values = getattr(pc, PARTS[part])(times).cast(pa.float64())
    return np.array(pc.fill_null(values, math.nan).to_numpy(), dtype=np.float64)


def _one_marker(parts: list[Number]) -> tuple[Number, ...]:
    """All parts are missing together, so one marker says it."""
    return (parts[0], *(replace(part, missing=0) for part in parts[1:]))


def _said(part: Number) -> str:
    return f"{part.name} (one-hot)" if part.levels else part.name
