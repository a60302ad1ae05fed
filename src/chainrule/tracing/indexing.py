"""``x[...]`` on tracers: NumPy's basic and advanced indexing, whole.

First each entry of the index is read into a record (``Entry``). The slices are one ``slice``
primitive; what is left to the advanced entries is one ``take`` along the axes that they index,
laid flat; a transposition puts the result's axes where NumPy has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from chainrule.errors import DTypeError, ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.gathering import (
    flat_places,
    gather,
    in_graph,
    is_batch,
    places_in,
    take_first,
)
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import (
    as_array,
    broadcast_arrays,
    count,
    described,
    reshape,
    transpose,
)
from chainrule.tracing.tracer import Tracer, register_function

Array = Any


class Entry(NamedTuple):
    """One entry of an index: a new axis (no ``axis``), a slice, or places (``array``) on an axis.

    A plain integer is both: a slice of one element whose axis is dropped, or places of shape ()
    where other entries are places. ``apart``: an ellipsis that stands for no axis comes before it,
    which keeps places on either side of it apart as a slice would.
    """

    axis: int | None = None
    span: tuple[int, int, int] | None = None
    array: Any = None
    integer: bool = False
    apart: bool = False


def getitem(x: Array, index: Any) -> Array:
    """``x[index]``, by NumPy's rules.

    Raises:
        ShapeError: an index that the array does not have. DTypeError: an index of floats.
        TraceError: a traced mask, which would make a shape of values.
    """
    entries = parse(x, index)
    advanced = [e for e in entries if e.array is not None and not e.integer]
    if len(advanced) == 1 and not any(e.integer for e in entries):
        entries = [_as_slice(e, x) if e is advanced[0] else e for e in entries]
        advanced = [e for e in entries if e.array is not None and not e.integer]
    if not advanced:
        return _basic(x, entries)
    x = _sliced(x, [e for e in entries if e.array is None])
    return _advanced(x, entries)


def parse(x: Array, index: Any) -> list[Entry]:
    """The entries of an index, one for each axis of x and one for each new axis."""
    raw = list(index) if isinstance(index, tuple) else [index]
    raw = [_entry(x, k) for k in raw]
    used = sum(_axes_used(k) for k in raw)
    if used > x.ndim:
        raise ShapeError(f"index at {user_line()}: {used} indices for {described(x)}")
    dots = [k for k, entry in enumerate(raw) if entry is Ellipsis]
    if len(dots) > 1:
        raise ShapeError(f"index at {user_line()}: an index can have one ellipsis, got {len(dots)}")
    raw, place = (raw, dots[0]) if dots else ([*raw, Ellipsis], len(raw))
    raw[place : place + 1] = [slice(None)] * (x.ndim - used)
    entries = list(_entries(x.shape, raw))
    if dots and used == x.ndim:
        k = len(list(_entries(x.shape, raw[:place])))
        entries[k : k + 1] = [e._replace(apart=True) for e in entries[k : k + 1]]
    return entries


def _entry(x: Array, k: Any) -> Any:
    """An entry as a slice, None, Ellipsis, int, or an array of integers or booleans."""
    if k is None or k is Ellipsis or type(k) is int or isinstance(k, slice):
        return k
    if isinstance(k, np.integer):
        return int(k)
    k = as_array(k) if not (isinstance(k, list) and not k) else np.zeros(0, np.int64)
    if k.dtype == np.bool_ and isinstance(k, Tracer):
        raise TraceError(
            f"x[mask] by a traced mask at {user_line()} has a size that depends on values",
            "np.where(mask, x, 0) keeps the shape; np.sum(x, where=mask) skips elements",
        )
    if k.dtype.kind not in "iub":
        raise DTypeError(
            f"an index of {k.dtype} at {user_line()}; expected integers, slices, None, ... or masks"
        )
    return int(k) if k.ndim == 0 and k.dtype.kind != "b" and not isinstance(k, Tracer) else k


def _axes_used(k: Any) -> int:
    if k is None or k is Ellipsis:
        return 0
    return k.ndim if isinstance(k, np.ndarray) and k.dtype == np.bool_ else 1


def _entries(shape: tuple[int, ...], raw: list[Any]) -> Iterable[Entry]:
    axis = 0
    for k in raw:
        if k is None:
            yield Entry()
        elif isinstance(k, slice):
            yield Entry(axis, _span(k, shape[axis]))
            axis += 1
        elif isinstance(k, int):
            i = _number(k, shape[axis])
            yield Entry(axis, (i, 1, 1), i, integer=True)
            axis += 1
        elif k.dtype == np.bool_:
            yield from _mask(shape, k, axis)
            axis += k.ndim
        else:
            yield Entry(axis, None, places_in(k, shape[axis]))
            axis += 1


def _number(k: int, n: int) -> int:
    if not -n <= k < n:
        raise ShapeError(f"index {k} at {user_line()} is outside an axis of size {n}")
    return k + n if k < 0 else k


def _mask(shape: tuple[int, ...], mask: np.ndarray, axis: int) -> Iterable[Entry]:
    """A plain mask as the places where it holds; one of no axes is one place or none."""
    if mask.shape != shape[axis : axis + mask.ndim]:
        raise ShapeError(
            f"index at {user_line()}: a mask of shape {mask.shape} for axes of "
            f"{shape[axis : axis + mask.ndim]}"
        )
    if mask.ndim == 0:
        yield Entry(None, None, np.zeros(int(mask), np.int64))
    for k, places in enumerate(mask.nonzero() if mask.ndim else ()):
        yield Entry(axis + k, None, places)


def _span(k: slice, n: int) -> tuple[int, int, int]:
    """(start, count, step); a whole axis turned round starts at -1, whatever its size."""
    try:
        start, stop, step = k.indices(n)
    except TypeError:
        raise TraceError(
            f"a slice at traced places at {user_line()} has a size that depends on values",
            "x[k + np.arange(size)] takes a part of a fixed size from a traced place on",
        ) from None
    size = len(range(start, stop, step))
    if step < 0 and size == n and step == -1:
        return -1, n, -1
    return (start if size else 0), size, step if size > 1 else 1


def _as_slice(e: Entry, x: Array) -> Entry:
    """Plain places at equal distances are a slice, which costs nothing."""
    if isinstance(e.array, Tracer) or e.array.ndim != 1 or e.axis is None:
        return e
    size, n = len(e.array), x.shape[e.axis]
    if size < 2:
        return Entry(e.axis, (int(e.array[0]) if size else 0, size, 1))
    step = int(e.array[1] - e.array[0])
    if step == 0 or not (e.array[1:] - e.array[:-1] == step).all():
        return e
    start = -1 if step == -1 and size == n else int(e.array[0])
    return Entry(e.axis, (start, size, step))


def _sliced(x: Array, entries: Iterable[Entry]) -> Array:
    """The parts that the slices take; axes that none names stay whole."""
    spans = {e.axis: e.span for e in entries if e.axis is not None}
    boxes = [spans.get(k) or (0, n, 1) for k, n in enumerate(x.shape)]
    if all(box == (0, n, 1) for box, n in zip(boxes, x.shape, strict=True)):
        return x
    starts, shape, steps = zip(*boxes, strict=True)
    return bind("slice", x, starts=starts, shape=shape, steps=steps)


def _basic(x: Array, entries: list[Entry]) -> Array:
    shape = tuple(1 if e.span is None else e.span[1] for e in entries if not e.integer)
    return reshape(_sliced(x, entries), shape)


def _advanced(x: Array, entries: list[Entry]) -> Array:
    """Take at the places, then move their axes to where NumPy has them.

    They stand where the first of the advanced entries stands if these are side by side, else first.
    """
    where = [k for k, e in enumerate(entries) if e.array is not None]
    named = [entries[k] for k in where]
    places = broadcast_arrays(*(e.array for e in named))
    rank = places[0].ndim
    pairs = [(e.axis, i) for e, i in zip(named, places, strict=True) if e.axis is not None]
    axes = tuple(a for a, _ in pairs)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    taken = _taken(transpose(x, axes + rest), [i for _, i in pairs], places[0])
    is_apart = any(e.apart for e in entries[where[0] + 1 : where[-1] + 1])
    together = where[-1] - where[0] == len(where) - 1 and not is_apart
    others = [e for e in entries if e.array is None]
    front = where[0] if together else 0  # how many of the other entries stand before
    moved = sum(e.axis is not None for e in others[:front])
    order = (*range(rank, rank + moved), *range(rank), *range(rank + moved, taken.ndim))
    sizes = [1 if e.axis is None else e.span[1] for e in others]  # type: ignore[index]
    return reshape(transpose(taken, order), (*sizes[:front], *places[0].shape, *sizes[front:]))


def _taken(x: Array, places: list[Array], any_place: Array) -> Array:
    """The elements at the places of the first axes of x: (places..., rest...)."""
    if not places:  # masks of no axes alone: x once or not at all
        return take_first(reshape(x, (1, *x.shape)), any_place)
    depth = len(places)
    sizes, rest = x.shape[:depth], x.shape[depth:]
    row = numbered_rows(places, sizes, x) if in_graph(x, *places) else None
    if row is not None:
        return _of_each_row(x, places, *row)
    flat = reshape(x, (count(sizes), *rest)) if depth > 1 else x
    return take_first(flat, flat_places(places, sizes))


def numbered_rows(places: list[Array], sizes: tuple[int, ...], x: Array) -> tuple[int, int] | None:
    """(which entry, which axis of it) is 0, 1, 2, ... over a whole axis, beside other entries.

    The others then choose among the columns of each row, which holds for a symbolic batch.
    """
    if len(places) == 1:
        return None
    for k, (i, n) in enumerate(zip(places, sizes, strict=True)):
        if isinstance(i, Tracer) or not i.size:
            continue
        along = [a for a, stride in enumerate(i.strides) if stride and i.shape[a] > 1]
        if len(along) == 1 and i.shape[along[0]] == n:
            line = i[tuple(slice(None) if a == along[0] else 0 for a in range(i.ndim))]
            few = i.ndim == 1 and len(places) == 2
            if np.array_equal(line, np.arange(n)) and (few or is_batch(n, x, *places)):
                return k, along[0]
    return None


def _of_each_row(x: Array, places: list[Array], k: int, along: int) -> Array:
    """(places..., rest...) where entry k numbers the rows along axis ``along`` of the places."""
    depth = len(places)
    sizes = x.shape[:k] + x.shape[k + 1 : depth]
    others = places[:k] + places[k + 1 :]
    x = reshape(np.moveaxis(x, k, 0), (x.shape[k], count(sizes), *x.shape[depth:]))
    i = np.moveaxis(flat_places(others, sizes), along, 0)
    found = gather(x, reshape(i, (i.shape[0], count(i.shape[1:]))))
    found = reshape(found, (*i.shape, *x.shape[2:]))
    return np.moveaxis(found, 0, along)


register_function("getitem", getitem)
