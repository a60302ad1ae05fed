"""NumPy's functions that place values, on tracers: each is a few primitives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from chainrule.errors import ShapeError, TraceError
from chainrule.tracing.tracer import Tracer, bind, register_function, user_line

Array = Any


def broadcast_to(x: Array, shape: Any, subok: bool = False) -> Array:
    """Repeat x over ``shape`` by NumPy's rule."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if not isinstance(x, Tracer):
        return np.broadcast_to(x, shape)
    if x.shape == shape:
        return x
    before = len(shape) - x.ndim
    fits = before >= 0 and all(n in (1, shape[before + k]) for k, n in enumerate(x.shape))
    if not fits:
        raise ShapeError(f"broadcast at {user_line()}: {x.type} does not spread over {shape}")
    kept = [k for k, n in enumerate(x.shape) if n != 1 or shape[before + k] == 1]
    narrow = reshape(x, tuple(x.shape[k] for k in kept))
    axes = tuple(before + k for k in kept)
    return bind("broadcast", narrow, shape=shape, axes=axes) if narrow.shape != shape else narrow


def reshape(x: Array, shape: Any, order: str = "C", **_: Any) -> Array:
    """The elements in row-major order in another shape; one size may be -1."""
    wanted = (int(shape),) if isinstance(shape, int | np.integer) else tuple(map(int, shape))
    known = int(np.prod([n for n in wanted if n != -1], dtype=np.int64))
    if -1 in wanted and known:
        wanted = tuple(x.size // known if n == -1 else n for n in wanted)
    if order != "C" or int(np.prod(wanted, dtype=np.int64)) != x.size:
        raise ShapeError(f"reshape at {user_line()}: {x.type} has {x.size} elements, not {shape}")
    return x if wanted == x.shape else bind("reshape", x, shape=wanted)


def transpose(x: Array, axes: Any = None) -> Array:
    """The axes in another order, reversed by default."""
    order = tuple(range(x.ndim))[::-1] if axes is None else normalize_axis_tuple(axes, x.ndim)
    if len(order) != x.ndim:
        raise ShapeError(f"transpose at {user_line()}: {axes} is no order of the axes of {x.type}")
    return x if order == tuple(range(x.ndim)) else bind("transpose", x, axes=order)


def expand_dims(x: Array, axis: Any) -> Array:
    """New axes of size one."""
    axis = axis if isinstance(axis, tuple) else (axis,)
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
        raise ShapeError(f"squeeze at {user_line()}: axis {axis} of {x.type} is not of size 1")
    return reshape(x, tuple(n for k, n in enumerate(x.shape) if k not in gone))


def swapaxes(x: Array, axis1: int, axis2: int) -> Array:
    """Exchange two axes."""
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


def pad(x: Array, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Array:
    """Zeros around x; widths as NumPy takes them."""
    if mode != "constant" or constant_values != 0:
        raise TraceError(f"np.pad(mode={mode!r}) at {user_line()} cannot be traced yet; zeros can")
    widths = np.broadcast_to(np.asarray(pad_width, dtype=int), (x.ndim, 2)).tolist()
    shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
    return bind("pad", x, starts=tuple(a for a, _ in widths), shape=shape)


def _place(x: Array, before: int, total: int, axis: int) -> Array:
    """x laid into zeros ``total`` long along one axis."""
    starts = tuple(before if k == axis else 0 for k in range(x.ndim))
    shape = tuple(total if k == axis else n for k, n in enumerate(x.shape))
    if isinstance(x, Tracer):
        return bind("pad", x, starts=starts, shape=shape)
    widths = [
        (before, total - before - x.shape[axis]) if k == axis else (0, 0) for k in range(x.ndim)
    ]
    return np.pad(x, widths)


def concatenate(arrays: Sequence[Array], axis: int | None = 0, **_: Any) -> Array:
    """Arrays one behind the other: a sum of parts laid into zeros."""
    if axis is None:
        arrays, axis = [np.ravel(x) for x in arrays], 0
    axis = normalize_axis_index(axis, arrays[0].ndim)
    sides = {x.shape[:axis] + x.shape[axis + 1 :] for x in arrays}
    if len(sides) != 1:
        shapes = ", ".join(str(x.shape) for x in arrays)
        raise ShapeError(f"concatenate at {user_line()}: shapes {shapes} differ beside axis {axis}")
    total, before, result = sum(x.shape[axis] for x in arrays), 0, None
    for x in arrays:
        placed = _place(x, before, total, axis)
        result = placed if result is None else result + placed
        before += x.shape[axis]
    return result


def stack(arrays: Sequence[Array], axis: int = 0, **_: Any) -> Array:
    """Arrays of one shape along a new axis."""
    return concatenate([np.expand_dims(x, axis) for x in arrays], axis)


def getitem(x: Array, index: Any) -> Array:
    """``x[...]`` with integers, slices, None and Ellipsis, or ``x[np.arange(n), k]``."""
    index = index if isinstance(index, tuple) else (index,)
    if len(index) == 2 and x.ndim == 2 and _is_every_row(index[0], x.shape[0]):
        columns = index[1] if np.ndim(index[1]) else np.broadcast_to(index[1], x.shape[:1])
        return take_along_axis(x, np.expand_dims(columns, 1), 1)[:, 0]
    used = sum(k is not None and k is not Ellipsis for k in index)
    if used > x.ndim:
        raise ShapeError(f"index at {user_line()}: {used} indices for {x.type}")
    places = [k for k, entry in enumerate(index) if entry is Ellipsis]  # == would ask arrays
    index, place = (index, places[0]) if places else ((*index, Ellipsis), len(index))
    fill = (slice(None),) * (x.ndim - used)
    index = index[:place] + fill + index[place + 1 :]
    return _take_part(x, index)


def _is_every_row(index: Any, n: int) -> bool:
    return (
        isinstance(index, np.ndarray)
        and index.shape == (n,)
        and index.dtype.kind == "i"
        and bool(np.array_equal(index, np.arange(n)))
    )


def _take_part(x: Array, index: tuple[Any, ...]) -> Array:
    """Slices of step 1 and integers become one ``slice`` and one ``reshape``."""
    starts, sizes, shape = [], [], []
    axes = iter(range(x.ndim))
    for k in index:
        if k is None:
            shape.append(1)
            continue
        n = x.shape[next(axes)]
        first, last = _bounds(k, n)
        starts.append(first)
        sizes.append(last - first)
        if isinstance(k, slice):
            shape.append(last - first)
    part = (
        x if tuple(sizes) == x.shape else bind("slice", x, starts=tuple(starts), shape=tuple(sizes))
    )
    return reshape(part, tuple(shape))


def _bounds(k: Any, n: int) -> tuple[int, int]:
    if isinstance(k, slice) and k.step in (None, 1):
        first, last, _ = k.indices(n)
        return first, max(first, last)
    if isinstance(k, int | np.integer) and not isinstance(k, bool):
        if not -n <= k < n:
            raise ShapeError(f"index {k} at {user_line()} is outside an axis of size {n}")
        return int(k) % n, int(k) % n + 1
    raise TraceError(
        f"indexing a traced value with {type(k).__name__} at {user_line()} is not possible yet",
        "integers, slices of step 1, None, ... and x[np.arange(len(x)), k] are",
    )


def take_along_axis(x: Array, indices: Array, axis: int | None = -1) -> Array:
    """One element per row, for 2-d x and one column of indices: a sum over a comparison."""
    axis = normalize_axis_index(-1 if axis is None else axis, x.ndim)
    if axis != x.ndim - 1 or indices.shape != (*x.shape[:-1], 1):
        raise TraceError(f"np.take_along_axis at {user_line()}: one index per row of the last axis")
    columns = np.arange(x.shape[-1], dtype=indices.dtype)
    indices = np.where(np.less(indices, 0), indices + x.shape[-1], indices)
    hit = np.equal(np.broadcast_to(indices, x.shape), columns)
    chosen = np.where(hit, x, x.dtype.type(0))
    return np.sum(chosen, axis=-1, dtype=x.dtype, keepdims=True)


_MEANINGS: dict[Any, Callable[..., Any]] = {
    np.broadcast_to: broadcast_to, np.reshape: reshape, np.transpose: transpose,
    np.expand_dims: expand_dims, np.squeeze: squeeze, np.swapaxes: swapaxes, np.pad: pad,
    np.concatenate: concatenate, np.stack: stack, np.take_along_axis: take_along_axis,
    np.ravel: lambda x, order="C": reshape(x, (-1,), order),
    np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim,
    np.size: lambda x, axis=None: x.size if axis is None else x.shape[axis],
    "getitem": getitem,
}  # fmt: skip
for _function, _rule in _MEANINGS.items():
    register_function(_function, _rule)
