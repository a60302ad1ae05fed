"""Sums, means, and what moves numbers about or repeats them."""

from __future__ import annotations

import numpy as np

from chainrule.explain.derivations.layers.by_name import (
    Forms,
    Names,
    back_named,
    write_named,
)
from chainrule.explain.derivations.layers.contraction import (
    sum_over_stack,
)
from chainrule.explain.derivations.layers.cotangent import (
    Cotangent,
    as_column,
    columns,
    rows,
    summed,
)
from chainrule.explain.derivations.layers.values import Value, count
from chainrule.explain.notation import (
    Apply,
    Expr,
    Ones,
    divide,
    matmul,
    multiply,
    transpose,
)


def write_sum(v: Value, xs: Forms, names: Names) -> Expr:
    """Σᵢ xᵢ, or the sums of rows X 𝟏 and of columns Xᵀ 𝟏."""
    (x,), (form,) = v.inputs, xs
    axes = v.attributes["axes"]
    if len(axes) == x.rank:
        return summed(form, x.uniform, x.shape)
    if x.rank != 2:
        return write_named(_reduction(v), xs, names)
    over = rows if axes == (1,) else columns
    total = over(form, x.uniform, x.shape[axes[0]])
    return multiply(total, Ones(v.shape[0])) if x.uniform else total


def _reduction(v: Value) -> Value:
    """A sum or a mean along some axes of a tensor, with its meaning."""
    axes, n = v.attributes["axes"], v.attributes.get("n", 1)
    call = lambda x: np.sum(x, axis=axes) / n if v.op == "mean" else np.sum(x, axis=axes)  # noqa: E731
    return Value(v.op, v.inputs, v.data, v.attributes, call, v.live)


def back_sum(v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names) -> Cotangent | None:
    """The cotangent for each of the summed."""
    (x,) = v.inputs
    axes = v.attributes["axes"]
    if len(axes) == x.rank or g.uniform:
        return Cotangent(g.formula, uniform=True)
    if x.rank != 2:
        return back_named(_reduction(v), k, xs, y, g, names)
    one = Ones(x.shape[axes[0]])
    if axes == (1,):
        return Cotangent(matmul(g.formula, transpose(one)))
    return Cotangent(matmul(one, transpose(g.formula)))


def write_mean(v: Value, xs: Forms, names: Names) -> Expr:
    """The sum with 1/n."""
    x = v.inputs[0]
    if len(v.attributes["axes"]) < x.rank != 2:
        return write_named(_reduction(v), xs, names)
    return multiply(divide(1, names.count(v.attributes["n"])), write_sum(v, xs, names))


def back_mean(v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names) -> Cotangent | None:
    """The n-th part of the cotangent for each."""
    x = v.inputs[0]
    if len(v.attributes["axes"]) < x.rank != 2 and not g.uniform:
        return back_named(_reduction(v), k, xs, y, g, names)
    share = Cotangent(multiply(divide(1, names.count(v.attributes["n"])), g.formula), g.uniform)
    return back_sum(v, k, xs, y, share, names)


def write_spread(v: Value, xs: Forms, names: Names) -> Expr:
    """𝟏 bᵀ: the same row n times; v 𝟏ᵀ: the same column; a number as it is."""
    (x,) = v.inputs
    if x.uniform or x.rank == 0:
        return xs[0]
    if x.rank == 1 and v.rank >= 2 and v.attributes["axes"] == (v.rank - 1,):
        return matmul(Ones(v.shape[-2]), transpose(xs[0]))
    if x.rank != 1 or v.rank != 2:
        return write_named(v, xs, names)
    return matmul(xs[0], transpose(Ones(v.shape[1])))


def back_spread(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """The sum over all places."""
    (x,) = v.inputs
    if x.rank == 0:
        return Cotangent(summed(g.formula, g.uniform, v.shape))
    if g.uniform:
        return Cotangent(multiply(count(v.shape) // count(x.shape), g.formula), uniform=True)
    if x.rank == 1 and v.rank > 2 and v.attributes["axes"] == (v.rank - 1,):
        return Cotangent(sum_over_stack(g.formula, Ones(v.shape[-2]), v.shape[:-2]))
    if x.rank != 1 or v.rank != 2:
        return back_named(v, k, xs, y, g, names)
    over = columns if v.attributes["axes"] == (1,) else rows
    return Cotangent(over(g.formula, False, v.shape[0 if over is columns else 1]))


def write_transpose(v: Value, xs: Forms, names: Names) -> Expr:
    """Aᵀ."""
    return transpose(xs[0]) if _turns_matrices(v) else write_named(v, xs, names)


def _turns_matrices(v: Value) -> bool:
    """Whether the last two axes change places, and no others."""
    axes: tuple[int, ...] = v.attributes["axes"]
    return v.rank >= 2 and axes == (*range(v.rank - 2), v.rank - 1, v.rank - 2)


def back_transpose(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """Gᵀ."""
    if g.uniform:
        return g
    if not _turns_matrices(v):
        return back_named(v, k, xs, y, g, names)
    return Cotangent(transpose(g.formula))


def back_reshape(
    v: Value, k: int, xs: Forms, y: Expr, g: Cotangent, names: Names
) -> Cotangent | None:
    """The cotangent in the operand's shape."""
    if g.uniform:
        return g
    shape = v.inputs[0].shape
    return Cotangent(Apply("reshape", (g.formula,), lambda x: as_column(np.reshape(x, shape))))
