"""The array API standard (2024.12) for code that asks a tracer for its namespace.

It is NumPy, whose functions take tracers, but for what NumPy's protocols do not carry: making an
array of an array, sorting downwards, and a plain array read at traced places. Under
``SCIPY_ARRAY_API=1`` SciPy's own functions find their operations here.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from chainrule.ops import bind
from chainrule.ops.scipy_special import special  # noqa: F401 - SciPy looks for it here
from chainrule.tracing import gathering, ordering
from chainrule.tracing.shaping import as_array
from chainrule.tracing.tracer import Tracer, cast, register_function

Array = Any
__array_api_version__ = "2024.12"


def asarray(
    obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
) -> Array:
    """Tracers, plain arrays, numbers and lists of them as an array."""
    x = as_array(obj)
    if isinstance(x, Tracer):
        x = bind("copy", x) if copy else x
        return x if dtype is None else cast(x, np.dtype(dtype))
    return np.asarray(x, dtype=dtype, copy=copy)


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """The elements in order."""
    return ordering.sort(x, axis, descending=descending)


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """The places of the elements in order; equal ones keep theirs."""
    return ordering.argsort(x, axis, descending=descending)


def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
    """The elements at these places of an axis."""
    return gathering.take(x, indices, 0 if axis is None and x.ndim == 1 else axis)


def finfo(kind: Any, /) -> Any:
    """What a floating dtype holds."""
    return np.finfo(getattr(kind, "dtype", kind))


def iinfo(kind: Any, /) -> Any:
    """What an integer dtype holds."""
    return np.iinfo(getattr(kind, "dtype", kind))


def __getattr__(name: str) -> Any:
    return getattr(np, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(np)})


register_function("namespace", sys.modules[__name__])  # type: ignore[arg-type]
