"""A critical point drawn: slices along its axes, the plane through them, the spectrum."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Final

import numpy as np

from chainrule.explain.drawing import Figure
from chainrule.explain.landscape.field import Field
from chainrule.explain.landscape.spectrum import Spectrum
from chainrule.explain.landscape.walk import Walk
from chainrule.explain.words import short

#: Of 1 + |θ|: as far as the slices go.
_REACH: Final = 0.5
_POINTS: Final = 61
_FEW: Final = 6
_GRID: Final = 33
#: Eigenvalues that are drawn, at least.
_FEWEST: Final = 3
#: How far the slices go up, in units of the fall: so that a small fall is seen.
_RISE: Final = 4.0
#: Seconds that the plane may take; without them it is not drawn.
_SECONDS: Final = 1.5


@dataclass(frozen=True, eq=False)
class Views:
    """What is drawn of a place: values along two directions, and on the plane through both.

    Attributes:
        distances: from the point, float64[points].
        down, up: f(θ + t u) - f(θ) along the direction that bends down most (or falls), and along
            that which bends up most.
        grid: the same on the plane, float64[points, points], rows along ``down``; None where it
            would take too long, or where there is one parameter.
        sides: the plane's coordinates.
        path: of the walk, in the plane: float64[steps, 2].
    """

    distances: np.ndarray
    down: np.ndarray
    up: np.ndarray | None
    sides: np.ndarray
    grid: np.ndarray | None
    path: np.ndarray | None


def views(field: Field, v: np.ndarray, down: np.ndarray, bend: Spectrum, way: Walk | None) -> Views:
    """Values around v, as many as time allows."""
    reach = _REACH * (1 + float(np.linalg.norm(v)))
    base, begin = field.value(v), perf_counter()
    field.value(v + reach * down)
    each = perf_counter() - begin
    t = reach * np.linspace(-1, 1, 2 * int(np.clip(_SECONDS / 4 / each, _FEW, _POINTS // 2)) + 1)
    below = np.array([field.value(v + s * down) - base for s in t])
    across = _across(down, bend)
    if across is None:
        return Views(t, below, None, t, None, None)
    above = np.array([field.value(v + s * across) - base for s in t])
    sides, grid = reach * np.linspace(-1, 1, _GRID), None
    if each * _GRID**2 <= _SECONDS:
        grid = np.array(
            [[field.value(v + a * across + b * down) - base for a in sides] for b in sides]
        )
    path = None if way is None else (way.path - v) @ np.stack([across, down], axis=1)
    return Views(t, below, above, sides, grid, path)


def _across(down: np.ndarray, bend: Spectrum) -> np.ndarray | None:
    """The direction that bends up most, less what it shares with ``down``."""
    rest = bend.largest_direction - (bend.largest_direction @ down) * down
    size = float(np.linalg.norm(rest))
    if size < 1e-6 and bend.vectors is not None and len(down) > 1:
        rest = bend.smallest_direction - (bend.smallest_direction @ down) * down
        size = float(np.linalg.norm(rest))
    return None if size < 1e-6 else np.asarray(rest / size)


def picture(drawn: Views, bend: Spectrum, kind: str, unit: str, falls: bool) -> str:
    """The picture as SVG."""
    has_plane = drawn.grid is not None
    has_spectrum = bend.values is not None and len(bend.values) >= _FEWEST
    high = 1.0 if not has_spectrum else 0.56
    fig = Figure(
        720, 640 if has_spectrum else 380, _title(kind),
        f"{_title(kind)}. Eigenvalues of the Hessian from {short(bend.smallest)} to"
        f" {short(bend.largest)}.",
    )  # fmt: skip
    _slices(fig, drawn, bend, unit, falls, (0.0, 0.0, 0.5 if has_plane else 1.0, high))
    if has_plane:
        _plane(fig, drawn, unit, (0.5, 0.0, 0.5, high))
    if has_spectrum:
        _eigenvalues(fig, bend, (0.0, high, 1.0, 1 - high))
    return fig.svg()


def _title(kind: str) -> str:
    names = {"none": "No critical point", "saddle": "A saddle point"}
    return names.get(kind, f"A {kind}")


def _slices(
    fig: Figure, drawn: Views, bend: Spectrum, unit: str, falls: bool,
    box: tuple[float, float, float, float],
) -> None:  # fmt: skip
    ax = fig.axes(
        "distance along it", _change(unit), box=box, title="Slices",
        y_range=_range(drawn) if falls else None,
    )  # fmt: skip
    name = "escape direction" if falls else "bends least"
    ax.line(drawn.distances, drawn.down, name, color=1)
    if drawn.up is not None:
        ax.line(drawn.distances, drawn.up, "bends most" if bend.steepest else "across", color=0)
    ax.points([0.0], [0.0], "the point", color="text", size=4)


def _change(unit: str) -> str:
    return f"change ({unit})" if unit else "change of the loss"


def _range(drawn: Views) -> tuple[float, float] | None:
    """What shows the fall, where the other slice rises far above it."""
    values = drawn.down if drawn.up is None else np.concatenate([drawn.down, drawn.up])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    shown = max(_RISE * -low, float(drawn.down[np.isfinite(drawn.down)].max()))
    return (1.1 * low, shown) if low < 0 and high > shown else None


def _plane(fig: Figure, drawn: Views, unit: str, box: tuple[float, float, float, float]) -> None:
    assert drawn.grid is not None
    ax = fig.axes(
        "along what bends most", "along the other", equal=True, box=box,
        title="The plane through both",
    )  # fmt: skip
    ax.contours(drawn.sides, drawn.sides, drawn.grid, label=_change(unit))
    if drawn.path is not None:
        reach = drawn.sides[-1]
        kept = drawn.path[np.all(np.abs(drawn.path) <= reach, axis=1)]
        ax.line(kept[:, 0], kept[:, 1], "walk", color="text")
    ax.points([0.0], [0.0], color="text", size=4)


def _eigenvalues(fig: Figure, bend: Spectrum, box: tuple[float, float, float, float]) -> None:
    """Each as a point, ascending."""
    assert bend.values is not None
    ax = fig.axes("number, ascending", "eigenvalue", box=box, title="Eigenvalues of the Hessian")
    places = np.arange(1, len(bend.values) + 1)
    signs = (
        ("negative", 1, bend.values < -bend.zero),
        ("zero", "muted", np.abs(bend.values) <= bend.zero),
        ("positive", 0, bend.values > bend.zero),
    )
    for name, colour, which in signs:
        if which.any():
            ax.points(places[which], bend.values[which], f"{which.sum()} {name}", color=colour)
    ax.horizontal(0.0)
