"""Order statistics, weighted means and covariances on tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.errors import ShapeError, TraceError
from chainrule.tracing.gathering import take
from chainrule.tracing.joining import concatenate
from chainrule.tracing.lines import user_line
from chainrule.tracing.ordering import sort
from chainrule.tracing.reducing import NONE, root
from chainrule.tracing.shaping import as_array, atleast_2d, count, described, expand_dims, reshape
from chainrule.tracing.tracer import Tracer, cast, register_named
from chainrule.tracing.ufuncs import _floating

Array = Any
#: (alpha, beta) of the continuous sample quantiles: Hyndman & Fan 1996, Sample Quantiles in
#: Statistical Packages, table 1.
_CONTINUOUS: Final = {
    "linear": (1, 1), "hazen": (0.5, 0.5), "weibull": (0, 0), "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8), "interpolated_inverted_cdf": (0, 1),
}  # fmt: skip
#: The ways of choosing one of the neighbours of a place (n - 1) q.
_NEIGHBOUR: Final[dict[str, Callable[[np.ndarray], np.ndarray]]] = {
    "lower": np.floor, "higher": np.ceil, "nearest": np.rint,
    "midpoint": lambda k: (np.floor(k) + np.ceil(k)) / 2,
}  # fmt: skip


def quantile(a: Array, q: Any, axis: Any = None, out: None = None, overwrite_input: bool = False,
             method: str = "linear", keepdims: bool = False, *, weights: Any = None,
             interpolation: Any = None) -> Array:  # fmt: skip
    """The value below which a share q of the elements lies; NaN where there is one.

    ``q`` is plain. The gradient goes to the two elements between which the value lies.
    """
    if isinstance(q, Tracer) or weights is not None:
        raise TraceError(
            f"np.quantile with traced q or weights= at {user_line()} cannot be traced",
            "plain q can; np.interp(q, np.linspace(0, 1, n), np.sort(x)) takes a traced one",
        )
    shares = np.asarray(q, float)
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ShapeError(f"quantile at {user_line()}: shares lie between 0 and 1, got {q}")
    x, dropped = _on_last(as_array(a), axis)
    if not x.shape[-1]:
        raise ShapeError(f"quantile at {user_line()}: {described(as_array(a))} has no elements")
    x, places = sort(x), _places(shares.ravel(), x.shape[-1], method)
    if method in ("lower", "higher", "nearest"):
        found = take(x, places.astype(np.int64), -1)
    else:
        found = _between(x, places, _floating(x, *(() if type(q) in (int, float) else (shares,))))
    found = _nan_where_one_is(x, found)
    found = reshape(np.moveaxis(found, -1, 0), (*shares.shape, *found.shape[:-1]))
    return expand_dims(found, tuple(k + shares.ndim for k in dropped)) if keepdims else found


def _on_last(x: Array, axis: Any) -> tuple[Array, tuple[int, ...]]:
    """x with the reduced axes laid flat as the last one; and which these were."""
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    x = np.transpose(x, kept + tuple(sorted(axes)))
    lead = x.shape[: len(kept)]
    return reshape(x, (*lead, count(x.shape[len(kept) :]))), tuple(sorted(axes))


def _places(q: np.ndarray, n: int, method: str) -> np.ndarray:
    """The (fractional) places of the shares among n sorted elements."""
    if method in _NEIGHBOUR:
        return _NEIGHBOUR[method](q * (n - 1))
    if method not in _CONTINUOUS:
        known = ", ".join((*_CONTINUOUS, *_NEIGHBOUR))
        raise TraceError(f"np.quantile(method={method!r}) at {user_line()} cannot be traced", known)
    alpha, beta = _CONTINUOUS[method]
    place = q * (n - 1) if method == "linear" else n * q + (alpha + q * (1 - alpha - beta)) - 1
    return np.clip(place, 0, n - 1)


def _between(x: Array, places: np.ndarray, dtype: np.dtype) -> Array:
    """Sorted x at fractional places of the last axis."""
    below = np.floor(places).astype(np.int64)
    above = np.minimum(below + 1, x.shape[-1] - 1)
    share = (places - below).astype(dtype)
    low, high = take(x, below, -1), take(x, above, -1)
    step = np.where(share == 0, x.dtype.type(0), high - low)  # inf - inf where nothing lies between
    near = np.where(share < 0.5, low + step * share, high - step * (1 - share))
    half = x.dtype.type(0.5) if x.dtype.kind == "f" else 0.5
    midway = np.logical_and(share == 0.5, np.logical_not(np.isfinite(step)))
    near = np.where(midway, low * half + high * half, near)  # the median may be infinite
    return np.where(share == 0, low, near)


def _nan_where_one_is(x: Array, found: Array) -> Array:
    """A NaN is the last of the sorted elements."""
    if x.dtype.kind != "f":
        return found
    last = x[..., -1:]
    return np.where(np.equal(last, last), found, last)


def percentile(a: Array, q: Any, axis: Any = None, *args: Any, **options: Any) -> Array:
    """The quantile at q hundredths."""
    if not isinstance(q, Tracer):
        q = q / 100 if type(q) in (int, float) else np.asarray(q, float) / 100
    return quantile(a, q, axis, *args, **options)


def median(a: Array, axis: Any = None, out: None = None, overwrite_input: bool = False,
           keepdims: bool = False) -> Array:  # fmt: skip
    """The middle element, or the mean of the two; NaN where there is one."""
    return quantile(a, 0.5, axis, keepdims=keepdims)


# -- weighted, and of pairs ------------------------------------------------------------------------


def average(a: Array, axis: Any = None, weights: Any = None, returned: bool = False, *,
            keepdims: Any = NONE) -> Any:  # fmt: skip
    """The mean, weighted; with ``returned`` also the sum of the weights."""
    x = as_array(a)
    keep = keepdims is True
    if weights is None:
        found = np.mean(x, axis=axis, keepdims=keep)
        total: Any = np.asarray(x.size / max(count(found.shape), 1), found.dtype)
    else:
        w = as_array(weights)
        dtype = np.result_type(_floating(x), w.dtype)
        w = _as_wide(x, cast(w, dtype), axis)
        total = np.sum(w, axis=axis, keepdims=keep)
        found = np.sum(cast(x, dtype) * w, axis=axis, keepdims=keep) / total
    return (found, np.broadcast_to(total, found.shape)) if returned else found


def _as_wide(x: Array, w: Array, axis: Any) -> Array:
    """Weights over the whole of x, given for all of it or along the reduced axes alone."""
    if w.shape == x.shape:
        return w
    axes = () if axis is None else normalize_axis_tuple(axis, x.ndim)
    if w.shape != tuple(x.shape[k] for k in axes) or not axes:
        raise ShapeError(
            f"average at {user_line()}: weights {described(w)} for {described(x)} along {axis}"
        )
    order = tuple(np.argsort(axes).tolist())
    w = np.transpose(w, order)
    w = expand_dims(w, tuple(k for k in range(x.ndim) if k not in axes))
    return np.broadcast_to(w, x.shape)


def cov(m: Array, y: Any = None, rowvar: bool = True, bias: bool = False, ddof: Any = None,
        fweights: Any = None, aweights: Any = None, *, dtype: Any = None) -> Array:  # fmt: skip
    """The covariances of variables, one a row (or one a column)."""
    x = _variables(m, rowvar)
    if y is not None:
        x = concatenate([x, _variables(y, rowvar)])
    x = cast(x, np.dtype(dtype or np.float64))  # as NumPy has it, also of float32
    if fweights is not None or aweights is not None:
        return _weighted_cov(x, fweights, aweights, int(not bias) if ddof is None else ddof)
    x = x - np.mean(x, axis=1, keepdims=True)
    number = x.shape[1] - (int(not bias) if ddof is None else ddof)
    return np.squeeze((x @ x.T) / number)


def _variables(x: Array, rowvar: bool) -> Array:
    x = as_array(x)
    if x.ndim > 2:
        raise ShapeError(f"cov at {user_line()}: {described(x)} has more than two axes")
    wide = atleast_2d(x)
    return wide if rowvar or x.ndim < 2 else wide.T


def _weighted_cov(x: Array, repeats: Any, weights: Any, ddof: float) -> Array:
    f = 1.0 if repeats is None else cast(as_array(repeats), x.dtype)
    w = f if weights is None else as_array(weights) * f
    total = np.sum(w)
    squares = 1.0 if weights is None else np.sum(w * as_array(weights)) / total
    x = x - np.sum(x * w, axis=1, keepdims=True) / total
    return np.squeeze(((x * w) @ x.T) / (total - ddof * squares))


def corrcoef(x: Array, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    """The correlations of variables."""
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.ndim:
        return c / c
    scale = root(np.diagonal(c))
    return np.clip(c / scale[:, None] / scale[None, :], -1.0, 1.0)


register_named({
    "quantile": quantile, "percentile": percentile, "median": median, "average": average,
    "cov": cov, "corrcoef": corrcoef,
})  # fmt: skip
