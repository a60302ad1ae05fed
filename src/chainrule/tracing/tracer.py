"""Stand-ins for arrays that write down what happens to them, through NumPy's protocols.

What a tracer does with an operation is its recording's to say (``chainrule.ops.apply``): the nodes
of a graph (``tracing.recording``), a tape, tangents or one more axis (``chainrule.gradients``).
Recordings nest: the values of one may be tracers of another that began before it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from chainrule.errors import DTypeError, TraceError
from chainrule.ir.types import DTYPE_NAMES, ArrayType
from chainrule.ops import Recorded, Recording, bind
from chainrule.tracing.foreign import refusal
from chainrule.tracing.lines import user_line

_UFUNCS: dict[Any, Callable[..., Any]] = {}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {}
#: What the methods of ufuncs mean: ``reduce``, ``accumulate``, ``outer``.
_METHODS: dict[str, Callable[..., Any]] = {}


class Tracer(Recorded, NDArrayOperatorsMixin):
    """A stand-in for an array, under ``grad``, ``compile``, ``trace`` or ``train``."""

    __slots__ = ()
    __hash__ = object.__hash__

    # -- NumPy's protocols ---------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if options:
            options = {k: v for k, v in options.items() if v is not None or k == "axis"}
        elif method == "__call__" and ufunc in _UFUNCS:
            return _UFUNCS[ufunc](*inputs)
        if method in _METHODS and "out" not in options:
            return _METHODS[method](ufunc, *inputs, **options)
        rule = _UFUNCS.get(ufunc) if method == "__call__" else None
        if rule is None or not set(options) <= (_names(rule) or set()):
            name = ufunc.__name__ + ("" if method == "__call__" else f".{method}")
            extra = f" with {', '.join(options)}=" if options else ""
            raise TraceError(
                f"np.{name}{extra} at {user_line()} is not one that can be traced yet",
                "use the result: y = y + x in place of y += x" if "out" in options else "",
            )
        return rule(*inputs, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        rule = _FUNCTIONS.get(function)
        if rule is None:
            name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
            raise TraceError(
                f"{name} at {user_line()} is not one that can be traced yet",
                "compose it from np.sum, np.where, np.exp and the like",
            )
        return rule(*args, **(_carried(function, rule, kwargs) if kwargs else kwargs))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        who, hint = refusal()
        raise TraceError(f"{who}, at {user_line()}", hint)

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        return _FUNCTIONS["namespace"]

    def to_device(self, device: Any, /, *, stream: Any = None) -> Any:
        return self

    # -- what an array knows of itself ---------------------------------------------------------

    @property
    def type(self) -> ArrayType:
        return ArrayType(self.dtype, self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def dtype(self) -> np.dtype:
        raise NotImplementedError

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def T(self) -> Any:
        return _FUNCTIONS[np.transpose](self)

    def __len__(self) -> int:
        if not self.shape:
            raise TraceError(
                f"a traced number was used as a sequence or an axis at {user_line()}",
                "what chooses shapes or axes is no argument: functools.partial(f, axis=0) fixes it",
            )
        return self.shape[0]

    def __iter__(self) -> Any:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        return _FUNCTIONS["getitem"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        if "array_api_extra" in sys._getframe(1).f_globals.get("__name__", ""):
            _FUNCTIONS["setitem"](self, index, value)
            return
        raise TraceError(
            f"x[...] = v at {user_line()} would change a traced value in place",
            "x = x.at[...].set(v) (or cr.at(x)[...].set(v)); or build it with np.where, np.stack",
        )

    def __repr__(self) -> str:
        return f"Tracer({self.type})"

    # -- what would leave the graph ------------------------------------------------------------

    def __bool__(self) -> bool:
        raise TraceError(
            f"a condition on a traced value at {user_line()} has no truth under compile",
            "use np.where(condition, a, b), or cr.cond(condition, f, g, x) and cr.while_loop",
        )

    def __float__(self) -> float:
        raise TraceError(
            f"float() of a traced value at {user_line()} would lose its gradient",
            "np.exp, np.log, ... for math.exp, math.log, ...; cr.at(x)[k].get() for a plain x[k]; "
            "np.stack([...]) or y = cr.at(y)[k].set(x) for y[k] = x",
        )

    __int__ = __index__ = __complex__ = __float__

    # -- methods that ndarrays have ------------------------------------------------------------

    def astype(self, dtype: Any, **_: Any) -> Any:
        return cast(self, np.dtype(dtype))

    def reshape(self, *shape: Any, order: Any = "C", copy: bool | None = None) -> Any:
        return np.reshape(self, shape[0] if len(shape) == 1 else shape, order=order)

    def transpose(self, *axes: Any) -> Any:
        order = axes[0] if len(axes) == 1 else axes or None
        return np.transpose(self, order)

    def copy(self, order: Any = "C") -> Tracer:
        return self

    def __copy__(self) -> Tracer:
        return self  # another object would stand for nothing that was written down

    def __deepcopy__(self, memo: Any) -> Tracer:
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TraceError(f"a traced value cannot be pickled, at {user_line()}", "return it instead")

    def __round__(self, ndigits: int | None = None) -> Any:
        return np.round(self, ndigits or 0)

    def __floor__(self) -> Any:
        return np.floor(self)

    def __ceil__(self) -> Any:
        return np.ceil(self)

    def __trunc__(self) -> Any:
        return np.trunc(self)


def _operator(name: str, ufunc: Any, turned: bool) -> Callable[..., Any]:
    """An operator that goes to the ufunc's meaning straight, where it is sure to end there."""
    general = getattr(NDArrayOperatorsMixin, name)

    def operate(self: Tracer, other: Any) -> Any:
        if not isinstance(other, float | int | Tracer | np.ndarray):
            return general(self, other)
        return _UFUNCS[ufunc](other, self) if turned else _UFUNCS[ufunc](self, other)

    operate.__name__ = name
    return operate


