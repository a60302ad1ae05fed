"""The level set, its gradient and its tangent, drawn with equal axes: the right angle is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.explain.drawing import Axes, Figure
from chainrule.explain.geometry.level_points import interval
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.geometry.level_set import LevelSet
    from chainrule.explain.geometry.plane import Plane

#: Length of the gradient's arrow as a part of the picture's side.
_ARROW = 0.22
#: A range of f, as a part of its value, below which the colours show differences.
_HARDLY = 1e-3


def level_picture(found: LevelSet) -> str:
    """As SVG."""
    return _curve(found) if found.plane is None else _contours(found, found.plane)


def _contours(found: LevelSet, plane: Plane) -> str:
    low, high = _view(found, plane)
    a, b, z = plane.grid(low, high)
    z, label = _readable(z, found.value)
    shift = plane.offset
    figure = Figure(
        width=640, height=520, title="The gradient and the level set through a point",
        description=_description(found),
    )  # fmt: skip
    ax = figure.axes(
        x=plane.labels[0], y=plane.labels[1], equal=True,
        x_range=_range(low, high, shift, 0), y_range=_range(low, high, shift, 1),
    )  # fmt: skip
    ax.contours(a + shift[0], b + shift[1], z, levels=12, filled=True, label=label)
    if found.path is not None:
        _draw_path(ax, found)
    else:
        level = found.value if label == "f(θ)" else 0.0
        ax.contours(a + shift[0], b + shift[1], z, levels=[level], filled=False)
    if found.tangent is not None:
        _draw_arrows(ax, found, plane, float(np.min(high - low)))
    ax.points([shift[0]], [shift[1]], label="θ", color="text", size=4)
    return figure.svg()


def _readable(z: np.ndarray, value: float) -> tuple[np.ndarray, str]:
    """f over the grid; where it hardly changes, what it changes by."""
    finite = z[np.isfinite(z)]
    if finite.size and 0 < np.ptp(finite) < _HARDLY * abs(value):
        return z - value, f"f − {short(value)}"
    return z, "f(θ)"


def _range(low: np.ndarray, high: np.ndarray, shift: np.ndarray, k: int) -> tuple[float, float]:
    return float(low[k] + shift[k]), float(high[k] + shift[k])


def _view(found: LevelSet, plane: Plane) -> tuple[np.ndarray, np.ndarray]:
    """A square around the path, or around the point where there is none."""
    size = 1.0 + float(np.max(np.abs(plane.offset)))
    points = np.zeros((1, 2)) if found.path is None else found.path.points
    low, high = points.min(axis=0), points.max(axis=0)
    half = float(np.max(high - low)) / 2
    half = half * 1.35 if half > 1e4 * np.spacing(size) else size
    middle = (low + high) / 2
    return middle - half, middle + half


def _draw_path(ax: Axes, found: LevelSet) -> None:
    assert found.path is not None and found.plane is not None
    points = found.path.points + found.plane.offset
    label = f"level set f = {short(found.value)}"
    ax.line(points[:, 0], points[:, 1], label=label, color="accent", width=3)


def _draw_arrows(ax: Axes, found: LevelSet, plane: Plane, side: float) -> None:
    """∇f within the plane, and the tangent to both sides, at their true directions."""
    assert found.tangent is not None
    x, y = plane.offset
    slopes, tangent = plane.basis @ found.gradient, plane.basis @ found.tangent
    if np.any(tangent):
        u = tangent / np.linalg.norm(tangent) * side * _ARROW
        ax.line(
            [x - u[0], x + u[0]],
            [y - u[1], y + u[1]],
            label="tangent dθ/dt",
            color="text",
            dash=True,
        )
    if np.any(slopes):
        g = slopes / np.linalg.norm(slopes) * side * _ARROW
        ax.arrow(x, y, x + g[0], y + g[1], label="gradient ∇f", color=1)
        _draw_right_angle(ax, np.array([x, y]), g / 7, tangent, side * _ARROW / 7)


def _draw_right_angle(
    ax: Axes, at: np.ndarray, g: np.ndarray, tangent: np.ndarray, length: float
) -> None:
    """The little square that says: a right angle."""
    if not np.any(tangent):
        return
    u = tangent / np.linalg.norm(tangent) * length
    corners = np.array([at + u, at + u + g, at + g])
    ax.line(corners[:, 0], corners[:, 1], color="text", width=1)


def _description(found: LevelSet) -> str:
    if found.kind == "regular" and found.tangent is not None:
        return (
            f"Contours of f around θ, the level set f = {short(found.value)} through θ, and the"
            f" gradient there, at {found.angle:.6f} degrees to the level set's tangent."
        )
    words = {"critical": "a critical point: the gradient is 0", "kink": "a kink of f"}
    return f"Contours of f around θ, which is {words.get(found.kind, 'a point')}."


def _curve(found: LevelSet) -> str:
    """One variable: the curve, and the points of one height."""
    field, theta = found._field, float(found.theta[0])
    x = np.linspace(*interval(field, found.gradient), 401)
    y = np.array([field.value(np.array([p])) for p in x])
    others = "; ".join(short(float(p)) for p in found.points[:8])
    figure = Figure(
        width=640, height=400, title="The level set of a function of one variable is points",
        description=f"f over {found.names[0]}, with the points of one value of f: {others}.",
    )  # fmt: skip
    ax = figure.axes(x=found.names[0], y="f")
    ax.line(x, y, label="f")
    ax.horizontal(found.value, f"f = {short(found.value)}")
    level = np.full(len(found.points), found.value)
    ax.points(found.points, level, label="level set", color=1, size=5)
    ax.points([theta], [found.value], label="θ", color="text", size=4)
    return figure.svg()
