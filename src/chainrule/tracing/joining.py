"""Arrays put together and taken apart, on tracers.

Arrays are joined two at a time, as a balanced tree: eagerly n parts cost log n passes; compiled
they are written once, each to its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from chainrule.errors import ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import (
    as_array,
    atleast_1d,
    atleast_2d,
    atleast_3d,
    described,
    expand_dims,
    ravel,
)
from chainrule.tracing.tracer import Tracer, cast, register_named

Array = Any


def part(x: Array, axis: int, start: int, size: int) -> Array:
    """``size`` elements along one axis from ``start`` on."""
    index = (slice(None),) * axis + (slice(start, start + size),)
    return x[index]


def _joined(a: Array, b: Array, axis: int) -> Array:
    """b behind a."""
    return bind("concatenate", a, b, axis=axis)


def _joined_all(arrays: Sequence[Array], axis: int) -> Array:
    if len(arrays) == 1:
        return arrays[0]
    middle = len(arrays) // 2
    return _joined(_joined_all(arrays[:middle], axis), _joined_all(arrays[middle:], axis), axis)


def concatenate(
    arrays: Sequence[Array], axis: int | None = 0, out: None = None, *,
    dtype: Any = None, casting: str = "same_kind",
) -> Array:  # fmt: skip
    """Arrays one behind the other along an axis that they have."""
    parts = [as_array(x) for x in arrays]
    if not parts:
        raise ShapeError(f"concatenate at {user_line()}: needs at least one array, got none")
    if axis is None:
        parts, axis = [ravel(x) for x in parts], 0
    axis = normalize_axis_index(axis, parts[0].ndim)
    if len({x.shape[:axis] + x.shape[axis + 1 :] for x in parts}) != 1 or any(
        x.ndim != parts[0].ndim for x in parts
    ):
        shapes = ", ".join(map(described, parts))
        raise ShapeError(f"concatenate at {user_line()}: shapes {shapes} differ beside axis {axis}")
    wanted = np.dtype(dtype) if dtype else np.result_type(*(x.dtype for x in parts))
    filled = [x for x in parts if x.shape[axis]] or parts[:1]
    return _joined_all([cast(x, wanted) for x in filled], axis)


def stack(
    arrays: Sequence[Array], axis: int = 0, out: None = None, *,
    dtype: Any = None, casting: str = "same_kind",
) -> Array:  # fmt: skip
    """Arrays of one shape along a new axis."""
    parts = [as_array(x) for x in arrays]
    if len({x.shape for x in parts}) > 1:
        shapes = ", ".join(map(described, parts))
        raise ShapeError(f"stack at {user_line()}: {shapes}; expected arrays of one shape")
    return concatenate([expand_dims(x, axis) for x in parts], axis, dtype=dtype)


def vstack(arrays: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Rows below one another."""
    return concatenate([atleast_2d(as_array(x)) for x in arrays], 0, dtype=dtype)


