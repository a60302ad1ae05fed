"""The reliability diagram."""

from __future__ import annotations

import numpy as np

from chainrule.explain.drawing import Figure
from chainrule.explain.words import short


def picture(
    edges: np.ndarray, count: np.ndarray, confidence: np.ndarray, accuracy: np.ndarray,
    low: np.ndarray, high: np.ndarray, classes: int, error: float,
) -> str:  # fmt: skip
    """The picture as SVG: the share that came true by confidence, and rows below."""
    what = "predicted probability of class 1" if classes == 2 else "confidence in the prediction"
    share = "share of class 1" if classes == 2 else "share that is right"
    fig = Figure(
        560, 620, f"Calibration: expected error {short(error, 3)}",
        "Points on the diagonal say what they mean; bars are 95 % intervals.",
    )  # fmt: skip
    ax = fig.axes(what, share, x_range=(0.0, 1.0), y_range=(0.0, 1.0), box=(0.0, 0.0, 1.0, 0.7))
    ax.line([0.0, 1.0], [0.0, 1.0], "calibrated", color="muted", dash=True)
    known = np.flatnonzero(count)
    for k in known:
        ax.line([confidence[k]] * 2, [low[k], high[k]], color=0, width=2, opacity=0.6)
    ax.line(confidence[known], accuracy[known], color=0, width=1.5, opacity=0.6)
    ax.points(confidence[known], accuracy[known], "bins with 95 % interval", color=0, size=4)
    ax = fig.axes(what, "rows", x_range=(0.0, 1.0), box=(0.0, 0.7, 1.0, 0.3))
    middle = (edges[1:] + edges[:-1]) / 2
    ax.bars(middle, count, color=2, width=0.9 / len(count))
    return fig.svg()
