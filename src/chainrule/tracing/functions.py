"""NumPy's functions that reduce, choose or multiply, on tracers; and what NumPy itself lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.errors import TraceError
from chainrule.tracing import shaping
from chainrule.tracing.tracer import Tracer, bind, cast, register_function, user_line
from chainrule.tracing.ufuncs import _dtype, _floating, alike, matmul

Array = Any


def _axes(x: Array, axis: Any) -> tuple[int, ...]:
    return (
        tuple(range(x.ndim)) if axis is None else tuple(sorted(normalize_axis_tuple(axis, x.ndim)))
    )


def _reduce(op: str, x: Array, axis: Any, keepdims: bool) -> Array:
    axes = _axes(x, axis)
    if not axes:
        return x
    reduced = bind(op, x, axes=axes)
    return shaping.expand_dims(reduced, axes) if keepdims else reduced


def sum_(x: Array, axis: Any = None, dtype: Any = None, out: None = None,
         keepdims: bool = False, **others: Any) -> Array:  # fmt: skip
    """The sum; booleans are counted in int64, as NumPy does."""
    _refuse("sum", out, others)
    wanted = np.dtype(dtype) if dtype else x.dtype if x.dtype.kind == "f" else np.dtype(np.int64)
    return _reduce("sum", cast(x, wanted), axis, keepdims)


def max_(x: Array, axis: Any = None, out: None = None,
         keepdims: bool = False, **others: Any) -> Array:  # fmt: skip
    """The largest element."""
    _refuse("max", out, others)
    return _reduce("max", x, axis, keepdims)


def min_(x: Array, axis: Any = None, out: None = None,
         keepdims: bool = False, **others: Any) -> Array:  # fmt: skip
    """The smallest element: the largest of the opposites, turned back."""
    _refuse("min", out, others)
    match x.dtype.kind:
        case "f":
            return -_reduce("max", -x, axis, keepdims)
        case "b":
            return ~_reduce("max", ~x, axis, keepdims)
        case _:  # -1 - x, the complement: unlike -x it has no number that it cannot turn
            return -1 - _reduce("max", -1 - x, axis, keepdims)


def mean(x: Array, axis: Any = None, dtype: Any = None, out: None = None,
         keepdims: bool = False, **others: Any) -> Array:  # fmt: skip
    """The sum over the number of elements, which may be the batch."""
    _refuse("mean", out, others)
    x = cast(x, np.dtype(dtype) if dtype else _floating(x))
    count = int(np.prod([x.shape[a] for a in _axes(x, axis)], dtype=np.int64))
    return sum_(x, axis, keepdims=keepdims) / count


def var(x: Array, axis: Any = None, dtype: Any = None, out: None = None, ddof: int = 0,
        keepdims: bool = False, **others: Any) -> Array:  # fmt: skip
    """The mean squared distance from the mean, in two passes (no cancellation)."""
    _refuse("var", out, others)
    x = cast(x, np.dtype(dtype) if dtype else _floating(x))
    distance = x - mean(x, axis, keepdims=True)
    count = int(np.prod([x.shape[a] for a in _axes(x, axis)], dtype=np.int64))
    return sum_(distance * distance, axis, keepdims=keepdims) / (count - ddof)


def std(x: Array, *args: Any, **options: Any) -> Array:
    """The square root of the variance."""
    return np.sqrt(var(x, *args, **options))


def norm(x: Array, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Array:
    """The Euclidean norm, of values scaled by the largest so that no square overflows."""
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and x.ndim > 1):
        raise TraceError(f"np.linalg.norm(ord={ord!r}) at {user_line()} cannot be traced yet")
    largest = stop_gradient(max_(np.absolute(x), axis, keepdims=True))
    scale = np.where(np.greater(largest, 0), largest, largest * 0 + 1)
    scaled = x / scale
    length = np.sqrt(sum_(scaled * scaled, axis, keepdims=True)) * scale
    return length if keepdims else shaping.squeeze(length, _axes(x, axis))


def where(condition: Array, a: Array, b: Array) -> Array:
    """a where the condition holds, b elsewhere."""
    a, b, spread = alike("where", a, b, np.zeros(np.shape(condition), bool), dtype=_dtype((a, b)))
    condition = shaping.broadcast_to(cast(condition, np.dtype(np.bool_)), spread.shape)
    return bind("where", condition, a, b)


def clip(x: Array, a_min: Any = None, a_max: Any = None, **named: Any) -> Array:
    """x kept within bounds."""
    low = named.get("min", a_min)
    high = named.get("max", a_max)
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def dot(a: Array, b: Array, out: None = None) -> Array:
    """``np.dot`` for numbers, vectors and matrices."""
    _refuse("dot", out, {})
    a, b = (x if isinstance(x, Tracer) else np.asarray(x) for x in (a, b))
    return a * b if 0 in (a.ndim, b.ndim) else matmul(a, b)


def outer(a: Array, b: Array, out: None = None) -> Array:
    """Every product of an element of a with one of b."""
    _refuse("outer", out, {})
    return np.ravel(a)[:, None] * np.ravel(b)[None, :]


def full_like(x: Array, value: Any, dtype: Any = None, **others: Any) -> Array:
    """A plain array of x's shape."""
    _refuse("full_like", None, {k: v for k, v in others.items() if k not in ("order", "subok")})
    return np.broadcast_to(np.asarray(value, dtype or x.dtype), x.shape)


