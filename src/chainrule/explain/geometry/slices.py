"""``slice_of``: a loss around its weights, along one direction or two, with the path on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import numpy as np

from chainrule.data.words import count
from chainrule.errors import TrainingError
from chainrule.explain.drawing import Axes, Figure
from chainrule.explain.geometry.directions import Directions, directions_of
from chainrule.explain.geometry.path import leaves_of_path
from chainrule.explain.geometry.result import Result
from chainrule.explain.geometry.surface import Surface, surface_of
from chainrule.explain.shown import plain
from chainrule.explain.words import short
from chainrule.training.run import Run

_LEAST_SIZE: Final = 11
_MOST_SIZE: Final = 401
_LINE_SIZE: Final = 201


@dataclass(frozen=True, eq=False, repr=False)
class Slice(Result):
    """A loss over one or two directions around a centre.

    Attributes:
        a, b: coordinates along the directions, float64[size]; b empty of one direction.
        loss: float64[len(b), len(a)], or float64[len(a)]; nats where the loss is in nats.
        directions: what they are. offset: see ``Directions``.
        share: part of the path's squared distance in each principal direction.
        centre_loss: the loss at the centre, where the coordinates are 0.
        path: coordinates of the path's points, float64[m, k]; empty without one.
        path_losses: the loss at the points themselves, off the plane, float64[m].
        path_off: their distance from the plane, float64[m].
        rows: that the loss is the mean over; 0 of a function. seconds: that it took.
        size_asked: points along an axis that were asked for; fewer are taken if it takes long.
        unit: of the loss, "nats" or "target²"; "" for a function of your own.
    """

    a: np.ndarray
    b: np.ndarray
    loss: np.ndarray
    directions: Directions
    share: tuple[float, ...]
    centre_loss: float
    path: np.ndarray
    path_losses: np.ndarray
    path_off: np.ndarray
    rows: int
    seconds: float
    size_asked: int
    unit: str = ""

    def _draw(self) -> dict[str, str]:
        """Contours and surface of two directions; a curve of one."""
        if not len(self.b):
            return {"slice": _curve(self)}
        return {"contours": _contours(self), "surface": _surface(self)}

    def to_json(self) -> dict[str, Any]:
        """The numbers, in JSON's types, without the directions."""
        keys = ("a", "b", "loss", "share", "centre_loss", "path", "path_losses", "path_off", "rows")
        own = {k: getattr(self, k) for k in keys}
        own |= {"directions": self.directions.words, "labels": self.directions.labels}
        return plain({**own, "offset": self.directions.offset})

    def _lines(self) -> list[str]:
        over = f", the mean over {count(self.rows, 'row')}" if self.rows else ""
        many = "a plane" if len(self.b) else "a line"
        lines = [
            f"loss on {many} through the parameters{over}: {self.directions.words}",
            f"at the centre {short(self.centre_loss)}; {self._range()}",
        ]
        lines += self._bad()
        lines += self._way()
        size = f"{len(self.a)} × {len(self.b)}" if len(self.b) else str(len(self.a))
        fewer = f" ({self.size_asked} asked for, which takes longer)" if self._is_cut else ""
        return [*lines, f"{size} points{fewer} in {self.seconds:.2g} s"]

    @property
    def _is_cut(self) -> bool:
        return len(self.a) < self.size_asked

    def _range(self) -> str:
        finite = np.isfinite(self.loss)
        if not finite.any():
            return "nowhere finite on the grid"
        low = np.unravel_index(int(np.nanargmin(np.where(finite, self.loss, np.nan))), finite.shape)
        at = [self.a[low[-1]], *([self.b[low[0]]] if len(self.b) else [])]
        at = [x + o for x, o in zip(at, self.directions.offset, strict=True)]
        where = ", ".join(short(float(x)) for x in at)
        most = float(np.max(self.loss[finite]))
        return f"on the grid from {short(float(self.loss[low]))}, at ({where}), to {short(most)}"

    def _bad(self) -> list[str]:
        bad = int(np.sum(~np.isfinite(self.loss)))
        return [f"{bad:,} of {self.loss.size:,} points are not finite"] if bad else []

    def _way(self) -> list[str]:
        if not len(self.path):
            return []
        first, last = self.path_losses[0], self.path_losses[-1]
        return [
            (
                f"path of {len(self.path)} points: loss {short(first)} at its start,"
                f" {short(last)} at its end; its points lie up to"
                f" {short(float(np.max(self.path_off)))} away from what is drawn"
            )
        ]


