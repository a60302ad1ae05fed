"""A chain of dense layers as columns of units: values to the right, gradients back to the left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from chainrule.explain.drawing.canvas import element, escape, fill, stroke
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import width, wrap
from chainrule.explain.drawing.words import label
from chainrule.explain.numbers.dense import Units, dense_chain
from chainrule.explain.numbers.norms import norm
from chainrule.explain.numbers.paper import (
    EDGE,
    LINE,
    Sheet,
    heat,
    line,
    shade,
    share,
    smooth,
)
from chainrule.explain.words import short

if TYPE_CHECKING:
    from chainrule.explain.numbers.backpropagation import Backpropagation

Array = Any
#: More columns than this are drawn as boxes alone.
COLUMNS: Final = 6
#: No more units of a column and weights of a pair of columns than these, the largest ones.
UNITS: Final = 10
WEIGHTS: Final = 28
#: An input of this many numbers or more whose number is a square is shown as an image.
IMAGE: Final = 25
_R: Final = 17.0
_PITCH: Final = 48.0
_GAP: Final = 118.0
_SIDE: Final = 168.0


def unit_drawing(found: Backpropagation) -> str | None:
    """The picture; None for a network that is no chain of a few dense layers."""
    chain = dense_chain(found)
    if chain is None or len(chain) > COLUMNS:
        return None
    return _Drawing(found, chain).svg()


class _Drawing:
    def __init__(self, found: Backpropagation, chain: Sequence[Units]) -> None:
        self.found, self.chain = found, chain
        self.columns = [_image(chain[0]) or _Column(chain[0]), *map(_Column, chain[1:])]
        at = EDGE
        for column in self.columns:
            column.left = at
            at += column.width + _GAP
        self.loss_at = at - _GAP + 44
        self.width = self.loss_at + 118 + EDGE
        self.sheet = Sheet(self.width, found.headline(), self._told())
        self.top = self.sheet.top + 3.2 * LINE
        self.height = max(column.height for column in self.columns)
        for column in self.columns:
            column.top = self.top + (self.height - column.height) / 2

    def svg(self) -> str:
        for before, column in zip(self.columns, self.columns[1:], strict=False):
            self._weights(before, column)
        for column in self.columns:
            column.draw(self.sheet)
            self._heads(column)
        self._loss()
        bottom = self._back(self.top + self.height + 2.2 * SIZE)
        return self.sheet.svg(bottom + 2.6 * SIZE, self._legend())

    def _heads(self, column: _Column) -> None:
        units, x = column.units, column.left
        kind = units.kind.removeprefix("Linear, ")
        lines = (units.title, f"{kind} · {len(units.value):,}", column.note())
        room = column.width + _GAP - 12
        for k, told in enumerate(lines):
            y = self.sheet.top + (k + 0.8) * LINE
            self.sheet.text(
                told, x, y, "start", "muted" if k else "text", room, kind="" if k else "h"
            )

    def _weights(self, before: _Column, after: _Column) -> None:
        """The weights with the largest gradients between what is shown of two columns."""
        weight = np.asarray(after.units.weight, np.float64)
        gradient = np.asarray(after.units.gradient, np.float64)
        part = np.abs(np.nan_to_num(gradient[np.ix_(after.shown, before.shown)]))
        top = float(np.max(part, initial=0.0))
        largest = np.argsort(part, axis=None)[::-1][:WEIGHTS]
        lines = []
        for flat in largest[::-1]:
            a, b = np.unravel_index(int(flat), part.shape)
            j, i = int(after.shown[a]), int(before.shown[b])
            if part[a, b] == 0:
                continue
            places = [before.port(i), (after.left, after.place(j)[1])]
            lines.append(
                _weight_line(
                    places, f"w[{j}, {i}]", float(weight[j, i]), float(gradient[j, i]), top
                )
            )
        self.sheet.group("".join(lines), after.units.layers, is_back=True)

    def _loss(self) -> None:
        """The loss, a box at the right end."""
        last, y = self.columns[-1], self.top + self.height / 2
        name = self.found.layers[0].kind.replace("_", " ")
        lines = [*wrap(name, 110, SIZE, most=3), short(self.found.loss, 4)]
        x, high = self.loss_at, (len(lines) + 0.7) * LINE
        frame = {"x": x, "y": y - high / 2, "width": 118.0, "height": high, "rx": 8.0}
        words = "".join(
            label(told, x + 59, y - high / 2 + (k + 1.1) * LINE, "middle",
                  kind="h" if k == len(lines) - 1 else "")
            for k, told in enumerate(lines)
        )  # fmt: skip
        box = element("rect", **frame, **fill("ground"))
        box += element("rect", **frame, stroke_width=1.5, **stroke("text"))
        self.sheet.group(box + words, (1,))
        ends = last.left + last.width
        self.sheet.add(line([(ends, y), (x - 4, y)], "muted", 1.5, head=8))

    def _back(self, y: float) -> float:
        """Below the columns: what each passes back, as arrows from right to left."""
        lengths = (
            [norm(self.found.layers[0].passed[0].gradient)] if self.found.layers[0].passed else []
        )
        passed = [column.units.passed for column in self.columns[1:]]
        top = max(
            (x for x in [*passed, *lengths] if x is not None and math.isfinite(x)), default=0.0
        )
        for before, column in zip(self.columns, self.columns[1:], strict=False):
            size = column.units.passed
            if size is not None:
                ends = column.left + column.r, before.left + before.middle
                self._arrow(ends, y, size, top, column.units.layers)
        if lengths:
            last = self.columns[-1]
            self._arrow((self.loss_at + 59, last.left + last.r), y, lengths[0], top, (1,))
        return y

    def _arrow(
        self, ends: tuple[float, float], y: float, size: float, top: float, layers: Sequence[int]
    ) -> None:  # fmt: skip
        wide = 2 + 9 * share(size, top)
        begin, end = ends[0] - 12, ends[1] + 12
        arrow = line([(begin, y), (end, y)], 1, wide, head=9 + wide)
        told = label(f"‖{short(size, 3)}‖", (begin + end) / 2, y + 1.5 * SIZE, "middle", 1)
        self.sheet.group(arrow + told, layers, is_back=True)

    def _legend(self) -> list[str]:
        many = "" if (self.found.rows or 1) == 1 else " (values: mean over the rows; δ: their sum)"
        said = (
            "In a circle the unit's number, beside it its value and δ = ∂L/∂z before the activation"
            f"{many}; orange: above 0, blue: below. Lines: between two columns at most {WEIGHTS}"
            " weights, with the largest ∂L/∂w, the wider the larger. Arrows below: the gradient"
            " passed back, and its length."
        )
        return [said]

    def _told(self) -> str:
        parts = []
        for units in self.chain[1:]:
            delta = np.asarray(units.delta, np.float64)
            first = np.argsort(-np.abs(np.nan_to_num(delta)))[:3]
            some = ", ".join(f"unit {k}: {short(float(delta[k]), 3)}" for k in first)
            parts.append(
                f"{units.title} ({units.kind}), {len(units.value)} units, ∂L/∂W of length"
                f" {short(norm(units.gradient), 3)}, largest δ at {some}"
            )
        return "From the loss back: " + "; ".join(reversed(parts)) + "."


class _Column:
    """Units as circles: those with the largest δ, or all if they are few."""

    def __init__(self, units: Units) -> None:
        self.units = units
        by = units.value if units.delta is None else units.delta
        sizes = np.abs(np.nan_to_num(np.asarray(by, np.float64)))
        self.shown: Array = np.sort(np.argsort(-sizes, kind="stable")[:UNITS])
        self.left = self.top = 0.0
        told = [text for k in self.shown for text in self._beside(int(k))]
        longest = max((width(str(k), SIZE) for k in self.shown), default=0.0)
        self.r = min(max(_R, longest / 2 + 3), 0.5 * _PITCH)
        self.width = 2 * self.r + max((width(text, SIZE) for text in told), default=0.0) + 8
        self.middle = self.r
        self.height = _PITCH * len(self.shown)

    def note(self) -> str:
        """What is not shown."""
        left_out = len(self.units.value) - len(self.shown)
        more = f"+ {left_out:,} more" if left_out else ""
        silent = f"{self.units.silent} are 0" if self.units.silent else ""
        return ", ".join(filter(None, (more, silent)))

    def place(self, unit: int) -> tuple[float, float]:
        """The middle of a unit's circle."""
        row = int(np.searchsorted(self.shown, unit))
        return self.left + self.r, self.top + (row + 0.5) * _PITCH

    def port(self, unit: int) -> tuple[float, float]:
        """Where the lines to the right begin."""
        return self.left + self.width, self.place(unit)[1]

    def draw(self, sheet: Sheet) -> None:
        """The circles with their numbers."""
        top = float(np.max(np.abs(np.nan_to_num(self._deltas())), initial=0.0)) or 1.0
        self_parts = [self._unit(int(k), top) for k in self.shown]
        sheet.group("".join(self_parts), self.units.layers)

    def _deltas(self) -> Array:
        return np.zeros(len(self.units.value)) if self.units.delta is None else self.units.delta

    def _unit(self, k: int, top: float) -> str:
        x, y = self.place(k)
        delta = float(self._deltas()[k])
        told = f"unit {k}: {', '.join(self._beside(k))}"
        circle = {"cx": x, "cy": y, "r": self.r}
        parts = [
            element("title", escape(told)),
            element("circle", **circle, **fill("ground")),
            element("circle", **circle, **shade(0.75 * delta / top)),
            element("circle", **circle, stroke_width=1.4, **stroke("text")),
            label(str(k), x, y + 0.34 * SIZE, "middle", kind="n"),
        ]
        for row, text in enumerate(beside := self._beside(k)):
            down = (row - 0.5 * len(beside)) * SIZE + SIZE - 3
            colour = "muted" if row else "text"
            parts.append(label(text, x + self.r + 5, y + down, colour=colour, kind="n"))
        return "".join(parts)

    def _beside(self, k: int) -> list[str]:
        """A unit's value, and its δ where it is known."""
        value = short(float(self.units.value[k]), 2)
        known = self.units.delta
        return [value] if known is None else [value, f"δ {short(float(known[k]), 2)}"]


