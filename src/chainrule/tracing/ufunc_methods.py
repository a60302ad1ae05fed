"""The methods of ufuncs on tracers: ``np.add.reduce``, ``.accumulate``, ``.outer``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import TraceError
from chainrule.tracing.cumulative import cumlogsumexp, cummax, cummin, cumprod, cumsum
from chainrule.tracing.functions import logsumexp
from chainrule.tracing.lines import user_line
from chainrule.tracing.reducing import NONE, all_, any_, count_nonzero, max_, min_, prod, sum_
from chainrule.tracing.shaping import as_array, reshape
from chainrule.tracing.tracer import cast, register_ufunc_method

Array = Any
_BOOL: Final = np.dtype(np.bool_)
_LN2: Final = float(np.log(2.0))


def _truths(whole: Callable[..., Array]) -> Callable[..., Array]:
    return lambda x, axis, dtype, keepdims, initial, where: whole(
        x, axis, keepdims=keepdims, where=where
    )


def _log_sum(x: Array, axis: Any, dtype: Any, keepdims: bool, initial: Any, where: Any) -> Array:
    x = x if where is True else np.where(where, x, -np.inf)
    total = logsumexp(x, axis, keepdims)
    return total if initial in (None, NONE) else np.logaddexp(total, initial)


def _log2_sum(x: Array, axis: Any, dtype: Any, keepdims: bool, initial: Any, where: Any) -> Array:
    start = initial if initial in (None, NONE) else initial * _LN2
    return _log_sum(x * _LN2, axis, dtype, keepdims, start, where) / _LN2


def _odd(x: Array, axis: Any, dtype: Any, keepdims: bool, initial: Any, where: Any) -> Array:
    x = cast(x, _BOOL) if where is True else np.logical_and(x, where)
    number = count_nonzero(x, axis, keepdims=keepdims)
    return np.not_equal(number, 2 * cast(cast(number, np.dtype(float)) * 0.5, number.dtype))


_REDUCE: Final[dict[Any, Callable[..., Array]]] = {
    np.add: lambda x, axis, dtype, *rest: (
        any_(x, axis, keepdims=rest[0], where=rest[2])
        if x.dtype == _BOOL and dtype == _BOOL else sum_(x, axis, dtype, None, *rest)
    ),
    np.multiply: lambda x, axis, dtype, *rest: prod(x, axis, dtype, None, *rest),
    np.maximum: lambda x, axis, dtype, *rest: max_(x, axis, None, *rest),
    np.minimum: lambda x, axis, dtype, *rest: min_(x, axis, None, *rest),
    np.logaddexp: _log_sum,
    np.logaddexp2: _log2_sum,
    np.logical_and: _truths(all_),
    np.logical_or: _truths(any_),
    np.logical_xor: _odd,
}  # fmt: skip
_ACCUMULATE: Final[dict[Any, Callable[..., Array]]] = {
    np.add: cumsum,
    np.multiply: cumprod,
    np.maximum: lambda x, axis, dtype: cummax(x, axis),
    np.minimum: lambda x, axis, dtype: cummin(x, axis),
    np.logaddexp: lambda x, axis, dtype: cumlogsumexp(x, axis),
    np.logaddexp2: lambda x, axis, dtype: cumlogsumexp(x * _LN2, axis) / _LN2,
    np.logical_and: lambda x, axis, dtype: cummin(cast(x, _BOOL), axis),
    np.logical_or: lambda x, axis, dtype: cummax(cast(x, _BOOL), axis),
}
_BITS: Final = {
    np.bitwise_and: np.logical_and, np.bitwise_or: np.logical_or, np.bitwise_xor: np.logical_xor,
}  # fmt: skip


def _meaning(table: dict[Any, Callable[..., Array]], ufunc: Any, x: Array, method: str) -> Any:
    rule = table.get(_BITS.get(ufunc, ufunc) if x.dtype == _BOOL else ufunc)
    if rule is None:
        raise TraceError(
            f"np.{ufunc.__name__}.{method} of {x.dtype} at {user_line()} cannot be traced",
            f"{', '.join(u.__name__ for u in table)} can",
        )
    return rule


def reduce(ufunc: Any, array: Array, axis: Any = 0, dtype: Any = None, out: None = None,
           keepdims: bool = False, initial: Any = NONE, where: Any = True) -> Array:  # fmt: skip
    """The elements along ``axis`` (the first by default) joined by the ufunc."""
    x = as_array(array)
    return _meaning(_REDUCE, ufunc, x, "reduce")(x, axis, dtype, keepdims, initial, where)


def accumulate(
    ufunc: Any, array: Array, axis: int = 0, dtype: Any = None, out: None = None
) -> Array:
    """What ``reduce`` gives of all elements up to each one."""
    x = as_array(array)
    return _meaning(_ACCUMULATE, ufunc, x, "accumulate")(x, axis, dtype)


def outer(ufunc: Any, a: Array, b: Array) -> Array:
    """The ufunc of every element of a with every one of b."""
    a, b = as_array(a), as_array(b)
    return ufunc(reshape(a, (*a.shape, *(1,) * b.ndim)), b)


def _refused(method: str, hint: str) -> Callable[..., Any]:
    def refuse(ufunc: Any, *inputs: Any, **options: Any) -> Any:
        raise TraceError(f"np.{ufunc.__name__}.{method} at {user_line()} cannot be traced", hint)

    return refuse


register_ufunc_method("reduce", reduce)
register_ufunc_method("accumulate", accumulate)
register_ufunc_method("outer", outer)
register_ufunc_method(
    "at", _refused("at", "x = x.at[index].add(v) (or cr.at(x)[index].add(v)) gives a new array")
)
register_ufunc_method(
    "reduceat", _refused("reduceat", "np.cumsum and differences of it, or slices")
)
