"""Builders that tidy what they build: no sums with 0, no products with 1, flat and signed."""

from __future__ import annotations

import math
import re
from typing import Final, TypeAlias

from chainrule.explain.notation.letters import GREEK
from chainrule.explain.notation.nodes import (
    Abs,
    Apply,
    Constant,
    Expr,
    Fraction,
    Hadamard,
    Kind,
    MatrixProduct,
    Negative,
    Number,
    Power,
    Product,
    Relation,
    Root,
    Sign,
    Sum,
    SumOver,
    Symbol,
    Transpose,
)

Part: TypeAlias = Expr | int | float
ZERO: Final = Number(0)
ONE: Final = Number(1)
PI: Final = Constant("π", math.pi)
EULER: Final = Constant("e", math.e)
_NAME = re.compile(r"([^\W\d_]+)[_.]?(\d+)|([^\W_]+)_([^\W_]+)")


def expr(x: Part) -> Expr:
    """A number as a formula; a formula as it is."""
    if isinstance(x, Expr) and not (isinstance(x, Number) and _is_below_zero(x)):
        return x
    x = x.value if isinstance(x, Number) else x
    whole = isinstance(x, float) and x.is_integer() and abs(x) < 1e15
    number = Number(int(x) if whole else x)
    return number if not _is_below_zero(number) else Negative(Number(-number.value))


def symbol(
    name: str, kind: Kind = "scalar", shape: tuple[int, ...] | None = None, key: str = ""
) -> Symbol:
    """A symbol for a name of a program: "x1" is x₁, "W_hidden" has a subscript, "theta" is θ.

    Its value is found under the name as it was given (or ``key``).
    """
    found = _NAME.fullmatch(name)
    parts = [part for part in found.groups() if part] if found else [name]
    letter = "_".join(GREEK.get(parts[0], parts[0]).split())  # "a b" would read as a product
    below = parts[1] if len(parts) > 1 else ""
    return Symbol(letter, GREEK.get(below, below), "", kind, shape, key or name)


def equation(*parts: Expr) -> Relation:
    """a = b = c."""
    equals: Sign = "="
    return Relation(parts, (equals,) * (len(parts) - 1))


def add(*terms: Part) -> Expr:
    """The sum, flat, without zeros."""
    flat: list[Expr] = []
    for term in map(expr, terms):
        flat += term.terms if isinstance(term, Sum) else [term]
    kept = [term for term in flat if term != ZERO]
    return Sum(tuple(kept)) if len(kept) > 1 else kept[0] if kept else ZERO


def subtract(a: Part, b: Part) -> Expr:
    """a - b."""
    return add(a, negative(b))


def negative(a: Part) -> Expr:
    """-a, with the sign in front and never twice; a difference is turned round."""
    match expr(a):
        case Negative(body):
            return body
        case Number(value=0):
            return ZERO
        case Sum(terms) if any(isinstance(term, Negative) for term in terms):
            turned = [negative(term) for term in terms]
            return Sum(tuple(sorted(turned, key=lambda term: isinstance(term, Negative))))
        case body:
            return Negative(body)


def multiply(*factors: Part) -> Expr:
    """Numbers, and at most one array: flat, signs in front, numbers gathered, fractions joined."""
    return _joined([expr(factor) for factor in factors], Product)


def hadamard(*factors: Part) -> Expr:
    """a ⊙ b, flat, signs in front; a single factor is itself."""
    return _joined([expr(factor) for factor in factors], Hadamard)


def matmul(*factors: Part) -> Expr:
    """The matrix product, flat; numbers and signs are taken in front."""
    return _joined([expr(factor) for factor in factors], MatrixProduct)


def divide(a: Part, b: Part) -> Expr:
    """a / b, signs in front, without / 1; numbers that cancel are cancelled."""
    top, bottom = expr(a), expr(b)
    if bottom == ONE or top == ZERO:
        return top
    if isinstance(top, Negative):
        return negative(divide(top.body, bottom))
    if isinstance(bottom, Negative):
        return negative(divide(top, bottom.body))
    if isinstance(bottom, Fraction):
        return divide(multiply(top, bottom.bottom), bottom.top)
    if isinstance(top, Fraction):
        return divide(top.top, multiply(top.bottom, bottom))
    return ONE if top == bottom and is_number(top) else Fraction(top, bottom)


