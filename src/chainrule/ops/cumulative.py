"""Running results along an axis, and the order of its elements.

``recurrence`` is s_k = a_k s_{k-1} + b_k: with a = 1 the running sum, with b = 0 behind the first
element the running product. Its derivative is a recurrence in the other direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import DTypeError, ShapeError
from chainrule.ir.types import ArrayType
from chainrule.ops.apply import bind
from chainrule.ops.record import HOST, LINEAR, NoGradient, Primitive, register, same

Array = Any
_I64 = np.dtype(np.int64)


def _along(x: ArrayType, axis: int) -> None:
    if not 0 <= axis < x.rank:
        raise ShapeError(f"axis {axis} is not one of the axes of {x}")


def _recurrence_type(a: ArrayType, b: ArrayType, *, axis: int, reverse: bool) -> ArrayType:
    _along(a, axis)
    if a.dtype.kind == "b":
        raise DTypeError(f"a recurrence of {a}; expected numbers")
    return same(a, b)


def _floating_along(x: ArrayType, *, axis: int, reverse: bool) -> ArrayType:
    _along(x, axis)
    if not x.is_float:
        raise DTypeError(f"expected f32 or f64, got {x}", "convert with .astype(np.float64)")
    return x


def _places_along(x: ArrayType, *, axis: int) -> ArrayType:
    _along(x, axis)
    return ArrayType(_I64, x.shape)


def _recurrence(a: Array, b: Array, *, axis: int, reverse: bool) -> Array:
    if _all_one(a):  # NumPy's own loop, in the same order
        return _turned(np.cumsum(_turned(b, axis, reverse), axis, b.dtype), axis, reverse)
    s = np.empty(np.shape(b), b.dtype)
    left, right, out = (np.moveaxis(x, axis, 0) for x in (a, b, s))
    order = range(len(out))[::-1] if reverse else range(len(out))
    before = None
    for k in order:
        out[k] = right[k] if before is None else left[k] * before + right[k]
        before = out[k]
    return s


def _all_one(a: Array) -> bool:
    return bool(np.size(a)) and all(n == 0 for n in a.strides) and a.flat[0] == 1


def _is_repeated(a: Array) -> bool:
    """One plain number throughout: shifted it is the same, as the first factor multiplies 0."""
    return isinstance(a, np.ndarray) and bool(a.size) and all(n == 0 for n in a.strides)


def _turned(x: Array, axis: int, reverse: bool) -> Array:
    return np.flip(x, axis) if reverse else x


def shifted(x: Array, axis: int, reverse: bool) -> Array:
    """Element k - 1 at place k (k + 1 in reverse), 0 where there is none."""
    n, rank = x.shape[axis], len(x.shape)
    if n == 0:
        return x
    starts = tuple(int(k == axis and reverse) for k in range(rank))
    shape = tuple(n - 1 if k == axis else m for k, m in enumerate(x.shape))
    kept = bind("slice", x, starts=starts, shape=shape, steps=(1,) * rank)
    begins = tuple(int(k == axis and not reverse) for k in range(rank))
    return bind("pad", kept, starts=begins, shape=x.shape, steps=(1,) * rank)


def _cotangents(g: Array, a: Array, axis: int, reverse: bool) -> Array:
    """c_k = g_k + a_{k+1} c_{k+1}: all that later results owe result k."""
    later = a if _is_repeated(a) else shifted(a, axis, not reverse)
    return bind("recurrence", later, g, axis=axis, reverse=not reverse)


def _by_factor(g: Array, s: Array, a: Array, b: Array, *, axis: int, reverse: bool) -> Array:
    """c_k s_{k-1}, where c_k = g_k + a_{k+1} c_{k+1}."""
    return _cotangents(g, a, axis, reverse) * shifted(s, axis, reverse)


def _by_term(g: Array, s: Array, a: Array, b: Array, *, axis: int, reverse: bool) -> Array:
    """c_k, where c_k = g_k + a_{k+1} c_{k+1}."""
    return _cotangents(g, a, axis, reverse)


def _recurrence_forward(
    tangents: Any, s: Array, a: Array, b: Array, *, axis: int, reverse: bool
) -> Array:
    da, db = tangents
    terms = [] if db is None else [db]
    terms += [] if da is None else [da * shifted(s, axis, reverse)]
    return bind("recurrence", a, sum(terms[1:], terms[0]), axis=axis, reverse=reverse)


def _recurrence_batched(
    size: int, mapped: tuple[bool, ...], a: Array, b: Array, *, axis: int, reverse: bool
) -> Array:
    a, b = (
        x if is_mapped else np.broadcast_to(x, (size, *x.shape))
        for x, is_mapped in zip((a, b), mapped, strict=True)
    )
    return bind("recurrence", a, b, axis=axis + 1, reverse=reverse)


def _cumlogsumexp(x: Array, *, axis: int, reverse: bool) -> Array:
    with np.errstate(invalid="ignore"):  # NumPy warns of a NaN that it passes on
        running = np.logaddexp.accumulate(_turned(x, axis, reverse), axis)
    return _turned(running, axis, reverse)


def _share(above: Array, below: Array) -> Array:
    """exp(above - below), and 0 where above is -inf, as below may be too."""
    nothing = np.equal(above, -np.inf)
    zero = np.zeros_like(above)
    return np.where(nothing, zero, np.exp(np.where(nothing, zero, above) - below))


def _decays(y: Array, axis: int, reverse: bool) -> Array:
    """exp(y_{k-1} - y_k): how much of the sum so far the one before holds."""
    return _share(shifted(y, axis, reverse), y)


def _cumlogsumexp_back(g: Array, y: Array, x: Array, *, axis: int, reverse: bool) -> Array:
    """exp(x_k - y_k) c_k, where c_k = g_k + exp(y_k - y_{k+1}) c_{k+1}."""
    owed = _cotangents(g, _decays(y, axis, reverse), axis, reverse)
    return owed * _share(x, y)


def _cumlogsumexp_forward(tangents: Any, y: Array, x: Array, *, axis: int, reverse: bool) -> Array:
    new = tangents[0] * _share(x, y)
    return bind("recurrence", _decays(y, axis, reverse), new, axis=axis, reverse=reverse)


def _argcummax(x: Array, *, axis: int) -> Array:
    """The place of the largest element so far, the first of equals; a NaN is larger than all."""
    largest = np.maximum.accumulate(x, axis)
    before = np.roll(largest, 1, axis)
    places = np.arange(x.shape[axis]).reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    new = (largest != before) & ~((largest != largest) & (before != before))
    return np.maximum.accumulate(np.where(new | (places == 0), places, 0), axis)


def _order(x: Array, *, axis: int) -> Array:
    return np.argsort(x, axis=axis, kind="stable")


def _sorted(x: Array, *, axis: int) -> Array:
    return np.sort(x, axis=axis)


def _at_places(x: Array, places: Array, axis: int) -> Array:
    """Along the axis, of each line the elements at places of its own."""
    last = len(x.shape) - 1
    taken = bind("take", np.moveaxis(x, axis, last), np.moveaxis(places, axis, last), batch=last)
    return np.moveaxis(taken, last, axis)


def _sort_back(g: Array, y: Array, x: Array, *, axis: int) -> Array:
    """Each element's cotangent stands where the element came to: at its rank."""
    ranks = bind("argsort", bind("argsort", x, axis=axis), axis=axis)
    return _at_places(g, ranks, axis)


