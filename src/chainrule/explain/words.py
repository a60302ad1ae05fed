"""Numbers as people read them: 1,000, 0.001, 10⁻⁸, 2.5·10⁻⁸, with a real minus sign."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
#: Exponents of the numbers that are written without a power of ten: 0.0001 to 999,999.
_PLAIN: Final = range(-4, 6)
#: A part of this size of the numbers that a float64 was made of is their rounding: 4 eps.
_ROUNDING: Final = 2.0**-50


def short(value: float, digits: int = 4, beside: float = 0.0) -> str:
    """A number in ``digits`` significant digits, but all those before the point.

    ``beside`` is the size of the numbers that it stands beside or was made of: what is no more
    than their rounding is 0.

    Example:
        >>> [short(v) for v in (0.0, 0.10536, 2.0, 12345.678, 0.001, float("nan"))]
        ['0', '0.1054', '2', '12,346', '0.001', 'NaN']
        >>> [short(v) for v in (1e-8, -2.5e-8, 1e300)], short(-1.4e-16, beside=3.0)
        (['10⁻⁸', '−2.5·10⁻⁸', '10³⁰⁰'], '0')
    """
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else signed("∞", value)
    if abs(value) <= _ROUNDING * beside:
        return "0"
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])
    if exponent not in _PLAIN:
        return scientific(value, exponent, digits)
    return signed(trimmed(f"{abs(value):,.{max(0, digits - 1 - exponent)}f}"), value)


def several(values: Iterable[float], digits: int = 4) -> str:
    """Numbers that stand side by side; what is the others' rounding is 0.

    Example:
        >>> several([1.0, -2.5, 1e-17])
        '1, −2.5, 0'
    """
    values = [float(v) for v in values]
    return ", ".join(short(v, digits, largest(values)) for v in values)


def apart(values: Sequence[float], least: int = 2) -> list[str]:
    """Numbers in a legend: so few digits that those that differ still read so.

    Example:
        >>> apart([0.00096137, 0.5]), apart([0.123, 0.124])
        (['0.00096', '0.5'], ['0.123', '0.124'])
    """
    several = [[short(v, digits) for v in values] for digits in range(least, 18)]
    wanted = len(set(values))
    return next((texts for texts in several if len(set(texts)) >= wanted), several[-1])


def largest(values: Iterable[float]) -> float:
    """The largest size of finite numbers; 0 if there are none."""
    return max((abs(v) for v in values if math.isfinite(v)), default=0.0)


def scientific(value: float, exponent: int, digits: int = 4) -> str:
    """m·10ⁿ, or 10ⁿ where m is one."""
    half = exponent // 2  # in two steps: 10⁻³²⁰ is less than the least normal number
    scaled = abs(value) / 10.0**half / 10.0 ** (exponent - half)
    mantissa = trimmed(f"{scaled:.{digits - 1}f}")
    times = "" if mantissa == "1" else f"{mantissa}·"
    return signed(f"{times}10{raised(exponent)}", value)


def fixed(value: float, decimals: int) -> str:
    """A number with this many decimals and commas between thousands."""
    text = f"{abs(value):,.{decimals}f}"
    return signed(text, value) if float(text.replace(",", "")) else text


def raised(n: int) -> str:
    """An integer as an exponent.

    Example:
        >>> raised(-12)
        '⁻¹²'
    """
    return str(n).translate(_RAISED)


def signed(text: str, value: float) -> str:
    """The text of a magnitude with the sign of ``value``."""
    return f"−{text}" if value < 0 else text


def trimmed(text: str) -> str:
    """Decimals without zeros at their end."""
    return text.rstrip("0").rstrip(".") if "." in text else text
