"""Derivatives by what is already worked out: σ' = p (1 - p), of softmax p₁ (1 - p₁) and -p₁ p₂."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy

from chainrule.explain.derivations.symbolic.algebra import Algebra, is_small
from chainrule.explain.derivations.symbolic.pieces import Piece
from chainrule.explain.derivations.symbolic.tree import size, symbols_of
from chainrule.explain.notation import Expr, Power, Symbol


def by_its_own_value(
    algebra: Algebra, derivative: Expr, piece: Piece, pieces: Sequence[Piece]
) -> Expr | None:
    """The derivative in terms of the piece, where that is shorter; None where it is not."""
    if not is_small(derivative) or not is_small(piece.formula) or not symbols_of(derivative):
        return None
    value, own = algebra.sympy(derivative), algebra.sympy(piece.symbol)
    formula = algebra.sympy(piece.formula)
    found = [_solved(value, own, formula, algebra), _siblings(algebra, value, piece, pieces)]
    forms = [form for x in found if x is not None for form in (sympy.factor(x), x)]
    plain = [algebra.plain(form) for form in forms]
    shorter = [e for e in plain if _weight(e) < _weight(derivative)]
    return min(shorter, key=_weight) if shorter else None


def _weight(e: Expr) -> int:
    """Size; functions and powers of e count more than letters."""
    return size(e) + 2 * sum(isinstance(x, Power) for x in (e,))


def _solved(value: Any, own: Any, formula: Any, algebra: Algebra) -> Any:
    """u in p = f(u) solved for u, if u is one function and p a fraction linear in it."""
    functions = [
        x for x in formula.free_symbols if x in algebra.exponents or _is_function(algebra, x)
    ]
    roots = [r for r in formula.atoms(sympy.Pow) if r.exp == sympy.Rational(1, 2)]
    if formula in roots:
        return sympy.cancel(value.subs(formula, own)) if value.has(formula) else None
    if len(functions) != 1 or not value.has(functions[0]):
        return None
    u = functions[0]
    top, bottom = sympy.fraction(sympy.together(formula))
    equation = sympy.expand(top - own * bottom)
    if not equation.is_polynomial(u) or sympy.degree(equation, u) != 1:
        return None
    a, b = equation.coeff(u, 1), equation.coeff(u, 0)
    return sympy.cancel(value.subs(u, -b / a))


def _is_function(algebra: Algebra, x: Any) -> bool:
    return x in algebra.atoms and not isinstance(algebra.atoms[x], Symbol)


def _siblings(algebra: Algebra, value: Any, piece: Piece, pieces: Sequence[Piece]) -> Any:
    """Quotients with the denominator of this piece in the place of what they are."""
    _, bottom = sympy.fraction(algebra.sympy(piece.formula))
    if not bottom.is_Add:
        return None
    family = [q for q in pieces if is_small(q.formula)]
    same = [q for q in family if sympy.fraction(algebra.sympy(q.formula))[1] == bottom]
    made = _over(value, bottom)
    for q in same:
        top = sympy.fraction(algebra.sympy(q.formula))[0]
        made = made.subs(top, algebra.sympy(q.symbol) * _WHOLE)
    made = sympy.cancel(made.subs(_BOTTOM, _WHOLE))
    rest = _total_is_one(made, same, algebra, bottom, algebra.sympy(piece.symbol))
    return None if rest.has(_WHOLE, _BOTTOM) else rest


_WHOLE = sympy.Symbol("whole", positive=True)
_BOTTOM = sympy.Symbol("bottom", positive=True)


def _over(value: Any, bottom: Any) -> Any:
    """The value with its denominator by name."""
    return value.subs(bottom, _BOTTOM)


def _total_is_one(made: Any, same: Sequence[Piece], algebra: Algebra, bottom: Any, own: Any) -> Any:
    """p₂ + p₃ is 1 - p₁ where all tops add up to the denominator."""
    tops = [sympy.fraction(algebra.sympy(q.formula))[0] for q in same]
    if sympy.expand(sum(tops) - bottom) != 0:
        return made
    names = [algebra.sympy(q.symbol) for q in same]
    others = sum(x for x in names if x != own)
    return sympy.factor(made).subs(others, 1 - own) if others.is_Add else made
