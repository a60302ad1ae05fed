"""Decision boundaries with the data, and what single SGD updates do to θ, drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.extras import need
from chainrule.explain.drawing import Axes, Figure
from chainrule.explain.geometry.plane import unit_vector
from chainrule.explain.geometry.sgd_steps import probabilities
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.geometry.boundary import Boundary, DecisionBoundary

_MARKERS = ("circle", "square", "triangle", "cross", "star")
#: Points of each class that are drawn, and classes that are.
_MOST_POINTS = 400
_MOST_CLASSES = 7
#: Sides of a view that differ by more are not drawn to one scale.
_UNEQUAL = 6.0
_FLAT = 2
_GRID = 81


def boundary_pictures(found: DecisionBoundary) -> dict[str, str]:
    """SVG by name."""
    d = int(found.varying.sum())
    if not found.is_linear:
        return {"decision regions": _bent(found) if d == _FLAT else _curve(found)}
    if d == 1:
        return {"decision boundary": _curve(found)}
    pictures = {"decision boundary": _plane(found) if d == _FLAT else _projected(found)}
    if found.steps:
        pictures["SGD updates"] = _updates(found)
    return pictures


def _figure(title: str, description: str) -> Figure:
    return Figure(width=640, height=520, title=title, description=description)


def _data(ax: Axes, found: DecisionBoundary, points: np.ndarray, on: np.ndarray) -> None:
    for c in np.unique(found.y[on])[:_MOST_CLASSES]:
        own = points[on & (found.y == c)]
        own = own[:: max(1, len(own) // _MOST_POINTS)]
        marker = _MARKERS[int(c) % len(_MARKERS)]
        ax.points(
            own[:, 0], own[:, 1], label=f"class {found.classes[c]}", color=int(c) % 7, marker=marker
        )


def _view(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """The corners of what is drawn, and whether one scale serves both axes."""
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.where(high > low, high - low, 1.0)
    equal = bool(max(size) <= _UNEQUAL * min(size))
    half = np.full(2, max(size)) / 2 if equal else size / 2
    middle = (low + high) / 2
    return middle - 1.25 * half, middle + 1.25 * half, equal


def _axes(
    figure: Figure, names: tuple[str, str], low: np.ndarray, high: np.ndarray, equal: bool
) -> Axes:
    x_range, y_range = (float(low[0]), float(high[0])), (float(low[1]), float(high[1]))
    return figure.axes(x=names[0], y=names[1], x_range=x_range, y_range=y_range, equal=equal)


# -- two features -----------------------------------------------------------------------------


def _plane(found: DecisionBoundary) -> str:
    points = found.x[:, found.varying]
    a, b = (name for name, on in zip(found.names, found.varying, strict=True) if on)
    low, high, equal = _view(points)
    main = found.boundaries[found.shown]
    figure = _figure("The decision boundary, and θ at a right angle to it", _words(found, main))
    ax = _axes(figure, (a, b), low, high, equal)
    _data(ax, found, points, np.ones(len(points), bool))
    for boundary in found.boundaries:
        _draw_line(ax, found, boundary, low, high, equal)
    return figure.svg()


def _words(found: DecisionBoundary, b: Boundary) -> str:
    j, k = (found.classes[c] for c in b.classes)
    return (
        f"Examples by class, the line on which classes {j} and {k} are equally likely, and θ,"
        f" measured at {b.angle:.6f} degrees to it, pointing to class {j}."
    )


def _draw_line(
    ax: Axes, found: DecisionBoundary, b: Boundary, low: np.ndarray, high: np.ndarray, equal: bool
) -> None:
    """The part of a boundary within the view where no third class is likelier; θ at its middle."""
    if not b.norm:
        return
    unit = b.theta / b.norm
    middle = (low + high) / 2
    foot = middle - (middle @ b.theta + b.theta0) / b.norm * unit
    along = np.array([-unit[1], unit[0]])
    t = np.linspace(-1, 1, 801) * float(np.linalg.norm(high - low))
    line = foot + t[:, None] * along
    inside = np.all((line >= low) & (line <= high), axis=1) & _leads(found, line, b)
    if not inside.any():
        return
    part = line[inside]
    j, k = (found.classes[c] for c in b.classes)
    label = f"boundary {j} | {k}" if len(found.classes) > 2 else "boundary, p = 0.5"
    ax.line(part[:, 0], part[:, 1], label=label, color="text", width=2)
    at = part[len(part) // 2]
    tip = at + unit * 0.2 * (float(np.min(high - low)) if equal else _reach(unit, high - low))
    name = "θ" if len(found.classes) <= 2 else f"to {j}"
    ax.arrow(at[0], at[1], tip[0], tip[1], label=name, color="accent")


def _reach(unit: np.ndarray, size: np.ndarray) -> float:
    """How far a view reaches along a direction where its axes differ."""
    return float(1 / np.max(np.abs(unit) / size))


def _leads(found: DecisionBoundary, line: np.ndarray, b: Boundary) -> np.ndarray:
    if len(found.classes) <= 2:
        return np.ones(len(line), bool)
    whole = np.tile(found.x[0], (len(line), 1))
    whole[:, found.varying] = line
    z = found._classifier.scores(whole)
    top = z[:, b.classes[0]]
    return np.asarray(top >= z.max(axis=1) - 1e-9 * (1 + np.abs(top)))


# -- more features: θ and the data's principal direction at a right angle to it ----------------


def _projected(found: DecisionBoundary) -> str:
    main = found.boundaries[found.shown]
    own = np.isin(found.y, main.classes)
    first, second = _basis(found, main)
    x = found.x[:, found.varying]
    across = x @ second
    distance = (x @ main.theta + main.theta0) / main.norm if main.norm else x @ first
    points = np.stack([distance, across], axis=1)
    low, high, equal = _view(np.concatenate([points[own], [[0.0, float(across.mean())]]]))
    title = "The data along θ and across: the boundary is at 0"
    figure = _figure(title, _words(found, main))
    names = ("distance to the boundary, along θ", "first principal direction ⊥ θ")
    ax = _axes(figure, names, low, high, equal)
    _data(ax, found, points, own)
    if main.norm:
        j, k = (found.classes[c] for c in main.classes)
        ax.line([0, 0], [low[1], high[1]], label=f"boundary {j} | {k}", color="text")
        y = (low[1] + high[1]) / 2
        ax.arrow(0, y, 0.2 * (high[0] - low[0]), y, label="θ", color="accent")
    return figure.svg()


def _basis(found: DecisionBoundary, b: Boundary) -> tuple[np.ndarray, np.ndarray]:
    """θ's direction, and the data's first principal one at a right angle to it."""
    first = unit_vector(b.theta) if b.norm else np.eye(len(b.theta))[0]
    x = found.x[:, found.varying]
    x = x - x.mean(axis=0)
    x = x - np.outer(x @ first, first)
    second = np.linalg.svd(x[:5000], full_matrices=False)[2][0]
    second = second - (second @ first) * first
    if np.linalg.norm(second) < 1e-8:
        second = np.eye(len(first))[int(np.argmin(np.abs(first)))]
        second = second - (second @ first) * first
    return first, unit_vector(second)


# -- SGD updates ------------------------------------------------------------------------------


def _updates(found: DecisionBoundary) -> str:
    """θ, and from its tip the update of each of some examples."""
    main = found.boundaries[found.shown]
    words = [name for name, on in zip(found.names, found.varying, strict=True) if on]
    if len(words) == _FLAT:
        basis, names = np.eye(2), (f"θ of {words[0]}", f"θ of {words[1]}")
    else:
        basis = np.array(_basis(found, main))
        names = ("along θ", "first principal direction ⊥ θ")
    tip = basis @ main.theta
    ends = [basis @ step.theta for step in found.steps]
    low, high, equal = _view(np.array([[0.0, 0.0], tip, *ends]))
    turns = ", ".join(f"{step.turn:.3g}" for step in found.steps)
    figure = _figure(
        f"One SGD update on one example, learning rate {short(found.learning_rate)}",
        f"θ from the origin, and arrows from its tip: the updates of {len(ends)} examples, which"
        f" turn it by {turns} degrees.",
    )
    ax = _axes(figure, names, low, high, equal)
    ax.points([0], [0], color="muted", label="θ = 0")
    ax.arrow(0, 0, tip[0], tip[1], label="θ", color="accent")
    for k, (step, end) in enumerate(zip(found.steps, ends, strict=True)):
        own = found.classes[found.y[step.row]]
        ax.arrow(tip[0], tip[1], end[0], end[1], label=f"{step.row} (class {own})", color=k % 7)
    return figure.svg()


# -- one feature, and classifiers that are not linear ------------------------------------------


def _curve(found: DecisionBoundary) -> str:
    """One feature: the probability of the last class over it, and the examples."""
    column = int(np.flatnonzero(found.varying)[0])
    x = found.x[:, column]
    size = float(np.ptp(x)) or 1.0
    grid = np.linspace(x.min() - 0.2 * size, x.max() + 0.2 * size, 401)
    whole = np.tile(found.x[0], (len(grid), 1))
    whole[:, column] = grid
    p = probabilities(found._classifier.scores(whole))
    figure = Figure(
        width=640, height=400, title="Probability over the one feature, and the boundary",
        description=f"Probabilities of the classes over {found.names[column]}.",
    )  # fmt: skip
    ax = figure.axes(x=found.names[column], y="probability", y_range=(-0.05, 1.05))
    classes = range(1, 2) if len(found.classes) == _FLAT else range(len(found.classes))
    for c in list(classes)[:_MOST_CLASSES]:
        ax.line(grid, p[:, c], label=f"p(class {found.classes[c]})", color=c)
    height = (found.y > 0).astype(float) if len(found.classes) == _FLAT else np.zeros(len(x))
    _data(ax, found, np.stack([x, height], axis=1), np.ones(len(x), bool))
    for b in found.boundaries:
        if b.norm:
            ax.vertical(float(-b.theta0 / b.theta[0]), "boundary")
    return figure.svg()


def _bent(found: DecisionBoundary) -> str:
    low, high, equal = _view(found.x)
    a, b = (np.linspace(low[k], high[k], _GRID) for k in (0, 1))
    grid = np.stack(np.meshgrid(a, b), axis=-1)
    p = probabilities(found._classifier.scores(grid.reshape(-1, 2))).reshape(_GRID, _GRID, -1)
    two = p.shape[2] == _FLAT
    shown, name = (p[:, :, 1], f"p(class {found.classes[1]})") if two else (
        p.max(axis=2), "probability of the likeliest class"
    )  # fmt: skip
    figure = _figure(
        "Decision regions", "Probabilities over the two features, the curve on which two classes"
        " are equally likely, and the examples by class.",
    )  # fmt: skip
    ax = _axes(figure, (found.names[0], found.names[1]), low, high, equal)
    ax.contours(a, b, shown, levels=np.linspace(0, 1, 11), filled=True, label=name)
    for c in range(1 if two else 0, p.shape[2]):
        others = np.delete(p, c, axis=2).max(axis=2)
        lead = p[:, :, c] - others
        label = ("p = 0.5" if two else "equally likely") if c == 1 else ""
        for line in _zero_lines(a, b, lead):
            ax.line(line[:, 0], line[:, 1], label=label, color="accent", width=3)
            label = ""
    _data(ax, found, found.x, np.ones(len(found.x), bool))
    return figure.svg()


def _zero_lines(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
    """The curves on which z is 0, (points, 2) each."""
    contourpy = need("contourpy", "explain")
    found: list[np.ndarray] = contourpy.contour_generator(x, y, z).lines(0.0)
    return found
