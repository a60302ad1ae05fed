"""A sheet to draw on: what all pictures of this floor have around them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np

from chainrule.explain.drawing.canvas import element, escape, fill, number, png, stroke
from chainrule.explain.drawing.colours import Colour, css, diverging
from chainrule.explain.drawing.style import CLASS, SIZE, style_sheet
from chainrule.explain.drawing.text import shorten, wrap
from chainrule.explain.drawing.words import label

Place = tuple[float, float]
#: From one line of text to the next.
LINE: Final = 1.25 * SIZE
EDGE: Final = 12.0
#: What to reckon with for bold text, which is wider.
BOLD: Final = 1.15 * SIZE
_ID: Final = "cr-own-number"
_HALO: Final = (
    "stroke:var(--cr-ground,#fff);stroke-width:4px;paint-order:stroke;stroke-linejoin:round"
)


class Sheet:
    """Elements on a ground, notes below them, and above them, if ``headed``, the title."""

    def __init__(self, width: float, title: str, description: str, headed: bool = True) -> None:
        self.width, self.title, self.description = width, title, description
        head = wrap(title, width - 2 * EDGE, BOLD, most=4) if headed else []
        self.top = EDGE + len(head) * LINE + 0.4 * SIZE
        self._head = head
        self._parts: list[str] = []
        self._over: list[str] = []

    def add(self, markup: str) -> None:
        """An element."""
        self._parts.append(markup)

    def under(self, markup: str) -> None:
        """An element behind all others."""
        self._parts.insert(0, markup)

    def text(
        self, text: str, x: float, y: float, anchor: str = "middle", colour: Colour = "text",
        room: float = 1e9, kind: str = "",
    ) -> None:  # fmt: skip
        """One line over all else, with a rim, cut to its room."""
        shown = shorten(text, room, SIZE)
        self._over.append(label(shown, x, y, anchor, colour, kind, style=_HALO))

    def group(self, markup: str, layers: Sequence[int], is_back: bool = False) -> None:
        """Elements that belong to layers, by their numbers: what an animation lights up.

        What is of the backward pass alone is marked so.
        """
        phase = ' data-phase="backward"' if is_back else ""
        self.add(f'<g data-layers="{" ".join(map(str, layers))}"{phase}>{markup}</g>')

    def svg(self, bottom: float, notes: Sequence[str] = ()) -> str:
        """The whole picture, its notes below ``bottom``."""
        lines = [x for note in notes for x in wrap(note, self.width - 2 * EDGE, SIZE, most=6)]
        height = bottom + len(lines) * LINE + EDGE
        words = [
            *(
                label(line, EDGE, EDGE + SIZE + k * LINE, kind="h")
                for k, line in enumerate(self._head)
            ),
            *(
                label(line, EDGE, bottom + SIZE + k * LINE, colour="muted")
                for k, line in enumerate(lines)
            ),
        ]
        ground = element("rect", width=self.width, height=height, **fill("ground"))
        told = " ".join(part for part in (self.description, *notes) if part)
        head = element("title", escape(self.title), id=f"{_ID}-title")
        head += element("desc", escape(told), id=f"{_ID}-desc")
        svg = element(
            "svg",
            head + element("style", style_sheet()) + ground
            + "".join([*self._parts, *self._over, *words]),
            xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {self.width:g} {height:g}",
            width=self.width, height=height, class_=CLASS,
            style=f"width:100%;max-width:{self.width:g}px", role="img",
            aria_labelledby=f"{_ID}-title {_ID}-desc",
        )  # fmt: skip
        own = "cr" + hashlib.sha256(svg.encode("utf-8")).hexdigest()[:10]
        return svg.replace(_ID, own)


def line(
    places: Sequence[Place], colour: Colour, width: float, head: float = 0.0, upright: bool = False
) -> str:
    """A smooth line through places, with an arrow's head of that size at its end.

    It begins and ends level, or upright.
    """
    parts = []
    if head:
        *others, before, end = places
        sign = 1.0 if (end[1] >= before[1] if upright else end[0] >= before[0]) else -1.0
        way = (0.0, sign) if upright else (sign, 0.0)
        parts.append(arrow_head(end, way, head, colour))
        places = [*others, before, (end[0] - 0.8 * head * way[0], end[1] - 0.8 * head * way[1])]
    path = smooth(places, upright)
    look = {"stroke_width": width, "stroke_linecap": "round", **stroke(colour)}
    return "".join([*parts, element("path", d=path, **look)])


def smooth(places: Sequence[Place], upright: bool) -> str:
    """A path through places, its ways bent evenly between them."""
    (x, y), *rest = places
    found = [f"M{number(x)},{number(y)}"]
    for to_x, to_y in rest:
        middle = (y + to_y) / 2 if upright else (x + to_x) / 2
        bends = ((x, middle), (to_x, middle)) if upright else ((middle, y), (middle, to_y))
        corners = (*bends, (to_x, to_y))
        found.append("C" + " ".join(f"{number(a)},{number(b)}" for a, b in corners))
        x, y = to_x, to_y
    return "".join(found)


def arrow_head(end: Place, way: Place, size: float, colour: Colour) -> str:
    """A triangle that ends there, going that way."""
    (x, y), (dx, dy) = end, way
    base, wide = (x - size * dx, y - size * dy), 0.55 * size
    corners = [
        end, (base[0] - wide * dy, base[1] + wide * dx), (base[0] + wide * dy, base[1] - wide * dx)
    ]  # fmt: skip
    points = " ".join(f"{number(a)},{number(b)}" for a, b in corners)
    return element("polygon", points=points, **fill(colour))


def shade(t: float) -> dict[str, object]:
    """The fill of -1 ... 1: blue below zero, orange above, clear at zero."""
    colour = diverging(np.asarray(t if np.isfinite(t) else 0.0))
    return {"fill": css(colour), "fill_opacity": round(float(colour[3]) / 255, 3)}


def heat(
    values: np.ndarray, x: float, y: float, width: float, height: float, name: str
) -> str:  # fmt: skip
    """A picture of a matrix (rows, columns), blue below zero and orange above, with a frame."""
    top = float(np.max(np.abs(values), initial=0.0, where=np.isfinite(values))) or 1.0
    with np.errstate(all="ignore"):
        pixels = png(diverging(np.nan_to_num(values / top)))
    ground = element("rect", x=x, y=y, width=width, height=height, **fill("ground"))
    place = {"x": x, "y": y, "width": width, "height": height}
    image = element(
        "image", element("title", escape(name)), **place, preserveAspectRatio="none",
        style="image-rendering:pixelated", href="#pixels",
    ).replace("#pixels", pixels)  # fmt: skip
    frame = element("rect", x=x, y=y, width=width, height=height, **stroke("muted"))
    return ground + image + frame


def share(size: float, top: float) -> float:
    """size / top in 0 ... 1; 0 of what is not finite."""
    return min(1.0, size / top) if 0 < size < float("inf") and 0 < top < float("inf") else 0.0


def wide(svg: str, name: str) -> str:
    """A picture in a box that scrolls on a phone, where it would be too small to read."""
    box = f'<div class="cr-wide" tabindex="0" role="region" aria-label="{escape(name)}">'
    return f'{box}<div style="min-width:36rem">{svg}</div></div>'
