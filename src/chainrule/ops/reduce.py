"""Reductions over axes; the axes are dropped (a kept axis is a reshape)."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.types import ArrayType
from chainrule.ops.record import Primitive, register

Array = Any


def _reduced(x: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
    if len(set(axes)) != len(axes) or not all(0 <= a < x.rank for a in axes):
        raise ShapeError(f"{axes} are not axes of {x}")
    return x.with_shape(tuple(n for k, n in enumerate(x.shape) if k not in axes))


def _spread(g: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """g, one element per reduced slice of x, repeated over the slice."""
    return np.broadcast_to(np.expand_dims(g, axes), x.shape)


def _max_back(g: Array, y: Array, x: Array, *, axes: tuple[int, ...]) -> Array:
    """Ties share the cotangent equally."""
    hit = x == _spread(y, x, axes)
    share = g / np.sum(np.where(hit, g.dtype.type(1), g.dtype.type(0)), axis=axes)
    return np.where(hit, _spread(share, x, axes), g.dtype.type(0))


# fmt: off
sum_ = register(Primitive(
    name="sum", shape=_reduced,
    evaluate=lambda x, *, axes: np.sum(x, axis=axes, dtype=x.dtype),
    vjp=(lambda g, y, x, *, axes: _spread(g, x, axes),), lower=None,
    domain=(-3.0, 3.0), source="the adjoint of summing is repeating",
))
max_ = register(Primitive(
    name="max", shape=_reduced,
    evaluate=lambda x, *, axes: np.max(x, axis=axes),
    vjp=(_max_back,), lower=None,
    domain=(-3.0, 3.0), source="subgradient; ties share equally",
))
# fmt: on
