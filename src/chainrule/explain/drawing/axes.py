"""One pair of axes: what is drawn on it, and its scales, frame, ticks, names and legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.explain.drawing.colours import Colour, name_of
from chainrule.explain.drawing.fields import Contours, Heat, contours, heat
from chainrule.explain.drawing.framing import framed
from chainrule.explain.drawing.marks import (
    MARKERS,
    Area,
    Arrow,
    Bars,
    Guide,
    Line,
    Mark,
    Points,
    Text,
)
from chainrule.explain.drawing.scales import Scale, scale_of
from chainrule.explain.drawing.view import Box

Values = NDArray[np.float64]
Kind: TypeAlias = Literal["linear", "log"]
#: Room around the data, as a part of its range.
_PAD: Final = 0.04


class Axes:
    """A pair of axes; every method adds one mark, drawn in the order of the calls.

    Made by ``Figure.axes``. Numbers that are not finite, and on a logarithmic scale numbers that
    are not positive, are not drawn; a note below the picture says how many.
    """

    def __init__(
        self,
        x: str = "",
        y: str = "",
        x_scale: Kind = "linear",
        y_scale: Kind = "linear",
        x_range: Sequence[float] | None = None,
        y_range: Sequence[float] | None = None,
        equal: bool = False,
        title: str = "",
        x_names: Sequence[str] | None = None,
        y_names: Sequence[str] | None = None,
    ) -> None:
        for name, kind in (("x_scale", x_scale), ("y_scale", y_scale)):
            if kind not in ("linear", "log"):
                raise ValueError(f'{name}: expected "linear" or "log"; got {kind!r}')
        self.labels = (x, y)
        self.names = (x_names, y_names)
        self.logs = (x_scale == "log", y_scale == "log")
        self.ranges = (x_range, y_range)
        self.equal = equal
        self.title = title
        self.marks: list[Mark] = []
        self.notes: list[str] = []

    def line(
        self,
        x: ArrayLike,
        y: ArrayLike,
        label: str = "",
        color: Colour = 0,
        width: float = 2,
        dash: bool = False,
        opacity: float = 1,
    ) -> None:
        """A line through the points (x, y), (n,) each."""
        x, y = self._pair("line", x, y, label)
        self._add(Line(x, y, label, color, width, dash, opacity), color)

    def points(
        self,
        x: ArrayLike,
        y: ArrayLike,
        label: str = "",
        color: Colour = 0,
        size: float = 3,
        marker: str = "circle",
    ) -> None:
        """A cloud of points (x, y), (n,) each; ``size`` is the radius of a marker."""
        if marker not in MARKERS:
            raise ValueError(f"points: marker is one of {', '.join(MARKERS)}; got {marker!r}")
        x, y = self._pair("points", x, y, label)
        self._add(Points(x, y, label, color, size, marker), color)

    def area(
        self,
        x: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        color: Colour = 0,
        opacity: float = 0.25,
        label: str = "",
    ) -> None:
        """What lies between two lines over x, (n,) each; low and high may be numbers."""
        x = _flat(x)
        low, high = (np.broadcast_to(_flat(v), x.shape).astype(np.float64) for v in (low, high))
        if label:
            self._note_gaps([x, low, high], label)
        self._add(Area(x, low, high, label, color, opacity), color)

    def bars(
        self,
        x: ArrayLike,
        heights: ArrayLike,
        label: str = "",
        color: Colour = 0,
        width: float = 0.8,
    ) -> None:
        """Upright bars at x, (n,), ``width`` wide in the unit of x."""
        x, heights = self._pair("bars", x, heights, label)
        self._add(Bars(x, heights, label, color, width), color)

    def arrow(
        self,
        x0: float,
        y0: float,
        x1: float,
        y1: float,
        label: str = "",
        color: Colour = "text",
        width: float = 2,
    ) -> None:
        """An arrow from (x0, y0) to (x1, y1), its name at its head."""
        self._add(Arrow((float(x0), float(y0), float(x1), float(y1)), label, color, width), color)

    def text(
        self, x: float, y: float, text: str, anchor: str = "start", color: Colour = "text"
    ) -> None:
        """A text at (x, y): "start", "middle" or "end" of it stands there."""
        if anchor not in ("start", "middle", "end"):
            raise ValueError(f'text: anchor is "start", "middle" or "end"; got {anchor!r}')
        self._add(Text(float(x), float(y), str(text), anchor, color), color)

    def vertical(self, x: float, label: str = "", color: Colour = "muted") -> None:
        """A dashed line at x from bottom to top."""
        self._add(Guide(float(x), label, True, color), color)

    def horizontal(self, y: float, label: str = "", color: Colour = "muted") -> None:
        """A dashed line at y from left to right."""
        self._add(Guide(float(y), label, False, color), color)

    def contours(
        self,
        x: ArrayLike,
        y: ArrayLike,
        z: ArrayLike,
        levels: int | ArrayLike = 12,
        filled: bool = True,
        label: str = "",
    ) -> None:
        """Level sets of z (len(y), len(x)) over a grid; ``levels`` is how many, or which.

        ``label`` names the bar that tells what the colours mean.
        """
        mark = contours(x, y, z, levels, filled, label)
        self._note_gaps([mark.z.ravel()], label)
        self._add(mark, "text")

    def heat(
        self,
        z: ArrayLike,
        x_range: Sequence[float] | None = None,
        y_range: Sequence[float] | None = None,
        kind: str = "sequential",
        label: str = "",
        values: bool = False,
    ) -> None:
        """Cells of colour for z (rows, columns).

        Without ranges it is a table: row 0 on top, cells around whole numbers. With them, row 0
        lies at the low end of ``y_range`` as in ``contours``. ``values`` writes the numbers in.
        """
        mark = heat(z, x_range, y_range, kind, label, values)
        self._note_gaps([mark.z.ravel()], label)
        self._add(mark, "text")

    def draw(self, box: Box, clip: str) -> tuple[str, list[str]]:
        """The elements inside the box, and the notes; ``clip`` is an id that nobody else has."""
        return framed(self, box, clip)

    def scales(self) -> tuple[Scale, Scale]:
        """The scales on which all marks have room."""
        x, y = (
            scale_of([mark.extent()[k] for mark in self.marks], self.logs[k], self.ranges[k], pad)
            for k, pad in enumerate(self._pads())
        )
        if any(isinstance(mark, Bars) for mark in self.marks) and self.ranges[1] is None:
            y = _grounded(y)
        return x, y

    @property
    def is_table(self) -> tuple[bool, bool]:
        """Whether x, and whether y, counts cells: its ticks are whole numbers, or their names."""
        tables = [mark for mark in self.marks if isinstance(mark, Heat)]
        return any(mark.columns for mark in tables), any(mark.table for mark in tables)

    @property
    def downwards(self) -> bool:
        """Whether y grows downwards, as the rows of a table do."""
        return any(isinstance(mark, Heat) and mark.table for mark in self.marks)

    @property
    def field(self) -> Contours | Heat | None:
        """The first mark that fills the axes with colour."""
        found = (m for m in self.marks if isinstance(m, Heat | Contours) and m.bar() is not None)
        return next(found, None)

    def _pads(self) -> tuple[float, float]:
        fills = any(isinstance(mark, Heat | Contours) for mark in self.marks)
        return (0.0, 0.0) if fills else (_PAD, _PAD)

    def _pair(self, what: str, x: Any, y: Any, label: str) -> tuple[Values, Values]:
        x, y = _flat(x), _flat(y)
        if x.shape != y.shape:
            raise ValueError(f"{what}: x and y differ in length: {len(x)} ≠ {len(y)}")
        self._note_gaps([x, y], label)
        return x, y

    def _note_gaps(self, values: list[Values], label: str) -> None:
        bad = ~np.isfinite(values[0])
        for v in values[1:]:
            bad = bad | ~np.isfinite(v)
        which = f" of “{label}”" if label else ""
        if n := int(bad.sum()):
            self.notes.append(f"{n:,} of {bad.size:,} values{which} are not finite and not drawn.")
        if len(values) < 2:
            return
        for v, log, name in zip(values, self.logs, "xy", strict=False):
            if log and (n := int((v[~bad] <= 0).sum())):
                self.notes.append(
                    f"{n:,} of {bad.size:,} values{which} are zero or less: no place on a"
                    f" logarithmic {name} axis."
                )

    def _add(self, mark: Mark, colour: Colour) -> None:
        name_of(colour)
        self.marks.append(mark)


def _flat(values: Any) -> Values:
    return np.atleast_1d(np.asarray(values, dtype=np.float64)).ravel()


def _grounded(y: Scale) -> Scale:
    """A range whose bars stand on its edge where all point the same way."""
    if y.log:
        return y
    low = 0.0 if -_PAD * 1.1 * (y.high - y.low) <= y.low < 0 else y.low
    high = 0.0 if 0 < y.high <= _PAD * 1.1 * (y.high - y.low) else y.high
    return Scale(low, high)
