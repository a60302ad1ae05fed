"""Signal and noise along a descent, drawn."""

from __future__ import annotations

import numpy as np

from chainrule.explain.drawing import Axes, Figure
from chainrule.explain.words import short


def picture(
    steps: np.ndarray, signal: np.ndarray, noise: np.ndarray, noise_scale: np.ndarray,
    batch: np.ndarray, gain: np.ndarray, harm: np.ndarray,
) -> str:  # fmt: skip
    """The picture as SVG: over the updates, from 1 on for the logarithmic axis."""
    has_effect = bool(np.isfinite(gain).any())
    fig = Figure(
        720, 880 if has_effect else 620, "How much of each step is noise",
        f"|G|² from {short(signal[0])} to {short(signal[-1])}; noise of a batch from"
        f" {short(noise[0])} to {short(noise[-1])}.",
    )  # fmt: skip
    at, parts = steps + 1, 3 if has_effect else 2
    high = 1 / parts
    ax = fig.axes(
        "update", "squared gradient", x_scale="log", y_scale="log", box=(0.0, 0.0, 1.0, high),
        title="Signal |G|² and noise of a batch",
    )  # fmt: skip
    _curve(ax, at, signal, "signal |G|²", 0)
    _curve(ax, at, noise, "noise E|ξ|²", 1)
    ax = fig.axes(
        "update", "examples", x_scale="log", y_scale="log", box=(0.0, high, 1.0, high),
        title="Noise scale tr Σ / |G|² and the batch",
    )  # fmt: skip
    _curve(ax, at, noise_scale, "noise scale", 2)
    _curve(ax, at, batch, "batch", 3)
    if has_effect:
        ax = fig.axes(
            "update", "loss change", x_scale="log", y_scale="log",
            box=(0.0, 2 * high, 1.0, high), title="What a step gains, and what its noise adds",
        )  # fmt: skip
        _curve(ax, at, -gain, "gain, downwards", 0)
        _curve(ax, at, harm, "harm, upwards", 1)
    return fig.svg()


def _curve(ax: Axes, x: np.ndarray, y: np.ndarray, name: str, colour: int) -> None:
    known = np.isfinite(y) & (y > 0)
    if known.any():
        ax.line(x[known], y[known], name, color=colour)
        ax.points(x[known], y[known], color=colour, size=2.5)
