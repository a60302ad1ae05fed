"""Numbers and lists as the report's sentences have them."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from chainrule.explain.drawing.numbers import short as number

__all__ = ["count", "number", "plain", "value_with"]
_PLAIN: Final = (str, int, bool, type(None))


def count(n: int, what: str) -> str:
    """A number of things.

    Example:
        >>> count(1, "row"), count(2500, "row")
        ('1 row', '2,500 rows')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def value_with(value: float, unit: str) -> str:
    """A number and its unit.

    Example:
        >>> value_with(0.12341, "nats")
        '0.1234 nats'
    """
    return f"{number(float(value), 4)} {unit}".rstrip()


def plain(value: Any) -> Any:
    """What JSON can hold; a number that is not finite as text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, np.integer):
        return int(value)
    return value if isinstance(value, _PLAIN) else str(value)
