"""The ranges that the arguments of optimisers and schedules must lie in.

Each function returns the argument as a plain Python number. A NumPy scalar would not do: float64
is its own, and would make a float32 parameter that it is multiplied with one of float64.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import TrainingError

#: (what it is, value) -> the value as a plain Python object, or TrainingError.
Range: TypeAlias = Callable[[str, Any], Any]


def check_fields(record: Any, name: str, ranges: Mapping[str, Range]) -> None:
    """Put each field of a frozen record into its plain form, or raise its TrainingError."""
    for field, checked in ranges.items():
        object.__setattr__(record, field, checked(f"{name}: {field}", getattr(record, field)))


def non_negative(what: str, value: Any) -> float:
    """A finite number >= 0, or TrainingError."""
    if not (_is_real(value) and 0 <= value < math.inf):
        raise TrainingError(f"{what} is {value!r}; expected a finite number >= 0")
    return float(value)


def positive(what: str, value: Any) -> float:
    """A finite number > 0, or TrainingError."""
    if not (_is_real(value) and 0 < value < math.inf):
        raise TrainingError(f"{what} is {value!r}; expected a finite number > 0")
    return float(value)


def above_one(what: str, value: Any) -> float:
    """A finite number > 1, or TrainingError."""
    if not (_is_real(value) and 1 < value < math.inf):
        raise TrainingError(f"{what} is {value!r}; expected a finite number > 1")
    return float(value)


def at_least_one(what: str, value: Any) -> float:
    """A number >= 1, infinity among them, or TrainingError."""
    if not (_is_real(value) and value >= 1):
        raise TrainingError(f"{what} is {value!r}; expected a number >= 1")
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


def share(what: str, value: Any) -> float:
    """A number above 0 and at most 1, or TrainingError."""
    if not (_is_real(value) and 0 < value <= 1):
        raise TrainingError(f"{what} is {value!r}; expected a number above 0 and at most 1")
    return float(value)


def fractions(what: str, value: Any) -> tuple[float, float]:
    """Two numbers >= 0 and below 1, or TrainingError."""
    if not isinstance(value, Sequence) or len(value) != 2:
        raise TrainingError(f"{what} is {value!r}; expected two numbers, such as (0.9, 0.999)")
    first, second = (fraction(f"{what}[{k}]", v) for k, v in enumerate(value))
    return first, second


def at_least(least: int) -> Range:
    """Whole numbers from ``least``."""

    def checked(what: str, value: Any) -> int:
        is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if not is_whole or value < least:
            raise TrainingError(f"{what} is {value!r}; expected a whole number from {least}")
        return int(value)

    return checked


def boolean(what: str, value: Any) -> bool:
    """True or False, or TrainingError."""
    if not isinstance(value, numbers.Real | bool | np.bool_) or value not in (0, 1):
        raise TrainingError(f"{what} is {value!r}; expected True or False")
    return bool(value)


def one_of(*names: str) -> Range:
    """One of some names."""

    def checked(what: str, value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            expected = " or ".join(map(repr, names))
            raise TrainingError(f"{what} is {value!r}; expected {expected}")
        return value

    return checked


def optional(checked: Range) -> Range:
    """None, or what ``checked`` takes."""
    return lambda what, value: None if value is None else checked(what, value)


def rising(checked: Range) -> Range:
    """At least one number, each above the one before it, as a tuple."""

    def checked_all(what: str, value: Any) -> tuple[Any, ...]:
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise TrainingError(f"{what} is {value!r}; expected a list of numbers")
        found = tuple(checked(f"{what}[{k}]", x) for k, x in enumerate(value))
        if not found or any(b <= a for a, b in pairwise(found)):
            raise TrainingError(f"{what} is {value!r}; expected numbers that rise, at least one")
        return found

    return checked_all


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
