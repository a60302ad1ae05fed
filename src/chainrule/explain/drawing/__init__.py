"""Pictures as SVG of our own, readable in light and dark, on paper, on a phone and by ear."""

from chainrule.explain.drawing.axes import Axes, Kind
from chainrule.explain.drawing.figure import Figure

__all__ = ["Axes", "Figure", "Kind"]
