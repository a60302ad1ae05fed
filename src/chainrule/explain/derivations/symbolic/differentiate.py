"""The derivative of a formula, one rule at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from chainrule.explain.derivations.symbolic.functions import (
    FUNCTIONS,
    ONE,
    TWO,
    ZERO,
    derivative_of,
    squared,
)
from chainrule.explain.derivations.symbolic.tree import depends, every, rebuilt
from chainrule.explain.notation import (
    EULER,
    Abs,
    Apply,
    Cases,
    Derivative,
    Expr,
    Fraction,
    Indicator,
    Negative,
    Number,
    Power,
    Product,
    Relation,
    Root,
    Sum,
    Symbol,
    add,
    divide,
    multiply,
    negative,
    unicode,
)

#: Of a longer sum the terms without the variable are left out at once, not written as 0.
MOST_ZEROS: Final = 3


@dataclass(frozen=True)
class Line:
    """A formula on the way, and the rules that led to it."""

    formula: Expr
    rules: tuple[str, ...]

    @property
    def rule(self) -> str:
        return ", ".join(self.rules)


def differentiate(e: Expr, x: Symbol, partial: bool = True) -> list[Line]:
    """The derivative by x, line by line, until no derivative is left to take.

    Other symbols are held constant. Every line replaces each derivative that it still holds by
    one rule's result; the last has none and is not simplified. ``partial``: ∂, not d.
    """
    lines: list[Line] = []
    formula: Expr = Derivative(e, x)
    while not lines or pending(formula):
        rules: dict[str, None] = {}
        formula = _once(formula, rules)
        lines.append(Line(_marked(formula, partial), tuple(rules)))
    return lines


def _marked(e: Expr, partial: bool) -> Expr:
    """The formula with its derivatives written with ∂ or d."""
    if isinstance(e, Derivative):
        return e if partial else dataclasses.replace(e, partial=False)
    return rebuilt(e, lambda part: _marked(part, partial))


def pending(e: Expr) -> bool:
    """Whether a derivative of a formula, not of a name, is still to be taken."""
    return any(_is_pending(part) for part in every(e))


def _is_pending(e: Expr) -> bool:
    return isinstance(e, Derivative) and not isinstance(e.top, Symbol)


def _once(e: Expr, rules: dict[str, None]) -> Expr:
    """Each derivative by one rule, the outermost of each place."""
    if isinstance(e, Derivative):
        assert isinstance(e.top, Expr) and isinstance(e.bottom, Symbol)
        return _rule(e.top, e.bottom, rules)
    if isinstance(e, Product) and any(isinstance(f, Derivative) for f in e.factors):
        return _scaled([], _joined([_once(f, rules) for f in e.factors]))
    return rebuilt(e, lambda part: _once(part, rules))


def _joined(factors: list[Expr]) -> Expr:
    """Factors side by side; a fraction among them takes the others in."""
    fractions = [f for f in factors if isinstance(f, Fraction)]
    if len(fractions) != 1:
        return multiply(*factors)
    return _scaled([f for f in factors if f is not fractions[0]], fractions[0])


def _rule(e: Expr, x: Symbol, rules: dict[str, None]) -> Expr:
    if not depends(e, x):
        rules["constant rule"] = None
        return ZERO
    if e == x:
        rules["dx/dx = 1".replace("x", unicode(x))] = None
        return ONE
    return _RULES[type(e)](e, x, rules)


def _inner(e: Expr, x: Symbol, rules: dict[str, None]) -> Expr:
    """The derivative of what a function is taken of: 1 for x itself, else the chain rule."""
    if e == x:
        return ONE
    rules["chain rule"] = None
    return _multiple(e, x) or Derivative(e, x)


def _multiple(e: Expr, x: Symbol) -> Expr | None:
    """c, where the formula is c x."""
    match e:
        case Negative(body):
            slope = ONE if body == x else _multiple(body, x)
            return None if slope is None else negative(slope)
        case Product(factors) if x in factors and sum(depends(f, x) for f in factors) == 1:
            return multiply(*(f for f in factors if f != x))
    return None


def _scaled(scale: list[Expr], e: Expr) -> Expr:
    """The product; a fraction takes the factors in."""
    if isinstance(e, Fraction):
        return divide(_scaled(scale, e.top), e.bottom)
    if isinstance(e, Negative):
        return negative(_scaled(scale, e.body))
    return multiply(*scale, e)


def _part(e: Expr, x: Symbol) -> Expr:
    """The derivative of a part that stands by itself: at once where that is plain."""
    if e == x:
        return ONE
    if not depends(e, x):
        return ZERO
    return Derivative(e, x)


def _sum(e: Sum, x: Symbol, rules: dict[str, None]) -> Expr:
    rules["sum rule"] = None
    short = len(e.terms) <= MOST_ZEROS
    terms = [_signed(term, x, keep=short) for term in e.terms]
    if not short:
        return add(*terms)
    return Sum(tuple(terms))


def _signed(term: Expr, x: Symbol, keep: bool) -> Expr:
    if isinstance(term, Negative):
        slope = _part(term.body, x)
        return Negative(slope) if slope != ZERO or keep else ZERO
    return _part(term, x)


def _negative(e: Negative, x: Symbol, rules: dict[str, None]) -> Expr:
    return negative(_rule(e.body, x, rules))


def _product(e: Product, x: Symbol, rules: dict[str, None]) -> Expr:
    fixed = [f for f in e.factors if not depends(f, x)]
    moving = [f for f in e.factors if depends(f, x)]
    if len(moving) == 1:
        rules["constant multiple rule"] = None
        return _scaled(fixed, _part(moving[0], x))
    rules["product rule"] = None
    terms = []
    for k in range(len(moving)):
        changed = [_part(f, x) if i == k else f for i, f in enumerate(moving)]
        terms.append(multiply(*fixed, *changed))
    return add(*terms)


def _fraction(e: Fraction, x: Symbol, rules: dict[str, None]) -> Expr:
    if not depends(e.bottom, x):
        rules["constant multiple rule"] = None
        return divide(_part(e.top, x), e.bottom)
    rules["quotient rule"] = None
    below = _part(e.bottom, x)
    if not depends(e.top, x):
        return negative(divide(multiply(e.top, below), squared(e.bottom)))
    return divide(
        Sum((multiply(_part(e.top, x), e.bottom), Negative(multiply(e.top, below)))),
        squared(e.bottom),
    )


def _power(e: Power, x: Symbol, rules: dict[str, None]) -> Expr:
    if not depends(e.exponent, x):
        rules["power rule"] = None
        return multiply(e.exponent, _lowered(e), _inner(e.base, x, rules))
    if not depends(e.base, x):
        rules["exponential rule"] = None
        inner = _inner(e.exponent, x, rules)
        return multiply(e, inner) if e.base == EULER else multiply(e, _log(e.base), inner)
    rules["general power rule"] = None
    return multiply(
        e,
        Sum(
            (
                multiply(_part(e.exponent, x), _log(e.base)),
                divide(multiply(e.exponent, _part(e.base, x)), e.base),
            )
        ),
    )


def _lowered(e: Power) -> Expr:
    """The base to one less."""
    n = e.exponent
    if n == TWO:
        return e.base
    if isinstance(n, Number):
        return Power(e.base, Number(n.value - 1))
    if isinstance(n, Negative) and isinstance(n.body, Number):
        return Power(e.base, Negative(Number(n.body.value + 1)))
    return Power(e.base, Sum((n, Negative(ONE))))


def _log(x: Expr) -> Expr:
    return FUNCTIONS["log"](x)


def _root(e: Root, x: Symbol, rules: dict[str, None]) -> Expr:
    rules["derivative of a root"] = None
    inner = _inner(e.body, x, rules)
    below = e if e.degree == 2 else Power(e, Number(e.degree - 1))
    return divide(inner, multiply(Number(e.degree), below))


def _abs(e: Abs, x: Symbol, rules: dict[str, None]) -> Expr:
    rules["derivative of |x|: its sign"] = None
    return multiply(FUNCTIONS["sign"](e.body), _inner(e.body, x, rules))


def _apply(e: Apply, x: Symbol, rules: dict[str, None]) -> Expr:
    terms = []
    for k, argument in enumerate(e.arguments):
        if depends(argument, x):
            outer, rule = derivative_of(e, k)
            rules[rule] = None
            if outer != ZERO:
                terms.append(_scaled([_inner(argument, x, rules)], outer))
    return add(*terms)


def _cases(e: Cases, x: Symbol, rules: dict[str, None]) -> Expr:
    rules["case by case"] = None
    branches = tuple((_part(value, x), condition) for value, condition in e.branches)
    return Cases(branches, _part(e.otherwise, x))


def _flat(e: Any, x: Symbol, rules: dict[str, None]) -> Expr:
    rules["constant but where it jumps"] = None
    return ZERO


_RULES: Final[dict[type[Expr], Callable[[Any, Symbol, dict[str, None]], Expr]]] = {
    Sum: _sum,
    Negative: _negative,
    Product: _product,
    Fraction: _fraction,
    Power: _power,
    Root: _root,
    Abs: _abs,
    Apply: _apply,
    Cases: _cases,
    Indicator: _flat,
    Relation: _flat,
}
