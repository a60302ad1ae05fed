"""The contraction of two arrays over one axis of each: every matrix product is one."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.types import ArrayType
from chainrule.ops.record import Primitive, register

Array = Any


def _dot_type(a: ArrayType, b: ArrayType, *, a_axis: int, b_axis: int) -> ArrayType:
    if a.dtype != b.dtype or not a.is_float:
        raise DTypeError(f"dot takes arrays of one floating dtype, got {a} and {b}")
    if not (1 <= a.rank <= 2 and 1 <= b.rank <= 2):
        raise ShapeError(f"dot takes vectors and matrices, got {a} and {b}")
    if a.shape[a_axis] != b.shape[b_axis]:
        raise ShapeError(
            f"inner sizes differ: {a} along axis {a_axis}, {b} along axis {b_axis}: "
            f"{a.shape[a_axis]} is not {b.shape[b_axis]}"
        )
    left = a.shape[:a_axis] + a.shape[a_axis + 1 :]
    right = b.shape[:b_axis] + b.shape[b_axis + 1 :]
    return ArrayType(a.dtype, left + right)


def _dot(a: Array, b: Array, *, a_axis: int, b_axis: int) -> Array:
    # BLAS is reached only through matmul on matrices with the inner axes side by side.
    left = np.moveaxis(a, a_axis, -1)
    right = np.moveaxis(b, b_axis, 0)
    return np.asarray(left @ right)


def dot(a: Array, b: Array, a_axis: int, b_axis: int) -> Array:
    """Contract axis ``a_axis`` of a with axis ``b_axis`` of b, by matmul, in plain NumPy."""
    return (a if a_axis == a.ndim - 1 else a.T) @ (b if b_axis == 0 else b.T)


def _back_to_a(g: Array, y: Array, a: Array, b: Array, *, a_axis: int, b_axis: int) -> Array:
    """The inner axis of a gets what b had along it, the outer axis of a stays with g's."""
    if b.ndim == 1:
        grown = g[..., None] * b
        return grown if a.ndim == 1 or a_axis == 1 else grown.T
    outer_of_b = 1 - b_axis
    if a.ndim == 1:
        return dot(g, b, 0, outer_of_b)
    return dot(g, b, 1, outer_of_b) if a_axis == 1 else dot(b, g, outer_of_b, 1)


def _back_to_b(g: Array, y: Array, a: Array, b: Array, *, a_axis: int, b_axis: int) -> Array:
    if a.ndim == 1:
        grown = a[:, None] * g[None] if g.ndim else a * g
        return grown if b.ndim == 1 or b_axis == 0 else grown.T
    outer_of_a = 1 - a_axis
    if b.ndim == 1:
        return dot(g, a, 0, outer_of_a)
    return dot(a, g, outer_of_a, 0) if b_axis == 0 else dot(g, a, 0, outer_of_a)


# fmt: off
dot_ = register(Primitive(
    name="dot", shape=_dot_type, evaluate=_dot,
    vjp=(_back_to_a, _back_to_b), lower=None,
    domain=(-2.0, 2.0), source="Petersen & Pedersen, The Matrix Cookbook, 2.5",
))
# fmt: on
