"""How large the terms of a formula are: the measure of what rounding can do to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.explain.notation.evaluation import evaluate
from chainrule.explain.notation.nodes import (
    Abs,
    Expr,
    Fraction,
    Hadamard,
    MatrixProduct,
    Negative,
    Power,
    Product,
    Sum,
    SumOver,
    Total,
    Transpose,
)


def magnitude(e: Expr, values: Mapping[str, Any]) -> float:
    """The largest element of the formula with every term taken positive.

    A sum whose terms cancel is uncertain by the last digit of its terms, not of its own.

    Example:
        >>> from chainrule.explain.notation import Negative, Sum, Symbol
        >>> magnitude(Sum((Symbol("x"), Negative(Symbol("x")))), {"x": 3.0})
        6.0
    """
    with np.errstate(all="ignore"):
        found = np.abs(np.asarray(evaluate(positive(e), values), np.float64))
    return float(np.max(found[np.isfinite(found)], initial=0.0))


def positive(e: Expr) -> Expr:
    """The formula with all signs turned to plus: Σ |a| for Σ a, |A| |b| for A b."""
    match e:
        case Sum(terms):
            return Sum(_each(terms))
        case Negative(body):
            return positive(body)
        case Product(factors):
            return Product(_each(factors))
        case Hadamard(factors):
            return Hadamard(_each(factors))
        case MatrixProduct(factors):
            return MatrixProduct(_each(factors))
        case Fraction(top, bottom):
            return Fraction(positive(top), Abs(bottom))
        case Power(base, exponent):
            return Power(positive(base), exponent)
        case Transpose(body):
            return Transpose(positive(body))
        case Total() | SumOver():
            return replace(e, body=positive(e.body))
    return Abs(e)


def _each(parts: tuple[Expr, ...]) -> tuple[Expr, ...]:
    return tuple(positive(part) for part in parts)
