"""Formulas in the place of symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from chainrule.explain.notation import (
    Expr,
    Hadamard,
    MatrixProduct,
    Negative,
    Product,
    Sum,
    Total,
    Transpose,
    add,
    hadamard,
    is_number,
    matmul,
    multiply,
    negative,
    transpose,
)


def substituted(formula: Expr, by: Mapping[Any, Expr], deep: int = 40) -> Expr:
    """The formula with symbols replaced, again and again, tidied as it was.

    ``deep`` is how many replacements may stand in one another.
    """
    if formula in by and deep:
        return substituted(by[formula], by, deep - 1)
    parts = {f.name: _each(getattr(formula, f.name), by, deep) for f in fields(formula)}
    if all(parts[name] is getattr(formula, name) for name in parts):
        return formula
    match formula:
        case Sum():
            return add(*parts["terms"])
        case Product():
            return multiply(*parts["factors"])
        case Hadamard():
            return hadamard(*parts["factors"])
        case MatrixProduct():
            return matmul(*parts["factors"])
        case Total(indices=indices, summed=over) if indices == over:
            return _total(parts["body"], formula)
        case Transpose():
            return transpose(parts["body"])
    return replace(formula, **parts)


def _total(body: Expr, whole: Total) -> Expr:
    """Numbers in front of the sign."""
    match body:
        case Negative(inner):
            return negative(_total(inner, whole))
        case Product((*numbers, inner)) if all(map(is_number, numbers)):
            return multiply(*numbers, replace(whole, body=inner))
    return replace(whole, body=body)


def _each(x: Any, by: Mapping[Any, Expr], deep: int) -> Any:
    if isinstance(x, Expr):
        return substituted(x, by, deep)
    if isinstance(x, tuple) and x and any(isinstance(part, Expr | tuple) for part in x):
        found = tuple(_each(part, by, deep) for part in x)
        return x if all(a is b for a, b in zip(found, x, strict=True)) else found
    return x
