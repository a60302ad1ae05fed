"""A picture: a title, one or more axes or surfaces, notes; as one SVG element."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from numpy.typing import ArrayLike

from chainrule.explain.drawing.axes import Axes, Kind
from chainrule.explain.drawing.canvas import element, escape, fill
from chainrule.explain.drawing.style import CLASS, SIZE, style_sheet
from chainrule.explain.drawing.surfaces import Surface, surface
from chainrule.explain.drawing.text import wrap
from chainrule.explain.drawing.view import Box
from chainrule.explain.drawing.words import label
from chainrule.runs.files import write_file

_LINE: Final = 1.25 * SIZE
_EDGE: Final = 10.0
#: Stands for the picture's own number until its content is known.
_ID: Final = "cr-own-number"
_WHOLE: Final = (0.0, 0.0, 1.0, 1.0)
_GUTTER: Final = 0.35 * SIZE


class Figure:
    """A picture ``width`` wide and ``height`` high at most, which shrinks to its place.

    Args:
        width: in pixels of a screen that is wide enough.
        height: the same; notes below add to it.
        title: stands above, and is what a reader of the screen hears first.
        description: what somebody should know who cannot see it.

    Raises:
        ValueError: a width or a height below 100.

    Example:
        >>> figure = Figure(title="A square", description="y = x² from -1 to 1")
        >>> axes = figure.axes(x="x", y="x²")
        >>> axes.line([-1.0, 0.0, 1.0], [1.0, 0.0, 1.0], label="x²")
        >>> figure.svg().startswith('<svg xmlns="http://www.w3.org/2000/svg"')
        True
    """

    def __init__(
        self, width: float = 640, height: float = 400, title: str = "", description: str = ""
    ) -> None:
        if not (width >= 100 and height >= 100):
            raise ValueError(f"Figure: expected 100 × 100 or more; got {width} × {height}")
        self.width, self.height = float(width), float(height)
        self.title, self.description = title, description
        self._parts: list[tuple[Axes | Surface, tuple[float, float, float, float]]] = []

    def axes(
        self,
        x: str = "",
        y: str = "",
        x_scale: Kind = "linear",
        y_scale: Kind = "linear",
        x_range: Sequence[float] | None = None,
        y_range: Sequence[float] | None = None,
        equal: bool = False,
        box: tuple[float, float, float, float] | None = None,
        title: str = "",
        x_names: Sequence[str] | None = None,
        y_names: Sequence[str] | None = None,
    ) -> Axes:
        """A pair of axes, onto which its methods draw.

        Args:
            x: the name of the axis below, with its unit.
            y: the name of the axis on the left, with its unit.
            x_scale: "linear" or "log".
            y_scale: "linear" or "log".
            x_range: (low, high); None for the range of what is drawn.
            y_range: the same for y.
            equal: one unit is as long across as upwards.
            box: left, top, width, height as fractions of the picture below its title.
            title: of these axes, where there are more.
            x_names: what stands at 0, 1, 2, ... in place of numbers, for categories.
            y_names: the same for y.
        """
        axes = Axes(x, y, x_scale, y_scale, x_range, y_range, equal, title, x_names, y_names)
        self._parts.append((axes, box or _WHOLE))
        return axes

    def surface(
        self,
        x: ArrayLike,
        y: ArrayLike,
        z: ArrayLike,
        path: ArrayLike | None = None,
        box: tuple[float, float, float, float] | None = None,
        labels: tuple[str, str, str] = ("x", "y", "loss"),
    ) -> None:
        """The surface z (len(y), len(x)), with a path (n, 3), or (n, 2) laid onto it."""
        self._parts.append((surface(x, y, z, path, labels), box or _WHOLE))

    def svg(self) -> str:
        """The picture as one element, which can stand in a page or be a file."""
        head = wrap(self.title, self.width - 2 * _EDGE, SIZE, most=3)
        top = _EDGE + len(head) * _LINE + (0.4 * SIZE if head else 0.0)
        room = Box(_EDGE, top, self.width - _EDGE, max(top + 1.0, self.height - _EDGE))
        drawn = [
            part.draw(_part_of(room, box), f"{_ID}-clip{k}")
            for k, (part, box) in enumerate(self._parts)
        ]
        notes = list(dict.fromkeys(note for _, found in drawn for note in found))
        lines = [line for note in notes for line in wrap(note, self.width - 2 * _EDGE, SIZE)]
        height = self.height + len(lines) * _LINE
        body = [
            element("rect", width=self.width, height=height, **fill("ground")),
            _written(head, _EDGE + SIZE, "text", "h"),
            *(content for content, _ in drawn),
            _written(lines, self.height + 0.5 * SIZE, "muted", ""),
        ]
        return self._whole("".join(body), height, notes)

    def save(self, path: str | Path) -> None:
        """Write the picture as a file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        write_file(Path(path), f"{self.svg()}\n".encode())

    def _repr_svg_(self) -> str:
        return self.svg()

    def _whole(self, body: str, height: float, notes: list[str]) -> str:
        name = self.title or "Picture"
        told = " ".join(part for part in (self.description, *notes) if part)
        head = element("title", escape(name), id=f"{_ID}-title")
        head += element("desc", escape(told), id=f"{_ID}-desc") if told else ""
        described = f"{_ID}-title {_ID}-desc" if told else f"{_ID}-title"
        svg = element(
            "svg",
            head + element("style", style_sheet()) + body,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {self.width:g} {height:g}",
            width=self.width,
            height=height,
            class_=CLASS,
            style=f"width:100%;max-width:{self.width:g}px",
            role="img",
            aria_labelledby=described,
        )
        own = "cr" + hashlib.sha256(svg.encode("utf-8")).hexdigest()[:10]
        return svg.replace(_ID, own)


def _written(lines: list[str], top: float, colour: str, kind: str) -> str:
    return "".join(
        label(line, _EDGE, top + k * _LINE, colour=colour, kind=kind)
        for k, line in enumerate(lines)
    )


def _part_of(room: Box, box: tuple[float, float, float, float]) -> Box:
    left, top, wide, high = box
    gap = [
        _GUTTER if edge else 0.0 for edge in (left > 0, top > 0, left + wide < 1, top + high < 1)
    ]
    return Box(
        room.left + left * room.width + gap[0],
        room.top + top * room.height + gap[1],
        room.left + (left + wide) * room.width - gap[2],
        room.top + (top + high) * room.height - gap[3],
    )
