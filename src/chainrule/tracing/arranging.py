"""NumPy's functions that turn, roll, repeat and surround arrays, on tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from chainrule.errors import ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.gathering import take
from chainrule.tracing.joining import concatenate, part
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, broadcast_to, described, ravel, reshape, swapaxes
from chainrule.tracing.tracer import Tracer, cast, register_named

Array = Any


def flip(m: Array, axis: Any = None) -> Array:
    """The elements along some axes, all by default, in the opposite order."""
    axes = range(m.ndim) if axis is None else normalize_axis_tuple(axis, m.ndim)
    return m[tuple(slice(None, None, -1 if k in axes else 1) for k in range(m.ndim))]


def _flip_of_rank(rank: int, axis: int, name: str) -> Any:
    def flipped(m: Array) -> Array:
        if m.ndim < rank:
            raise ShapeError(f"{name} at {user_line()}: {described(m)} has no axis {axis}")
        return flip(m, axis)

    return flipped


def rot90(m: Array, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """A quarter turn, k times, from the first axis towards the second."""
    first, second = (normalize_axis_index(a, m.ndim) for a in axes)
    if first == second:
        raise ShapeError(f"rot90 at {user_line()}: the axes {axes} are one")
    if k % 4 == 2:
        return flip(m, (first, second))
    if k % 4 == 0:
        return m
    turned = swapaxes(m, first, second)
    return flip(turned, first if k % 4 == 1 else second)


def roll(a: Array, shift: Any, axis: Any = None) -> Array:
    """The elements moved on by ``shift`` places; what leaves at the end comes in at the start."""
    if isinstance(shift, Tracer):
        raise TraceError(
            f"np.roll by a traced number at {user_line()} is not possible",
            "np.take(x, np.remainder(np.arange(n) - shift, n), axis) is",
        )
    if axis is None:
        return reshape(roll(ravel(a), shift, 0), a.shape)
    axes = normalize_axis_tuple(axis, a.ndim, allow_duplicate=True)
    for by, along in np.broadcast(np.asarray(shift), np.asarray(axes)):
        n = a.shape[along]
        by = int(by) % n if n else 0
        if by:
            a = concatenate([part(a, along, n - by, by), part(a, along, 0, n - by)], along)
    return a


def tile(A: Array, reps: Any) -> Array:
    """A repeated side by side, so many times along each axis."""
    times = tuple(int(k) for k in np.atleast_1d(reps))
    rank = max(len(times), A.ndim)
    times = (1,) * (rank - len(times)) + times
    shape = (1,) * (rank - A.ndim) + A.shape
    pairs = [size for k, n in zip(times, shape, strict=True) for size in (k, n)]
    narrow = reshape(A, [size for n in shape for size in (1, n)])
    return reshape(broadcast_to(narrow, pairs), [k * n for k, n in zip(times, shape, strict=True)])


def repeat(a: Array, repeats: Any, axis: int | None = None) -> Array:
    """Each element so many times, behind itself; the counts are plain numbers."""
    if isinstance(repeats, Tracer):
        raise TraceError(
            f"np.repeat by traced counts at {user_line()} has a size that depends on values"
        )
    a = as_array(a)
    a, axis = (ravel(a), 0) if axis is None else (a, normalize_axis_index(axis, a.ndim))
    counts = np.asarray(repeats)
    n = a.shape[axis]
    if counts.size != 1:
        return take(a, np.repeat(np.arange(n), counts), axis)
    k = int(counts.reshape(()))
    wide = broadcast_to(
        reshape(a, (*a.shape[: axis + 1], 1, *a.shape[axis + 1 :])),
        (*a.shape[: axis + 1], k, *a.shape[axis + 1 :]),
    )
    return reshape(wide, (*a.shape[:axis], n * k, *a.shape[axis + 1 :]))


def resize(a: Array, new_shape: Any) -> Array:
    """The elements, again and again from the first, in another shape."""
    shape = (new_shape,) if isinstance(new_shape, int) else tuple(new_shape)
    size = int(np.prod(shape, dtype=np.int64))
    if not a.size:
        return np.zeros(shape, a.dtype)
    return reshape(take(ravel(a), np.arange(size) % a.size), shape)


# -- a border --------------------------------------------------------------------------------------


def pad(array: Array, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0,
        reflect_type: str = "even") -> Array:  # fmt: skip
    """A border around x: constants, the edge, x mirrored (with or without the edge) or repeated."""
    x = as_array(array)
    widths = _pairs(pad_width, x.ndim)
    if any(n < 0 for pair in widths for n in pair):
        raise ShapeError(f"np.pad at {user_line()}: widths are not negative, got {pad_width}")
    if mode == "constant":
        return _pad_constant(x, widths, constant_values)
    if mode not in _PLACES or reflect_type != "even":
        raise TraceError(
            f"np.pad(mode={mode!r}) at {user_line()} cannot be traced",
            f"{', '.join(map(repr, ('constant', *_PLACES)))} can",
        )
    for axis, (before, behind) in enumerate(widths):
        if before or behind:
            x = _pad_by_places(x, axis, before, behind, mode)
    return x


def _pairs(widths: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(widths, dict):
        named = {normalize_axis_index(k, rank): v for k, v in widths.items()}
        return [_pairs(named.get(k, 0), 1)[0] for k in range(rank)]
    pairs = np.broadcast_to(np.asarray(widths), (rank, 2))
    return [(int(a), int(b)) for a, b in pairs]


def _pad_constant(x: Array, widths: list[tuple[int, int]], values: Any) -> Array:
    if not isinstance(values, Tracer) and not np.any(values) and not np.signbit(values).any():
        shape = tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True))
        return bind("pad", x, starts=tuple(a for a, _ in widths), shape=shape, steps=(1,) * x.ndim)
    pairs = broadcast_to(as_array(values), (x.ndim, 2))
    for axis, sizes in enumerate(widths):
        before, behind = (
            broadcast_to(cast(pairs[axis, k], x.dtype), (*x.shape[:axis], n, *x.shape[axis + 1 :]))
            for k, n in enumerate(sizes)
        )
        x = concatenate([before, x, behind], axis)
    return x


def _pad_by_places(x: Array, axis: int, before: int, behind: int, mode: str) -> Array:
    n = x.shape[axis]
    if n == 0:
        raise ShapeError(f"np.pad(mode={mode!r}) at {user_line()}: axis {axis} is empty")
    return take(x, _PLACES[mode](np.arange(-before, n + behind), n), axis)


def _mirrored(k: np.ndarray, n: int) -> np.ndarray:
    period = max(2 * (n - 1), 1)
    k = k % period
    return np.minimum(k, period - k) if n > 1 else k * 0


_PLACES: Final[dict[str, Callable[..., np.ndarray]]] = {
    "edge": lambda k, n: np.clip(k, 0, n - 1),
    "wrap": lambda k, n: k % n,
    "reflect": _mirrored,
    "symmetric": lambda k, n: np.minimum(k % (2 * n), 2 * n - 1 - k % (2 * n)),
}

# -- diagonals -------------------------------------------------------------------------------------


def diag(v: Array, k: int = 0) -> Array:
    """The diagonal of a matrix; or of a vector the matrix that has it as its diagonal."""
    if v.ndim == 2:
        return np.diagonal(v, k)
    if v.ndim != 1:
        raise ShapeError(
            f"diag at {user_line()}: expected a vector or a matrix, got {described(v)}"
        )
    n = v.shape[0] + abs(k)
    column = v if k == 0 else np.pad(v, (max(k, 0), max(-k, 0)))
    on = np.equal(np.arange(n)[:, None] + k, np.arange(n))
    return np.where(on, broadcast_to(column, (n, n)), v.dtype.type(0))


def _triangle(lower: bool) -> Any:
    def cut(m: Array, k: int = 0) -> Array:
        rows, columns = (m.shape if m.ndim > 1 else (m.shape[0],) * 2)[-2:]
        below = np.arange(rows)[:, None] + k - (0 if lower else 1) >= np.arange(columns)
        zero = m.dtype.type(0)
        return np.where(below, m, zero) if lower else np.where(below, zero, m)

    return cut


register_named({
    "flip": flip, "rot90": rot90, "roll": roll, "tile": tile, "repeat": repeat, "resize": resize,
    "fliplr": _flip_of_rank(2, 1, "fliplr"), "flipud": _flip_of_rank(1, 0, "flipud"),
    "pad": pad, "diag": diag,
    "diagflat": lambda v, k=0: diag(ravel(v), k),
    "tril": _triangle(lower=True), "triu": _triangle(lower=False),
})  # fmt: skip
