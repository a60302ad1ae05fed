"""The contraction of two arrays: every matrix product and every einsum of two is one.

The axes of the result are the shared (batch) axes, the free axes of a and the free axes of b.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.types import ArrayType, Shape
from chainrule.ops.apply import bind
from chainrule.ops.record import LINEAR, Primitive, register

Array = Any
Axes = tuple[int, ...]


def free_axes(rank: int, *taken: Axes) -> Axes:
    """The axes that are in none of these, in ascending order."""
    return tuple(k for k in range(rank) if not any(k in axes for axes in taken))


def _sizes(shape: Shape, axes: Axes) -> Shape:
    return tuple(shape[k] for k in axes)


def _are_axes(x: ArrayType, *axes: int) -> bool:
    return len(set(axes)) == len(axes) and all(0 <= k < x.rank for k in axes)


def _dot_type(
    a: ArrayType, b: ArrayType, *, a_axes: Axes, b_axes: Axes, a_batch: Axes, b_batch: Axes
) -> ArrayType:
    if a.dtype != b.dtype or not a.is_float:
        raise DTypeError(f"dot takes arrays of one floating dtype, got {a} and {b}")
    if not (_are_axes(a, *a_axes, *a_batch) and _are_axes(b, *b_axes, *b_batch)):
        raise ShapeError(f"{a_axes}, {a_batch} or {b_axes}, {b_batch} are not axes of {a}, {b}")
    for left, right in ((a_axes, b_axes), (a_batch, b_batch)):
        if _sizes(a.shape, left) != _sizes(b.shape, right):
            raise ShapeError(
                f"inner sizes differ: {a} along {left}, {b} along {right}: "
                f"{_sizes(a.shape, left)} is not {_sizes(b.shape, right)}"
            )
    a_free, b_free = free_axes(a.rank, a_axes, a_batch), free_axes(b.rank, b_axes, b_batch)
    batch = _sizes(a.shape, a_batch)
    return ArrayType(a.dtype, batch + _sizes(a.shape, a_free) + _sizes(b.shape, b_free))


def _dot(a: Array, b: Array, *, a_axes: Axes, b_axes: Axes, a_batch: Axes, b_batch: Axes) -> Array:
    # BLAS is reached only through matmul on matrices with the inner axes side by side.
    if a.ndim == b.ndim == 2 and len(a_axes) == 1 and not a_batch:
        return (a if a_axes == (1,) else a.T) @ (b if b_axes == (0,) else b.T)
    a_free, b_free = free_axes(a.ndim, a_axes, a_batch), free_axes(b.ndim, b_axes, b_batch)
    left, right = _matrices(a, a_batch, a_free, a_axes), _matrices(b, b_batch, b_axes, b_free)
    shape: Any = _sizes(np.shape(a), a_batch + a_free) + _sizes(np.shape(b), b_free)
    return np.reshape(left @ right, shape)


def _matrices(x: Array, batch: Axes, rows: Axes, columns: Axes) -> Array:
    """x as (batch..., rows, columns), copied, if it must be, along its memory.

    Of the windows on an image another order takes several times as long.
    """
    stack: Any = _sizes(x.shape, batch)
    sizes = [math.prod(x.shape[k] for k in axes) for axes in (rows, columns)]
    long = [k for k in rows + columns if x.shape[k] > 1]
    if long and min(long, key=lambda k: (abs(x.strides[k]), -x.shape[k])) in rows:
        turned = np.reshape(np.transpose(x, batch + columns + rows), (*stack, *sizes[::-1]))
        return np.swapaxes(turned, -1, -2)
    return np.reshape(np.transpose(x, batch + rows + columns), (*stack, *sizes))


def _back(g: Array, own: Any, other: Any, g_axes: Axes, g_batch: Axes, swapped: bool) -> Array:
    """The cotangent of an operand: g contracted with the other operand over its free axes.

    ``own`` and ``other`` are (array, contracted axes, batch axes). The inner axes come from the
    other operand, in its order; the product is taken the way round that needs no move after it.
    """
    x, inner, batch = own
    y, y_inner, y_batch = other
    way, y_free, order = _way(x.ndim, inner, batch, y.ndim, y_inner, y_batch, swapped)
    sides = [(g, g_axes, g_batch), (y, y_free, y_batch)]
    (a, a_axes, a_batch), (b, b_axes, b_batch) = sides if way == "g" else sides[::-1]
    product = bind("dot", a, b, a_axes=a_axes, b_axes=b_axes, a_batch=a_batch, b_batch=b_batch)
    return np.transpose(product, order) if order else product


@functools.lru_cache(maxsize=512)
def _way(
    rank: int, inner: Axes, batch: Axes, y_rank: int, y_inner: Axes, y_batch: Axes, swapped: bool
) -> tuple[str, Axes, Axes]:
    """(which operand comes first, the other's free axes, the order of the result's axes or ())."""
    free, y_free = free_axes(rank, inner, batch), free_axes(y_rank, y_inner, y_batch)
    from_y = tuple(inner[y_inner.index(k)] for k in sorted(y_inner))
    ways = [("g", batch + free + from_y), ("y", batch + from_y + free)]
    whole = [w for w in ways if w[1] == tuple(range(rank))]
    lines = [w for w in ways if w[1][-1:] == (rank - 1,)]  # the last axis, at least, stays the last
    way, places = (*whole, *lines, ways[1 if swapped else 0])[0]
    order = tuple(np.argsort(places).tolist())
    return way, y_free, () if order == tuple(range(rank)) else order


def _back_to_a(
    g: Array, y: Array, a: Array, b: Array, *,
    a_axes: Axes, b_axes: Axes, a_batch: Axes, b_batch: Axes,
) -> Array:  # fmt: skip
    """g contracted with b over the free axes of b."""
    shared, free = len(a_batch), b.ndim - len(b_axes) - len(b_batch)
    from_b = tuple(range(g.ndim - free, g.ndim))
    return _back(
        g, (a, a_axes, a_batch), (b, b_axes, b_batch), from_b, tuple(range(shared)), swapped=False
    )


def _back_to_b(
    g: Array, y: Array, a: Array, b: Array, *,
    a_axes: Axes, b_axes: Axes, a_batch: Axes, b_batch: Axes,
) -> Array:  # fmt: skip
    """a contracted with g over the free axes of a."""
    shared, free = len(a_batch), a.ndim - len(a_axes) - len(a_batch)
    from_a = tuple(range(shared, shared + free))
    return _back(
        g, (b, b_axes, b_batch), (a, a_axes, a_batch), from_a, tuple(range(shared)), swapped=True
    )


def _on(axes: Axes) -> Axes:
    return tuple(k + 1 for k in axes)


def _dot_batched(
    size: int, mapped: tuple[bool, ...], a: Array, b: Array, *,
    a_axes: Axes, b_axes: Axes, a_batch: Axes, b_batch: Axes,
) -> Array:  # fmt: skip
    """Examples on both sides are one more shared axis, on one side one more free axis."""
    if mapped[0]:
        a_axes, a_batch = _on(a_axes), _on(a_batch)
    if mapped[1]:
        b_axes, b_batch = _on(b_axes), _on(b_batch)
    if all(mapped):
        a_batch, b_batch = (0, *a_batch), (0, *b_batch)
    y = bind("dot", a, b, a_axes=a_axes, b_axes=b_axes, a_batch=a_batch, b_batch=b_batch)
    if all(mapped):
        return y
    place = len(a_batch) + (0 if mapped[0] else a.ndim - len(a_axes) - len(a_batch))
    return np.moveaxis(y, place, 0) if place else y


# fmt: off
dot_ = register(Primitive(
    name="dot", shape=_dot_type, evaluate=_dot,
    vjp=(_back_to_a, _back_to_b), jvp=LINEAR, batched=_dot_batched, lower=None,
    domain=(-2.0, 2.0), source="Petersen & Pedersen, The Matrix Cookbook, 2.5",
))
# fmt: on
