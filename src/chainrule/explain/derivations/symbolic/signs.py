"""Signs and roots in products, where a person would write them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import sympy

from chainrule.explain.notation import Expr, Number, Root

Sym: TypeAlias = Any  # sympy.Expr


def turned(number: Sym, factors: list[Sym], written: Collection[Sym]) -> tuple[Sym, list[Sym]]:
    """A minus in front of a difference goes into it: -2 (y - l) is 2 (l - y).

    Two differences are turned round together where one is then as the user wrote it.
    """
    turns = [_is_turned_whole(f) for f in factors]
    number *= (-1) ** sum(turns)
    for k, f in enumerate(factors):
        if number < 0 and not turns[k] and _can_turn(f):
            turns[k], number = True, -number
    made = [_turn(f) if t else f for f, t in zip(factors, turns, strict=True)]
    return number, _as_written(made, written)


def roots_below(number: Sym, factors: list[Sym]) -> tuple[Sym, list[Sym], list[Expr]]:
    """(number, factors, roots below the line): √2/2 is 1/√2, which SymPy never writes."""
    kept: list[Sym] = []
    roots: list[Expr] = []
    for f in factors:
        n = f.base if f.is_Pow and f.exp == sympy.Rational(1, 2) else None
        if n is not None and n.is_Integer and number.q % int(n) == 0:
            number = number * n
            roots.append(Root(Number(int(n))))
        else:
            kept.append(f)
    return number, kept, roots


def _turn(f: Sym) -> Sym:
    base, exponent = f.as_base_exp()
    return (-base) ** exponent


def _odd_sum(f: Sym) -> Sym | None:
    base, exponent = f.as_base_exp()
    odd = exponent.is_Integer and int(exponent) % 2 == 1
    return base if base.is_Add and odd else None


def _is_turned_whole(f: Sym) -> bool:
    """Whether all terms of a sum are negative."""
    base = _odd_sum(f)
    return base is not None and all(t.could_extract_minus_sign() for t in base.args)


def _can_turn(f: Sym) -> bool:
    base = _odd_sum(f)
    return base is not None and any(t.could_extract_minus_sign() for t in base.args)


def _as_written(factors: list[Sym], written: Collection[Sym]) -> list[Sym]:
    """(y - p) / (p - 1) is (p - y) / (1 - p) if the user wrote 1 - p."""
    can = [k for k, f in enumerate(factors) if _can_turn(f)]
    asked = [k for k in can if _odd_sum(_turn(factors[k])) in written]
    free = [k for k in can if k not in asked and _odd_sum(factors[k]) not in written]
    pair = (*asked[:1], *(asked[1:2] or free[:1]))
    if len(pair) < 2:
        return factors
    return [_turn(f) if k in pair else f for k, f in enumerate(factors)]
