"""A function of two variables as a surface: isometric projection, drawn from back to front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.drawing.canvas import element, number, path_data, stroke
from chainrule.explain.drawing.colours import css, sequential
from chainrule.explain.drawing.scales import Scale, scale_of, ticks
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import width
from chainrule.explain.drawing.view import Box
from chainrule.explain.drawing.words import label

Values = NDArray[np.float64]
#: A corner of the box: parts of its three sides.
Corner: TypeAlias = tuple[float, float, float]
_COS: Final = math.sqrt(3.0) / 2.0
#: Height of the box over the length of its floor's sides.
_TALL: Final = 0.75
#: Lines of the grid a side, at most.
_MOST: Final = 49
_SHADES: Final = 32


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """z (rows, columns) over x (columns,) and y (rows,), and a path (n, 3) on it or None."""

    x: Values
    y: Values
    z: Values
    path: Values | None
    names: tuple[str, str, str]

    def draw(self, box: Box, clip: str) -> tuple[str, list[str]]:
        """The elements inside the box, and the notes."""
        stage = _Stage.of(self, box)
        parts = [stage.walls(), *self._faces(stage), self._track(stage), stage.numbers(self.names)]
        bad = int((~np.isfinite(self.z)).sum())
        notes = [f"{bad:,} of {self.z.size:,} heights are not finite: holes."] if bad else []
        return "".join(parts), notes

    def _faces(self, stage: _Stage) -> list[str]:
        """One polygon per cell of the grid, the far ones first."""
        px, py = stage.place(*np.broadcast_arrays(self.x[None, :], self.y[:, None], self.z))
        mean = (self.z[1:, 1:] + self.z[:-1, 1:] + self.z[1:, :-1] + self.z[:-1, :-1]) / 4
        t = (mean - stage.z.low) / (stage.z.high - stage.z.low)
        shades = sequential(np.round(t * _SHADES) / _SHADES)
        rows, columns = mean.shape
        order = sorted(
            (j - i, i, j) for i in range(rows) for j in range(columns) if np.isfinite(mean[i, j])
        )
        faces = [self._face(px, py, i, j, css(shades[i, j])) for _, i, j in order]
        edge: dict[str, object] = {**stroke("ground"), "stroke_width": 0.5, "stroke_opacity": 0.5}
        edge["stroke_linejoin"] = "round"
        return [element("g", "".join(faces), **edge)]

    def _face(self, px: Values, py: Values, i: int, j: int, colour: str) -> str:
        corners = ((i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j))
        outline = " ".join(f"{px[c]:.1f},{py[c]:.1f}" for c in corners)
        return f'<path d="M{outline}Z" fill="{colour}"/>'

    def _track(self, stage: _Stage) -> str:
        if self.path is None:
            return ""
        px, py = stage.place(*self.path.T)
        data = path_data(px, py)
        if not data:
            return ""
        round_ = {"stroke_linejoin": "round", "stroke_linecap": "round"}
        good = np.flatnonzero(np.isfinite(px))
        ends = "".join(f"M{number(px[k])},{number(py[k])}h0" for k in good[[0, -1]])
        return "".join(
            element("path", d=d, **stroke(colour), stroke_width=wide, **round_)
            for d, colour, wide in (
                (data, "ground", 5.0),
                (data, "accent", 2.5),
                (ends, "ground", 12.0),
                (ends, "accent", 8.0),
            )
        )


def surface(x: Any, y: Any, z: Any, path: Any, names: tuple[str, str, str]) -> Surface:
    """The surface of a grid of numbers.

    Raises:
        ValueError: z is not (len(y), len(x)), or fewer than 2 × 2; a path is not (n, 2 or 3).
    """
    x, y, z = (np.asarray(v, dtype=np.float64) for v in (x, y, z))
    if x.ndim != 1 or y.ndim != 1 or z.shape != (len(y), len(x)) or min(z.shape) < 2:
        raise ValueError(
            f"surface: expected x (columns,), y (rows,), z (rows, columns), 2 × 2 or more; got"
            f" {x.shape}, {y.shape}, {z.shape}"
        )
    across, down = _every(len(x)), _every(len(y))
    track = None if path is None else _path(x, y, z, path)
    return Surface(x[across], y[down], z[np.ix_(down, across)], track, names)


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """The box that the surface stands in, projected.

    x rises from the left corner of the floor to the near one, y from there to the right one, z
    upwards.
    """

    x: Scale
    y: Scale
    z: Scale
    left: float
    top: float
    unit: float

    @classmethod
    def of(cls, surface: Surface, box: Box) -> _Stage:
        track = surface.path if surface.path is not None else np.zeros((0, 3))
        x, y, z = (
            scale_of([own.ravel(), track[:, k]], False, None, 0.0)
            for k, own in enumerate((surface.x, surface.y, surface.z))
        )
        margin = _longest(z, 5) + 2.4 * SIZE
        below = 2.2 * SIZE
        unit = min(
            (box.width - margin - 2.0 * SIZE) / (2 * _COS),
            (box.height - below - SIZE) / (1 + _TALL),
        )
        unit = max(unit, 1.0)
        spare = box.width - margin - 2 * _COS * unit
        return cls(x, y, z, box.left + margin + spare / 2, box.top + 0.5 * SIZE, unit)

    def place(self, x: Any, y: Any, z: Any) -> tuple[Values, Values]:
        """Places of points in space, (...) each."""
        u, v, w = self.x(x), 1.0 - self.y(y), self.z(z)
        return self._project(u, v, w)

    def _project(self, u: Any, v: Any, w: Any) -> tuple[Values, Values]:
        px = self.left + self.unit * _COS * (1.0 + u - v)
        py = self.top + self.unit * ((u + v) / 2.0 + _TALL * (1.0 - w))
        return np.asarray(px), np.asarray(py)

    def walls(self) -> str:
        """Grid lines on the floor and the two far walls."""
        lines: list[list[Corner]] = []
        for value in ticks(self.z, 5)[0]:
            w = float(self.z(value))
            lines.append([(0, 1, w), (0, 0, w), (1, 0, w)])
        for value in ticks(self.x, 5)[0]:
            u = float(self.x(value))
            lines.append([(u, 1, 0), (u, 0, 0), (u, 0, 1)])
        for value in ticks(self.y, 5)[0]:
            v = 1.0 - float(self.y(value))
            lines.append([(1, v, 0), (0, v, 0), (0, v, 1)])
        edges: list[list[Corner]] = [
            [(0, 1, 1), (0, 1, 0), (1, 1, 0), (1, 0, 0), (1, 0, 1)],
            [(0, 1, 0), (0, 0, 0), (1, 0, 0)],
            [(0, 0, 0), (0, 0, 1)],
        ]
        return self._lines(lines, "grid") + self._lines(edges, "muted")

    def _lines(self, lines: list[list[Corner]], colour: str) -> str:
        data = "".join(path_data(*self._project(*np.array(line, dtype=float).T)) for line in lines)
        return element("path", d=data, **stroke(colour), stroke_width=1.0) if data else ""

    def numbers(self, names: tuple[str, str, str]) -> str:
        """Ticks and names of the three axes."""
        parts = []
        for value, text in zip(*ticks(self.x, 4), strict=True):
            parts.append(
                self._tick((float(self.x(value)), 1.0, 0.0), text, (-4, 1.45 * SIZE), "end")
            )
        for value, text in zip(*ticks(self.y, 4), strict=True):
            parts.append(
                self._tick((1.0, 1.0 - float(self.y(value)), 0.0), text, (4, 1.45 * SIZE), "start")
            )
        for value, text in zip(*ticks(self.z, 5), strict=True):
            at = (0.0, 1.0, float(self.z(value)))
            parts.append(self._tick(at, text, (-7, 0.33 * SIZE), "end"))
        return "".join([*parts, *self._named(names)])

    def _tick(self, at: tuple[float, ...], text: str, off: tuple[float, float], anchor: str) -> str:
        px, py = self._project(*at)
        return label(text, float(px) + off[0], float(py) + off[1], anchor, "muted", "n")

    def _named(self, names: tuple[str, str, str]) -> list[str]:
        across, along, up = names
        x, y = (float(v) for v in self._project(0.5, 1.0, 0.0))
        found = [label(across, x - 0.45 * _longest(self.x, 4) - SIZE, y + 2.6 * SIZE, "end")]
        x, y = (float(v) for v in self._project(1.0, 0.5, 0.0))
        found.append(label(along, x + 0.45 * _longest(self.y, 4) + SIZE, y + 2.6 * SIZE, "start"))
        x, y = (float(v) for v in self._project(0.0, 1.0, 0.5))
        x -= _longest(self.z, 5) + 7 + 0.6 * SIZE
        turned = f"rotate(-90 {number(x)} {number(y)})"
        found.append(label(up, x, y, "middle", transform=turned))
        return found


def _longest(scale: Scale, most: int) -> float:
    return max((width(text, SIZE) for text in ticks(scale, most)[1]), default=0.0)


def _path(x: Values, y: Values, z: Values, path: Any) -> Values:
    track = np.asarray(path, dtype=np.float64)
    if track.ndim != 2 or track.shape[1] not in (2, 3):
        raise ValueError(f"surface: a path is (n, 2) or (n, 3); got {track.shape}")
    if track.shape[1] == 3:
        return track
    return np.column_stack([track, _heights(x, y, z, track)])


def _heights(x: Values, y: Values, z: Values, track: Values) -> Values:
    """Bilinear interpolation of the grid at the points of a path."""
    j = np.clip(np.searchsorted(x, track[:, 0]) - 1, 0, len(x) - 2)
    i = np.clip(np.searchsorted(y, track[:, 1]) - 1, 0, len(y) - 2)
    s = np.clip((track[:, 0] - x[j]) / (x[j + 1] - x[j]), 0, 1)
    t = np.clip((track[:, 1] - y[i]) / (y[i + 1] - y[i]), 0, 1)
    low = z[i, j] * (1 - s) + z[i, j + 1] * s
    high = z[i + 1, j] * (1 - s) + z[i + 1, j + 1] * s
    heights: Values = low * (1 - t) + high * t
    return heights


def _every(n: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, n - 1, min(n, _MOST)).astype(np.intp))