def power(base: Part, exponent: Part) -> Expr:
    """base to the exponent, without a power of 1, of numbers also of 0."""
    a, n = expr(base), expr(exponent)
    if n == ONE:
        return a
    return ONE if n == ZERO and is_number(a) else Power(a, n)


def transpose(a: Expr) -> Expr:
    """aᵀ; twice is nothing, and numbers have none."""
    match a:
        case Transpose(body):
            return body
        case Negative(body):
            return negative(transpose(body))
        case Number() | Constant() | Symbol(kind="scalar"):
            return a
        case MatrixProduct(factors):
            return MatrixProduct(tuple(transpose(f) for f in reversed(factors)))
        case Product(factors):
            return Product((*factors[:-1], transpose(factors[-1])))
        case SumOver(index, start, stop, body):
            return SumOver(index, start, stop, transpose(body))
    return Transpose(a)


def is_number(a: Expr) -> bool:
    """Whether it is known to be a number by its form alone: 2, π, 2/n."""
    match a:
        case Number() | Constant():
            return True
        case Symbol(kind=kind):
            return kind == "scalar"
        case Negative(body) | Power(base=body) | Root(body) | Abs(body):
            return is_number(body)
        case Apply(arguments=arguments):
            return bool(arguments) and all(map(is_number, arguments))
        case Fraction(top, bottom):
            return is_number(top) and is_number(bottom)
        case Product(factors):
            return all(map(is_number, factors))
    return False


_Products: TypeAlias = type[Product] | type[Hadamard] | type[MatrixProduct]


def _joined(factors: list[Expr], kind: _Products) -> Expr:
    sign, flat = _signed(factors, kind)
    if ZERO in flat:
        return ZERO
    numbers = [f for f in flat if is_number(f)]
    arrays = [f for f in flat if not is_number(f)]
    product = _in_front(_scale(numbers), _one_of(arrays, kind))
    return negative(product) if sign else product


def _signed(factors: list[Expr], kind: _Products) -> tuple[bool, list[Expr]]:
    """(whether the product is negative, its factors without signs, one level)."""
    sign, flat = False, []
    for factor in factors:
        while isinstance(factor, Negative):
            sign, factor = not sign, factor.body
        inner = factor.factors if isinstance(factor, kind | Product) else (factor,)
        flat += [f for f in inner if f != ONE]
    return sign, flat


def _one_of(factors: list[Expr], kind: _Products) -> Expr:
    return kind(tuple(factors)) if len(factors) > 1 else factors[0] if factors else ONE


def _scale(numbers: list[Expr]) -> Expr:
    """The product of numbers as one: literals multiplied, fractions over one line."""
    tops: list[Expr] = []
    bottoms: list[Expr] = []
    for number in numbers:
        is_fraction = isinstance(number, Fraction)
        tops += _factors(number.top if isinstance(number, Fraction) else number)
        bottoms += _factors(number.bottom) if is_fraction else []  # type: ignore[attr-defined]
    for common in [f for f in tops if f in bottoms]:
        if common in bottoms:
            tops.remove(common)
            bottoms.remove(common)
    top, bottom = _lowest(_literals(tops), _literals(bottoms))
    return top if bottom == ONE else Fraction(top, bottom)


def _lowest(top: Expr, bottom: Expr) -> tuple[Expr, Expr]:
    """2/12 is 1/6."""
    match top, bottom:
        case Number(value=int(a)), Number(value=int(b)) if a and b:
            common = math.gcd(a, b)
            return Number(a // common), Number(b // common)
    return top, bottom


def _factors(a: Expr) -> list[Expr]:
    return list(a.factors) if isinstance(a, Product) else [a]


def _literals(factors: list[Expr]) -> Expr:
    number, others = 1.0, []
    for f in factors:
        if isinstance(f, Number):
            number *= f.value
        else:
            others.append(f)
    kept = others if number == 1 else [expr(number), *others]
    return Product(tuple(kept)) if len(kept) > 1 else kept[0] if kept else ONE


def _in_front(scale: Expr, arrays: Expr) -> Expr:
    if scale == ONE:
        return arrays
    if arrays == ONE:
        return scale
    inner = _factors(arrays) if isinstance(arrays, Product) else [arrays]
    return Product((*_factors(scale), *inner))


def _is_below_zero(number: Number) -> bool:
    return number.value < 0
