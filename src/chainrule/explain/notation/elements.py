"""One element of an array formula: the indices go down to the letters, as one writes by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from chainrule.explain.notation.nodes import (
    Abs,
    Apply,
    Cases,
    Constant,
    Expr,
    Fraction,
    Hadamard,
    Index,
    Indicator,
    MatrixProduct,
    Negative,
    Number,
    Power,
    Product,
    Relation,
    Root,
    Sum,
    Symbol,
    Total,
    Transpose,
)

#: Functions of each element by itself.
ELEMENTWISE: Final = frozenset((
    "exp", "log", "log1p", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin",
    "arccos", "arctan", "arsinh", "arcosh", "artanh", "σ", "softplus", "ReLU", "sign", "floor",
    "ceil", "round", "erf", "erfc", "Φ", "φ", "Γ", "logΓ", "ψ", "log2", "log10", "log σ", "max",
    "min", "xlogy", "logaddexp",
))  # fmt: skip


def element(body: Expr, indices: tuple[Symbol, ...]) -> Expr:
    """The element of the body at these indices."""
    match body:
        case Number() | Constant() | Symbol(kind="scalar") | Total():
            return body
        case Sum(terms):
            return Sum(_each(terms, indices))
        case Negative(inner):
            return Negative(element(inner, indices))
        case Hadamard(factors) | Product(factors):
            return Product(_each(factors, indices))
        case Fraction(top, bottom):
            return Fraction(element(top, indices), element(bottom, indices))
        case Power(base, exponent):
            return Power(element(base, indices), element(exponent, indices))
        case Root() | Abs():
            return replace(body, body=element(body.body, indices))
        case Apply(name, arguments) if name in ELEMENTWISE and arguments:
            return replace(body, arguments=_each(arguments, indices))
        case Relation(parts):
            return replace(body, parts=_each(parts, indices))
        case Indicator(condition):
            return Indicator(element(condition, indices))
        case Cases(branches, otherwise):
            chosen = tuple((element(a, indices), element(c, indices)) for a, c in branches)
            return Cases(chosen, element(otherwise, indices))
        case MatrixProduct(factors) if _is_number(factors):
            return body
    return Index(body, indices)


def _each(parts: tuple[Expr, ...], indices: tuple[Symbol, ...]) -> tuple[Expr, ...]:
    return tuple(element(part, indices) for part in parts)


def _is_number(factors: tuple[Expr, ...]) -> bool:
    """aᵀ ... b."""
    first, last = factors[0], factors[-1]
    is_row = isinstance(first, Transpose) and getattr(first.body, "kind", "") == "vector"
    return is_row and getattr(last, "kind", "") == "vector"
