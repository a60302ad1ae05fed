"""What stands beside the data: the legend above it and the bar of colours on its right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from chainrule.explain.drawing.canvas import element, number, stroke
from chainrule.explain.drawing.colours import css
from chainrule.explain.drawing.fields import Bar, scale_of_bar
from chainrule.explain.drawing.marks import Mark
from chainrule.explain.drawing.scales import ticks
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import shorten, width, wrap
from chainrule.explain.drawing.view import Box
from chainrule.explain.drawing.words import label

_SAMPLE: Final = 26.0
_GAP: Final = 8.0
ROW: Final = 1.3 * SIZE
_BAR: Final = 14.0


def rows(marks: Sequence[Mark], limit: float) -> list[list[tuple[Mark, str, float]]]:
    """The named marks in rows that fit: (mark, its name, how wide) each."""
    found: list[list[tuple[Mark, str, float]]] = []
    room = 0.0
    for mark in marks:
        if not mark.label:
            continue
        name = shorten(mark.label, limit - _SAMPLE - _GAP, SIZE)
        wide = _SAMPLE + _GAP + width(name, SIZE) + 1.2 * SIZE
        if not found or wide > room:
            found.append([])
            room = limit + 1.2 * SIZE
        found[-1].append((mark, name, wide))
        room -= wide
    return found


def legend(lines: list[list[tuple[Mark, str, float]]], left: float, top: float) -> str:
    """The rows, each of height ``ROW``."""
    parts = []
    for k, line in enumerate(lines):
        x, y = left, top + (k + 0.5) * ROW
        for mark, name, wide in line:
            parts.append(mark.key(x, y, _SAMPLE))
            parts.append(label(name, x + _SAMPLE + _GAP, y + 0.33 * SIZE))
            x += wide
    return "".join(parts)


def bar_width(bar: Bar, height: float) -> float:
    """What the bar with its numbers and its name takes of the width."""
    wide = max((width(text, SIZE) for text in _numbers(bar, height)[1]), default=0.0)
    return 12.0 + _BAR + 8.0 + wide + (1.3 * SIZE if bar.label else 0.0)


def colour_bar(bar: Bar, plot: Box, right: float) -> str:
    """The bar right of the plot, its name along the right edge."""
    scale = scale_of_bar(bar, plot.bottom, plot.top)
    left = plot.right + 12.0
    places = scale(bar.edges)
    parts = []
    for low, high, colour in zip(places, places[1:], bar.colours, strict=False):
        opacity = None if colour[3] == 255 else number(colour[3] / 255)
        shape = {"x": left, "y": float(high), "width": _BAR, "height": float(low - high) + 0.3}
        parts.append(element("rect", **shape, fill=css(colour), fill_opacity=opacity))
    frame = {"x": left, "y": plot.top, "width": _BAR, "height": plot.height}
    parts.append(element("rect", **frame, **stroke("muted"), stroke_width=1.0))
    for value, text in zip(*_numbers(bar, plot.height), strict=True):
        y = float(scale(value))
        parts.append(label(text, left + _BAR + 8.0, y + 0.33 * SIZE, colour="muted", kind="n"))
    if bar.label:
        parts.append(upright(bar.label, right - 0.3 * SIZE, plot))
    return "".join(parts)


def upright(text: str, x: float, plot: Box) -> str:
    """A text along the height of the plot, read from the left."""
    y = (plot.top + plot.bottom) / 2
    lines = wrap(text, plot.height, SIZE, most=1)
    turned = f"rotate(-90 {number(x)} {number(y)})"
    return "".join(label(line, x, y, "middle", transform=turned) for line in lines)


def _numbers(bar: Bar, height: float) -> tuple[list[float], list[str]]:
    return ticks(scale_of_bar(bar, height, 0.0), max(2, int(height / (2.4 * SIZE))))
