"""Residuals of a regression, drawn."""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.explain.drawing import Figure
from chainrule.explain.words import short

#: Points that are drawn of more.
_MOST: Final = 5000
_BINS: Final = 40


def picture(y: np.ndarray, predicted: np.ndarray, residuals: np.ndarray, unit: str) -> str:
    """The picture as SVG: predicted against actual, residuals against predicted, histogram."""
    every = max(1, -(-len(y) // _MOST))
    some = f", every {every}th of {len(y):,} drawn" if every > 1 else ""
    suffix = f" ({unit})" if unit else ""
    fig = Figure(
        720, 660, f"Residuals{some}",
        f"{len(y):,} rows; residuals from {short(residuals.min())} to {short(residuals.max())}.",
    )  # fmt: skip
    ax = fig.axes(
        f"predicted{suffix}", f"actual{suffix}", box=(0.0, 0.0, 0.5, 0.55),
        title="Predicted and actual",
    )  # fmt: skip
    ax.points(predicted[::every], y[::every], color=0, size=2.5)
    ends = [min(predicted.min(), y.min()), max(predicted.max(), y.max())]
    ax.line(ends, ends, "equal", color="text", dash=True, width=1.5)
    ax = fig.axes(
        f"predicted{suffix}", f"residual{suffix}", box=(0.5, 0.0, 0.5, 0.55), title="Residuals"
    )
    ax.points(predicted[::every], residuals[::every], color=0, size=2.5)
    ax.horizontal(0.0)
    counts, edges = np.histogram(residuals, bins=_bins(len(y)))
    ax = fig.axes(
        f"residual{suffix}", "rows", box=(0.0, 0.55, 1.0, 0.45), title="How large they are"
    )
    ax.bars((edges[1:] + edges[:-1]) / 2, counts, color=2, width=0.95 * float(edges[1] - edges[0]))
    ax.vertical(0.0)
    return fig.svg()


def _bins(n: int) -> int:
    """As many as 2 ∛n, the rule of Rice, within reason."""
    return int(np.clip(round(2 * n ** (1 / 3)), 3, _BINS))
