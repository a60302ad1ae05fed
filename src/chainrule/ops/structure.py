"""Operations that place values: constants, numbering, broadcasting, reshaping, transposing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.types import BATCH, NAMED_DTYPES, ArrayType, Shape
from chainrule.ops.record import Primitive, register

Array = Any


def _constant_type(*, value: float, dtype: str) -> ArrayType:
    return ArrayType(NAMED_DTYPES[dtype], ())


def _iota_type(*, axis: int, shape: Shape, dtype: str) -> ArrayType:
    if not 0 <= axis < len(shape):
        raise ShapeError(f"axis {axis} is not one of the {len(shape)} axes of {shape}")
    return ArrayType(NAMED_DTYPES[dtype], shape)


def _iota(*, axis: int, shape: tuple[int, ...], dtype: str) -> Array:
    line = np.arange(shape[axis], dtype=NAMED_DTYPES[dtype])
    return np.broadcast_to(line.reshape([-1 if k == axis else 1 for k in range(len(shape))]), shape)


def _broadcast_type(x: ArrayType, *, shape: Shape, axes: tuple[int, ...]) -> ArrayType:
    """Axis k of x becomes axis axes[k] of the result, all other axes repeat x."""
    ascending = all(a < b for a, b in pairwise(axes))
    if len(axes) != x.rank or not ascending or x.shape != tuple(shape[a] for a in axes):
        raise ShapeError(f"{x} cannot be spread over {shape} along axes {axes}")
    return x.with_shape(shape)


def _broadcast(x: Array, *, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    narrow = [shape[k] if k in axes else 1 for k in range(len(shape))]
    return np.broadcast_to(np.reshape(x, narrow), shape)


def _broadcast_back(g: Array, y: Array, x: Array, *, shape: Shape, axes: tuple[int, ...]) -> Array:
    repeated = tuple(k for k in range(len(shape)) if k not in axes)
    return np.sum(g, axis=repeated) if repeated else g


def element_count(shape: Shape) -> tuple[int, int]:
    """(product of the static sizes, number of symbolic ones): a size as c * batch^p."""
    symbolic = sum(n is BATCH for n in shape)
    return int(np.prod([n for n in shape if isinstance(n, int)], dtype=np.int64)), symbolic


def _reshape_type(x: ArrayType, *, shape: Shape) -> ArrayType:
    if element_count(x.shape) != element_count(shape):
        raise ShapeError(f"{x} has not as many elements as the shape {shape}")
    return x.with_shape(shape)


def _transpose_type(x: ArrayType, *, axes: tuple[int, ...]) -> ArrayType:
    if sorted(axes) != list(range(x.rank)):
        raise ShapeError(f"{axes} is not an order of the {x.rank} axes of {x}")
    return x.with_shape(tuple(x.shape[a] for a in axes))


def _slice_type(x: ArrayType, *, starts: tuple[int, ...], shape: Shape) -> ArrayType:
    """The part of x that begins at ``starts`` and is as large as ``shape``."""
    fits = len(starts) == len(shape) == x.rank and all(
        (n is have and start == 0) or (isinstance(n, int) and 0 <= start <= have - n)
        if isinstance(have, int)
        else (n is have and start == 0)
        for n, have, start in zip(shape, x.shape, starts, strict=True)
    )
    if not fits:
        raise ShapeError(f"{x} has no part of shape {shape} at {starts}")
    return x.with_shape(shape)


def _box(starts: tuple[int, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for a, n in zip(starts, shape, strict=True))


def _pad_type(x: ArrayType, *, starts: tuple[int, ...], shape: Shape) -> ArrayType:
    """x laid at ``starts`` into zeros of ``shape``: the adjoint of taking that part."""
    _slice_type(x.with_shape(shape), starts=starts, shape=x.shape)
    return x.with_shape(shape)


def _pad(x: Array, *, starts: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """Eagerly by ``np.pad``, which a tracer carries too."""
    behind = (n - a - m for n, a, m in zip(shape, starts, np.shape(x), strict=True))
    return np.pad(x, tuple(zip(starts, behind, strict=True)))


def _size(*, scale: float, power: int, dtype: str) -> Array:
    raise AssertionError("size stands only in graphs with a symbolic batch; specialise them first")


# fmt: off
constant = register(Primitive(
    name="constant", shape=_constant_type,
    evaluate=lambda *, value, dtype: np.array(value, NAMED_DTYPES[dtype]),
    vjp=(), lower=None,
    domain=(0.0, 0.0), source="a number in the program",
))
size = register(Primitive(
    name="size", shape=lambda *, scale, power, dtype: ArrayType(NAMED_DTYPES[dtype], ()),
    evaluate=_size,
    vjp=(), lower=None,
    domain=(0.0, 0.0), source="scale * batch ** power, known when the native code runs",
))
iota = register(Primitive(
    name="iota", shape=_iota_type, evaluate=_iota,
    vjp=(), lower=None,
    domain=(0.0, 0.0), source="0, 1, 2, ... along one axis",
))
broadcast = register(Primitive(
    name="broadcast", shape=_broadcast_type, evaluate=_broadcast,
    vjp=(_broadcast_back,), lower=None,
    domain=(-3.0, 3.0), source="the adjoint of repeating is summing",
))
reshape = register(Primitive(
    name="reshape", shape=_reshape_type,
    evaluate=lambda x, *, shape: np.reshape(x, shape),
    vjp=(lambda g, y, x, *, shape: np.reshape(g, x.shape),), lower=None,
    domain=(-3.0, 3.0), source="a permutation matrix",
))
slice_ = register(Primitive(
    name="slice", shape=_slice_type,
    evaluate=lambda x, *, starts, shape: x[_box(starts, shape)],
    vjp=(lambda g, y, x, *, starts, shape: _pad(g, starts=starts, shape=x.shape),), lower=None,
    domain=(-3.0, 3.0), source="the adjoint of taking a part is laying it into zeros",
))
pad = register(Primitive(
    name="pad", shape=_pad_type, evaluate=_pad,
    vjp=(lambda g, y, x, *, starts, shape: g[_box(starts, x.shape)],), lower=None,
    domain=(-3.0, 3.0), source="the adjoint of laying into zeros is taking the part",
))
transpose = register(Primitive(
    name="transpose", shape=_transpose_type,
    evaluate=lambda x, *, axes: np.transpose(x, axes),
    vjp=(lambda g, y, x, *, axes: np.transpose(g, tuple(np.argsort(axes).tolist())),), lower=None,
    domain=(-3.0, 3.0), source="a permutation matrix",
))
# fmt: on
