"""Equations as they stand on a line: begun with a name, or going on from the line before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.explain.derivations.symbolic.numbers import rounded, with_numbers
from chainrule.explain.derivations.symbolic.tree import size, symbols_of
from chainrule.explain.notation import Expr, Number, Product, Relation, Sum, Text
from chainrule.explain.notation.nodes import Sign

#: A formula of more nodes is not written once more with numbers.
_LONGEST = 20


def continued(*parts: Expr, exact: bool = True) -> Relation:
    """= a, or = a = b; the last sign is ≈ if its number is rounded."""
    signs: list[Sign] = ["="] * len(parts)
    signs[-1] = "=" if exact else "≈"
    return Relation((Text(""), *parts), tuple(signs))


def in_numbers(start: Sequence[Expr], e: Expr, values: Any, value: Any) -> Relation:
    """start = e = e with numbers = its value; what says nothing new is left out."""
    parts: list[Expr] = [*start, e]
    signs: list[Sign] = ["="] * (len(parts) - 1)
    whole, exact = rounded(value)
    put = with_numbers(e, values)
    if symbols_of(e) and size(e) <= _LONGEST and put not in (e, whole):
        parts.append(put)
        signs.append("=" if all(rounded(values[x.key])[1] for x in symbols_of(e)) else "≈")
    if whole != parts[-1]:
        parts.append(whole)
        signs.append("=" if exact else "≈")
    return Relation(tuple(parts), tuple(signs))


def side_by_side(factors: Sequence[Expr]) -> Expr:
    """Factors as they are."""
    return Product(tuple(factors)) if len(factors) > 1 else factors[0]


def total(terms: Sequence[Expr]) -> Expr:
    """Terms as they are; none is 0."""
    if not terms:
        return Number(0)
    return Sum(tuple(terms)) if len(terms) > 1 else terms[0]


def result_of(line: Expr) -> Expr:
    """The formula of a line that ends in numbers: what stands behind the first sign."""
    assert isinstance(line, Relation)
    return line.parts[1]
