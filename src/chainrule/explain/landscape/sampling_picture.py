"""Descents with batches of several sizes, drawn over the examples that they have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.explain.drawing import Figure
from chainrule.explain.words import short

#: A name, examples seen, losses, the path or nothing.
Curve = tuple[str, np.ndarray, np.ndarray, np.ndarray | None]
#: A fall by this factor asks for a logarithmic scale.
_FAR: Final = 20.0
_LEVELS: Final = 14


@dataclass(frozen=True, eq=False)
class Plane:
    """The loss over two parameters.

    Attributes:
        x, y: the coordinates, float64[points] each.
        loss: float64[len(y), len(x)].
        names: of the two.
    """

    x: np.ndarray
    y: np.ndarray
    loss: np.ndarray
    names: tuple[str, str]


def picture(curves: Sequence[Curve], unit: str, rows: int, plane: Plane | None) -> str:
    """The picture as SVG."""
    label = f"loss on all rows{f' ({unit})' if unit else ''}"
    fig = Figure(
        720, 400 if plane is None else 760, "The same examples, seen few or many at a time",
        "; ".join(f"{name}: loss {short(y[0])} to {short(y[-1])}" for name, _, y, _ in curves),
    )  # fmt: skip
    high = 1.0 if plane is None else 0.45
    finite = np.concatenate([y[np.isfinite(y)] for _, _, y, _ in curves])
    is_log = bool(finite.min() > 0 and finite.max() > _FAR * finite.min())
    ax = fig.axes(
        "examples seen", label, x_scale="log", y_scale="log" if is_log else "linear",
        y_range=_range(curves, is_log), box=(0.0, 0.0, 1.0, high),
    )  # fmt: skip
    for k, (name, x, y, _) in enumerate(curves):
        ax.line(x[1:], y[1:], name, color=k)
        ax.points(x[1:], y[1:], color=k, size=1.5)
    ax.vertical(rows, "1 pass")
    if plane is not None:
        _paths(fig, curves, plane, (0.0, high, 1.0, 1 - high))
    return fig.svg()


def _range(curves: Sequence[Curve], is_log: bool) -> tuple[float, float] | None:
    """What one that diverges leaves to see of the others."""
    starts = max(float(y[0]) for _, _, y, _ in curves)
    finite = np.concatenate([y[np.isfinite(y)] for _, _, y, _ in curves])
    low, high = float(finite.min()), float(finite.max())
    if is_log or high <= 3 * starts:
        return None
    return low, 3 * starts


def _paths(
    fig: Figure, curves: Sequence[Curve], plane: Plane, box: tuple[float, float, float, float]
) -> None:
    ax = fig.axes(
        *plane.names, box=box, title="The paths on the loss", x_range=(plane.x[0], plane.x[-1]),
        y_range=(plane.y[0], plane.y[-1]),
    )  # fmt: skip
    ax.contours(plane.x, plane.y, plane.loss, levels=_levels(plane.loss), label="loss")
    for k, (name, _, _, path) in enumerate(curves):
        if path is not None:
            ax.line(path[:, 0], path[:, 1], name, color=k, width=1.5)
    start = curves[0][3]
    if start is not None:
        ax.points(start[:1, 0], start[:1, 1], "start", color="text", size=5, marker="square")


def _levels(loss: np.ndarray) -> np.ndarray | int:
    """Close together near the lowest: evenly in the root of what is above it."""
    low, high = float(np.nanmin(loss)), float(np.nanmax(loss))
    if not np.isfinite([low, high]).all() or high <= low:
        return _LEVELS
    return np.asarray(low + (high - low) * np.linspace(0.0, 1.0, _LEVELS) ** 2)