class _Image(_Column):
    """An input of n × n numbers as a picture, and its gradient as another."""

    def __init__(self, units: Units) -> None:
        super().__init__(units)
        self.side = math.isqrt(len(units.value))
        self.shown = np.arange(len(units.value))
        self.width, self.middle = _SIDE, _SIDE / 2
        count = 1 if units.delta is None else 2
        self.height = count * (_SIDE + 1.6 * LINE) - 0.2 * LINE

    def note(self) -> str:
        return f"{self.side} × {self.side}, row by row"

    def place(self, unit: int) -> tuple[float, float]:
        pixel = _SIDE / self.side
        row, column = divmod(unit, self.side)
        return self.left + (column + 0.5) * pixel, self.top + LINE + (row + 0.5) * pixel

    def port(self, unit: int) -> tuple[float, float]:
        return self.place(unit)

    def draw(self, sheet: Sheet) -> None:
        y = self.top
        pictures = [("value", self.units.value)]
        if self.units.delta is not None:
            pictures.append((f"∂L/∂{self.units.title}", self.units.delta))
        for name, numbers in pictures:
            top = float(np.max(np.abs(np.nan_to_num(numbers)), initial=0.0))
            sheet.text(
                f"{name}, ±{short(top, 2)}", self.left, y + 0.75 * LINE, "start", "muted", _SIDE
            )
            image = np.reshape(np.asarray(numbers, np.float64), (self.side, self.side))
            sheet.under(heat(image, self.left, y + LINE, _SIDE, _SIDE, name))
            y += _SIDE + 1.6 * LINE


def _image(units: Units) -> _Image | None:
    count = len(units.value)
    return _Image(units) if count >= IMAGE and math.isqrt(count) ** 2 == count else None


def _weight_line(
    places: Sequence[tuple[float, float]], name: str, weight: float, gradient: float, top: float
) -> str:  # fmt: skip
    size = share(abs(gradient), top)
    told = f"{name} = {short(weight, 3)}, ∂L/∂w = {short(gradient, 3)}"
    colour = 1 if gradient > 0 else 0
    return element(
        "path", element("title", escape(told)), d=smooth(places, upright=False),
        stroke_width=0.7 + 4.3 * size, stroke_opacity=round(0.35 + 0.5 * size, 2), **stroke(colour),
    )  # fmt: skip
