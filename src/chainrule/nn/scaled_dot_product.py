"""Scaled dot-product attention."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import DTypeError, ShapeError
from chainrule.tracing.contraction import common
from chainrule.tracing.functions import stop_gradient
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described

Array: TypeAlias = Any


def attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, causal: bool = False,
    scale: float | None = None,
) -> Array:  # fmt: skip
    """softmax(q kᵀ · scale) v: each query's mean of the values, weighted by how its key fits.

    A query to which no key is allowed gets zeros.

    Args:
        q: (..., queries, n); the axes in front (batch, heads) of all three broadcast.
        k: (..., keys, n).
        v: (..., keys, m).
        mask: (..., queries, keys): booleans, True where a query may look; or numbers that are
            added to the scores.
        causal: query i looks at the keys 0 to i.
        scale: 1 / √n by default.

    Returns:
        (..., queries, m).

    Raises:
        ShapeError: shapes that do not fit. DTypeError: a mask of whole numbers.

    Source:
        Vaswani et al. 2017, Attention is all you need, 3.2.1.

    Example:
        >>> x = np.eye(2)
        >>> attention(x, x, x, causal=True)[0]
        array([1., 0.])
    """
    q, k, v = common(q, k, v)
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"attention at {user_line()}: q {described(q)}, k {described(k)}, v {described(v)}; "
            "expected (..., queries, n), (..., keys, n), (..., keys, m)"
        )
    scale = q.shape[-1] ** -0.5 if scale is None else float(scale)
    scores = (q * q.dtype.type(scale)) @ np.swapaxes(k, -1, -2)
    allowed = None
    if causal:
        queries, keys = scores.shape[-2:]
        allowed = np.arange(keys) <= np.arange(queries)[:, None]
    if mask is not None:
        mask = as_array(mask)
        if mask.dtype.kind == "f":
            scores = scores + mask.astype(q.dtype)
        elif mask.dtype.kind == "b":
            allowed = mask if allowed is None else np.logical_and(allowed, mask)
        else:
            raise DTypeError(
                f"attention at {user_line()}: a mask {described(mask)}; expected booleans, or "
                "floats to add",
                "mask.astype(bool)",
            )
    return _weights(scores, allowed, may_be_empty=mask is not None) @ v


def _weights(scores: Array, allowed: Array | None, may_be_empty: bool) -> Array:
    """The softmax along the last axis over what is allowed; zeros where nothing is."""
    low = scores.dtype.type(-np.inf)
    if allowed is not None:
        scores = np.where(allowed, scores, low)
    largest = stop_gradient(np.max(scores, axis=-1, keepdims=True))
    if may_be_empty:
        largest = np.where(np.equal(largest, low), scores.dtype.type(0), largest)
    e = np.exp(scores - largest)
    total = np.sum(e, axis=-1, keepdims=True)
    if may_be_empty:
        total = np.where(np.equal(total, 0), scores.dtype.type(1), total)
    return e / total
