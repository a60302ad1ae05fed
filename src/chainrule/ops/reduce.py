"""Reductions over axes; the axes are dropped (a kept axis is a reshape)."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.types import ArrayType
from chainrule.ops.apply import bind
from chainrule.ops.cumulative import shifted
from chainrule.ops.record import LINEAR, Primitive, Rule, register

Array = Any


def _reduced(x: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
    if len(set(axes)) != len(axes) or not all(0 <= a < x.rank for a in axes):
        raise ShapeError(f"{axes} are not axes of {x}")
    return x.with_shape(tuple(n for k, n in enumerate(x.shape) if k not in axes))


def _spread(g: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """g, one element per reduced slice of x, repeated over the slice."""
    kept = tuple(k for k in range(len(x.shape)) if k not in axes)
    return bind("broadcast", g, shape=x.shape, axes=kept)


def _max_back(g: Array, y: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    """Ties share the cotangent equally."""
    hit = x == _spread(y, x, axes)
    share = g / np.sum(hit, axis=axes, dtype=g.dtype)
    return np.where(hit, _spread(share, x, axes), g.dtype.type(0))


def _max_forward(tangents: Any, y: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    """The tangent of the largest element, the mean of theirs where several are."""
    hit = np.where(x == _spread(y, x, axes), y.dtype.type(1), y.dtype.type(0))
    return np.sum(tangents[0] * hit, axis=axes) / np.sum(hit, axis=axes)


def _others(x: Array, axes: tuple[int, ...]) -> Array:
    """For each element the product of all others that are reduced with it: no division by zeros."""
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    order = kept + axes
    shape = tuple(x.shape[k] for k in order)
    line = np.reshape(np.transpose(x, order), (*shape[: len(kept)], -1))
    before, behind = (_products_of(line, reverse) for reverse in (False, True))
    others = np.reshape(before * behind, shape)
    return np.transpose(others, tuple(np.argsort(order).tolist()))


def _products_of(line: Array, reverse: bool) -> Array:
    """The product of all elements before each one (behind it, in reverse) on the last axis."""
    axis, n = line.ndim - 1, line.shape[-1]
    first = np.zeros(n, line.dtype)
    first[-1 if reverse else 0 : None if reverse else 1] = 1  # none of an empty line
    ones = np.broadcast_to(first, line.shape)
    return bind("recurrence", shifted(line, axis, reverse), ones, axis=axis, reverse=reverse)


def _prod_back(g: Array, y: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    """g times the product of the other elements."""
    return _spread(g, x, axes) * _others(x, axes)


def _prod_forward(tangents: Any, y: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    return np.sum(tangents[0] * _others(x, axes), axis=axes)


def _one_more_axis(op: str) -> Rule:
    return lambda size, mapped, x, *, axes: bind(op, x, axes=tuple(a + 1 for a in axes))


# fmt: off
sum_ = register(Primitive(
    name="sum", shape=_reduced,
    evaluate=lambda x, *, axes: np.add.reduce(x, axes, x.dtype),
    vjp=(lambda g, y, x, *, axes: _spread(g, x, axes),),
    jvp=LINEAR, batched=_one_more_axis("sum"), lower=None,
    domain=(-3.0, 3.0), source="the adjoint of summing is repeating",
))
max_ = register(Primitive(
    name="max", shape=_reduced,
    evaluate=lambda x, *, axes: np.maximum.reduce(x, axes),
    vjp=(_max_back,), jvp=_max_forward, batched=_one_more_axis("max"), lower=None,
    domain=(-3.0, 3.0), source="subgradient; ties share equally",
))
prod = register(Primitive(
    name="prod", shape=_reduced,
    evaluate=lambda x, *, axes: np.prod(x, axis=axes, dtype=x.dtype),
    vjp=(_prod_back,), jvp=_prod_forward, batched=_one_more_axis("prod"), lower=None,
    domain=(-1.5, 1.5), source="product rule: each element's factor is the product of the others",
))
# fmt: on
