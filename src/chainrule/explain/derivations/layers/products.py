"""Products, inverses and determinants of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.explain.derivations.layers.by_name import (
    Forms,
    Names,
    back_named,
    full,
    spread_all,
    write_named,
)
from chainrule.explain.derivations.layers.contraction import (
    back_to_left,
    back_to_right,
    contract,
    sum_over_stack,
)
from chainrule.explain.derivations.layers.cotangent import (
    Cotangent,
)
from chainrule.explain.derivations.layers.values import Value
from chainrule.explain.notation import (
    Apply,
    Expr,
    matmul,
    multiply,
    negative,
    transpose,
)


def _sides(v: Value, xs: Forms) -> tuple[Any, Any] | None:
    """Both operands, as matrices where they are stacks of them that go together."""
    of = v.attributes
    shared = len(of["a_batch"])
    leading = tuple(range(shared))
    is_stack = of["a_batch"] == of["b_batch"] == leading
    if shared and not (is_stack and all(x.rank == shared + 2 for x in v.inputs)):
        return None
    a, b = spread_all(v, xs)
    a_axes, b_axes = (tuple(k - shared for k in of[name]) for name in ("a_axes", "b_axes"))
    if shared and len(a_axes) != 1:
        return None
    return (a, v.inputs[0].rank - shared, a_axes), (b, v.inputs[1].rank - shared, b_axes)


def write_dot(v: Value, xs: Forms, names: Names) -> Expr:
    """A product of matrices or vectors, or of stacks of matrices."""
    sides = _sides(v, xs)
    a, b = v.inputs
    if sides and a.rank == b.rank == 1 and not a.live and b.live and v.rank == 0:
        sides = sides[::-1]  # wᵀ x, and not xᵀ w
    found = contract(*sides) if sides else None
    return write_named(v, xs, names) if found is None else found


def back_dot(v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names) -> Cotangent | None:
    """The cotangent times the other operand, turned as the shapes ask."""
    sides = _sides(v, xs)
    whole = (full(v, g), v.rank - len(v.attributes["a_batch"]))
    if sides and contract(*sides) is not None:
        if sides[0][1] > 2:
            return _back_stack(v, k, sides, whole[0])
        found = (back_to_left if k == 0 else back_to_right)(whole, *sides)
        if found is not None:
            return Cotangent(found)
    return back_named(v, k, xs, y, g, names)


def _back_stack(v: Value, k: int, sides: Any, g: Expr) -> Cotangent:
    """Of a stack of matrices times one matrix."""
    (a, rank, _), (b, _, b_axes) = sides
    is_straight = b_axes == (0,)
    if k == 0:
        return Cotangent(matmul(g, transpose(b) if is_straight else b))
    stack = v.inputs[0].shape[: rank - 2]
    pair = (a, g) if is_straight else (g, a)
    return Cotangent(sum_over_stack(pair[0], pair[1], stack))


def write_inverse(v: Value, xs: Forms, names: Names) -> Expr:
    """inv(A)."""
    return Apply("inv", spread_all(v, xs), np.linalg.inv)


def back_inverse(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """-A⁻ᵀ G A⁻ᵀ."""
    if v.rank != 2:
        return back_named(v, k, xs, y, g, names)
    return Cotangent(negative(matmul(transpose(y), full(v, g), transpose(y))))


def back_det(v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names) -> Cotangent | None:
    """g det(A) A⁻ᵀ; without the factor det(A) for its logarithm."""
    if v.inputs[0].rank != 2 or not np.all(v.data):
        return back_named(v, k, xs, y, g, names)
    turned = transpose(Apply("inv", spread_all(v, xs), np.linalg.inv))
    return Cotangent(multiply(g.formula, *((y,) if v.op == "det" else ()), turned))
