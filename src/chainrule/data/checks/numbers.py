"""Checks of single columns of numbers, and of two at a time."""

from __future__ import annotations

from collections.abc import Iterator
from sys import float_info
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks.finding import Finding
from chainrule.data.checks.seen import Seen, Subject
from chainrule.data.number import CLIP, Number
from chainrule.data.statistics import farthest
from chainrule.data.words import in_short, listed

MOSTLY: Final = 0.5  # of a column's rows missing
_SENTINELS: Final = frozenset(
    sign * float("9" * digits) for digits in range(2, 11) for sign in (1, -1)
)
_LEAST: Final = 3  # rows with a value that stands for "missing"
_SAME: Final = 1 - 1e-9  # a correlation of 1, but for rounding


def mostly_missing(subject: Subject) -> Iterator[Finding]:
    """Columns with fewer values than gaps."""
    for seen in subject.columns:
        gaps = np.isnan(seen.values) if seen.values is not None else _levels(seen) < 0
        share = float(gaps.mean())
        if share > MOSTLY:
            yield Finding(
                "warning", "mostly missing", seen.name,
                f"{seen.name}: {share:.0%} of the rows have no value", share,
                "drop it, unless it tells something that the value is missing",
            )  # fmt: skip


def sentinels(subject: Subject) -> Iterator[Finding]:
    """Numbers such as -999 or 9999 that lie far from all others: a missing value, written so."""
    for seen in subject.numeric:
        values = _known(seen)
        for value in (values.min(initial=np.inf), values.max(initial=-np.inf)):
            others = values[values != value]
            times = len(values) - len(others)
            if value in _SENTINELS and times >= _LEAST and _is_far(value, others):
                yield Finding(
                    "warning", "sentinel", seen.name,
                    f"{seen.name}: {value:.0f} in {times / len(values):.1%} of the rows, all others"
                    f" from {others.min():.4g} to {others.max():.4g}: it seems to mean missing",
                    times / len(values), "leave such fields empty in the file",
                )  # fmt: skip


def _is_far(value: float, others: NDArray[np.float64]) -> bool:
    if len(others) == 0:
        return False
    low, high = others.min(), others.max()
    return bool(max(low - value, value - high) > max(high - low, 1.0))


def heavy_tails(subject: Subject) -> Iterator[Finding]:
    """Numbers of which a few are tens of standard deviations from the rest."""
    for seen in subject.numeric:
        column = seen.column
        if not isinstance(column, Number):
            continue
        far = farthest(column.low, column.high, column.centre, column.scale)
        if far > CLIP:
            done = {
                "quantile": "normal scores are taken of it",
                "standard": f"what is beyond {CLIP:.0f} is cut off; --scale auto takes its ranks",
                "robust": f"what is beyond {CLIP:.0f} is cut off; --scale auto takes its ranks",
            }[column.scaling]
            yield Finding(
                "note", "heavy tail", seen.name,
                f"{seen.name}: up to {in_short(far)} standard deviations from its mean; {done}",
                far,
            )  # fmt: skip


def unscaled(subject: Subject) -> Iterator[Finding]:
    """Columns whose units differ by thousands: nothing to do here, worth knowing elsewhere."""
    scales = [s.column.scale for s in subject.numeric if isinstance(s.column, Number)]
    least, most = min(scales, default=1.0), max(scales, default=1.0)
    if least > 0 and most / least >= 1e3:
        yield Finding(
            "note", "unscaled", "",
            f"standard deviations of the columns lie between {least:.2g} and {most:.2g}; each is "
            "scaled by its own", min(most / least, float_info.max),
        )  # fmt: skip


def affine_copies(subject: Subject) -> Iterator[Finding]:
    """Columns that are another one in another unit: a correlation of 1."""
    if len(subject.numeric) < 2:
        return
    values = np.stack([_standardised(seen) for seen in subject.numeric])
    alike = np.abs(np.triu(values @ values.T, 1)) > _SAME
    for j in np.flatnonzero(alike.any(axis=0)):
        name, first = subject.numeric[j].name, subject.numeric[int(alike[:, j].argmax())].name
        yield Finding(
            "warning", "same column", name,
            f"{name} is {first} in another unit: their correlation is 1", 1.0, f"drop {name}",
        )  # fmt: skip


def row_numbers(subject: Subject) -> Iterator[Finding]:
    """Used columns of whole numbers that rise with every row."""
    for seen in subject.numeric:
        values = seen.values
        if values is None or len(values) < 2 or not (values[1:] > values[:-1]).all():
            continue
        if np.array_equal(values, np.rint(values)):
            yield Finding(
                "warning", "row number", seen.name,
                f"{seen.name} rises with every row, as a row number does: it says where in the file"
                " a row is", 1.0, f"drop {seen.name}, unless it measures something",
            )  # fmt: skip


def left_out(subject: Subject) -> Iterator[Finding]:
    """Columns that are not used, by their reason."""
    by_reason: dict[str, list[str]] = {}
    for column in subject.schema.columns:
        if column.kind == "dropped" and getattr(column, "what", "") != "left out":
            by_reason.setdefault(f"{getattr(column, 'what', '')}", []).append(column.name)
    for what, names in by_reason.items():
        yield Finding(
            "note", "left out", names[0] if len(names) == 1 else "",
            f"{listed(names)}: not used ({what})", len(names),
            "--column NAME=RULE takes a column for something else"
            if what in ("identifier", "text") else "",
        )  # fmt: skip


def _known(seen: Seen) -> NDArray[np.float64]:
    assert seen.values is not None
    return seen.values[~np.isnan(seen.values)]


def _levels(seen: Seen) -> NDArray[np.int64]:
    assert seen.levels is not None
    return seen.levels


def _standardised(seen: Seen) -> NDArray[np.float64]:
    """Values of length 1 and mean 0; zeros where all are equal."""
    values = seen.values
    assert values is not None
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros(len(values))
    unit = float(np.abs(values[known]).max()) or 1.0
    centred = np.where(known, values / unit, 0.0)
    centred -= np.where(known, centred[known].mean(), 0.0)
    length = float(np.sqrt(np.square(centred).sum()))
    return centred / length if length > 1e-12 else np.zeros(len(values))
