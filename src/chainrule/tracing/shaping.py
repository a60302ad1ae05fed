"""NumPy's functions that name the axes of an array anew, on tracers: each is a primitive or two."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from chainrule.errors import ShapeError, TraceError
from chainrule.ir.types import ArrayType
from chainrule.ops import bind
from chainrule.tracing.lines import user_line
from chainrule.tracing.tracer import Tracer, register_named

Array = Any


def as_array(x: Any) -> Array:
    """x as it is if it is an array or a tracer; numbers and (nested) lists of them become one."""
    if isinstance(x, Tracer | np.ndarray):
        return x
    if isinstance(x, list | tuple) and any(isinstance(k, Tracer) for k in _leaves(x)):
        return np.stack([as_array(k) for k in x])
    return np.asarray(x)


def _leaves(x: Any) -> list[Any]:
    return [y for k in x for y in _leaves(k)] if isinstance(x, list | tuple) else [x]


def described(x: Array) -> str:
    """``f64[3, 4]``, for messages."""
    return str(x.type if isinstance(x, Tracer) else ArrayType(x.dtype, x.shape))


def count(sizes: Sequence[int]) -> int:
    """How many elements an array of these sizes has."""
    return math.prod(sizes)


def shape_of(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple; NumPy takes one size as a number."""
    return (int(shape),) if isinstance(shape, int | np.integer) else tuple(map(int, shape))


def broadcast_to(x: Array, shape: Any, subok: bool = False) -> Array:
    """Repeat x over ``shape`` by NumPy's rule."""
    return spread(x, shape_of(shape))


def spread(x: Array, shape: tuple[int, ...]) -> Array:
    """``broadcast_to`` for a shape that is a tuple already."""
    x = as_array(x)
    old = x.shape
    if old == shape:
        return x
    before = len(shape) - len(old)
    if old == shape[before:]:  # new axes in front, and no other
        return bind("broadcast", x, shape=shape, axes=tuple(range(before, len(shape))))
    if not isinstance(x, Tracer):
        return np.broadcast_to(x, shape)
    fits = before >= 0 and all(n in (1, shape[before + k]) for k, n in enumerate(old))
    if not fits:
        raise ShapeError(f"broadcast at {user_line()}: {x.type} does not spread over {shape}")
    kept = [k for k, n in enumerate(x.shape) if n != 1 or shape[before + k] == 1]
    narrow = reshape(x, tuple(x.shape[k] for k in kept))
    axes = tuple(before + k for k in kept)
    return bind("broadcast", narrow, shape=shape, axes=axes) if narrow.shape != shape else narrow


def broadcast_arrays(*arrays: Array, subok: bool = False) -> tuple[Array, ...]:
    """All over the shape that they have together."""
    made = [as_array(x) for x in arrays]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in made))
    except ValueError:
        shapes = " and ".join(map(described, made))
        raise ShapeError(f"broadcast at {user_line()}: {shapes} do not broadcast") from None
    return tuple(broadcast_to(x, shape) for x in made)


