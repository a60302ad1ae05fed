"""A loss over the model's output, with its derivative."""

from __future__ import annotations

import numpy as np

from chainrule.explain.drawing import Figure
from chainrule.explain.words import several, short

#: Places, values and derivatives, float64[shown, points] each.
Curves = tuple[np.ndarray, np.ndarray, np.ndarray]


def picture(
    name: str, unit: str, output: np.ndarray, value: float, gradient: np.ndarray, curves: Curves
) -> str:
    """The picture as SVG: for each output a pair of axes above, its derivative below."""
    places, values, derivatives = curves
    shown = len(places)
    wide = 1 / min(shown, 2)
    rows = -(-shown // 2)
    high = 1 / rows
    fig = Figure(
        720, 560 * rows, f"{name}: {short(value)} {unit}".rstrip(),
        f"The loss over each output, and its derivative; here they are {short(value)} and"
        f" {several(gradient[:shown])}.",
    )  # fmt: skip
    for k in range(shown):
        left, top = wide * (k % 2), high * (k // 2)
        which = f"output {k}" if len(output) > 1 else "output"
        ax = fig.axes(
            which, f"loss ({unit})" if unit else "loss", box=(left, top, wide, 0.55 * high),
            title="Loss" if shown == 1 else f"Loss over output {k}",
        )  # fmt: skip
        ax.line(places[k], values[k], color=0)
        ax.points([output[k]], [value], "here", color="text", size=5)
        ax = fig.axes(
            which, "derivative", box=(left, top + 0.55 * high, wide, 0.45 * high),
            title="Its derivative",
        )  # fmt: skip
        ax.line(places[k], derivatives[k], color=1)
        ax.points([output[k]], [gradient[k]], color="text", size=5)
        ax.horizontal(0.0)
    return fig.svg()