def hstack(arrays: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Columns beside one another; vectors one behind the other."""
    parts = [atleast_1d(as_array(x)) for x in arrays]
    return concatenate(parts, 0 if parts and parts[0].ndim == 1 else 1, dtype=dtype)


def dstack(arrays: Sequence[Array]) -> Array:
    """Behind one another along a third axis."""
    return concatenate([atleast_3d(as_array(x)) for x in arrays], 2)


def column_stack(arrays: Sequence[Array]) -> Array:
    """Vectors as the columns of a matrix."""
    parts = [as_array(x) for x in arrays]
    return concatenate([expand_dims(atleast_1d(x), 1) if x.ndim < 2 else x for x in parts], 1)


def block(arrays: Any) -> Array:
    """An array made of blocks, from nested lists of them."""
    depth = _depth(arrays)
    rank = max([depth, *(as_array(x).ndim for x in _blocks(arrays))])
    return _assembled(arrays, rank, depth)


def _depth(arrays: Any) -> int:
    return 1 + max(map(_depth, arrays), default=0) if isinstance(arrays, list) else 0


def _blocks(arrays: Any) -> list[Any]:
    return [y for x in arrays for y in _blocks(x)] if isinstance(arrays, list) else [arrays]


def _assembled(arrays: Any, rank: int, depth: int) -> Array:
    if not isinstance(arrays, list):
        x = as_array(arrays)
        return expand_dims(x, tuple(range(rank - x.ndim)))
    return concatenate([_assembled(x, rank, depth - 1) for x in arrays], -depth)


def append(arr: Array, values: Array, axis: int | None = None) -> Array:
    """values behind arr."""
    return concatenate([arr, values], axis)


def array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts along an axis: so many of nearly equal size, or cut at these places."""
    x = as_array(ary)
    axis = normalize_axis_index(axis, x.ndim)
    if isinstance(indices_or_sections, int | np.integer):
        small, more = divmod(x.shape[axis], int(indices_or_sections))
        sizes = [small + (k < more) for k in range(int(indices_or_sections))]
        cuts = np.cumsum([0, *sizes]).tolist()
    else:
        cuts = [0, *(int(k) for k in indices_or_sections), x.shape[axis]]
    index = (slice(None),) * axis
    return [x[(*index, slice(a, b))] for a, b in pairwise(cuts)]


def split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Parts along an axis: so many of equal size, or cut at these places."""
    if isinstance(indices_or_sections, int | np.integer):
        n = as_array(ary).shape[axis]
        if n % indices_or_sections:
            raise ShapeError(
                f"split at {user_line()}: an axis of {n} is not {indices_or_sections} equal parts",
                "np.array_split makes parts of nearly equal size",
            )
    return array_split(ary, indices_or_sections, axis)


def hsplit(ary: Array, indices_or_sections: Any) -> list[Array]:
    """Parts from left to right."""
    return split(ary, indices_or_sections, 0 if ary.ndim == 1 else 1)


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Array, ...]:
    """The elements along an axis, as a tuple."""
    axis = normalize_axis_index(axis, x.ndim)
    index = (slice(None),) * axis
    return tuple(x[(*index, k)] for k in range(x.shape[axis]))


def _kept(what: str, n: int, places: Any) -> np.ndarray:
    """The places 0 ... n - 1 that are not among ``places``."""
    if isinstance(places, Tracer):
        raise TraceError(
            f"np.{what} at traced places at {user_line()} has a size that depends on values",
            "plain places are possible; np.where chooses at traced ones",
        )
    return np.delete(np.arange(n), places)


def delete(arr: Array, obj: Any, axis: int | None = None) -> Array:
    """All elements but those at plain places."""
    x, axis = (ravel(as_array(arr)), 0) if axis is None else (as_array(arr), axis)
    axis = normalize_axis_index(axis, x.ndim)
    return x[(slice(None),) * axis + (_kept("delete", x.shape[axis], obj),)]


def insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """values before the elements at plain places."""
    x, axis = (ravel(as_array(arr)), 0) if axis is None else (as_array(arr), axis)
    axis = normalize_axis_index(axis, x.ndim)
    n = x.shape[axis]
    _kept("insert", n, obj)
    places = np.arange(n)[obj] if isinstance(obj, slice) else np.asarray(obj)
    places = np.flatnonzero(places) if places.dtype == bool else places
    v = cast(as_array(values), x.dtype)
    v = expand_dims(v, tuple(range(x.ndim - v.ndim)))
    v = np.moveaxis(v, 0, axis) if places.ndim == 0 else v  # NumPy's rule for one place
    new = v.shape[axis] if places.size == 1 else places.size
    order = np.insert(np.arange(n), np.broadcast_to(places.ravel(), (new,)), np.arange(n, n + new))
    v = np.broadcast_to(v, (*x.shape[:axis], new, *x.shape[axis + 1 :]))
    return concatenate([x, v], axis)[(slice(None),) * axis + (order,)]


register_named({
    "concatenate": concatenate, "stack": stack, "vstack": vstack, "hstack": hstack,
    "dstack": dstack, "column_stack": column_stack, "block": block, "append": append,
    "split": split, "array_split": array_split, "hsplit": hsplit, "unstack": unstack,
    "vsplit": lambda ary, indices_or_sections: split(ary, indices_or_sections, 0),
    "dsplit": lambda ary, indices_or_sections: split(ary, indices_or_sections, 2),
    "delete": delete, "insert": insert,
})  # fmt: skip