def _refuse(name: str, out: Any, others: dict[str, Any]) -> None:
    """An option that is not carried is an error: to ignore it would give another result."""
    if out is not None:
        raise TraceError(f"out= at {user_line()} would change an array in place; use the result")
    if others:
        raise TraceError(
            f"np.{name} with {', '.join(others)}= at {user_line()} cannot be traced yet",
            "np.where can choose the values first",
        )


def stop_gradient(x: Array) -> Array:
    """x, taken as a constant by every derivative."""
    return bind("stop_gradient", x) if isinstance(x, Tracer) else x


def logsumexp(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """log Σ eˣ over ``axis``, shifted by the largest element so that nothing overflows.

    Example:
        >>> logsumexp(np.array([1000.0, 1000.0])) - 1000.0
        np.float64(0.693147180559...)
    """
    x = x if isinstance(x, Tracer) else np.asarray(x)
    largest = stop_gradient(np.max(x, axis=axis, keepdims=True))
    shift = np.where(np.isfinite(largest), largest, 0.0)  # all -inf: no shift, the log is -inf
    total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else np.squeeze(total, axis=_axes(x, axis))[()]


def log_softmax(x: Array, axis: Any = -1) -> Array:
    """log of the softmax: (x - largest) - log Σ exp(x - largest)."""
    below = x - stop_gradient(np.max(x, axis=axis, keepdims=True))
    return below - np.log(np.sum(np.exp(below), axis=axis, keepdims=True))


def softmax(x: Array, axis: Any = -1) -> Array:
    """eˣ / Σ eˣ along ``axis``: positive numbers with sum 1."""
    e = np.exp(x - stop_gradient(np.max(x, axis=axis, keepdims=True)))
    return e / np.sum(e, axis=axis, keepdims=True)


_MEANINGS: dict[Any, Callable[..., Any]] = {
    np.sum: sum_, np.max: max_, np.amax: max_, np.min: min_, np.amin: min_, np.mean: mean,
    np.var: var, np.std: std, np.linalg.norm: norm, np.where: where, np.clip: clip, np.dot: dot,
    np.outer: outer, np.full_like: full_like,
    np.zeros_like: lambda x, dtype=None, **others: full_like(x, 0, dtype, **others),
    np.ones_like: lambda x, dtype=None, **others: full_like(x, 1, dtype, **others),
    np.result_type: lambda *xs: np.result_type(*(getattr(x, "dtype", x) for x in xs)),
    np.copy: lambda x, **_: x,
    np.inner: lambda a, b: dot(a, b if np.ndim(b) < 2 else b.T),
    np.vdot: lambda a, b: dot(np.ravel(a), np.ravel(b)),
}  # fmt: skip
for _function, _rule in _MEANINGS.items():
    register_function(_function, _rule)