def slice_of(
    first: Any, *rest: Any, wrt: str | Sequence[str] | None = None, directions: Any = None,
    path: Any = None, at: Any = None, size: int | None = None, span: float | None = None,
    rows: int = 1000, seconds: float = 10.0, seed: int = 0, threads: int | None = None,
) -> Slice:  # fmt: skip
    """A loss over one or two directions of its parameters, with the path of a descent on it.

    Args:
        first: a run; a model; or a function.
        *rest: of a model a loss and data, of a function its arguments.
        wrt: names of what may move.
        directions: "random": two, filter-normalised (one: ``("random",)``); "principal": the two
            principal directions of the path; "line": from the path's start to its end; one or two
            names of entries ("w", "layers.0.weight[1, 0]"); or one or two directions, each as a
            vector or a dict of arrays by name. None for "principal" with a path, for both entries
            where there are two, else "random".
        path: an ``explain.Path`` after training with it, a run folder (its kept checkpoints), or
            a list of trees like the model; of a function a list of lists of the parameters' arrays.
            None for the folder of the run, if it has one with two checkpoints.
        at: the centre, a tree like those; None for the parameters as they are, with a path and
            its directions for its end.
        size: points along an axis; None for 41, of one direction 201.
        span: how far to each side; None for what suits the directions.
        rows: of the data at most, drawn once; the loss is the mean over them.
        seconds: an axis gets fewer points if all would take longer.
        seed: of random directions and rows.
        threads: as for ``cr.train``.

    Raises:
        TrainingError: such directions are none, a path is missing, a size below 2.
        DataError: the data do not fit together.

    Source:
        Li, Xu, Taylor, Studer & Goldstein 2018, Visualizing the Loss Landscape of Neural Nets;
        the line: Goodfellow, Vinyals & Saxe 2015, Qualitatively Characterizing Neural Network
        Optimization Problems.

    Example:
        >>> found = slice_of(lambda w, b: w**2 + 4 * b**2, 1.0, 0.5, size=21)
        >>> found.loss.shape, round(found.centre_loss, 9)
        ((21, 21), 2.0)
    """
    begin = perf_counter()
    surface = surface_of(first, rest, wrt, rows, seed, threads)
    points = _points(surface, path, first)
    asked = _default(directions, surface, points)
    centre = _centre(surface, at, points, asked)
    found = directions_of(asked, surface.field, centre, points, span, seed)
    taken = (_LINE_SIZE if len(found.basis) == 1 else 41) if size is None else size
    a, b, loss = _grid(surface, centre, found, taken, seconds)
    way, losses, off = _way(surface, centre, found, points)
    return Slice(
        a, b, loss, found, found.share, surface.value(centre), way, losses, off, surface.rows,
        perf_counter() - begin, taken, str(getattr(surface.field.subject.loss, "unit", "")),
    )  # fmt: skip


def _points(surface: Surface, path: Any, first: Any) -> np.ndarray | None:
    """The path, float64[m, n]; None without one."""
    if path is None and isinstance(first, Run) and first.out is not None:
        try:
            return np.array([surface.vector(x) for x in leaves_of_path(first.out, surface.tree)])
        except TrainingError:  # one checkpoint is no path
            return None
    if path is None:
        return None
    return np.array([surface.vector(x) for x in leaves_of_path(path, surface.tree)])


def _default(directions: Any, surface: Surface, points: np.ndarray | None) -> Any:
    if directions is not None:
        return directions
    field = surface.field
    if field.size <= 2:
        return tuple(field.name(k) for k in range(field.size))
    return "random" if points is None else "principal"


def _centre(surface: Surface, at: Any, points: np.ndarray | None, asked: Any) -> np.ndarray:
    on_path = isinstance(asked, str) and asked in ("principal", "line")
    if at is not None and on_path:
        raise TrainingError(f"slice_of: directions={asked!r} go through the path's end; got at=")
    if at is not None:
        return surface.vector(leaves_of_path([at, at], surface.tree)[0])
    return points[-1] if on_path and points is not None else surface.theta


