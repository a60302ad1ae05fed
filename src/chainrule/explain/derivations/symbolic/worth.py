"""Which parts of a formula are worth a name of their own."""

from __future__ import annotations

from typing import Final

from chainrule.explain.derivations.symbolic.scalars import Scalar
from chainrule.explain.derivations.symbolic.tree import symbols_of
from chainrule.explain.notation import (
    Abs,
    Apply,
    Expr,
    Fraction,
    Negative,
    Number,
    Power,
    Product,
    Root,
    Sum,
    Symbol,
)

_LINEAR: Final = frozenset(("add", "subtract", "negative", "copy", "where", "multiply"))


_CHOICES: Final = frozenset(("maximum", "minimum"))
#: Truth values have no names and no derivatives.
TRUTHS: Final = frozenset(
    ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and")
) | {"logical_or", "logical_not"}


def is_curved(user: Scalar, k: int) -> bool:
    """Whether the operation is a function of this operand that a chain rule is worth."""
    if user.op in _CHOICES:
        return user.op != user.inputs[k].op
    if user.op == "multiply":
        return user.inputs[0] is user.inputs[1]
    if user.op == "divide":
        return k == 1 and user.inputs[0].op != "constant"
    return user.op not in _LINEAR | TRUTHS


#: Functions that are taken of a power of a symbol without ado: log 2πσ².
_PLAIN: Final = frozenset(("divide", "log", "sqrt", "multiply", "power", "absolute"))


def is_compound(e: Expr, user: Scalar | None) -> bool:
    """Whether it is worth a name: no number, no symbol, no sum of multiples of symbols."""
    if _is_affine_in_symbols(e) or _is_monomial(e, powers=user is None or user.op in _PLAIN):
        return False
    if isinstance(e, Apply | Root | Power | Abs) and (
        user is None or user.op in ("multiply", "power")
    ):
        return not all(_is_affine_in_symbols(x) for x in _arguments(e))
    return True


def _is_monomial(e: Expr, powers: bool) -> bool:
    """A product of numbers and symbols, or also of powers of symbols."""
    match e:
        case Negative(body):
            return _is_monomial(body, powers)
        case Product(factors):
            return all(_is_monomial(f, powers) for f in factors)
        case Power(Symbol(), Number()):
            return powers
    return isinstance(e, Symbol) or not symbols_of(e)


def _arguments(e: Expr) -> list[Expr]:
    match e:
        case Apply(arguments=arguments):
            return list(arguments)
        case Root(body) | Abs(body):
            return [body]
        case Power(base, exponent):
            return [base, exponent]
    return []


def _is_affine_in_symbols(e: Expr) -> bool:
    """A sum of symbols and numbers, or of multiples of symbols by numbers."""
    match e:
        case Sum(terms):
            return all(_is_affine_in_symbols(term) for term in terms)
        case Negative(body):
            return _is_affine_in_symbols(body)
        case Product(factors):
            return sum(1 for f in factors if symbols_of(f)) <= 1 and all(
                _is_affine_in_symbols(f) for f in factors
            )
        case Fraction(top, bottom):
            return not symbols_of(bottom) and _is_affine_in_symbols(top)
    return isinstance(e, Symbol) or not symbols_of(e)


def is_affine(e: Expr) -> bool:
    """A sum of products of symbols, as w x + b."""
    match e:
        case Sum(terms):
            return all(is_affine(term) for term in terms)
        case Negative(body):
            return is_affine(body)
        case Product(factors):
            return all(isinstance(f, Symbol | Number) for f in factors)
    return isinstance(e, Symbol | Number)
