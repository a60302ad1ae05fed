"""Numbers as people read them: 1,000, 0.001, 10⁻⁸, 2.5×10⁻⁸, with a real minus sign."""

from __future__ import annotations

import math
from typing import Final

_RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
#: From here on powers of ten are shorter than zeros.
_LARGE, _SMALL = 1e6, 1e-4


def short(value: float, digits: int = 3) -> str:
    """A number in ``digits`` significant digits.

    Example:
        >>> [short(v) for v in (0.0, -1234.5, 1e-8, 2.5e-8, 0.001, 3e7, float("nan"))]
        ['0', '−1,230', '10⁻⁸', '2.5×10⁻⁸', '0.001', '3×10⁷', 'NaN']
    """
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else signed("∞", value)
    if value == 0.0:
        return "0"
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2])
    rounded = float(f"{value:.{digits - 1}e}")
    if not _SMALL <= abs(rounded) < _LARGE:
        return scientific(value, exponent, digits)
    return signed(f"{abs(rounded):,.{max(0, digits - 1 - exponent)}f}", value, trim=True)


def scientific(value: float, exponent: int, digits: int = 3) -> str:
    """m×10ⁿ, or 10ⁿ where m is one."""
    half = exponent // 2  # in two steps: 10⁻³²⁰ is less than the least normal number
    scaled = abs(value) / 10.0**half / 10.0 ** (exponent - half)
    mantissa = _trimmed(f"{scaled:.{digits - 1}f}")
    times = "" if mantissa == "1" else f"{mantissa}×"
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


def signed(text: str, value: float, trim: bool = False) -> str:
    """The text of a magnitude with the sign of ``value``."""
    return ("−" if value < 0 else "") + (_trimmed(text) if trim else text)


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text
