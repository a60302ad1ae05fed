"""Reading and adding at places that are themselves data.

Indices count from 0 to size - 1; the tracing floor has turned negative ones round. One that lies
outside is an error in both meanings, never another element's memory.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.types import ArrayType, Size
from chainrule.ops.apply import bind
from chainrule.ops.record import LINEAR, NoGradient, Primitive, register

Array = Any
_I64 = np.dtype(np.int64)


def _check_places(i: ArrayType) -> None:
    if i.dtype.kind != "i":
        raise DTypeError(f"places are i32 or i64, got {i}", "convert with .astype(np.int64)")


def _take_type(x: ArrayType, i: ArrayType, *, batch: int = 0) -> ArrayType:
    """x: (shared..., n, rest...), i: (shared..., places...) -> (shared..., places..., rest...).

    The first ``batch`` axes are shared: each example of x is read at the places of its own.
    """
    _check_places(i)
    if x.rank <= batch or x.shape[:batch] != i.shape[:batch]:
        raise ShapeError(f"{x} has no axis {batch} to take {i} from")
    return x.with_shape((*i.shape, *x.shape[batch + 1 :]))


def _scatter_type(i: ArrayType, g: ArrayType, *, size: Size, batch: int = 0) -> ArrayType:
    """i: (shared, places), g: (shared, places, rest) -> (shared, size, rest), each some axes."""
    _check_places(i)
    if g.shape[: i.rank] != i.shape or g.dtype.kind == "b" or i.rank < batch:
        raise ShapeError(f"{g} cannot be added at the places {i}")
    return g.with_shape((*i.shape[:batch], size, *g.shape[i.rank :]))


def _last_type(i: ArrayType, *, size: Size, batch: int = 0) -> ArrayType:
    _check_places(i)
    return ArrayType(_I64, (*i.shape[:batch], size))


def _checked(i: Array, size: int) -> Array:
    i = np.asarray(i)
    outside = (i < 0) | (i >= size)
    if outside.any():
        raise outside_error(int(i[outside].flat[0]), size)
    return i


def outside_error(place: int, size: int, where: str = "") -> ShapeError:
    """An index that an axis does not have."""
    at = f" at {where}" if where else ""
    return ShapeError(f"index {place}{at} is outside an axis of size {size}")


def _places(i: Array, size: int, batch: int) -> tuple[Array, ...]:
    """The index of what is read or written: the shared axes by number, then the places."""
    i = _checked(i, size)
    shared = np.indices(i.shape[:batch], sparse=True)
    return (*(k.reshape(k.shape + (1,) * (i.ndim - batch)) for k in shared), i)


def _take(x: Array, i: Array, *, batch: int = 0) -> Array:
    return np.asarray(x)[_places(i, np.shape(x)[batch], batch)]


def _scatter_add(i: Array, g: Array, *, size: int, batch: int = 0) -> Array:
    rank = np.ndim(i)
    total = np.zeros((*np.shape(i)[:batch], size, *np.shape(g)[rank:]), g.dtype)
    np.add.at(total, _places(i, size, batch), g)
    return total


def _last_of(i: Array, *, size: int, batch: int = 0) -> Array:
    shared, places = np.shape(i)[:batch], np.shape(i)[batch:]
    last = np.full((*shared, size), -1, _I64)
    numbers = np.arange(math.prod(places)).reshape(places)
    last[_places(i, size, batch)] = numbers  # where several write, NumPy keeps the last
    return last


def _take_batched(
    size: int, mapped: tuple[bool, ...], x: Array, i: Array, *, batch: int = 0
) -> Array:
    if all(mapped) or (mapped[1] and batch):
        x = x if mapped[0] else np.broadcast_to(x, (size, *x.shape))
        return bind("take", x, i, batch=batch + 1)
    if mapped[1]:
        return bind("take", x, i)
    return np.moveaxis(bind("take", np.moveaxis(x, 0, batch + 1), i, batch=batch), i.ndim, 0)


def _scatter_batched(
    count: int, mapped: tuple[bool, ...], i: Array, g: Array, *, size: int, batch: int = 0
) -> Array:
    if mapped[0]:
        g = g if mapped[1] else np.broadcast_to(g, (count, *g.shape))
        return bind("scatter_add", i, g, size=size, batch=batch + 1)
    total = bind("scatter_add", i, np.moveaxis(g, 0, i.ndim), size=size, batch=batch)
    return np.moveaxis(total, batch + 1, 0)


def _last_batched(
    count: int, mapped: tuple[bool, ...], i: Array, *, size: int, batch: int = 0
) -> Array:
    return bind("last_of", i, size=size, batch=batch + 1)


def _take_back(g: Array, y: Array, x: Array, i: Array, *, batch: int = 0) -> Array:
    """g added up at the places that were read."""
    return bind("scatter_add", i, g, size=x.shape[batch], batch=batch)


def _scatter_back(g: Array, y: Array, i: Array, x: Array, *, size: int, batch: int = 0) -> Array:
    """g at the places that were added to."""
    return bind("take", g, i, batch=batch)


# fmt: off
take = register(Primitive(
    name="take", shape=_take_type, evaluate=_take,
    vjp=(_take_back, None),
    jvp=lambda tangents, y, x, i, **places: bind("take", tangents[0], i, **places),
    batched=_take_batched, lower=None,
    domain=(-3.0, 3.0), source="a matrix of zeros with a one in each row",
))
scatter_add = register(Primitive(
    name="scatter_add", shape=_scatter_type, evaluate=_scatter_add,
    vjp=(None, _scatter_back),
    jvp=lambda tangents, y, i, x, **places: bind("scatter_add", i, tangents[1], **places),
    batched=_scatter_batched, lower=None,
    domain=(-3.0, 3.0), source="the transpose of take",
))
last_of = register(Primitive(
    name="last_of", shape=_last_type, evaluate=_last_of,
    vjp=NoGradient("the number of the last writer is whole; use the values that were written"),
    jvp=LINEAR, batched=_last_batched, lower=None,
    domain=(0.0, 1.0), source="for each place the last of the indices that names it, or -1",
))
# fmt: on
