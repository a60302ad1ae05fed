"""Cotangents as formulas, and arrays that are one number, repeated."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.explain.derivations.layers.values import Shape, count
from chainrule.explain.notation import (
    Apply,
    Expr,
    MatrixProduct,
    Negative,
    Number,
    Ones,
    Power,
    Product,
    Total,
    add,
    hadamard,
    matmul,
    multiply,
    negative,
    transpose,
)

_LETTERS = "ijklmnpq"


@dataclass(frozen=True)
class Cotangent:
    """∂L/∂v as a formula.

    Attributes:
        formula: as it is printed.
        uniform: it is one number for all elements, and printed as that number.
        rules: names of the rules that gave it.
    """

    formula: Expr
    uniform: bool = False
    rules: tuple[str, ...] = ()


def scaled(g: Cotangent, slope: Expr, is_uniform: bool) -> Cotangent:
    """g ⊙ slope, element by element."""
    if slope == Number(1):
        return g
    if slope == Negative(Number(1)):
        return Cotangent(negative(g.formula), g.uniform)
    if g.uniform or is_uniform:
        return Cotangent(multiply(g.formula, slope), g.uniform and is_uniform)
    return Cotangent(hadamard(g.formula, slope))


def total_of(parts: list[Cotangent]) -> Cotangent:
    """The sum over all paths."""
    rules = dict.fromkeys(rule for part in parts for rule in part.rules)
    times = Counter(part.formula for part in parts)
    formula = add(*(multiply(k, term) for term, k in times.items()))
    return Cotangent(formula, all(part.uniform for part in parts), tuple(rules))


def spread(formula: Expr, uniform: bool, shape: Shape) -> Expr:
    """The formula with all elements of its shape: ones times the number, if it is uniform."""
    if not (uniform and shape):
        return formula
    if formula == Number(0):
        return Apply("zeros", (), lambda: as_column(np.zeros(shape)))
    return multiply(formula, ones(shape))


def ones(shape: Shape) -> Expr:
    """𝟏, a column; 𝟏 𝟏ᵀ, a matrix; of higher rank by name."""
    if len(shape) == 1:
        return Ones(shape[0])
    if len(shape) == 2:
        return MatrixProduct((Ones(shape[0]), transpose(Ones(shape[1]))))
    return Apply("ones", (), lambda: np.ones(shape))


def summed(formula: Expr, uniform: bool, shape: Shape) -> Expr:
    """Σᵢ of all elements, numbers in front."""
    if uniform or not shape:
        return multiply(count(shape), formula)
    match formula:
        case Negative(body):
            return negative(summed(body, False, shape))
        case Product((*numbers, body)):
            return multiply(*numbers, summed(body, False, shape))
        case MatrixProduct((body, Ones(size))) if len(shape) == 1:
            return summed(body, False, (*shape, size))
        case MatrixProduct(factors) if len(shape) == 1 and _is_squared(factors):
            return Total(formula, ("i",))
    return Total(formula, tuple(_LETTERS[: len(shape)]))


def _is_squared(factors: tuple[Expr, ...]) -> bool:
    return all(isinstance(f, Power) for f in factors)


def rows(formula: Expr, uniform: bool, columns: int) -> Expr:
    """The sum of each row of a matrix, a column."""
    return multiply(columns, formula) if uniform else matmul(formula, Ones(columns))


def columns(formula: Expr, uniform: bool, count_of_rows: int) -> Expr:
    """The sum of each column of a matrix, a column itself."""
    if uniform:
        return multiply(count_of_rows, formula)
    return matmul(transpose(formula), Ones(count_of_rows))


def by_row(g: Cotangent, matrix: Expr, rank: int) -> Cotangent:
    """Each row of a matrix times its own number; all elements of a vector times one number."""
    if g.uniform or rank < 2:
        return Cotangent(multiply(g.formula, matrix))
    return Cotangent(matmul(Apply("diag", (g.formula,)), matrix))


def as_column(x: Any) -> Any:
    """What ``evaluate`` has of a vector."""
    array = np.asarray(x)
    return array.reshape(-1, 1) if array.ndim == 1 else array
