"""Arrays like others, questions about arrays, and comparisons of whole arrays, on tracers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import (
    as_array,
    broadcast_to,
    described,
    expand_dims,
    reshape,
    shape_of,
)
from chainrule.tracing.tracer import Tracer, cast, register_named
from chainrule.tracing.ufuncs import _floating

Array = Any
_BOOL = np.dtype(np.bool_)


def full_like(a: Array, fill_value: Any, dtype: Any = None, order: str = "K", subok: bool = True,
              shape: Any = None, *, device: Any = None) -> Array:  # fmt: skip
    """One value over x's shape: a plain array, if the value is plain."""
    wanted = np.dtype(dtype) if dtype else a.dtype
    sizes = a.shape if shape is None else shape_of(shape)
    if isinstance(fill_value, Tracer):
        return broadcast_to(cast(fill_value, wanted), sizes)
    return np.broadcast_to(np.asarray(fill_value, wanted), sizes)


def _filled(value: float) -> Callable[..., Array]:
    def like(a: Array, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None,
             *, device: Any = None) -> Array:  # fmt: skip
        return full_like(a, value, dtype, order, subok, shape)

    return like


def linspace(start: Array, stop: Array, num: int = 50, endpoint: bool = True, retstep: bool = False,
             dtype: Any = None, axis: int = 0, *, device: Any = None) -> Any:  # fmt: skip
    """num numbers at equal distances from start to stop."""
    kind = _floating(start, stop)
    start, stop = cast(as_array(start), kind), cast(as_array(stop), kind)
    gaps = num - 1 if endpoint else num
    step = (stop - start) / gaps if gaps > 0 else (stop - start) * np.nan
    k = np.arange(num, dtype=kind).reshape(-1, *(1,) * step.ndim)
    line = start + (k * step if gaps > 0 else k * (stop - start))
    if endpoint and num > 1:
        line = np.where(k == num - 1, stop, line)
    line = np.moveaxis(line, 0, axis)
    line = line if dtype is None else cast(line, np.dtype(dtype))
    return (line, step) if retstep else line


def logspace(start: Array, stop: Array, num: int = 50, endpoint: bool = True, base: Any = 10.0,
             dtype: Any = None, axis: int = 0) -> Array:  # fmt: skip
    """base to the powers of a linspace."""
    powers = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return powers if dtype is None else cast(powers, np.dtype(dtype))


def geomspace(start: Array, stop: Array, num: int = 50, endpoint: bool = True, dtype: Any = None,
              axis: int = 0) -> Array:  # fmt: skip
    """num numbers of equal ratios from start to stop, both of one sign."""
    first = cast(as_array(start), np.dtype(np.float64))  # as NumPy has it, also of float32
    line = first * np.exp(linspace(0.0, np.log(stop / first), num, endpoint, axis=axis))
    return line if dtype is None else cast(line, np.dtype(dtype))


def ix_(*args: Array) -> tuple[Array, ...]:
    """Vectors of places as the axes of a grid; plain masks are the places where they hold."""
    plain = [np.flatnonzero(k) if np.asarray(k).dtype == bool else np.asarray(k) if not isinstance(
        k, Tracer) else k for k in args]  # fmt: skip
    shapes = [[-1 if k == axis else 1 for k in range(len(args))] for axis in range(len(args))]
    return tuple(reshape(k, shape) for k, shape in zip(plain, shapes, strict=True))


def meshgrid(
    *xi: Array, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[Array, ...]:
    """Coordinates of a grid from the coordinates of its axes."""
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"meshgrid at {user_line()}: indexing {indexing!r}; expected 'xy' or 'ij'")
    rank = len(xi)
    order = [1, 0, *range(2, rank)] if indexing == "xy" and rank > 1 else list(range(rank))
    lines = [
        reshape(
            x,
            tuple(-1 if k == axis and x.size else x.size if k == axis else 1 for k in range(rank)),
        )
        for x, axis in zip(map(as_array, xi), order, strict=True)
    ]
    shape = np.broadcast_shapes(*(x.shape for x in lines))
    return tuple(lines) if sparse else tuple(broadcast_to(x, shape) for x in lines)


# -- dtypes ----------------------------------------------------------------------------------------


def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """The dtype of a result of these."""
    return np.result_type(*(x.dtype if isinstance(x, Tracer) else x for x in arrays_and_dtypes))


def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """Whether a conversion is allowed."""
    return np.can_cast(from_.dtype if isinstance(from_, Tracer) else from_, to, casting)


def nan_to_num(x: Array, copy: bool = True, nan: Any = 0.0, posinf: Any = None,
               neginf: Any = None) -> Array:  # fmt: skip
    """Numbers in the places of NaN and the infinities; the largest of the dtype by default."""
    x = as_array(x)
    if x.dtype.kind != "f":
        return x
    largest = np.finfo(x.dtype).max
    x = np.where(np.isnan(x), cast(nan, x.dtype), x)
    x = np.where(np.equal(x, np.inf), cast(largest if posinf is None else posinf, x.dtype), x)
    return np.where(np.equal(x, -np.inf), cast(-largest if neginf is None else neginf, x.dtype), x)


