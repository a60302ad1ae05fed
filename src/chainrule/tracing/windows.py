"""Windows that slide along axes: views, convolutions and correlations of vectors, on tracers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.errors import ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, broadcast_to, described
from chainrule.tracing.tracer import cast, register_function, register_named

Array = Any


def windows_of(x: Array, axis: int, size: int) -> Array:
    """The windows of ``size`` elements along an axis, a new last axis."""
    n = x.shape[axis] - size + 1
    wide = broadcast_to(x, (size, *x.shape))
    seen = bind("shear", wide, axis=axis + 1, along=0, stride=1, dilation=1, size=n)
    return np.moveaxis(seen, 0, -1)


def sliding_window_view(x: Array, window_shape: Any, axis: Any = None, *, subok: bool = False,
                        writeable: bool = False) -> Array:  # fmt: skip
    """All windows of a shape; the axes of a window are new last ones."""
    x = as_array(x)
    sizes = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    if axis is None:
        axes = tuple(range(x.ndim))
    else:
        axes = normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    if len(sizes) != len(axes):
        raise ShapeError(
            f"sliding_window_view at {user_line()}: {len(sizes)} sizes for {len(axes)} axes"
        )
    for k, size in zip(axes, sizes, strict=True):
        if not 0 < size <= x.shape[k]:
            raise ShapeError(
                f"sliding_window_view at {user_line()}: a window of {size} on axis {k} of "
                f"{described(x)}"
            )
        x = windows_of(x, k, int(size))
    return x


def convolve(a: Array, v: Array, mode: str = "full") -> Array:
    """Σ_m a[m] v[n - m], of vectors."""
    a, v = as_array(a), as_array(v)
    if len(v) > len(a):
        a, v = v, a
    return _slid(a, v[::-1], mode, "convolve")


def correlate(a: Array, v: Array, mode: str = "valid") -> Array:
    """Σ_m a[n + m] v[m], of vectors."""
    a, v = as_array(a), as_array(v)
    return _slid(a, v, mode, "correlate") if len(v) <= len(a) else _slid(v, a, mode, "")[::-1]


def _slid(a: Array, v: Array, mode: str, name: str) -> Array:
    """v slid along the longer a, from where they first meet ("full") or lie in one another."""
    if a.ndim != 1 or v.ndim != 1 or not len(v):
        raise ShapeError(f"{name} at {user_line()}: {described(a)} and {described(v)}; no vectors")
    if mode not in ("full", "same", "valid"):
        raise TraceError(f"{name} at {user_line()}: mode {mode!r}; expected full, same or valid")
    dtype = np.result_type(a.dtype, v.dtype)
    a, v, k = cast(a, dtype), cast(v, dtype), len(v)
    before = {"full": k - 1, "valid": 0, "same": k // 2}[mode]
    behind = {"full": k - 1, "valid": 0, "same": k - 1 - k // 2}[mode]
    a = np.pad(a, (before, behind)) if before or behind else a
    windows = windows_of(a, 0, k)
    return windows @ v if dtype.kind == "f" else np.sum(windows * v, axis=1, dtype=dtype)


register_named({"convolve": convolve, "correlate": correlate})
register_function(np.lib.stride_tricks.sliding_window_view, sliding_window_view)
