"""Operations that place values: constants, numbering, broadcasting, reshaping, transposing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ir.types import BATCH, NAMED_DTYPES, ArrayType, Shape, Size
from chainrule.ops.apply import bind
from chainrule.ops.record import LINEAR, POINTWISE, Primitive, register

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
    x = np.asarray(x)
    if x.flags.c_contiguous and x.size:  # what np.broadcast_to does, in a tenth of the time
        strides = [0] * len(shape)
        for axis, stride in zip(axes, x.strides, strict=True):
            strides[axis] = stride
        spread: Array = np.ndarray(shape, x.dtype, x, 0, strides)
        spread.flags.writeable = False
        return spread
    narrow = [shape[k] if k in axes else 1 for k in range(len(shape))]
    return np.broadcast_to(np.reshape(x, narrow), shape)


def _broadcast_back(g: Array, y: Array, x: Array, *, shape: Shape, axes: tuple[int, ...]) -> Array:
    """g summed over the axes that were repeated."""
    repeated = tuple(k for k in range(len(shape)) if k not in axes)
    return bind("sum", g, axes=repeated) if repeated else g


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


def _steps_fit(have: Size, want: Size, start: int, step: int) -> bool:
    """Whether want places from ``start`` in steps of ``step`` lie on an axis of size have."""
    if want == have and (start, step) in ((0, 1), (-1, -1)):
        return True
    if not (isinstance(have, int) and isinstance(want, int)) or step == 0:
        return False
    last = start + (want - 1) * step
    return want == 0 or (0 <= start < have and 0 <= last < have)


def _slice_type(
    x: ArrayType, *, starts: tuple[int, ...], shape: Shape, steps: tuple[int, ...]
) -> ArrayType:
    """The elements ``starts + i * steps`` for i in ``shape``; a step may be negative.

    A whole axis, which may be the batch, is taken from 0 by 1 or, turned round, from -1 by -1.
    """
    if not (
        len(starts) == len(shape) == len(steps) == x.rank
        and all(map(_steps_fit, x.shape, shape, starts, steps))
    ):
        raise ShapeError(f"{x} has no part of shape {shape} at {starts} in steps of {steps}")
    return x.with_shape(shape)


def box(starts: tuple[int, ...], shape: tuple[int, ...], steps: tuple[int, ...]) -> Any:
    """The index that takes such a part of an array."""
    return tuple(_range(a, n, d) for a, n, d in zip(starts, shape, steps, strict=True))


def _range(start: int, count: int, step: int) -> slice:
    if count == 0:
        return slice(0, 0)
    if start == -1:  # the last of an axis taken backwards and whole
        return slice(None, None, step)
    end = start + count * step
    return slice(start, end if end >= 0 else None, step)


def _pad_type(
    x: ArrayType, *, starts: tuple[int, ...], shape: Shape, steps: tuple[int, ...]
) -> ArrayType:
    """x laid at ``starts`` in ``steps`` into zeros of ``shape``: the adjoint of taking a part."""
    _slice_type(x.with_shape(shape), starts=starts, shape=x.shape, steps=steps)
    return x.with_shape(shape)


def _pad(x: Array, *, starts: tuple[int, ...], shape: tuple[int, ...], steps: Any) -> Array:
    laid = np.zeros(shape, x.dtype)
    laid[box(starts, np.shape(x), steps)] = x
    return laid


def _size(*, scale: float, power: int, dtype: str) -> Array:
    raise AssertionError("size stands only in graphs with a symbolic batch; specialise them first")


def _on(axes: tuple[int, ...]) -> tuple[int, ...]:
    """Axes behind a new first one."""
    return tuple(a + 1 for a in axes)


def inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The order of axes that undoes another one."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _slice_batched(size: int, mapped: Any, x: Array, *, starts: Any, shape: Any, steps: Any) -> Any:
    return bind("slice", x, starts=(0, *starts), shape=(size, *shape), steps=(1, *steps))


def _pad_batched(size: int, mapped: Any, x: Array, *, starts: Any, shape: Any, steps: Any) -> Any:
    return bind("pad", x, starts=(0, *starts), shape=(size, *shape), steps=(1, *steps))


# fmt: off
constant = register(Primitive(
    name="constant", shape=_constant_type,
    evaluate=lambda *, value, dtype: np.array(value, NAMED_DTYPES[dtype]),
    vjp=(), jvp=LINEAR, batched=POINTWISE, lower=None,
    domain=(0.0, 0.0), source="a number in the program",
))
size = register(Primitive(
    name="size", shape=lambda *, scale, power, dtype: ArrayType(NAMED_DTYPES[dtype], ()),
    evaluate=_size,
    vjp=(), jvp=LINEAR, batched=POINTWISE, lower=None,
    domain=(0.0, 0.0), source="scale * batch ** power, known when the native code runs",
))
iota = register(Primitive(
    name="iota", shape=_iota_type, evaluate=_iota,
    vjp=(), jvp=LINEAR, batched=POINTWISE, lower=None,
    domain=(0.0, 0.0), source="0, 1, 2, ... along one axis",
))
broadcast = register(Primitive(
    name="broadcast", shape=_broadcast_type, evaluate=_broadcast,
    vjp=(_broadcast_back,), jvp=LINEAR,
    batched=lambda size, mapped, x, *, shape, axes:
        bind("broadcast", x, shape=(size, *shape), axes=(0, *_on(axes))),
    lower=None,
    domain=(-3.0, 3.0), source="the adjoint of repeating is summing",
))
reshape = register(Primitive(
    name="reshape", shape=_reshape_type,
    evaluate=lambda x, *, shape: np.asarray(x).reshape(shape),
    vjp=(lambda g, y, x, *, shape: bind("reshape", g, shape=x.shape),), jvp=LINEAR,
    batched=lambda size, mapped, x, *, shape: bind("reshape", x, shape=(size, *shape)),
    lower=None,
    domain=(-3.0, 3.0), source="a permutation matrix",
))
slice_ = register(Primitive(
    name="slice", shape=_slice_type,
    evaluate=lambda x, *, starts, shape, steps: x[box(starts, shape, steps)],
    vjp=(lambda g, y, x, *, starts, shape, steps:
         bind("pad", g, starts=starts, shape=x.shape, steps=steps),),
    jvp=LINEAR, batched=_slice_batched, lower=None,
    domain=(-3.0, 3.0), source="the adjoint of taking a part is laying it into zeros",
))
pad = register(Primitive(
    name="pad", shape=_pad_type, evaluate=_pad,
    vjp=(lambda g, y, x, *, starts, shape, steps:
         bind("slice", g, starts=starts, shape=x.shape, steps=steps),),
    jvp=LINEAR, batched=_pad_batched, lower=None,
    domain=(-3.0, 3.0), source="the adjoint of laying into zeros is taking the part",
))
transpose = register(Primitive(
    name="transpose", shape=_transpose_type,
    evaluate=lambda x, *, axes: np.asarray(x).transpose(axes),
    vjp=(lambda g, y, x, *, axes: bind("transpose", g, axes=inverse(axes)),),
    jvp=LINEAR,
    batched=lambda size, mapped, x, *, axes: bind("transpose", x, axes=(0, *_on(axes))),
    lower=None,
    domain=(-3.0, 3.0), source="a permutation matrix",
))
# fmt: on
