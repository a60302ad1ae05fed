"""What every explanation of this floor can do: text, pictures, a notebook's view, JSON."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.explain.geometry.words import wrapped
from chainrule.explain.page import escape, fragment


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
        return "\n".join(wrapped(line) for line in self._lines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        drawn = "".join(f"<figure>{svg}</figure>" for svg in self.pictures().values())
        return fragment(f"{drawn}<pre>{escape(str(self))}</pre>")


def plain(x: Any) -> Any:
    """Arrays, tuples and NumPy's numbers as JSON's types; NaN and infinities as null."""
    if isinstance(x, dict):
        return {str(k): plain(v) for k, v in x.items()}
    if isinstance(x, list | tuple):
        return [plain(v) for v in x]
    if isinstance(x, np.ndarray):
        return plain(x.tolist())
    if isinstance(x, np.generic):
        return plain(x.item())
    if isinstance(x, float) and not math.isfinite(x):
        return None
    return x
