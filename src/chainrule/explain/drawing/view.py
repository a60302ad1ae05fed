"""What a mark is given to draw itself on: two scales, a rectangle, and where to leave words."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.drawing.scales import Scale
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.text import width


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on paper; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def meets(self, other: Box) -> bool:
        """Whether they share more than an edge."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def inset(self, left: float, top: float, right: float, bottom: float) -> Box:
        """The rectangle with margins taken off, never turned inside out."""
        x0, y0 = self.left + left, self.top + top
        return Box(x0, y0, max(x0 + 1.0, self.right - right), max(y0 + 1.0, self.bottom - bottom))


@dataclass(frozen=True, slots=True)
class Word:
    """A text that wants to stand at a place: its anchor is "start", "middle" or "end"."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    colour: int | str = "text"

    def box(self) -> Box:
        wide = width(self.text, SIZE)
        left = self.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[self.anchor] * wide
        return Box(left, self.y - 0.8 * SIZE, left + wide, self.y + 0.25 * SIZE)


@dataclass(slots=True)
class View:
    """The scales and the frame of one pair of axes; words and notes are gathered as marks draw."""

    x: Scale
    y: Scale
    box: Box
    halo: bool = False
    words: list[Word] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def places(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places of points (n,); both NaN where a point has none."""
        px, py = self.x(x), self.y(y)
        gone = np.isnan(px) | np.isnan(py)
        return np.where(gone, np.nan, px), np.where(gone, np.nan, py)

    def inside(
        self, px: NDArray[np.float64], py: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Places (n,), NaN where they lie outside of the frame."""
        box = self.box
        within = (px >= box.left - 1) & (px <= box.right + 1)
        within &= (py >= box.top - 1) & (py <= box.bottom + 1)
        return np.where(within, px, np.nan), np.where(within, py, np.nan)
