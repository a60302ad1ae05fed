"""The confusion matrix as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from chainrule.explain.drawing import Figure

#: Classes whose counts are written into their cells.
_WRITTEN: Final = 12
#: Classes whose names are; of more their numbers.
_NAMED: Final = 100
_CELL, _WIDEST, _LETTER = 52.0, 120.0, 10.0


def picture(counts: np.ndarray, shares: np.ndarray, names: Sequence[str], accuracy: float) -> str:
    """The picture as SVG: colours are shares of the true class, numbers are rows."""
    k = len(names)
    cell = float(np.clip(_LETTER * max(map(len, names)) + 16, _CELL, _WIDEST))
    size = float(np.clip(cell * k + 190, 340, 760))
    fig = Figure(
        size + 60, size, f"Confusion: {accuracy:.1%} of {counts.sum():,} rows right",
        "Rows are true classes, columns predicted ones; right answers lie on the diagonal.",
    )  # fmt: skip
    label = "share of the true class"
    known = np.nan_to_num(shares)
    named = names if k <= _NAMED else None
    ax = fig.axes("predicted class", "true class", x_names=named, y_names=named)
    ax.heat(known, label=label)
    if k <= _WRITTEN:
        for i, j in np.ndindex(k, k):
            ax.text(j, i, f"{counts[i, j]:,}", anchor="middle")
    return fig.svg()
