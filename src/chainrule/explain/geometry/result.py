"""What every explanation of this floor can do: text, pictures, a notebook's view, JSON."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

from chainrule.explain.shown import shown, told


class Result(ABC):
    """An explanation: lines of text, pictures by name, plain data."""

    @abstractmethod
    def _draw(self) -> dict[str, str]:
        """SVG by name."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The numbers, in JSON's types."""

    @abstractmethod
    def _lines(self) -> list[str]:
        """The text, line by line."""

    @cached_property
    def _drawn(self) -> dict[str, str]:
        return self._draw()

    def pictures(self) -> dict[str, str]:
        """SVG by name; drawn once."""
        return dict(self._drawn)

    def svg(self) -> str:
        """The first picture, or the only one."""
        return next(iter(self.pictures().values()))

    def __str__(self) -> str:
        return told(self._lines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return shown(str(self), *self.pictures().values())
