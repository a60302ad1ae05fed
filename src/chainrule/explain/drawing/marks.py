"""What can be drawn on a pair of axes: each mark says its extent and draws itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.drawing.canvas import element, fill, number, path_data, runs, stroke
from chainrule.explain.drawing.colours import Colour
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.thinning import thin_line, thin_points
from chainrule.explain.drawing.view import View, Word

Values = NDArray[np.float64]
_NONE: Final = np.zeros(0)
#: Outlines of markers of radius one.
_SHAPES: Final[dict[str, list[tuple[float, float]]]] = {
    "square": [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
    "triangle": [(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
    "star": [
        ((1.5 if k % 2 == 0 else 0.6) * math.sin(k * math.pi / 5),
         -(1.5 if k % 2 == 0 else 0.6) * math.cos(k * math.pi / 5))
        for k in range(10)
    ],
}  # fmt: skip
MARKERS: Final = ("circle", "square", "cross", "triangle", "star")


class Mark(Protocol):
    """Something on a pair of axes."""

    @property
    def label(self) -> str: ...

    def extent(self) -> tuple[Values, Values]:
        """The x and the y that must have room."""
        ...

    def draw(self, view: View) -> str: ...

    def key(self, x: float, y: float, wide: float) -> str:
        """The sample in the legend, from x to x + wide, at the height y."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line through points; a point that is not finite is a gap."""

    x: Values
    y: Values
    label: str
    colour: Colour
    width: float
    dash: bool
    opacity: float

    def extent(self) -> tuple[Values, Values]:
        return self.x, self.y

    def draw(self, view: View) -> str:
        px, py = thin_line(*view.places(self.x, self.y))
        return _stroked(path_data(px, py), self, view.halo)

    def key(self, x: float, y: float, wide: float) -> str:
        return _stroked(f"M{number(x)},{number(y)}h{number(wide)}", self, False)


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """A cloud of points."""

    x: Values
    y: Values
    label: str
    colour: Colour
    size: float
    marker: str

    def extent(self) -> tuple[Values, Values]:
        return self.x, self.y

    def draw(self, view: View) -> str:
        px, py = view.inside(*view.places(self.x, self.y))
        shown = thin_points(px, py, self.size)
        if (far := int(np.isfinite(px).sum()) - len(shown)) > 0:
            which = f" of “{self.label}”" if self.label else ""
            view.notes.append(
                f"{len(shown):,} points{which} are drawn; {far:,} more lie among them."
            )
        return self._drawn(px[shown], py[shown], view.halo)

    def key(self, x: float, y: float, wide: float) -> str:
        return self._drawn(np.array([x + wide / 2]), np.array([y]), False)

    def _drawn(self, px: Values, py: Values, halo: bool) -> str:
        if not len(px):
            return ""
        if self.marker == "cross":
            return self._crosses(px, py)
        if self.marker == "circle":
            dots = "".join(f"M{number(a)},{number(b)}h0" for a, b in zip(px, py, strict=True))
            outer = _dots(dots, 2 * self.size + 3, "ground") if halo else ""
            return outer + _dots(dots, 2 * self.size, self.colour)
        shape = self.size * np.array(_SHAPES[self.marker])
        outline = "".join(
            path_data(a + shape[:, 0], b + shape[:, 1], close=True)
            for a, b in zip(px, py, strict=True)
        )
        edge = _edge() if halo else {}
        return element("path", d=outline, **fill(self.colour), **edge)

    def _crosses(self, px: Values, py: Values) -> str:
        r = self.size
        arms = "".join(
            f"M{number(a - r)},{number(b - r)}l{number(2 * r)},{number(2 * r)}"
            f"m{number(-2 * r)},0l{number(2 * r)},{number(-2 * r)}"
            for a, b in zip(px, py, strict=True)
        )
        return element("path", d=arms, **stroke(self.colour), stroke_width=max(1.5, r / 2))


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """What lies between two lines over the same x."""

    x: Values
    low: Values
    high: Values
    label: str
    colour: Colour
    opacity: float

    def extent(self) -> tuple[Values, Values]:
        return self.x, np.concatenate([self.low, self.high])

    def draw(self, view: View) -> str:
        px, low = view.places(self.x, self.low)
        _, high = view.places(self.x, self.high)
        good = np.isfinite(low) & np.isfinite(high)
        return "".join(self._piece(px[run], low[run], high[run]) for run in runs(good))

    def _piece(self, px: Values, low: Values, high: Values) -> str:
        (ax, a), (bx, b) = thin_line(px, low), thin_line(px, high)
        outline = path_data(np.append(ax, bx[::-1]), np.append(a, b[::-1]), close=True)
        return element("path", d=outline, **fill(self.colour), opacity=float(self.opacity))

    def key(self, x: float, y: float, wide: float) -> str:
        r = SIZE / 3
        shape = {"x": x, "y": y - r, "width": wide, "height": 2 * r}
        return element("rect", **shape, **fill(self.colour), opacity=float(self.opacity))


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Upright bars from zero, or from the foot of a logarithmic axis."""

    x: Values
    heights: Values
    label: str
    colour: Colour
    width: float

    def extent(self) -> tuple[Values, Values]:
        half = self.width / 2
        edges = np.concatenate([self.x - half, self.x + half])
        return edges, np.append(self.heights, 0.0)

    def draw(self, view: View) -> str:
        left, right = view.x(self.x - self.width / 2), view.x(self.x + self.width / 2)
        foot = view.y(view.y.low if view.y.log else 0.0)
        tops = view.y(self.heights)
        good = np.isfinite(left) & np.isfinite(right) & np.isfinite(tops)
        bars = "".join(
            f"M{number(a)},{number(float(foot))}V{number(t)}H{number(b)}V{number(float(foot))}Z"
            for a, b, t in zip(left[good], right[good], tops[good], strict=True)
        )
        return element("path", d=bars, **fill(self.colour)) if bars else ""

    def key(self, x: float, y: float, wide: float) -> str:
        r = SIZE / 3
        return element("rect", x=x, y=y - r, width=wide, height=2 * r, **fill(self.colour))


@dataclass(frozen=True, slots=True, eq=False)
class Arrow:
    """An arrow between two points, its name beside its head."""

    ends: tuple[float, float, float, float]
    name: str
    colour: Colour
    width: float
    label: str = ""

    def extent(self) -> tuple[Values, Values]:
        x0, y0, x1, y1 = self.ends
        return np.array([x0, x1]), np.array([y0, y1])

    def draw(self, view: View) -> str:
        x, y = view.places(*self.extent())
        if not np.isfinite(x + y).all():
            return ""
        if self.name:
            right = x[1] >= x[0]
            at = (x[1] + (8 if right else -8), y[1] - 6 if y[1] <= y[0] else y[1] + SIZE * 0.9)
            view.words.append(Word(*at, self.name, "start" if right else "end", self.colour))
        halo = _arrow(x, y, "ground", self.width, rim=3.0) if view.halo else ""
        return halo + _arrow(x, y, self.colour, self.width)

    def key(self, x: float, y: float, wide: float) -> str:
        return _arrow(np.array([x, x + wide]), np.array([y, y]), self.colour, self.width)


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A text at a point; it moves aside where another stands already."""

    x: float
    y: float
    text: str
    anchor: str
    colour: Colour
    label: str = ""

    def extent(self) -> tuple[Values, Values]:
        return np.array([self.x]), np.array([self.y])

    def draw(self, view: View) -> str:
        px, py = view.places(np.array([self.x]), np.array([self.y]))
        if np.isfinite(px[0]):
            word = Word(px[0], py[0] + SIZE * 0.3, self.text, self.anchor, self.colour)
            view.words.append(word)
        return ""

    def key(self, x: float, y: float, wide: float) -> str:
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """A dashed line across the whole axes, with its name."""

    at: float
    name: str
    upright: bool
    colour: Colour
    label: str = ""

    def extent(self) -> tuple[Values, Values]:
        at = np.array([self.at])
        return (at, _NONE) if self.upright else (_NONE, at)

    def draw(self, view: View) -> str:
        place = float((view.x if self.upright else view.y)(self.at))
        box = view.box
        low, high = (box.left, box.right) if self.upright else (box.top, box.bottom)
        if not low <= place <= high:
            return ""
        if self.name:
            view.words.append(self._word(place, view))
        line = (
            f"M{number(place)},{number(box.top)}V{number(box.bottom)}"
            if self.upright
            else f"M{number(box.left)},{number(place)}H{number(box.right)}"
        )
        dash = {"stroke_width": 1.5, "stroke_dasharray": "6 4"}
        return element("path", d=line, **stroke(self.colour), **dash)

    def _word(self, place: float, view: View) -> Word:
        if not self.upright:
            return Word(view.box.right - 4, place - 5, self.name, "end", self.colour)
        if place > view.box.left + 0.6 * view.box.width:
            return Word(place - 5, view.box.top + SIZE, self.name, "end", self.colour)
        return Word(place + 5, view.box.top + SIZE, self.name, "start", self.colour)

    def key(self, x: float, y: float, wide: float) -> str:
        return ""