# -- whole arrays compared -------------------------------------------------------------------------


def isclose(
    a: Array, b: Array, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False
) -> Array:
    """Whether |a - b| <= atol + rtol |b|, elementwise; an infinity is close to itself alone."""
    a, b = as_array(a), as_array(b)
    b = b if b.dtype.kind == "f" else cast(b, np.dtype(np.float64))
    same = np.equal(a, b)
    finite = np.logical_and(np.isfinite(a), np.isfinite(b))
    there = np.where(np.isfinite(b), b, b.dtype.type(0))
    near = np.less_equal(
        np.absolute(np.where(finite, a, there) - there), atol + rtol * np.absolute(there)
    )
    close = np.logical_or(same, np.logical_and(near, finite))
    if not equal_nan:
        return close
    return np.logical_or(close, np.logical_and(np.isnan(a), np.isnan(b)))


def array_equal(a1: Array, a2: Array, equal_nan: bool = False) -> Any:
    """Whether two arrays have one shape and the same elements."""
    a, b = as_array(a1), as_array(a2)
    if a.shape != b.shape:
        return False
    same = np.equal(a, b)
    if equal_nan and a.dtype.kind == b.dtype.kind == "f":
        same = np.logical_or(same, np.logical_and(np.isnan(a), np.isnan(b)))
    return np.all(same)


def array_equiv(a1: Array, a2: Array) -> Any:
    """Whether two arrays are equal when the one is repeated over the shape of the other."""
    a, b = as_array(a1), as_array(a2)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        return False
    return np.all(np.equal(a, b))


# -- along axes ------------------------------------------------------------------------------------


def apply_along_axis(
    func1d: Callable[..., Any], axis: int, arr: Array, *args: Any, **kwargs: Any
) -> Array:
    """A function of a vector, on every line along an axis."""
    lines = np.moveaxis(as_array(arr), axis, -1)
    lead = lines.shape[:-1]
    found = [as_array(func1d(lines[k], *args, **kwargs)) for k in np.ndindex(*lead)]
    if not found:
        raise ShapeError(f"apply_along_axis at {user_line()}: {described(lines)} has no lines")
    y = reshape(np.stack(found), (*lead, *found[0].shape))
    rank = found[0].ndim
    places = tuple(range(len(lead), len(lead) + rank))
    axis = axis if axis >= 0 else axis + lines.ndim
    return np.moveaxis(y, places, tuple(range(axis, axis + rank)))


def apply_over_axes(func: Callable[..., Any], a: Array, axes: Any) -> Array:
    """A reduction over one axis after the other, each kept."""
    x = as_array(a)
    for axis in np.atleast_1d(axes).tolist():
        y = func(x, axis)
        x = y if y.ndim == x.ndim else expand_dims(y, axis)
    return x


def _indices_from(name: str) -> Callable[..., Any]:
    """Plain places that the shape alone decides."""
    return lambda arr, *args, **options: getattr(np, name)(
        np.empty(arr.shape, _BOOL), *args, **options
    )


def _same(x: Array, *_: Any, **__: Any) -> Array:
    return as_array(x)


register_named({
    "full_like": full_like, "zeros_like": _filled(0), "ones_like": _filled(1),
    "empty_like": _filled(0), "linspace": linspace, "logspace": logspace,
    "geomspace": geomspace, "meshgrid": meshgrid, "ix_": ix_,
    "result_type": result_type, "can_cast": can_cast,
    "min_scalar_type": lambda a: a.dtype, "nan_to_num": nan_to_num,
    "astype": lambda x, dtype, /, *, copy=True, device=None: cast(as_array(x), np.dtype(dtype)),
    "copy": lambda a, order="K", subok=False: as_array(a),
    "iscomplexobj": lambda x: False, "isrealobj": lambda x: True,
    "isreal": lambda x: np.ones(x.shape, bool), "iscomplex": lambda x: np.zeros(x.shape, bool),
    "real": _same, "real_if_close": _same, "require": _same,
    "imag": lambda val: full_like(val, 0),
    "isclose": isclose, "array_equal": array_equal, "array_equiv": array_equiv,
    "allclose": lambda *args, **options: np.all(isclose(*args, **options)),
    "isposinf": lambda x, out=None: np.equal(x, np.inf),
    "isneginf": lambda x, out=None: np.equal(x, -np.inf),
    "apply_along_axis": apply_along_axis, "apply_over_axes": apply_over_axes,
    "triu_indices_from": _indices_from("triu_indices_from"),
    "tril_indices_from": _indices_from("tril_indices_from"),
    "diag_indices_from": _indices_from("diag_indices_from"),
})  # fmt: skip
