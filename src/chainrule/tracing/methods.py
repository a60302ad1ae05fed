"""The methods and properties of ndarrays, on tracers; most are NumPy's functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import TraceError
from chainrule.tracing.at import At
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import matrix_transpose
from chainrule.tracing.tracer import Tracer

Array = Any
#: Methods that are NumPy's functions of the same name.
_FUNCTIONS: Final = (
    "all", "any", "argmax", "argmin", "argpartition", "argsort", "choose", "clip", "compress",
    "conj", "conjugate", "cumprod", "cumsum", "diagonal", "dot", "max", "mean", "min", "nonzero",
    "prod", "ptp", "ravel", "repeat", "round", "searchsorted", "squeeze", "std", "sum", "swapaxes",
    "take", "trace", "var",
)  # fmt: skip
#: What would leave the trace or change an array in place, and what to do instead.
_REFUSED: Final = {
    "item": "a traced value has no plain number; return it and take the number of the result",
    "tolist": "a traced value has no plain numbers; return it and take those of the result",
    "tobytes": "a traced value has no bytes",
    "tofile": "a traced value has no bytes",
    "dump": "a traced value has no bytes",
    "sort": "x.sort() changes x in place; x = np.sort(x)",
    "partition": "x.partition() changes x in place; x = np.partition(x, k)",
    "fill": "x.fill() changes x in place; x = np.full_like(x, value)",
    "put": "x.put() changes x in place; x = x.at[...].set(v)",
    "resize": "x.resize() changes x in place; x = np.resize(x, shape)",
    "view": "a traced value has no bytes to look at otherwise; x.astype(dtype) converts",
    "byteswap": "a traced value has no bytes",
    "setflags": "a traced value has no memory",
    "setfield": "a traced value has no fields",
    "getfield": "a traced value has no fields",
}
_REFUSED_PROPERTIES: Final = {
    "flat": "x.ravel() has all elements on one axis",
    "data": "a traced value has no memory",
    "ctypes": "a traced value has no memory",
    "strides": "a traced value has no memory",
    "base": "a traced value has no memory",
}


def _method(name: str) -> Callable[..., Any]:
    function = getattr(np, name)

    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        return function(self, *args, **kwargs)

    method.__name__ = name
    return method


def _refuse(name: str, hint: str) -> Callable[..., Any]:
    def method(self: Tracer, *args: Any, **kwargs: Any) -> Any:
        raise TraceError(f"x.{name} of a traced value at {user_line()} is not possible", hint)

    return method


def _mat_transpose(self: Tracer) -> Array:
    return matrix_transpose(self)


for _name in _FUNCTIONS:
    setattr(Tracer, _name, _method(_name))
for _name, _hint in _REFUSED.items():
    setattr(Tracer, _name, _refuse(f"{_name}()", _hint))
for _name, _hint in _REFUSED_PROPERTIES.items():
    setattr(Tracer, _name, property(_refuse(_name, _hint)))
Tracer.flatten = Tracer.ravel  # type: ignore[attr-defined]
for _name, _property in {
    "at": At,
    "mT": _mat_transpose,
    "real": lambda x: x,
    "imag": np.imag,
    "itemsize": lambda x: x.dtype.itemsize,
    "nbytes": lambda x: x.size * x.dtype.itemsize,
    "device": lambda x: "cpu",
}.items():
    setattr(Tracer, _name, property(_property))
