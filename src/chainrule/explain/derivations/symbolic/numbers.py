"""Numbers put into formulas, rounded for reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.symbolic.numerals import numeral
from chainrule.explain.derivations.symbolic.tree import rebuilt
from chainrule.explain.notation import Derivative, Expr, Negative, Number, Symbol

#: Digits that are shown of a number in a formula.
DIGITS: Final = 6
#: What a few operations in float64 add to a number.
_ROUNDING: Final = 1e-14


def rounded(value: Any) -> tuple[Expr, bool]:
    """(the number to six digits, whether that is all of it)."""
    x = float(value)
    if not np.isfinite(x):
        return numeral(x), True
    short = float(f"{x:.{DIGITS}g}")
    whole = short.is_integer() and abs(short) < 10**DIGITS
    number = Number(int(abs(short)) if whole else abs(short))
    return (Negative(number) if short < 0 else number), abs(short - x) <= _ROUNDING * abs(x)


def with_numbers(e: Expr, values: Mapping[str, Any]) -> Expr:
    """The formula with the value of each symbol in its place."""
    if isinstance(e, Symbol | Derivative) and e.key in values:
        return rounded(values[e.key])[0]
    return rebuilt(e, lambda part: with_numbers(part, values))
