"""A mark of its own: the square of each residual, as a square on paper."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.explain.drawing.canvas import element, fill
from chainrule.explain.drawing.colours import Colour
from chainrule.explain.drawing.style import SIZE
from chainrule.explain.drawing.view import View


@dataclass(frozen=True, slots=True, eq=False)
class Squares:
    """At each x a square whose side is the distance from ``low`` to ``high`` as it is drawn.

    It lies to the right of x, or to the left where the frame ends.

    Attributes:
        x, low, high: float64[n] each.
        label: in the legend.
        colour: of all of them.
    """

    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    label: str
    colour: Colour

    def extent(self) -> tuple[np.ndarray, np.ndarray]:
        """What must have room: the residuals; the squares go where there is some."""
        return self.x, np.concatenate([self.low, self.high])

    def draw(self, view: View) -> str:
        """Each square as a rectangle whose sides are equal on paper."""
        at, low = view.places(self.x, self.low)
        _, high = view.places(self.x, self.high)
        side = np.abs(high - low)
        left = np.where(at + side <= view.box.right, at, at - side)
        top = np.minimum(low, high)
        known = np.isfinite(left) & np.isfinite(top) & (side > 0)
        return "".join(
            element(
                "rect", x=float(a), y=float(b), width=float(s), height=float(s),
                **fill(self.colour), opacity=0.3,
            )
            for a, b, s in zip(left[known], top[known], side[known], strict=True)
        )  # fmt: skip

    def key(self, x: float, y: float, wide: float) -> str:
        """The sample in the legend."""
        r = SIZE / 3
        place = {"x": x + wide / 2 - r, "y": y - r, "width": 2 * r, "height": 2 * r}
        return element("rect", **place, **fill(self.colour), opacity=0.3)
