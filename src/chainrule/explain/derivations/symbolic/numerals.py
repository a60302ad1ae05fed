"""Numbers of a program as a person writes them: 1/2 for 0.5, π for 3.14159..., 0.1 for 0.1."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction as Ratio
from typing import Final

from chainrule.explain.notation import (
    EULER,
    PI,
    Apply,
    Constant,
    Expr,
    Fraction,
    Negative,
    Number,
    Power,
    Product,
    Root,
)

#: Fractions of whole numbers up to here are recognised in a float: 1/3, 2/7, 5/64.
_LARGEST: Final = 64


def numeral(value: float) -> Expr:
    """A number as it is written: the formula's value is the float's to the last bit or two."""
    if isinstance(value, int) or not math.isfinite(value):
        return _plain(value)
    if value < 0:
        return Negative(numeral(-value))
    if value.is_integer() and value < 1e15:
        return Number(int(value))
    return _fraction(value) or _NAMED.get(_digits(value)) or Number(value)


def _plain(value: float) -> Expr:
    if math.isnan(value):
        return Constant("NaN", value)
    if math.isinf(value):
        return Constant("∞", value) if value > 0 else Negative(Constant("∞", -value))
    return Number(int(value)) if value >= 0 else Negative(Number(int(-value)))


def _fraction(value: float) -> Expr | None:
    """p/q for a float that is one exactly; a short decimal with tenths stays a decimal."""
    ratio = Ratio(value).limit_denominator(_LARGEST)
    top, bottom = ratio.numerator, ratio.denominator
    if top > 1000 or top / bottom != value:
        return None
    if bottom % 5 == 0 and len(repr(value)) < 8:
        return None
    return Fraction(Number(top), Number(bottom))


def over(top: Expr, bottom: int) -> Expr:
    """top / bottom, without / 1."""
    return top if bottom == 1 else Fraction(top, Number(bottom))


def times(k: int, body: Expr) -> Expr:
    """k body, without 1."""
    return body if k == 1 else Product((Number(k), body))


def logarithm(x: Expr) -> Expr:
    """The natural logarithm."""
    return Apply("log", (x,))


def _digits(value: float) -> str:
    """15 digits: one short of what a float holds, so that the last bit does not matter."""
    return f"{value:.15g}"


def _named() -> dict[str, Expr]:
    """Multiples of π, e, roots and logarithms, by their digits. The simplest comes last."""
    found: list[tuple[float, Expr]] = []
    ratios = sorted(
        {Ratio(p, q) for p, q in itertools.product(range(1, 13), (1, 2, 3, 4, 6, 8))},
        key=lambda r: -(r.numerator + r.denominator),
    )
    for r in ratios:
        k, q = r.numerator, r.denominator
        found.append((math.sqrt(k * math.pi / q), Root(over(times(k, PI), q))))
        found.append((math.log(2 * math.pi) * k / q, over(times(k, logarithm(times(2, PI))), q)))
        found.append((math.pi * k / q, over(times(k, PI), q)))
        found.append((math.e * k / q, over(times(k, EULER), q)))
    found += [(math.pi**2, Power(PI, Number(2))), (1 / math.pi, Fraction(Number(1), PI))]
    found.append((1 / math.sqrt(2 * math.pi), Fraction(Number(1), Root(times(2, PI)))))
    found.append((2 / math.sqrt(math.pi), Fraction(Number(2), Root(PI))))
    for n in (10, 3, 2):
        found.append((math.log(n), logarithm(Number(n))))
    for n in (10, 7, 6, 5, 3, 2):
        found.append((1 / math.sqrt(n), Fraction(Number(1), Root(Number(n)))))
        found.append((math.sqrt(n), Root(Number(n))))
    return {_digits(value): written for value, written in found}


_NAMED: Final[dict[str, Expr]] = _named()
