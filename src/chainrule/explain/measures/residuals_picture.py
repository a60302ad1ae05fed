"""Residuals of a regression, drawn."""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.explain.drawing import Figure
from chainrule.explain.words import short

#: Points that are drawn of more.
_MOST: Final = 5000
#: Of these, the ones that are furthest off.
_WORST: Final = 50
_BINS: Final = 40


def picture(y: np.ndarray, predicted: np.ndarray, residuals: np.ndarray, unit: str) -> str:
    """The picture as SVG: predicted against actual, residuals against predicted, histogram."""
    drawn = _drawn(residuals)
    some = f", {len(drawn):,} of {len(y):,} drawn" if len(drawn) < len(y) else ""
    suffix = f" ({unit})" if unit else ""
    fig = Figure(
        720, 660, f"Residuals{some}",
        f"{len(y):,} rows; residuals from {short(residuals.min())} to {short(residuals.max())}.",
    )  # fmt: skip
    ax = fig.axes(
        f"predicted{suffix}", f"actual{suffix}", box=(0.0, 0.0, 0.5, 0.55),
        title="Predicted and actual",
    )  # fmt: skip
    ax.points(predicted[drawn], y[drawn], color=0, size=2.5)
    ends = [min(predicted.min(), y.min()), max(predicted.max(), y.max())]
    ax.line(ends, ends, "equal", color="text", dash=True, width=1.5)
    ax = fig.axes(
        f"predicted{suffix}", f"residual{suffix}", box=(0.5, 0.0, 0.5, 0.55), title="Residuals"
    )
    ax.points(predicted[drawn], residuals[drawn], color=0, size=2.5)
    ax.horizontal(0.0)
    counts, edges = np.histogram(residuals, bins=_bins(len(y)))
    ax = fig.axes(
        f"residual{suffix}", "rows", box=(0.0, 0.55, 1.0, 0.45), title="How large they are"
    )
    ax.bars((edges[1:] + edges[:-1]) / 2, counts, color=2, width=0.95 * float(edges[1] - edges[0]))
    ax.vertical(0.0)
    return fig.svg()


def _drawn(residuals: np.ndarray) -> np.ndarray:
    """Which rows are drawn: every k-th, and the largest residuals, which are looked for."""
    n = len(residuals)
    if n <= _MOST:
        return np.arange(n)
    worst = np.argpartition(-np.abs(residuals), _WORST)[:_WORST]
    return np.union1d(np.arange(0, n, -(-n // (_MOST - _WORST))), worst)


def _bins(n: int) -> int:
    """As many as 2 ∛n, the rule of Rice, within reason."""
    return int(np.clip(round(2 * n ** (1 / 3)), 3, _BINS))