def _grid(
    surface: Surface, centre: np.ndarray, found: Directions, size: int, seconds: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not 2 <= size <= _MOST_SIZE:
        raise TrainingError(f"slice_of: size={size!r}; expected 2 to {_MOST_SIZE}")
    if not np.all(np.isfinite([found.low, found.high])) or np.any(found.low >= found.high):
        raise TrainingError("slice_of: span is to be a number above 0")
    surface.value(centre)
    begin = perf_counter()
    surface.value(centre)
    each = max(perf_counter() - begin, 1e-9)
    axes = len(found.basis)
    fits = int((seconds / each) ** (1 / axes))
    size = min(size, max(fits, _LEAST_SIZE))
    a, *more = (
        np.linspace(low, high, size) for low, high in zip(found.low, found.high, strict=True)
    )
    b = more[0] if more else np.zeros(0)
    base = [centre + q * found.basis[1] for q in b] if more else [centre]
    loss = np.array([[surface.value(row + p * found.basis[0]) for p in a] for row in base])
    return a, b, loss if more else loss[0]


def _way(
    surface: Surface, centre: np.ndarray, found: Directions, points: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if points is None:
        return np.zeros((0, len(found.basis))), np.zeros(0), np.zeros(0)
    moves = points - centre
    way = found.coordinates(moves)
    off = np.linalg.norm(moves - way @ found.basis, axis=1)
    return way, np.array([surface.value(point) for point in points]), off


# -- pictures ---------------------------------------------------------------------------------


def _unit(found: Slice) -> str:
    name = "mean loss" if found.rows else "f"
    return f"{name} ({found.unit})" if found.unit else name


def _contours(found: Slice) -> str:
    x, y = found.directions.labels
    at = found.directions.offset
    figure = Figure(
        width=640, height=520, title="Contours of the loss", description=found._lines()[0],
    )  # fmt: skip
    ax = figure.axes(x=x, y=y, x_range=_ends(found.a + at[0]), y_range=_ends(found.b + at[1]))
    ax.contours(found.a + at[0], found.b + at[1], found.loss, levels=14, label=_unit(found))
    if len(found.path):
        _draw_way(ax, found.path + at)
    else:
        ax.points([at[0]], [at[1]], label="centre", color="accent", size=5)
    return figure.svg()


def _ends(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[-1])


def _draw_way(ax: Axes, way: np.ndarray) -> None:
    ax.line(way[:, 0], way[:, 1], label="path of the descent", color="accent", width=2)
    ax.points(way[:, 0], way[:, 1], color="accent", size=2)
    ax.points(way[:1, 0], way[:1, 1], label="start", color="text", size=5, marker="square")
    ax.points(way[-1:, 0], way[-1:, 1], label="end", color="text", size=6, marker="star")


def _surface(found: Slice) -> str:
    at = found.directions.offset
    figure = Figure(
        width=640, height=480, title="The loss as a surface", description=found._lines()[0],
    )  # fmt: skip
    x, y = (label.split(" (")[0] for label in found.directions.labels)
    path = _on_surface(found) if len(found.path) else None
    figure.surface(
        found.a + at[0], found.b + at[1], found.loss, path=path, labels=(x, y, _unit(found))
    )
    return figure.svg()


def _on_surface(found: Slice) -> np.ndarray | None:
    """The path's points that lie over the grid."""
    at, (a, b) = found.directions.offset, (found.a, found.b)
    q = found.path
    inside = (q[:, 0] >= a[0]) & (q[:, 0] <= a[-1]) & (q[:, 1] >= b[0]) & (q[:, 1] <= b[-1])
    return q[inside] + at if inside.sum() > 1 else None


def _curve(found: Slice) -> str:
    at = float(found.directions.offset[0])
    figure = Figure(
        width=640, height=400, title="The loss along a line", description=found._lines()[0],
    )  # fmt: skip
    ax = figure.axes(x=found.directions.labels[0], y=_unit(found))
    ax.line(found.a + at, found.loss, label="loss")
    if np.isfinite(found.centre_loss):
        ax.points([at], [found.centre_loss], label="centre", color="accent", size=5)
    if len(found.path):
        ax.points(
            found.path[:, 0] + at, found.path_losses, label="path (its own losses)", color=1, size=3
        )
    return figure.svg()
