"""The ranges that the arguments of optimisers and schedules must lie in.

Each function returns the argument as a plain Python number. A NumPy scalar would not do: float64
is its own, and would make a float32 parameter that it is multiplied with one of float64.
"""

from __future__ import annotations

import math
import numbers
from typing import Any

from chainrule.errors import TrainingError


def non_negative(what: str, value: Any) -> float:
    """A finite number >= 0, or TrainingError."""
    if not (_is_real(value) and 0 <= value < math.inf):
        raise TrainingError(f"{what} is {value!r}; expected a finite number >= 0")
    return float(value)


def fraction(what: str, value: Any) -> float:
    """A number >= 0 and below 1, or TrainingError."""
    if not (_is_real(value) and 0 <= value < 1):
        raise TrainingError(f"{what} is {value!r}; expected a number >= 0 and below 1")
    return float(value)


def count(what: str, value: Any) -> int:
    """A whole number >= 0, or TrainingError."""
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not is_whole or value < 0:
        raise TrainingError(f"{what} is {value!r}; expected a whole number >= 0")
    return int(value)


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
