"""Squared distances, drawn: data, line, squares; or predicted against actual."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.explain.drawing import Axes, Figure
from chainrule.explain.measures.squares import Squares
from chainrule.explain.words import short

#: Rows whose squares are drawn: more lie on one another.
_MOST: Final = 60
#: Points that are drawn of more.
_POINTS: Final = 2000


def picture(
    x: np.ndarray | None, y: np.ndarray, predicted: np.ndarray, line: Any, mse: float
) -> str:
    """The picture as SVG."""
    name = "row" if x is None else "x"
    at = np.arange(float(len(y))) if x is None else x
    shown = _shown(y - predicted)
    note = f" (the {len(shown)} largest of {len(y):,} drawn)" if len(shown) < len(y) else ""
    fig = Figure(
        640, 460, f"Squared distances: their mean is {short(mse)}{note}",
        f"{len(y)} targets, their predictions, and the square of each residual.",
    )  # fmt: skip
    ax = fig.axes(name, "y")
    low, high = (f(y[shown], predicted[shown]) for f in (np.minimum, np.maximum))
    ax._add(Squares(at[shown], low, high, "squared distance", 1), 1)
    _predictions(ax, at, predicted, line)
    for k in shown:
        ax.line([at[k], at[k]], [y[k], predicted[k]], color=1, width=1.5)
    some = slice(None, None, max(1, len(y) // _POINTS))
    ax.points(at[some], y[some], "target y", color=0, size=4 if len(y) <= 200 else 2)
    return fig.svg()


def _shown(residuals: np.ndarray) -> np.ndarray:
    """The rows with the largest residuals, in their order."""
    return np.sort(np.argsort(-np.abs(residuals), kind="stable")[:_MOST])


def _predictions(ax: Axes, x: np.ndarray, predicted: np.ndarray, line: Any) -> None:
    if line is None:
        some = slice(None, None, max(1, len(x) // _POINTS))
        ax.points(x[some], predicted[some], "prediction ŷ", color="text", size=4, marker="cross")
        return
    ends = np.array([x.min(), x.max()])
    if ends[0] == ends[1]:
        ends = ends + np.array([-1.0, 1.0])
    ax.line(ends, line.w * ends + line.b, "line ŷ = w x + b", color="text")
    ax.line(ends, line.w_after * ends + line.b_after, "after one step", color=2, dash=True)
