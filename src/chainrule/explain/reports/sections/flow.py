"""How long the gradient is at each layer, from the first update to the last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.data.words import count
from chainrule.errors import TrainingError
from chainrule.explain.drawing import Figure
from chainrule.explain.page import figure, table
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.reports.sections.curves import smoothed
from chainrule.explain.reports.told import Snapshot
from chainrule.explain.shown import plain_value
from chainrule.explain.words import short
from chainrule.tracing.trees import flatten, named_leaves
from chainrule.training.measures import NORM_OF

#: Lines that one picture can hold.
_LINES: Final = 7
_PARTS: Final = 60


@dataclass(frozen=True, eq=False)
class _Course:
    """Gradient norms over the run: at (points,), by parameter (points,) each."""

    at: np.ndarray
    norms: Mapping[str, np.ndarray]
    said: str
    is_recorded: bool


def flow(context: Context) -> Part:
    """Which layers learn, and which starve."""
    course = _recorded(context) or _measured(context)
    shapes = {name: np.shape(x) for name, x in named_leaves(context.told.model).items()}
    picture = _picture(context, course, shapes)
    rows = list(_rows(context, course))
    head = ["parameter", "numbers", "|∇| first", "|∇| last", "last of first", "one number's, last"]
    shown = table(head, rows, "Length of the loss's gradient at each parameter")
    return Part(
        "flow", "Gradient flow by layer", (course.said, *_judged(course, shapes)),
        figure(picture) + shown, {"flow": picture},
        {"gradient_norms": {n: plain_value([v[0], v[-1]]) for n, v in course.norms.items()}},
    )  # fmt: skip


def _recorded(context: Context) -> _Course | None:
    steps = context.told.history.steps
    norms = {
        n.removeprefix(NORM_OF): np.asarray(v) for n, v in steps.items() if n.startswith(NORM_OF)
    }
    if not norms or not len(context.epochs):
        return None
    window = max(1, len(context.epochs) // _PARTS)
    said = (
        "How long the gradient of a batch's loss is at each parameter, recorded at every update"
        f" (the line is a mean over {window:,}): a line far below the others is a layer that"
        " starves."
    )
    return _Course(context.epochs, {n: smoothed(v, window) for n, v in norms.items()}, said, True)


def _measured(context: Context) -> _Course:
    """At the start, at every checkpoint that is there, and at the end."""
    points = _points(context)
    found = [_norms(context, point.model) for point in points]
    norms = {name: np.array([f[name] for f in found]) for name in found[0]}
    rows = count(context.few.rows, "row")
    said = (
        f"How long the gradient of the loss over {rows} is at each parameter, measured"
        f" {_when(points)}. To have it at every update, train with"
        ' record="parameter_gradient_norms".'
    )
    return _Course(np.array([float(p.step) for p in points]), norms, said, False)


def _points(context: Context) -> list[Snapshot]:
    told, last = context.told, len(context.told.history)
    between = [s for s in told.snapshots if 0 < s.step < last]
    first = [] if told.start is None else [Snapshot(0, told.start)]
    return [*first, *between, Snapshot(last, told.model)]


def _when(points: list[Snapshot]) -> str:
    if len(points) == 1:
        return "at the end"
    between = f", at {len(points) - 2} checkpoints in between" if len(points) > 2 else ""
    return f"before the first update{between} and at the end"


def _norms(context: Context, model: Any) -> dict[str, float]:
    objective = context.objective
    gradient = objective.gradient([np.asarray(leaf) for leaf in flatten(model)[0]])
    return {
        name: float(np.linalg.norm(g))
        for name, g, on in zip(objective.names, gradient, objective.learned, strict=True)
        if on
    }


def _picture(context: Context, course: _Course, shapes: Mapping[str, tuple[int, ...]]) -> str:
    drawn = _chosen(course.norms, shapes)
    positive = [v[np.isfinite(v) & (v > 0)] for v in drawn.values()]
    if not any(v.size for v in positive):
        raise TrainingError("the gradient is exactly 0 at every parameter")
    made = Figure(
        height=360, title="Length of the gradient at each parameter",
        description=" ".join(f"{n}: {short(v[0])} to {short(v[-1])}." for n, v in drawn.items()),
    )  # fmt: skip
    x = context.axis if course.is_recorded else "update"
    axes = made.axes(x=x, y="|∇| of the loss", y_scale="log")
    for k, (name, values) in enumerate(drawn.items()):
        axes.line(course.at, values, label=name, color=k, width=1.6)
        if not course.is_recorded:
            axes.points(course.at, values, color=k, size=4)
    return made.svg()


def _chosen(
    norms: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The weights of layers, evenly picked where there are many; all parameters where few."""
    names = list(norms)
    if len(names) > _LINES:
        names = [n for n in names if len(shapes.get(n, ())) >= 2] or names
    if len(names) > _LINES:
        kept = np.unique(np.linspace(0, len(names) - 1, _LINES).astype(int))
        names = [names[k] for k in kept]
    return {name: norms[name] for name in names}


def _rows(context: Context, course: _Course) -> Iterator[list[Any]]:
    sizes = {n: np.size(x) for n, x in named_leaves(context.told.model).items()}
    for name, values in course.norms.items():
        first, last = float(values[0]), float(values[-1])
        size = sizes.get(name, 1)
        share = short(last / first, 2) if first else "—"
        ends = (short(first, 3), short(last, 3))
        yield [name or "params", size, *ends, share, short(last / size**0.5, 3)]


def _judged(course: _Course, shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """One number's gradient in the first weight matrix against the last, at the end."""
    weights = [name for name in course.norms if len(shapes.get(name, ())) >= 2]
    if len(weights) < 2:
        return ()
    first, last = (
        float(course.norms[n][-1]) / math.prod(shapes[n]) ** 0.5 for n in (weights[0], weights[-1])
    )
    if not (math.isfinite(first) and math.isfinite(last) and last > 0):
        return ()
    said = (
        f"At the end, the gradient of one number of {weights[0]} is {short(first / last, 2)} times"
        f" that of one of {weights[-1]} (root mean squares)."
    )
    return (said,)
