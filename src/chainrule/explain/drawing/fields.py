"""Marks for a function of two variables: contour lines, filled levels, heat maps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import need
from chainrule.explain.drawing.canvas import element, number, path_data, png, stroke
from chainrule.explain.drawing.colours import css, diverging, sequential
from chainrule.explain.drawing.scales import Scale, nice_step
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import width
from chainrule.explain.drawing.view import View
from chainrule.explain.drawing.words import RIM, label
from chainrule.explain.words import short

Values = NDArray[np.float64]
#: Grids are thinned to this many lines a side.
_MOST: Final = 200
#: Pixels a side that a heat map is enlarged to at most.
_PIXELS: Final = 480
#: Heat maps with at most this many cells may have their numbers written in.
_CELLS: Final = 400


@dataclass(frozen=True, slots=True, eq=False)
class Bar:
    """What the colours of a field mean: shown beside the axes.

    Attributes:
        edges: numbers between the colours, rising.
        colours: one row (4,) per step, one less than edges.
        label: what the numbers are, with the unit.
        log: the steps are even in the logarithm.
    """

    edges: Values
    colours: NDArray[np.uint8]
    label: str
    log: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """Levels of z over a grid: x (columns,), y (rows,), z (rows, columns)."""

    x: Values
    y: Values
    z: Values
    levels: Values
    filled: bool
    label: str = ""
    name: str = ""

    def extent(self) -> tuple[Values, Values]:
        return self.x, self.y

    def draw(self, view: View) -> str:
        generator = _generator(self.x, self.y, self.z)
        areas = self._areas(generator, view) if self.filled else ""
        wide, opacity = (0.8, 0.55) if self.filled else (1.5, None)
        colour = "ground" if self.filled else "muted"
        lines = [self._lines(generator.lines(float(level)), view) for level in self.levels]
        style = {**stroke(colour), "stroke_width": wide, "opacity": opacity}
        return areas + element("path", d="".join(lines), **style)

    def _areas(self, generator: Any, view: View) -> str:
        edges = _open_ended(self.levels, self.z)
        parts = []
        for low, high, colour in zip(edges, edges[1:], self._colours(), strict=False):
            outlines = self._rings(generator.filled(float(low), float(high)), view)
            if outlines:
                parts.append(element("path", d=outlines, fill=css(colour), fill_rule="evenodd"))
        return element("g", "".join(parts), stroke_width=0.0)

    def _rings(self, found: Any, view: View) -> str:
        pieces = []
        for points, offsets in zip(*found, strict=True):
            px, py = view.places(points[:, 0], points[:, 1])
            for a, b in pairwise(offsets):
                pieces.append(path_data(px[a:b], py[a:b], close=True))
        return "".join(pieces)

    def _lines(self, found: Any, view: View) -> str:
        return "".join(path_data(*view.places(p[:, 0], p[:, 1])) for p in found)

    def _colours(self) -> NDArray[np.uint8]:
        return sequential(np.linspace(0.0, 1.0, len(self.levels) + 1))

    def bar(self) -> Bar | None:
        if not self.filled or not len(self.levels):
            return None
        return Bar(
            _open_ended(self.levels, self.z), self._colours(), self.name, _uneven(self.levels)
        )

    def key(self, x: float, y: float, wide: float) -> str:
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class Heat:
    """Cells of colour: z (rows, columns) over x and y; the rows of a table go downwards."""

    z: Values
    x: tuple[float, float]
    y: tuple[float, float]
    diverges: bool
    limits: tuple[float, float]
    values: bool
    table: bool
    columns: bool
    label: str = ""
    name: str = ""

    def extent(self) -> tuple[Values, Values]:
        return np.array(self.x), np.array(self.y)

    def draw(self, view: View) -> str:
        (left, right), (top, bottom) = view.x(self.x), np.sort(view.y(self.y))
        upwards = bool(view.y(self.y[0]) > view.y(self.y[1]))  # the first row lies at the bottom
        pixels = self._colours(self.z[::-1] if upwards else self.z)
        place = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        look = {
            "preserveAspectRatio": "none", "image_rendering": "optimizeSpeed",
            "style": "image-rendering:pixelated",
        }  # fmt: skip
        written = self._written(view) if self.values and self.z.size <= _CELLS else ""
        return element("image", href=png(_enlarged(pixels)), **place, **look) + written

    def _written(self, view: View) -> str:
        """The numbers, in the middle of their cells and no larger than these."""
        rows, columns = self.z.shape
        xs = view.x(self.x[0] + (np.arange(columns) + 0.5) / columns * (self.x[1] - self.x[0]))
        ys = view.y(self.y[0] + (np.arange(rows) + 0.5) / rows * (self.y[1] - self.y[0]))
        texts = [[short(value, 3) for value in row] for row in self.z]
        widest = max(width(text, 1.0) for row in texts for text in row)
        cell = view.x.length / columns, view.y.length / rows
        size = min(SIZE, 0.9 * cell[0] / widest, 0.8 * cell[1])
        look: dict[str, Any] = {**RIM, "style": f"font-size:{number(size)}px"}
        return "".join(
            label(
                texts[i][j], float(xs[j]), float(ys[i]) + 0.35 * size, "middle", kind="r n", **look
            )
            for i, j in np.ndindex(rows, columns)
        )

    def _colours(self, z: Values) -> NDArray[np.uint8]:
        low, high = self.limits
        if self.diverges:
            return diverging(z / (high or 1.0))
        return sequential((z - low) / ((high - low) or 1.0))

    def bar(self) -> Bar | None:
        low, high = self.limits
        edges = np.linspace(low, high, 33)
        return Bar(edges, self._colours((edges[1:] + edges[:-1]) / 2), self.name)

    def key(self, x: float, y: float, wide: float) -> str:
        return ""


def contours(
    x: object, y: object, z: object, levels: int | object, filled: bool, name: str
) -> Contours:
    """The mark for a grid of numbers; ``levels`` is how many, or the rising levels themselves.

    Raises:
        ValueError: z is not (len(y), len(x)), or fewer than 2 × 2, or x or y do not rise.
    """
    x, y, z = (np.asarray(v, dtype=np.float64) for v in (x, y, z))
    if x.ndim != 1 or y.ndim != 1 or z.shape != (len(y), len(x)) or min(z.shape) < 2:
        raise ValueError(
            f"contours: expected x (columns,), y (rows,), z (rows, columns), 2 × 2 or more; got"
            f" {x.shape}, {y.shape}, {z.shape}"
        )
    if not (np.all(np.diff(x) > 0) and np.all(np.diff(y) > 0)):
        raise ValueError("contours: x and y must rise")
    at = _levels(z, levels) if isinstance(levels, int) else np.asarray(levels, dtype=np.float64)
    across, down = _every(len(x)), _every(len(y))
    return Contours(x[across], y[down], z[np.ix_(down, across)], at, filled, name=name)


def heat(z: object, x: object, y: object, kind: str, name: str, values: bool = False) -> Heat:
    """The mark for a table of numbers, (rows, columns).

    Raises:
        ValueError: z is not a table, or ``kind`` is neither "sequential" nor "diverging".
    """
    z = np.asarray(z, dtype=np.float64)
    if z.ndim != 2 or not z.size:
        raise ValueError(f"heat: expected numbers (rows, columns); got {z.shape}")
    if kind not in ("sequential", "diverging"):
        raise ValueError(f'heat: kind is "sequential" or "diverging"; got {kind!r}')
    rows, columns = z.shape
    good = z[np.isfinite(z)]
    low, high = (float(good.min()), float(good.max())) if good.size else (0.0, 1.0)
    most = max(abs(low), abs(high)) or 1.0
    limits = (-most, most) if kind == "diverging" else (low, high if high > low else low + 1.0)
    return Heat(
        z,
        _pair(x, (-0.5, columns - 0.5)),
        _pair(y, (-0.5, rows - 0.5)),
        kind == "diverging",
        limits,
        values,
        table=y is None,
        columns=x is None,
        name=name,
    )


def _pair(given: Any, own: tuple[float, float]) -> tuple[float, float]:
    return own if given is None else (float(given[0]), float(given[1]))


def _levels(z: Values, count: int) -> Values:
    """Nice levels: even ones, or even in the logarithm where most of z lies at the low end."""
    good = z[np.isfinite(z)]
    if not good.size or good.max() == good.min():
        return np.zeros(0)
    low, high = float(good.min()), float(good.max())
    if low > 0 and float(np.median(good)) - low < 0.08 * (high - low):
        return np.geomspace(low, high, count + 2)[1:-1]
    step = nice_step((high - low) / (count + 1))
    return np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step


def _uneven(levels: Values) -> bool:
    steps = np.diff(levels)
    return len(steps) > 1 and bool(steps.max() > 1.5 * steps.min()) and bool(levels[0] > 0)


def _open_ended(levels: Values, z: Values) -> Values:
    """The levels with the least and the greatest z at either end."""
    good = z[np.isfinite(z)]
    if not good.size or not len(levels):
        return np.zeros(0)
    low, high = min(good.min(), levels[0]), max(good.max(), levels[-1])
    room = 1e-9 * (high - low) + 1e-300
    return np.concatenate([[low - room], levels, [high + room]])


def _every(n: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, n - 1, min(n, _MOST)).astype(np.intp))


def _generator(x: Values, y: Values, z: Values) -> Any:
    contourpy = need("contourpy", "explain")
    return contourpy.contour_generator(
        x, y, np.ma.masked_invalid(z), line_type="Separate", fill_type="OuterOffset"
    )


def _enlarged(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Each cell as a square of pixels: some viewers blur what they enlarge."""
    times = max(1, min(16, _PIXELS // max(pixels.shape[:2])))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def scale_of_bar(bar: Bar, start: float, stop: float) -> Scale:
    """The scale beside a colour bar."""
    low, high = float(bar.edges[0]), float(bar.edges[-1])
    log = bar.log and low > 0
    return Scale(low, high, start, stop, log)
