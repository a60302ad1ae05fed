"""Choices, and what NumPy itself lacks: the softmax and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.errors import TraceError
from chainrule.ops import bind
from chainrule.tracing.lines import user_line
from chainrule.tracing.reducing import NONE, axes_of
from chainrule.tracing.shaping import as_array
from chainrule.tracing.tracer import Tracer, cast, register_named, value_of
from chainrule.tracing.ufuncs import _array, _dtype, together

Array = Any


def where(condition: Array, x: Array = NONE, y: Array = NONE) -> Array:
    """x where the condition holds, y elsewhere."""
    if x is NONE or y is NONE:
        raise TraceError(
            f"np.where(condition) alone at {user_line()} has a size that depends on values",
            "np.where(condition, a, b) chooses between two",
        )
    condition = cast(as_array(condition), np.dtype(np.bool_))
    dtype = _dtype((x, y))
    arrays = [condition, cast(_array(x), dtype), cast(_array(y), dtype)]
    return bind("where", *together("where", arrays))


def clip(a: Array, a_min: Any = None, a_max: Any = None, out: None = None, *,
         min: Any = NONE, max: Any = NONE) -> Array:  # fmt: skip
    """x kept within bounds."""
    low = a_min if min is NONE else min
    high = a_max if max is NONE else max
    x = as_array(a)
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def stop_gradient(x: Array) -> Array:
    """x, taken as a constant by every derivative."""
    return bind("stop_gradient", x) if isinstance(x, Tracer) else x


def _largest(x: Array, axis: Any) -> Array:
    """The largest elements, taken as constants; worked out aside where they are known."""
    value = value_of(x)
    return np.max(x if value is None else value, axis=axis, keepdims=True)


def logsumexp(x: Array, axis: Any = None, keepdims: bool = False) -> Array:
    """log Σ eˣ over ``axis``, shifted by the largest element so that nothing overflows.

    Example:
        >>> logsumexp(np.array([1000.0, 1000.0])) - 1000.0
        np.float64(0.693147180559...)
    """
    x = x if isinstance(x, Tracer) else np.asarray(x)
    largest = stop_gradient(_largest(x, axis))
    shift = np.where(np.isfinite(largest), largest, 0.0)  # all -inf: no shift, the log is -inf
    total = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return total if keepdims else np.squeeze(total, axis=axes_of(x, axis))[()]


def log_softmax(x: Array, axis: Any = -1) -> Array:
    """log of the softmax: (x - largest) - log Σ exp(x - largest)."""
    below = x - stop_gradient(_largest(x, axis))
    return below - np.log(np.sum(np.exp(below), axis=axis, keepdims=True))


def softmax(x: Array, axis: Any = -1) -> Array:
    """eˣ / Σ eˣ along ``axis``: positive numbers with sum 1."""
    e = np.exp(x - stop_gradient(_largest(x, axis)))
    return e / np.sum(e, axis=axis, keepdims=True)


register_named({"where": where, "clip": clip})
