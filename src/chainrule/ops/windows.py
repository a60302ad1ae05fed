"""Windows on an axis: the two moves that convolution and pooling are made of.

``shear`` reads an axis i along a line, i = o * stride + k * dilation, for each place k of a second
axis. Of an array that is repeated along k it gives the windows of a convolution, at no cost: it
is another reading of the same memory. ``unshear`` is its adjoint; a sum over k then adds what
overlaps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.errors import ShapeError
from chainrule.ir.types import ArrayType, Shape, sized
from chainrule.ops.apply import bind
from chainrule.ops.record import LINEAR, Primitive, register

Array = Any


def resized(shape: Shape, axis: int, size: int) -> Shape:
    """A shape with another size along one axis."""
    return (*shape[:axis], size, *shape[axis + 1 :])


def _check(wide: ArrayType, narrow: int, axis: int, along: int, stride: int, dilation: int) -> None:
    n, k = (wide.shape[a] for a in (axis, along))
    fits = isinstance(n, int) and isinstance(k, int) and axis != along and stride > 0
    if fits and narrow and k and (narrow - 1) * stride + (k - 1) * dilation >= n:  # type: ignore[operator]
        fits = False
    if not fits or dilation <= 0:
        raise ShapeError(
            f"{narrow} windows of {k} (stride {stride}, dilation {dilation}) do not fit on axis "
            f"{axis} of {wide}"
        )


def _shear_type(
    x: ArrayType, *, axis: int, along: int, stride: int, dilation: int, size: int
) -> ArrayType:
    _check(x, size, axis, along, stride, dilation)
    return x.with_shape(resized(x.shape, axis, size))


def _unshear_type(
    y: ArrayType, *, axis: int, along: int, stride: int, dilation: int, size: int
) -> ArrayType:
    wide = y.with_shape(resized(y.shape, axis, size))
    narrow = y.shape[axis]
    assert isinstance(narrow, int)
    _check(wide, narrow, axis, along, stride, dilation)
    return wide


def _sheared(x: Array, axis: int, along: int, stride: int, dilation: int, size: int) -> Array:
    """The same memory, read along the lines."""
    strides = list(x.strides)
    strides[along] += dilation * x.strides[axis]
    strides[axis] *= stride
    return as_strided(x, resized(x.shape, axis, size), strides)  # type: ignore[arg-type]


def _shear(x: Array, **places: int) -> Array:
    return _sheared(np.asarray(x), **places)


def _unshear(y: Array, *, axis: int, along: int, stride: int, dilation: int, size: int) -> Array:
    wide = np.zeros(sized(resized(np.shape(y), axis, size)), y.dtype)
    _sheared(wide, axis, along, stride, dilation, y.shape[axis])[...] = y
    return wide


def _shear_back(g: Array, y: Array, x: Array, *, axis: int, size: int, **places: int) -> Array:
    """g laid back along the lines that were read."""
    return bind("unshear", g, axis=axis, size=x.shape[axis], **places)


def _unshear_back(g: Array, y: Array, x: Array, *, axis: int, size: int, **places: int) -> Array:
    """g read along the lines that were written."""
    return bind("shear", g, axis=axis, size=x.shape[axis], **places)


def _batched(op: str) -> Any:
    def rule(size_: int, mapped: Any, x: Array, *, axis: int, along: int, **places: int) -> Array:
        return bind(op, x, axis=axis + 1, along=along + 1, **places)

    return rule


# fmt: off
shear = register(Primitive(
    name="shear", shape=_shear_type, evaluate=_shear,
    vjp=(_shear_back,), jvp=LINEAR, batched=_batched("shear"), lower=None,
    domain=(-3.0, 3.0), source="Dumoulin & Visin 2016, A guide to convolution arithmetic, 2.4",
))
unshear = register(Primitive(
    name="unshear", shape=_unshear_type, evaluate=_unshear,
    vjp=(_unshear_back,), jvp=LINEAR, batched=_batched("unshear"), lower=None,
    domain=(-3.0, 3.0), source="the adjoint of shear: each element goes back to where it was read",
))
# fmt: on
