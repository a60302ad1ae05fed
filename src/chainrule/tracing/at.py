"""``x.at[index].set(v)`` and its kin: what ``x[index] = v`` cannot do on a tracer.

The result is a new array. ``at(x)[index]`` is the same for plain arrays, which have no ``.at``, so
that one code runs on arrays and on tracers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import DTypeError, ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.gathering import flat_places, is_batch, take_first
from chainrule.tracing.indexing import Entry, getitem, numbered_rows, parse
from chainrule.tracing.lines import user_line
from chainrule.tracing.ordering import opposite
from chainrule.tracing.shaping import (
    as_array,
    broadcast_arrays,
    broadcast_to,
    count,
    described,
    expand_dims,
    reshape,
)
from chainrule.tracing.tracer import Tracer, cast

Array = Any
#: How a value meets the element at its place.
_MEET: Final = {
    "add": np.add, "multiply": np.multiply, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class At:
    """An array, waiting for the places to change."""

    array: Array

    def __getitem__(self, index: Any) -> Places:
        return Places(self.array, index)


@dataclass(frozen=True, eq=False)
class Places:
    """Places of an array. Each method returns a new array; the old one stays as it is.

    Shapes:
        v: any that broadcasts to the shape of ``x[index]``; the result has the shape and dtype
            of x.

    Raises:
        ShapeError: v does not broadcast, or x has no such places. DTypeError: v are floats and
        x are integers. TraceError: a traced mask; use ``np.where(mask, v, x)``.
    """

    array: Array
    index: Any

    def get(self) -> Array:
        """``x[index]``."""
        x = as_array(self.array)
        return getitem(x, self.index) if _is_traced(x, self.index) else x[self.index]

    def set(self, v: Array) -> Array:
        """v at the places; where an index names one several times, the last v, as in NumPy."""
        x, v = self._operands(v, "set")
        if not _is_traced(x, v, self.index):
            made = x.copy()
            made[self.index] = v
            return made
        if _is_traced_mask(self.index):
            return _under(self.index, x, v)
        if _of_the_batch(x):
            return _in_rows(x, self.index, v, "set")
        box = _box(x, self.index)
        return _set_box(x, box, v) if box else _set_places(x, self.index, v)

    def add(self, v: Array) -> Array:
        """v added at the places; where an index names one several times, the sum of all."""
        return self._met("add", v)

    def multiply(self, v: Array) -> Array:
        """x times v at the places; where an index names one several times, the product of all."""
        return self._met("multiply", v)

    def min(self, v: Array) -> Array:
        """The smaller of x and v at the places, of all v where an index names one several times."""
        return self._met("min", v)

    def max(self, v: Array) -> Array:
        """The larger of x and v at the places, of all v where an index names one several times."""
        return self._met("max", v)

    def _operands(self, v: Array, how: str) -> tuple[Array, Array]:
        x, v = as_array(self.array), as_array(v)
        if x.dtype.kind != "f" and v.dtype.kind == "f":
            raise DTypeError(
                f"at[...].{how} at {user_line()}: {described(v)} into {described(x)} would be cut "
                "to whole numbers",
                "x.astype(float) first",
            )
        return x, cast(v, x.dtype)

    def _met(self, how: str, v: Array) -> Array:
        x, v = self._operands(v, how)
        if not _is_traced(x, v, self.index):
            made = x.copy()
            _MEET[how].at(made, self.index, v)
            return made
        if _is_traced_mask(self.index):
            return _under(self.index, x, _MEET[how](x, v))
        if _of_the_batch(x):
            return _in_rows(x, self.index, v, how)
        box = _box(x, self.index)
        if box:
            return _set_box(x, box, _MEET[how](getitem(x, self.index), v))
        return _SCATTERED[how](x, self.index, v)


def at(x: Array) -> At:
    """Places of an array to change: ``at(x)[index].set(v)``; on tracers also ``x.at[index]``.

    Beside ``set`` there are ``add``, ``multiply``, ``min``, ``max`` and ``get()``.

    Example:
        >>> at(np.zeros(3))[[0, 0, 2]].add(1.0)
        array([2., 0., 1.])
    """
    return At(x)


def _is_traced(*things: Any) -> bool:
    return any(
        isinstance(x, Tracer) or (isinstance(x, tuple | list) and _is_traced(*x)) for x in things
    )


def _is_traced_mask(index: Any) -> bool:
    return isinstance(index, Tracer) and index.dtype == np.bool_


def _under(mask: Array, x: Array, v: Array) -> Array:
    """v where a traced mask of the first axes holds: one value, or one for each of the places."""
    lead = x.shape[: mask.ndim]
    if mask.shape != lead:
        raise ShapeError(
            f"at[...] at {user_line()}: a mask {described(mask)} for {described(x)}",
            "a mask has the sizes of the first axes",
        )
    if v.shape != x.shape and v.ndim > x.ndim - mask.ndim:
        raise TraceError(
            f"at[mask] by a traced mask at {user_line()}: {described(v)} holds one element "
            "for each place, of which how many there are depends on values",
            "np.where(mask, v, x) takes v of the shape of x",
        )
    mask = reshape(mask, (*lead, *(1,) * (x.ndim - mask.ndim)))
    return np.where(mask, v, x)


def _box(x: Array, index: Any) -> list[Entry] | None:
    """The entries of an index of slices and integers alone, in which no place comes twice."""
    entries = parse(x, index)
    return entries if all(e.integer or e.array is None for e in entries) else None


def _spread(x: Array, v: Array, shape: tuple[int, ...]) -> Array:
    while v.ndim > len(shape) and v.shape[0] == 1:  # as NumPy's assignment does
        v = reshape(v, v.shape[1:])
    try:
        fits = np.broadcast_shapes(v.shape, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"at[...] at {user_line()}: {described(v)} does not spread over the places, {shape}, "
            f"of {described(x)}"
        )
    return broadcast_to(v, shape)


def _set_box(x: Array, entries: list[Entry], v: Array) -> Array:
    """v laid over the box, x elsewhere: no place is worked out when it runs."""
    v = _spread(x, v, tuple(e.span[1] if e.span else 1 for e in entries if not e.integer))
    spans = [e.span for e in entries if e.span]
    sizes = tuple(n for _, n, _ in spans)
    v = reshape(v, sizes)
    if sizes == x.shape and all(start == 0 and step == 1 for start, _, step in spans):
        return v
    return bind("where", _inside(x.shape, spans), _laid(v, x.shape, spans), x)


def _laid(v: Array, shape: tuple[int, ...], spans: list[tuple[int, int, int]]) -> Array:
    """v at its places in zeros; a plain v that repeats along a whole axis stays repeated."""
    starts, steps = tuple(a for a, _, _ in spans), tuple(d for _, _, d in spans)
    if isinstance(v, Tracer):
        return bind("pad", v, starts=starts, shape=shape, steps=steps)
    once = [stride == 0 and n == m for stride, n, m in zip(v.strides, v.shape, shape, strict=True)]
    starts, steps = (
        tuple(other if one else k for one, k in zip(once, line, strict=True))
        for line, other in ((starts, 0), (steps, 1))
    )
    narrow = tuple(1 if one else n for one, n in zip(once, shape, strict=True))
    part = v[tuple(slice(0, 1) if one else slice(None) for one in once)]
    return np.broadcast_to(bind("pad", part, starts=starts, shape=narrow, steps=steps), shape)


def _inside(shape: tuple[int, ...], spans: list[tuple[int, int, int]]) -> Array:
    """Which places a box covers; axes that it covers whole stay repeated."""
    mask = np.ones((1,) * len(shape), bool)
    for axis, (start, size, step) in enumerate(spans):
        if size != shape[axis]:
            line = np.zeros(shape[axis], bool)
            line[[start + k * step for k in range(size)]] = True
            mask = mask & line.reshape([-1 if k == axis else 1 for k in range(len(shape))])
    return np.broadcast_to(mask, shape)


def _of_the_batch(x: Array) -> bool:
    return any(is_batch(n, x) for n in x.shape)


def _in_rows(x: Array, index: Any, v: Array, how: str) -> Array:
    """Of any number of rows: a box, or one place of each row, which no other row writes to."""
    entries = parse(x, index)
    if all(e.integer or e.array is None for e in entries):
        return _set_box(x, entries, v if how == "set" else _MEET[how](getitem(x, index), v))
    places = list(broadcast_arrays(*(e.array for e in entries if e.array is not None)))
    depth, whole = len(places), all(e.span is None for e in entries[: len(places)])
    if not whole or places[0].ndim != 1 or numbered_rows(places, x.shape[:depth], x) != (0, 0):
        raise ShapeError(
            f"at[...] at {user_line()}: places by arrays along an array of any number of examples",
            "x.at[np.arange(len(x)), k] has one place a row; np.where(condition, v, x) chooses",
        )
    sizes, rest = x.shape[1:depth], x.shape[depth:]
    flat = reshape(x, (x.shape[0], count(sizes), *rest))
    v = expand_dims(_spread(x, v, (x.shape[0], *rest)), 1)
    hit = np.equal(flat_places(places[1:], sizes)[:, None], np.arange(count(sizes)))
    new = v if how == "set" else _MEET[how](flat, v)
    return reshape(np.where(expand_dims(hit, tuple(range(2, flat.ndim))), new, flat), x.shape)


def _numbers(x: Array, index: Any) -> Array:
    """The numbers of the places among all elements, in the shape of ``x[index]``."""
    return getitem(np.arange(count(x.shape)).reshape(x.shape), index)


def _set_places(x: Array, index: Any, v: Array) -> Array:
    i = _numbers(x, index)
    v = reshape(_spread(x, v, i.shape), (-1,) if i.size else (0,))
    if not i.size:
        return x
    return _written(x, bind("last_of", i, size=x.size), v, None)


def _written(x: Array, last: Array, v: Array, meet: Any) -> Array:
    """For each place of x the v that is ``last`` there, met with x, and x where there is none."""
    flat = reshape(x, (x.size,))
    none = np.less(last, 0)
    new = take_first(v, np.where(none, last.dtype.type(0), last))
    new = new if meet is None else meet(flat, new)
    return reshape(np.where(none, flat, new), x.shape)


def _add_places(x: Array, index: Any, v: Array) -> Array:
    i = _numbers(x, index)
    v = _spread(x, v, i.shape)
    if x.dtype == np.bool_:
        return _extreme(x, index, v, largest=True)
    return x + reshape(bind("scatter_add", i, v, size=x.size), x.shape)


def _multiply_places(x: Array, index: Any, v: Array) -> Array:
    """Each place times the product of all that is written there."""
    i = _numbers(x, index)
    v = reshape(_spread(x, v, i.shape), (-1,) if i.size else (0,))
    if not i.size:
        return x
    if not isinstance(i, Tracer) and len(np.unique(i)) == i.size:
        return _written(x, bind("last_of", i, size=x.size), v, np.multiply)
    hit = np.equal(np.arange(x.size)[:, None], reshape(i, (1, i.size)))
    factors = np.prod(np.where(hit, v, x.dtype.type(1)), axis=1, dtype=x.dtype)
    return x * reshape(factors, x.shape)


def _extreme(x: Array, index: Any, v: Array, *, largest: bool) -> Array:
    """The values are written in ascending (descending) order, so that the last is the extreme."""
    i = _numbers(x, index)
    v = reshape(_spread(x, v, i.shape), (-1,) if i.size else (0,))
    if not i.size:
        return x
    key = v if largest else opposite(v)
    order = bind("argsort", key, axis=0)
    i, v = (take_first(a, order) for a in (reshape(i, (i.size,)), v))
    meet = np.maximum if largest else np.minimum
    return _written(x, bind("last_of", i, size=x.size), v, meet)


_SCATTERED: Final[dict[str, Callable[..., Array]]] = {
    "add": _add_places,
    "multiply": _multiply_places,
    "max": lambda x, index, v: _extreme(x, index, v, largest=True),
    "min": lambda x, index, v: _extreme(x, index, v, largest=False),
}