def _stroked(data: str, line: Line, halo: bool) -> str:
    if not data:
        return ""
    shape = {"d": data, "stroke_linejoin": "round", "stroke_linecap": "round"}
    dash = f"{number(3.5 * line.width)} {number(2.5 * line.width)}" if line.dash else None
    opacity = None if line.opacity >= 1 else float(line.opacity)
    below = (
        element("path", **shape, **stroke("ground"), stroke_width=line.width + 3) if halo else ""
    )
    own = {"stroke_width": float(line.width), "stroke_dasharray": dash, "opacity": opacity}
    return below + element("path", **shape, **stroke(line.colour), **own)


def _dots(data: str, wide: float, colour: Colour) -> str:
    return element(
        "path", d=data, **stroke(colour), stroke_width=float(wide), stroke_linecap="round"
    )


def _edge() -> dict[str, object]:
    return {"style": "stroke:var(--cr-ground,#fff)", "stroke_width": 1.5, "paint_order": "stroke"}


def _arrow(x: Values, y: Values, colour: Colour, wide: float, rim: float = 0.0) -> str:
    length = math.hypot(x[1] - x[0], y[1] - y[0])
    if length < 0.5:
        return _dots(f"M{number(x[1])},{number(y[1])}h0", wide + 3 + rim, colour)
    head = min(5.0 + 2.5 * wide, 0.6 * length)
    dx, dy = (x[1] - x[0]) / length, (y[1] - y[0]) / length
    bx, by = x[1] - head * dx, y[1] - head * dy
    side = 0.42 * head
    tip = path_data(
        np.array([x[1], bx - side * dy, bx + side * dy]),
        np.array([y[1], by + side * dx, by - side * dx]),
        close=True,
    )
    shaft = f"M{number(x[0])},{number(y[0])}L{number(bx)},{number(by)}"
    stem = element("path", d=shaft, **stroke(colour), stroke_width=wide + rim)
    if rim:
        return stem + element("path", d=tip, **stroke(colour), stroke_width=rim)
    return stem + element("path", d=tip, **fill(colour))
