"""From numbers of a program to formulas, in the order in which the user wrote them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction as Ratio
from typing import Final

from chainrule.explain.derivations.symbolic.functions import (
    FUNCTIONS,
    ONE,
    TWO,
    ZERO,
    exponential,
    extreme,
    opaque,
)
from chainrule.explain.derivations.symbolic.numerals import numeral
from chainrule.explain.derivations.symbolic.scalars import Scalar, ordered
from chainrule.explain.notation import (
    Abs,
    Apply,
    Cases,
    Expr,
    Fraction,
    Negative,
    Number,
    Power,
    Product,
    Relation,
    Root,
    Sum,
)
from chainrule.explain.notation.nodes import Sign


def written(output: Scalar, symbols: Mapping[Scalar, Expr]) -> Expr:
    """The formula of a number in terms of those that have a symbol; its own is not used."""
    if output in symbols:
        return symbols[output]
    made: dict[Scalar, Expr] = {}
    for scalar in _until(output, symbols):
        made[scalar] = one(scalar, [symbols.get(x) or made[x] for x in scalar.inputs])
    return made[output]


def _until(output: Scalar, symbols: Mapping[Scalar, Expr]) -> list[Scalar]:
    """What has to be written: back to where symbols stand."""
    needed: set[Scalar] = set()
    stack = [output]
    while stack:
        scalar = stack.pop()
        if scalar not in needed:
            needed.add(scalar)
            stack.extend(x for x in scalar.inputs if x not in symbols)
    return [scalar for scalar in ordered(output) if scalar in needed]


def one(scalar: Scalar, operands: list[Expr]) -> Expr:
    """One operation, of formulas."""
    if scalar.op == "constant":
        return numeral(scalar.value)
    if scalar.op in _WRITTEN:
        return _WRITTEN[scalar.op](*operands)
    if scalar.op in FUNCTIONS:
        return FUNCTIONS[scalar.op](*operands)
    return opaque(scalar.op, *operands)


def add(a: Expr, b: Expr) -> Expr:
    """a + b, flat; plus a negative number is minus."""
    right = b.terms if isinstance(b, Sum) else (b,)
    return Sum((*(a.terms if isinstance(a, Sum) else (a,)), *right))


def subtract(a: Expr, b: Expr) -> Expr:
    """a - b; b keeps its parentheses."""
    taken = b.body if isinstance(b, Negative) else Negative(b)
    return Sum((*(a.terms if isinstance(a, Sum) else (a,)), taken))


def negative(a: Expr) -> Expr:
    """-a, and of -a again a."""
    return a.body if isinstance(a, Negative) else Negative(a)


def multiply(a: Expr, b: Expr) -> Expr:
    """a b, flat, signs in front; the same factor twice is a square."""
    if isinstance(a, Negative) or isinstance(b, Negative):
        inner = multiply(*(x.body if isinstance(x, Negative) else x for x in (a, b)))
        return inner if isinstance(a, Negative) and isinstance(b, Negative) else negative(inner)
    if ONE in (a, b):
        return b if a == ONE else a
    base, power = _base(a)
    other, more = _base(b)
    if base == other and isinstance(power, Number) and isinstance(more, Number):
        return Power(base, Number(power.value + more.value))
    left = a.factors if isinstance(a, Product) else (a,)
    right = b.factors if isinstance(b, Product) else (b,)
    if isinstance(right[0], Number | Fraction) and not isinstance(left[0], Number | Fraction):
        return Product((*right, *left))
    return Product((*left, *right))


def _base(x: Expr) -> tuple[Expr, Expr]:
    return (x.base, x.exponent) if isinstance(x, Power) else (x, ONE)


def divide(a: Expr, b: Expr) -> Expr:
    """a / b, a sign of the top in front."""
    if b == ONE:
        return a
    if isinstance(a, Negative):
        return negative(divide(a.body, b))
    return _mean(a, b) or Fraction(a, b)


def _mean(a: Expr, b: Expr) -> Expr | None:
    """(c s + c t) / d with numbers c and d as (s + t) / n: NumPy's mean scales before it sums."""
    if not isinstance(a, Sum) or not all(isinstance(term, Product) for term in a.terms):
        return None
    scales = {term.factors[0] for term in a.terms if isinstance(term, Product)}
    ratios = [_ratio(x) for x in (b, *scales)]
    if len(scales) != 1 or None in ratios:
        return None
    count = ratios[0] / ratios[1]  # type: ignore[operator]
    rest = tuple(_without_first(term) for term in a.terms if isinstance(term, Product))
    return Fraction(Sum(rest), Number(count.numerator)) if count.denominator == 1 else None


def _ratio(x: Expr) -> Ratio | None:
    match x:
        case Number(value):
            return Ratio(value)
        case Fraction(Number(top), Number(bottom)):
            return Ratio(top) / Ratio(bottom)
    return None


def _without_first(product: Product) -> Expr:
    rest = product.factors[1:]
    return Product(rest) if len(rest) > 1 else rest[0]


def _where(condition: Expr, a: Expr, b: Expr) -> Expr:
    """Cases; a condition that is known is none, and one that was asked is not asked again."""
    if condition in (ONE, ZERO):
        return a if condition == ONE else b
    rest = b
    more: tuple[tuple[Expr, Expr], ...] = ()
    if isinstance(rest, Cases):
        more, rest = rest.branches, rest.otherwise
    return Cases(((a, condition), *more), rest)


def _comparison(sign: Sign) -> Callable[[Expr, Expr], Expr]:
    return lambda a, b: Relation((a, b), (sign,))


def _logic(name: str, op: str) -> Callable[..., Expr]:
    return lambda *xs: Apply(name, xs, opaque(op, *xs).call)


_WRITTEN: Final[dict[str, Callable[..., Expr]]] = {
    "add": add,
    "subtract": subtract,
    "negative": negative,
    "multiply": multiply,
    "divide": divide,
    "power": Power,
    "exp": exponential,
    "exp2": lambda a: Power(TWO, a),
    "sqrt": Root,
    "cbrt": lambda a: Root(a, 3),
    "absolute": Abs,
    "copy": lambda a: a,
    "maximum": lambda a, b: extreme("max", a, b),
    "minimum": lambda a, b: extreme("min", a, b),
    "where": _where,
    "less": _comparison("<"),
    "less_equal": _comparison("≤"),
    "greater": _comparison(">"),
    "greater_equal": _comparison("≥"),
    "equal": _comparison("="),
    "not_equal": _comparison("≠"),
    "logical_and": _logic("and", "logical_and"),
    "logical_or": _logic("or", "logical_or"),
    "logical_not": _logic("not", "logical_not"),
    "xlogy": lambda a, b: multiply(a, FUNCTIONS["log"](b)),
    "xlog1py": lambda a, b: multiply(a, FUNCTIONS["log1p"](b)),
}
