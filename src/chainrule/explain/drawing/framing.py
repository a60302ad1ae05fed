"""Where everything of one pair of axes goes: margins, ticks, names, legend, then the marks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Final

from chainrule.explain.drawing.canvas import element, number, stroke
from chainrule.explain.drawing.fields import Bar, Contours, Heat
from chainrule.explain.drawing.legends import ROW, bar_width, colour_bar, legend, rows, upright
from chainrule.explain.drawing.marks import Mark, Points
from chainrule.explain.drawing.scales import Scale, nice_step, ticks
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import shorten, width, wrap
from chainrule.explain.drawing.view import Box, View
from chainrule.explain.drawing.words import label, place, written

if TYPE_CHECKING:
    from chainrule.explain.drawing.axes import Axes

_LINE: Final = 1.25 * SIZE
#: From the frame to the numbers beside it.
_OFF: Final = 7.0
#: The same downwards: a number in the corner must not meet the one of the other axis.
_BELOW: Final = 10.0
#: A name beside a vertical axis takes at most this much of the width.
_LONGEST: Final = 9 * SIZE


@dataclass(frozen=True, slots=True)
class _Ticks:
    values: list[float]
    texts: list[str]

    @property
    def wide(self) -> float:
        return max((width(text, SIZE) for text in self.texts), default=0.0)


def framed(axes: Axes, outer: Box, clip: str) -> tuple[str, list[str]]:
    """The elements of the axes inside ``outer``, and the notes that belong below the picture."""
    x, y = axes.scales()
    bar = field.bar() if (field := axes.field) else None
    named = [mark for mark in axes.marks if mark.label]
    keys = rows(named, outer.width - 2 * _OFF)
    head = wrap(axes.title, outer.width, SIZE, most=3)
    plot, across, up = _plot(axes, outer, x, y, bar, len(head) * _LINE + len(keys) * ROW)
    if axes.equal:
        plot, x, y = _equal(plot, x, y, _has_field(axes))
        across, up = _ticks_of(axes, 0, x, plot.width), _ticks_of(axes, 1, y, plot.height)
    start, stop = (plot.top, plot.bottom) if axes.downwards else (plot.bottom, plot.top)
    view = View(x.on(plot.left, plot.right), y.on(start, stop), plot, _has_field(axes))
    parts = [
        _title(head, outer),
        legend(keys, outer.left + _OFF, outer.top + len(head) * _LINE),
        _grid(view, across, up) if not _has_field(axes) else "",
        _clip(clip, plot),
        *_marks(axes.marks, view, clip),
        _frame(view, across, up),
        _names(axes.labels, outer, plot, up),
        colour_bar(bar, plot, plot.right + bar_width(bar, plot.height)) if bar else "",
        written(words := place(view.words, plot.inset(3, 2, 3, 2))),
    ]
    left_out = len(view.words) - len(words)
    notes = [f"{left_out} names have no room and are left out."] if left_out else []
    return "".join(parts), [*axes.notes, *view.notes, *notes]


def _marks(marks: Sequence[Mark], view: View, clip: str) -> Iterator[str]:
    """What is drawn, cut at the frame; a marker on the frame is whole."""
    for is_points, some in groupby(marks, lambda mark: isinstance(mark, Points)):
        drawn = "".join(mark.draw(view) for mark in some)
        cut = None if is_points else f"url(#{clip})"
        yield element("g", drawn, clip_path=cut) if drawn else ""


def _plot(
    axes: Axes, outer: Box, x: Scale, y: Scale, bar: Bar | None, top: float
) -> tuple[Box, _Ticks, _Ticks]:
    """The rectangle that is left for the data, and the ticks that fit it."""
    bottom = _BELOW + _LINE + (_LINE if axes.labels[0] else 0.0)
    height = max(1.0, outer.height - top - bottom - 0.5 * SIZE)
    up = _ticks_of(axes, 1, y, height)
    left = up.wide + _OFF + (1.3 * SIZE if axes.labels[1] else 0.0)
    right = bar_width(bar, height) if bar else 0.0
    across = _ticks_of(axes, 0, x, outer.width - left - right)
    last = width(across.texts[-1], SIZE) / 2 if across.texts else 0.0
    plot = outer.inset(left, top + 0.5 * SIZE, max(right, last), bottom)
    return plot, _ticks_of(axes, 0, x, plot.width), up


def _ticks_of(axes: Axes, way: int, scale: Scale, length: float) -> _Ticks:
    """As many ticks as their numbers have room for; ``way`` is 0 for x, 1 for y."""
    found = _Ticks([], [])
    for most in range(max(2, int(length / (2.2 * SIZE))), 0, -1):
        found = _candidates(axes, way, scale, most, length)
        if way == 1 or _room(scale.on(0.0, length), found):
            return found
    return _Ticks(found.values[:1], found.texts[:1])


def _candidates(axes: Axes, way: int, scale: Scale, most: int, length: float) -> _Ticks:
    names = axes.names[way]
    if names is None and not axes.is_table[way]:
        return _Ticks(*ticks(scale, most))
    first, last = math.ceil(scale.low), math.floor(scale.high)
    if names is not None:
        first, last = max(first, 0), min(last, len(names) - 1)
    every = max(1, math.ceil((last - first + 1) / most))
    if names is None:
        every = max(1, round(nice_step(every))) if every > 1 else 1
    kept = range(first, last + 1, every)
    limit = 0.4 * length if way == 0 else _LONGEST
    texts = [str(k) if names is None else shorten(str(names[k]), limit, SIZE) for k in kept]
    return _Ticks([float(k) for k in kept], texts)


def _room(scale: Scale, found: _Ticks) -> bool:
    ends = [
        (float(scale(v)) - width(t, SIZE) / 2, float(scale(v)) + width(t, SIZE) / 2)
        for v, t in zip(found.values, found.texts, strict=True)
    ]
    return all(b[0] - a[1] > 0.6 * SIZE for a, b in pairwise(ends))


def _equal(plot: Box, x: Scale, y: Scale, shrink: bool) -> tuple[Box, Scale, Scale]:
    """One unit as long across as upwards: a smaller frame, or wider ranges."""
    if x.log or y.log:
        return plot, x, y
    per_x, per_y = (x.high - x.low) / plot.width, (y.high - y.low) / plot.height
    per = max(per_x, per_y)
    if shrink:
        spare_x = plot.width - (x.high - x.low) / per
        spare_y = plot.height - (y.high - y.low) / per
        return plot.inset(spare_x / 2, spare_y / 2, spare_x / 2, spare_y / 2), x, y
    return plot, _widened(x, per * plot.width), _widened(y, per * plot.height)


def _widened(scale: Scale, span: float) -> Scale:
    middle = (scale.low + scale.high) / 2
    return Scale(middle - span / 2, middle + span / 2)


def _has_field(axes: Axes) -> bool:
    filled = (
        m for m in axes.marks if isinstance(m, Heat) or (isinstance(m, Contours) and m.filled)
    )
    return next(filled, None) is not None


def _title(lines: list[str], outer: Box) -> str:
    return "".join(
        label(line, outer.left, outer.top + k * _LINE + SIZE, kind="h")
        for k, line in enumerate(lines)
    )


def _clip(clip: str, plot: Box) -> str:
    room = {"x": plot.left - 1, "y": plot.top - 1, "width": plot.width + 2}
    return element("clipPath", element("rect", **room, height=plot.height + 2), id=clip)


def _grid(view: View, across: _Ticks, up: _Ticks) -> str:
    box = view.box
    lines = [
        f"M{number(float(view.x(v)))},{number(box.top)}V{number(box.bottom)}" for v in across.values
    ]
    lines += [
        f"M{number(box.left)},{number(float(view.y(v)))}H{number(box.right)}" for v in up.values
    ]
    return element("path", d="".join(lines), **stroke("grid"), stroke_width=1.0) if lines else ""


def _frame(view: View, across: _Ticks, up: _Ticks) -> str:
    box = view.box
    frame = f"M{number(box.left)},{number(box.top)}V{number(box.bottom)}H{number(box.right)}"
    parts = [element("path", d=frame, **stroke("muted"), stroke_width=1.0)]
    for value, text in zip(across.values, across.texts, strict=True):
        x = float(view.x(value))
        parts.append(label(text, x, box.bottom + _BELOW + 0.8 * SIZE, "middle", "muted", "n"))
    for value, text in zip(up.values, up.texts, strict=True):
        y = float(view.y(value)) + 0.33 * SIZE
        parts.append(label(text, box.left - _OFF, y, "end", "muted", "n"))
    return "".join(parts)


def _names(names: tuple[str, str], outer: Box, plot: Box, up: _Ticks) -> str:
    across, along = names
    lines = wrap(across, outer.width, SIZE, most=1)
    middle = (plot.left + plot.right) / 2
    half = max((width(line, SIZE) / 2 for line in lines), default=0.0)
    middle = min(max(middle, outer.left + half), outer.right - half)
    below = plot.bottom + _BELOW + _LINE + 0.8 * SIZE
    parts = [label(line, middle, below, "middle") for line in lines]
    if along:
        parts.append(upright(along, plot.left - _OFF - up.wide - 0.5 * SIZE, plot))
    return "".join(parts)