def _sort_forward(tangents: Any, y: Array, x: Array, *, axis: int) -> Array:
    return _at_places(tangents[0], bind("argsort", x, axis=axis), axis)


def _same_along(x: ArrayType, *, axis: int) -> ArrayType:
    _along(x, axis)
    return x


def _shift_axis(op: str) -> Any:
    def rule(size: int, mapped: Any, x: Array, *, axis: int, **others: Any) -> Array:
        return bind(op, x, axis=axis + 1, **others)

    return rule


# fmt: off
recurrence = register(Primitive(
    name="recurrence", shape=_recurrence_type, evaluate=_recurrence,
    vjp=(_by_factor, _by_term), jvp=_recurrence_forward, batched=_recurrence_batched, lower=None,
    domain=(-1.5, 1.5), source="Blelloch 1990, Prefix sums and their applications, 1.4",
))
cumlogsumexp = register(Primitive(
    name="cumlogsumexp", shape=_floating_along, evaluate=_cumlogsumexp,
    vjp=(_cumlogsumexp_back,), jvp=_cumlogsumexp_forward, batched=_shift_axis("cumlogsumexp"),
    lower=None,
    domain=(-3.0, 3.0), source="y_k = log(exp(y_{k-1}) + exp(x_k))",
))
argcummax = register(Primitive(
    name="argcummax", shape=_places_along, evaluate=_argcummax,
    vjp=NoGradient("a place is a whole number; take the values at these places"),
    jvp=LINEAR, batched=_shift_axis("argcummax"), lower=None,
    domain=(-3.0, 3.0), source="the place of the largest element so far",
))
sort = register(Primitive(
    name="sort", shape=_same_along, evaluate=_sorted,
    vjp=(_sort_back,), jvp=_sort_forward, batched=_shift_axis("sort"), lower=HOST,
    domain=(-3.0, 3.0), source="a permutation matrix; NaN last, as NumPy's",
))
argsort = register(Primitive(
    name="argsort", shape=_places_along, evaluate=_order,
    vjp=NoGradient("an order is constant but where elements meet; np.sort has a gradient"),
    jvp=LINEAR, batched=_shift_axis("argsort"), lower=HOST,
    domain=(-3.0, 3.0), source="stable; NaN last, as NumPy's",
))
# fmt: on
