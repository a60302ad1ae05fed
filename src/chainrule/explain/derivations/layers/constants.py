"""Numbers that mathematics has a form for: 1/√2 in the place of 0.7071067811865476."""

from __future__ import annotations

import math
from typing import Final

from chainrule.explain.notation import (
    PI,
    Apply,
    Expr,
    Fraction,
    Negative,
    Number,
    Product,
    Root,
    expr,
)

_TWO: Final = Number(2)
_TWO_PI: Final = Product((_TWO, PI))
_LOG_TWO: Final = Apply("log", (_TWO,))
_KNOWN: Final[tuple[tuple[float, Expr], ...]] = (
    (math.pi, PI),
    (2 * math.pi, _TWO_PI),
    (math.sqrt(2), Root(_TWO)),
    (math.sqrt(0.5), Fraction(Number(1), Root(_TWO))),
    (math.sqrt(3), Root(Number(3))),
    (math.sqrt(2 * math.pi), Root(_TWO_PI)),
    (1 / math.sqrt(2 * math.pi), Fraction(Number(1), Root(_TWO_PI))),
    (math.sqrt(2 / math.pi), Root(Fraction(_TWO, PI))),
    (2 / math.sqrt(math.pi), Fraction(_TWO, Root(PI))),
    (math.log(2), _LOG_TWO),
    (1 / math.log(2), Fraction(Number(1), _LOG_TWO)),
    (math.log(10), Apply("log", (Number(10),))),
    (math.log(2 * math.pi), Apply("log", (_TWO_PI,))),
)
_LARGEST: Final = 12


def known_number(x: float) -> Expr:
    """The number in a form that one reads, the same to the last digit but one."""
    for value, form in _KNOWN:
        if math.isclose(x, value, rel_tol=4e-16):
            return form
    if not math.isfinite(x) or len(repr(x)) < _LARGEST:
        return expr(x)
    return _fraction(x)


def _fraction(x: float) -> Expr:
    """p / q of small numbers, where it is one: 1/3, 2/7, 1/√8 of an attention."""
    for q in range(3, 1025):
        if (x * q).is_integer() and 0 < abs(x * q) < q:
            return _signed(Fraction(Number(abs(int(x * q))), Number(q)), x)
    square = 1 / (x * x)
    if math.isclose(square, round(square), rel_tol=1e-15) and square < 1025:
        return _signed(Fraction(Number(1), Root(Number(round(square)))), x)
    return expr(x)


def _signed(form: Expr, x: float) -> Expr:
    return Negative(form) if x < 0 else form
