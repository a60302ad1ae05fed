"""No more points than can be seen: a line of a million steps is drawn by its extremes."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Places: TypeAlias = NDArray[np.float64]
#: More places than this in one line are thinned.
_MANY: Final = 2000
#: Points of one cloud, at most.
MOST_POINTS: Final = 4000


def thin_line(x: Places, y: Places) -> tuple[Places, Places]:
    """First, lowest, highest and last place of every unit of width, in their order; (n,) each.

    A line that turns back in x loses only the places that lie where the one before it lies.
    """
    if len(x) <= _MANY:
        return x, y
    with np.errstate(invalid="ignore"):
        rising = bool(np.all(np.diff(x[np.isfinite(x)]) >= 0))
    kept = _extremes(x, y) if rising else _moving(x, y)
    return x[kept], y[kept]


def _extremes(x: Places, y: Places) -> NDArray[np.intp]:
    good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    column = np.floor(x[good]).astype(np.int64)
    starts = np.flatnonzero(np.diff(column, prepend=column[:1] - 1))
    ends = np.append(starts[1:], len(good)) - 1
    order = np.lexsort((y[good], column))
    gaps = _gaps(x, y)
    picked = [good[starts], good[ends], good[order[starts]], good[order[ends]], gaps]
    return np.unique(np.concatenate(picked)).astype(np.intp)


def _gaps(x: Places, y: Places) -> NDArray[np.intp]:
    """The first place of every gap: one is enough to break the line."""
    bad = ~(np.isfinite(x) & np.isfinite(y))
    first = bad & ~np.concatenate([[False], bad[:-1]])
    found = np.flatnonzero(first)
    return found[:: max(1, len(found) // _MANY)]


def _moving(x: Places, y: Places) -> NDArray[np.intp]:
    where = np.stack([np.round(x), np.round(y)])
    with np.errstate(invalid="ignore"):
        moved = np.any(np.diff(where, axis=1) != 0, axis=0)
    kept = np.flatnonzero(np.concatenate([[True], moved]))
    kept = np.unique(np.append(kept, len(x) - 1))
    return kept[:: 1 + len(kept) // (10 * _MANY)]


def thin_points(x: Places, y: Places, size: float) -> NDArray[np.intp]:
    """Which of the points to draw: none twice in one spot, and a bounded number, evenly picked."""
    good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(good) <= _MANY:
        return good
    spot = np.stack([np.round(x[good] / (size / 2)), np.round(y[good] / (size / 2))])
    first = np.sort(np.unique(spot, axis=1, return_index=True)[1])
    picked = good[first]
    if len(picked) <= MOST_POINTS:
        return picked
    return picked[np.linspace(0, len(picked) - 1, MOST_POINTS).astype(np.intp)]
