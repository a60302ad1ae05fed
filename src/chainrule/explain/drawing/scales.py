"""From numbers to places on paper: linear and logarithmic scales, ranges and ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chainrule.explain.words import fixed, scientific, short

#: Places are kept within this, so that no viewer overflows.
_FAR: Final = 1e4
#: Largest ticks from which, and up to which, powers of ten are shorter than zeros.
_LARGE, _SMALL = 1e7, 1e-3
#: Ticks of a logarithmic axis that all lie between these are written without powers of ten.
_PLAIN: Final = (1e-4 * (1 - 1e-9), 1e5)
_DECADE: Final = 10.0 * (1 - 1e-9)
_NICE: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_LOG_MARKS: Final = ((1,), (1, 3), (1, 2, 5), tuple(range(1, 10)))


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of numbers laid on a range of places.

    Attributes:
        low, high: the numbers at its two ends, low < high; both positive where ``log``.
        start, stop: the places of ``low`` and ``high``; start > stop for a vertical axis.
    """

    low: float
    high: float
    start: float = 0.0
    stop: float = 1.0
    log: bool = False

    def __call__(self, value: object) -> NDArray[np.float64]:
        """Places of numbers, (...) -> (...); NaN where there is none."""
        low, high = self.unit(self.low), self.unit(self.high)
        part = (self.unit(value) - low) / (high - low)
        place = self.start + part * (self.stop - self.start)
        return np.clip(place, -_FAR, _FAR)

    def unit(self, value: object) -> NDArray[np.float64]:
        """The numbers, or their logarithms, in which the scale is even."""
        x = np.asarray(value, dtype=np.float64)
        if not self.log:
            return np.where(np.isfinite(x), x, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where((x > 0) & np.isfinite(x), np.log10(x), np.nan)

    def on(self, start: float, stop: float) -> Scale:
        """The same range of numbers on other places."""
        return Scale(self.low, self.high, start, stop, self.log)

    @property
    def length(self) -> float:
        return abs(self.stop - self.start)


def scale_of(values: Sequence[NDArray[np.float64]], log: bool, given: object, pad: float) -> Scale:
    """The scale on which all values have room; ``given`` is (low, high) or None.

    Raises:
        ValueError: a given range that is not two rising numbers, positive ones where ``log``.
    """
    if given is not None:
        return _given(given, log)
    low, high = _extent(values, log)
    if log:
        room = pad * (math.log10(high) - math.log10(low))
        return Scale(_power(math.log10(low) - room), _power(math.log10(high) + room), log=True)
    room = pad * (high - low)
    return Scale(low - room, high + room)


def ticks(scale: Scale, most: int) -> tuple[list[float], list[str]]:
    """At most about ``most`` nice numbers on a scale, and how they are written."""
    values = _log_ticks(scale, most) if scale.log else _linear_ticks(scale, most)
    return values, _log_labels(values) if scale.log else labels(values)


def labels(values: Sequence[float]) -> list[str]:
    """Evenly spaced ticks, written alike.

    Example:
        >>> labels([0.0, 0.5, 1.0]), labels([0.0, 2e-8, 4e-8]), labels([-1000.0, 1000.0])
        (['0.0', '0.5', '1.0'], ['0', '2·10⁻⁸', '4·10⁻⁸'], ['−1,000', '1,000'])
    """
    if not values:
        return []
    largest = max(abs(v) for v in values)
    step = min((b - a for a, b in pairwise(values)), default=largest)
    if largest == 0.0:
        return ["0"] * len(values)
    if largest >= _LARGE or largest < _SMALL:
        return [_with_power(v, largest, step) for v in values]
    decimals = _decimals(step)
    return [fixed(v, decimals) for v in values]


def _with_power(value: float, largest: float, step: float) -> str:
    exponent = math.floor(math.log10(largest) + 1e-12)
    digits = 1 + _decimals(step / _power(exponent))
    return "0" if abs(value) < step * 1e-9 else scientific(value, exponent, digits)


def _decimals(step: float) -> int:
    """Decimals that tell multiples of ``step`` apart; 2.5 needs one more than 2."""
    if step <= 0:
        return 0
    for decimals in range(12):
        scaled = step * 10**decimals
        if scaled >= 0.999 and abs(scaled - round(scaled)) < 1e-6 * scaled:
            return decimals
    return 12


def _linear_ticks(scale: Scale, most: int) -> list[float]:
    span = scale.high - scale.low
    step = nice_step(span / max(1, most))
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is ``least`` or more.

    Example:
        >>> nice_step(0.3), nice_step(7.0)
        (0.5, 10.0)
    """
    power = _power(math.floor(math.log10(least)))
    return next(nice * power for nice in _NICE if nice * power >= least * (1 - 1e-9))


def _log_ticks(scale: Scale, most: int) -> list[float]:
    low, high = math.log10(scale.low), math.log10(scale.high)
    first, last = math.floor(low), math.ceil(high)
    if high - low >= most:
        step = math.ceil((high - low) / max(1, most))
        first = math.ceil(low / step - 1e-9) * step
        return [_power(k) for k in range(first, math.floor(high + 1e-9) + 1, step)]
    best: list[float] = []
    for marks in _LOG_MARKS:
        found = [m * _power(k) for k in range(first, last + 1) for m in marks]
        found = [v for v in found if scale.low * (1 - 1e-9) <= v <= scale.high * (1 + 1e-9)]
        if len(found) > most and len(best) >= 2:
            break
        best = found
    return best if len(best) >= 2 else _linear_ticks(Scale(scale.low, scale.high), most)


def _log_labels(values: Sequence[float]) -> list[str]:
    """All as plain decimals, or all as powers of ten."""
    if not values or values[-1] / values[0] < _DECADE:
        return labels(values)
    if values[0] >= _PLAIN[0] and values[-1] < _PLAIN[1]:
        return [short(v, 3) for v in values]
    return [scientific(v, math.floor(math.log10(v) + 1e-12), 3) for v in values]


def _given(given: object, log: bool) -> Scale:
    try:
        low, high = (float(v) for v in given)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise ValueError(f"range: expected (low, high); got {given!r}") from None
    if not (low < high and math.isfinite(low) and math.isfinite(high)) or (log and low <= 0):
        kind = "rising positive" if log else "rising"
        raise ValueError(f"range: expected two {kind} finite numbers; got ({low:g}, {high:g})")
    return Scale(low, high, log=log)


def _extent(values: Sequence[NDArray[np.float64]], log: bool) -> tuple[float, float]:
    kept = [x[np.isfinite(x) & ((x > 0) | (not log))] for x in values]
    kept = [x for x in kept if x.size]
    if not kept:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(float(x.min()) for x in kept), max(float(x.max()) for x in kept)
    return (low, high) if _apart(low, high, log) else _around(low, log)


def _apart(low: float, high: float, log: bool) -> bool:
    """Far enough that ticks between them differ in float64."""
    if log:
        return high / low > 1.0 + 1e-9
    return high - low > 1e-9 * max(abs(low), abs(high)) and high - low > 1e-300


def _around(value: float, log: bool) -> tuple[float, float]:
    if log:
        return max(value / 2.0, 1e-300), min(value * 2.0, 1e300)
    room = 0.5 * abs(value) if abs(value) > 1e-300 else 0.5
    return value - room, value + room


def _power(exponent: float) -> float:
    return float(10.0 ** min(max(exponent, -307.0), 307.0))