for _name, _ufunc in (
    ("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("truediv", np.divide),
    ("matmul", np.matmul),
):  # fmt: skip
    setattr(Tracer, f"__{_name}__", _operator(f"__{_name}__", _ufunc, False))
    setattr(Tracer, f"__r{_name}__", _operator(f"__r{_name}__", _ufunc, True))


class ValueTracer(Tracer):
    """A tracer with a value: code may ask for the truth of a condition."""

    __slots__ = ("value",)

    def __init__(self, recording: Recording, value: Any) -> None:
        self.recording = recording
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype  # type: ignore[no-any-return]

    def __bool__(self) -> bool:
        return bool(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else repr(self)

    def __repr__(self) -> str:
        return f"Tracer({self.type}, value={self.value!r})"


def value_of(x: Any) -> Any:
    """The plain array behind a value, or None in a graph or on one more axis."""
    while isinstance(x, ValueTracer):
        x = x.value
    return None if isinstance(x, Tracer) else x


def cast(x: Any, dtype: np.dtype) -> Any:
    """x as elements of ``dtype``."""
    if type(x) in (bool, int, float):
        return np.asarray(x, dtype)  # an integer that does not fit is NumPy's OverflowError
    if not isinstance(x, Tracer):
        return np.asarray(x).astype(dtype, copy=False)  # a repeated array stays repeated
    dtype = dtype if dtype.isnative else dtype.newbyteorder("=")
    if dtype not in DTYPE_NAMES:
        raise DTypeError(f"astype({dtype}) at {user_line()}; expected f32, f64, i32, i64 or bool")
    return x if x.dtype == dtype else bind("cast", x, dtype=DTYPE_NAMES[dtype])


@functools.cache
def _names(rule: Callable[..., Any]) -> frozenset[str] | None:
    """The options that a rule takes; None if it takes any."""
    parameters = inspect.signature(rule).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return frozenset(parameters)


def _carried(function: Any, rule: Callable[..., Any], options: dict[str, Any]) -> dict[str, Any]:
    """The options for a rule.

    One that it does not know is an error: to ignore it would give another result.
    """
    if options.get("out") is not None:
        raise TraceError(f"out= at {user_line()} would change an array in place; use the result")
    options = {k: v for k, v in options.items() if k != "out"}
    names = _names(rule)
    unknown = [] if names is None else [k for k in options if k not in names]
    if unknown:
        raise TraceError(
            f"np.{function.__name__} with {', '.join(unknown)}= at {user_line()} cannot be traced"
        )
    return options


def register_ufunc(ufunc: Any, rule: Callable[..., Any]) -> None:
    """What a ufunc means on tracers; under SCIPY_ARRAY_API=1 SciPy wraps its own in functions."""
    ufunc = getattr(ufunc, "__wrapped__", ufunc)
    _UFUNCS[ufunc] = rule


def register_ufunc_method(method: str, rule: Callable[..., Any]) -> None:
    """What a method of ufuncs means on tracers: ``rule(ufunc, *inputs, **options)``."""
    _METHODS[method] = rule


def register_function(function: Any, rule: Callable[..., Any]) -> None:
    """What a NumPy function means on tracers."""
    _FUNCTIONS[function] = rule


def register_named(rules: dict[str, Callable[..., Any]]) -> None:
    """What NumPy functions mean on tracers, by their names; an older NumPy may lack some."""
    for name, rule in rules.items():
        if hasattr(np, name):
            _FUNCTIONS[getattr(np, name)] = rule