def reshape(x: Array, shape: Any, order: str = "C", copy: Any = None) -> Array:
    """The elements in the order of rows (or columns, "F") in another shape; one size may be -1."""
    if order not in ("C", "F", "A"):
        raise TraceError(
            f"reshape(order={order!r}) at {user_line()}: a tracer has no order in memory",
            'order="C" and order="F" are possible',
        )
    x = as_array(x)
    wanted = shape_of(shape)
    known = count([n for n in wanted if n != -1])
    if -1 in wanted and known:
        wanted = tuple(x.size // known if n == -1 else n for n in wanted)
    if any(n < 0 for n in wanted) or count(wanted) != x.size:
        raise ShapeError(
            f"reshape at {user_line()}: {described(x)} has {x.size} elements, not {shape}"
        )
    if order == "F":
        return transpose(reshape(transpose(x), wanted[::-1]))
    return x if wanted == x.shape else bind("reshape", x, shape=wanted)


def ravel(x: Array, order: str = "C") -> Array:
    """All elements on one axis."""
    return reshape(x, (-1,) if x.size else (0,), "C" if order == "K" else order)


def transpose(x: Array, axes: Any = None) -> Array:
    """The axes in another order, reversed by default."""
    if axes is None:
        return bind("transpose", x, axes=tuple(range(x.ndim))[::-1]) if x.ndim > 1 else x
    order = normalize_axis_tuple(axes, x.ndim)
    if len(order) != x.ndim:
        raise ShapeError(
            f"transpose at {user_line()}: {axes} is no order of the axes of {described(x)}"
        )
    return x if order == tuple(range(x.ndim)) else bind("transpose", x, axes=order)


def matrix_transpose(x: Array) -> Array:
    """The last two axes exchanged."""
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose at {user_line()}: {described(x)} is no matrix")
    return swapaxes(x, -1, -2)


def expand_dims(x: Array, axis: Any) -> Array:
    """New axes of size one."""
    x = as_array(x)
    axis = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    new = normalize_axis_tuple(axis, x.ndim + len(axis))
    sizes = iter(x.shape)
    return reshape(x, tuple(1 if k in new else next(sizes) for k in range(x.ndim + len(new))))


def squeeze(x: Array, axis: Any = None) -> Array:
    """Drop axes of size one."""
    gone = (
        [k for k, n in enumerate(x.shape) if n == 1]
        if axis is None
        else normalize_axis_tuple(axis, x.ndim)
    )
    if any(x.shape[k] != 1 for k in gone):
        raise ShapeError(
            f"squeeze at {user_line()}: axis {axis} of {described(x)} is not of size 1"
        )
    return reshape(x, tuple(n for k, n in enumerate(x.shape) if k not in gone))


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """Exchange two axes."""
    order = list(range(x.ndim))
    first, second = (normalize_axis_index(a, x.ndim) for a in (axis1, axis2))
    order[first], order[second] = order[second], order[first]
    return transpose(x, order)


def moveaxis(x: Array, source: Any, destination: Any) -> Array:
    """Axes at other places, the rest in their order."""
    taken = normalize_axis_tuple(source, x.ndim, "source")
    places = normalize_axis_tuple(destination, x.ndim, "destination")
    if len(taken) != len(places):
        raise ShapeError(
            f"moveaxis at {user_line()}: {len(taken)} axes to {len(places)} places",
            "source and destination must be equally many",
        )
    order = [k for k in range(x.ndim) if k not in taken]
    for place, axis in sorted(zip(places, taken, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def rollaxis(x: Array, axis: int, start: int = 0) -> Array:
    """An axis moved back until it stands before ``start``."""
    axis = normalize_axis_index(axis, x.ndim)
    start += x.ndim if start < 0 else 0
    return moveaxis(x, axis, start - 1 if axis < start else start)


def _at_least(rank: int) -> Callable[..., Any]:
    def widened(*arrays: Array) -> Any:
        made = tuple(_widen(as_array(x), rank) for x in arrays)
        return made[0] if len(made) == 1 else made

    return widened


def _widen(x: Array, rank: int) -> Array:
    """x with new axes of size one: before it, and the third one behind it."""
    before = max(min(rank, 2) - x.ndim, 0) if x.ndim != 1 or rank < 3 else 1
    behind = max(rank - x.ndim - before, 0)
    return reshape(x, (1,) * before + x.shape + (1,) * behind)


def size(x: Array, axis: Any = None) -> int:
    """The number of elements, or along some axes."""
    if axis is None:
        return x.size  # type: ignore[no-any-return]
    return count([x.shape[k] for k in normalize_axis_tuple(axis, x.ndim)])


atleast_1d, atleast_2d, atleast_3d = (_at_least(rank) for rank in (1, 2, 3))

register_named({
    "broadcast_to": broadcast_to, "broadcast_arrays": broadcast_arrays, "reshape": reshape,
    "ravel": ravel, "transpose": transpose, "permute_dims": transpose,
    "matrix_transpose": matrix_transpose, "expand_dims": expand_dims, "squeeze": squeeze,
    "swapaxes": swapaxes, "moveaxis": moveaxis, "rollaxis": rollaxis,
    "atleast_1d": atleast_1d, "atleast_2d": atleast_2d, "atleast_3d": atleast_3d,
    "shape": lambda x: x.shape, "ndim": lambda x: x.ndim, "size": size,
})  # fmt: skip
