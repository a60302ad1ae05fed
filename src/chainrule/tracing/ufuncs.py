"""NumPy's ufuncs on tracers: promotion, broadcasting, then one primitive or a few."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.errors import ShapeError, TraceError
from chainrule.ops import bind
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import described, spread
from chainrule.tracing.tracer import Tracer, cast, register_ufunc

Array = Any
_BOOL: Final = np.dtype(np.bool_)
_F64: Final = np.dtype(np.float64)
_FLOATS: Final = (_F64, np.dtype(np.float32))
_NUMBERS: Final = (float, int)


def _dtype(operands: tuple[Any, ...]) -> np.dtype:
    """NumPy's promotion, in which a plain Python number takes the arrays' type (NEP 50)."""
    plain = (bool, int, float)
    return np.result_type(*(x if type(x) in plain else x.dtype for x in map(_array, operands)))


def _array(x: Any) -> Any:
    return x if hasattr(x, "dtype") or isinstance(x, bool | int | float) else np.asarray(x)


def alike(op: str, *operands: Any, dtype: np.dtype) -> list[Any]:
    """The operands as arrays of one dtype and one shape."""
    return together(op, [cast(x, dtype) for x in map(_array, operands)])


def together(op: str, arrays: list[Any]) -> list[Any]:
    """The arrays over the shape that they have together.

    Raises:
        ShapeError: they do not broadcast.
    """
    shapes = [x.shape for x in arrays]
    if shapes.count(shapes[0]) == len(shapes):
        return arrays
    try:
        shape = _common(shapes)
    except ValueError:
        types = " and ".join(map(described, arrays))
        raise ShapeError(
            f"{op} at {user_line()}: {types} do not broadcast", _broadcast_hint(arrays)
        ) from None
    return [x if x.shape == shape else spread(x, shape) for x in arrays]


def _broadcast_hint(arrays: list[Any]) -> str:
    """One number per row needs an axis of size one; else NumPy's rule."""
    small, large = sorted((x.shape for x in arrays[:2]), key=len)
    if small == large[: len(small)]:
        return f"one per row of {large}? x[:, None] makes {small} {(*small, 1)}"
    return "from the last axis on, sizes must be equal or one of them 1"


def elementwise(op: str, *operands: Any, floating: bool = False) -> Array:
    """One elementwise primitive after promotion and broadcasting."""
    shared = _shared_float(operands)
    if shared is not None:
        return bind(op, *_aligned(op, operands, shared))
    dtype = _dtype(operands)
    if floating and dtype.kind != "f":
        dtype = _F64
    return bind(op, *alike(op, *operands, dtype=dtype))


def _aligned(op: str, operands: tuple[Any, ...], dtype: np.dtype) -> Any:
    """Arrays of one dtype, and plain numbers, over the shape that they have together."""
    shapes = [x.shape for x in operands if type(x) not in _NUMBERS]
    shape = shapes[0]
    if shapes.count(shape) == len(operands):
        return operands
    if shapes.count(shape) != len(shapes):
        try:
            shape = _common(shapes)
        except ValueError:
            together(op, [x for x in operands if type(x) not in _NUMBERS])  # which says it
    return [
        _filled(x, math.copysign(1, x), dtype, shape) if type(x) in _NUMBERS
        else x if x.shape == shape else spread(x, shape)
        for x in operands
    ]  # fmt: skip


@functools.lru_cache(maxsize=1024)
def _filled(number: float, sign: float, dtype: np.dtype, shape: tuple[int, ...]) -> Array:
    """A number over a shape, at no memory; ``sign`` tells the two zeros apart."""
    return (
        bind("broadcast", np.asarray(number, dtype), shape=shape, axes=())
        if shape
        else (np.asarray(number, dtype))
    )


def _common(shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that arrays have together: mostly that of one of them, which the others end."""
    longest = max(shapes, key=len)
    if all(longest[len(longest) - len(shape) :] == shape for shape in shapes):
        return longest
    return np.broadcast_shapes(*shapes)


def _shared_float(operands: tuple[Any, ...]) -> np.dtype | None:
    """The floating dtype of all operands that are arrays, if it is one: what they mostly have."""
    shared = None
    for x in operands:
        if type(x) not in _NUMBERS:
            dtype = getattr(x, "dtype", None)
            # NumPy takes None for float64: no dtype may be compared with it.
            if dtype is None or dtype not in _FLOATS or (shared is not None and shared != dtype):
                return None
            shared = dtype
    return shared


def logical(op: str, *operands: Any) -> Array:
    """One primitive on truth values."""
    return bind(op, *alike(op, *operands, dtype=_BOOL))


def power(x: Array, exponent: Any) -> Array:
    """x ** exponent; small whole exponents become products."""
    dtype = _dtype((x, exponent))
    if type(exponent) in (int, float) and exponent in (1, 2, 3, 4):
        x = cast(x, dtype)
        square = x * x if exponent > 1 else x
        return {1: x, 2: square, 3: square * x, 4: square * square}[int(exponent)]
    if dtype.kind != "f":
        return integer_power(x, exponent, dtype)
    if type(exponent) in (int, float) and exponent in (0.5, -1):
        return np.sqrt(x) if exponent == 0.5 else 1 / x
    return elementwise("power", x, exponent)


def integer_power(x: Array, exponent: Any, dtype: np.dtype) -> Array:
    """x ** exponent of integers, by squaring.

    Raises:
        TraceError: a negative number as exponent, which NumPy refuses too.
    """
    if not isinstance(exponent, Tracer) and np.any(np.less(exponent, 0)):
        raise TraceError(
            f"integers to negative integer powers at {user_line()} are no integers",
            "use x.astype(np.float64) ** k",
        )
    return bind("integer_power", *alike("power", x, exponent, dtype=dtype))


def float_power(x: Array, exponent: Any) -> Array:
    """A power in float64 at least, also of integers."""
    return power(cast(_array(x), _F64), exponent)


def softplus(x: Array) -> Array:
    """log(1 + eˣ)."""
    return (
        elementwise("softplus", x, floating=True) if isinstance(x, Tracer) else np.logaddexp(0, x)
    )


def logaddexp(a: Array, b: Array) -> Array:
    """log(eᵃ + eᵇ), with the softplus where one operand is the number 0."""
    for zero, other in ((a, b), (b, a)):
        if not isinstance(zero, Tracer) and np.ndim(zero) == 0 and zero == 0:
            return softplus(other)
    return elementwise("logaddexp", a, b, floating=True)


def _floating(*operands: Any) -> np.dtype:
    dtype = _dtype(operands)
    return dtype if dtype.kind == "f" else _F64


_PLAIN: Final = (
    "add", "subtract", "multiply", "maximum", "minimum", "negative", "absolute", "sign",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "left_shift",
    "right_shift", "floor_divide", "remainder", "fmod",
)  # fmt: skip
_FLOATING: Final = (
    "divide", "sqrt", "cbrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "hypot",
    "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh",
    "atanh", "nextafter",
)  # fmt: skip


def _rule(apply: Callable[..., Array], op: str, **options: Any) -> Callable[..., Array]:
    return lambda *operands: apply(op, *operands, **options)


_RULES: Final[dict[Any, Callable[..., Array]]] = {
    **{getattr(np, op): _rule(elementwise, op) for op in _PLAIN},
    **{getattr(np, op): _rule(elementwise, op, floating=True) for op in _FLOATING},
    **{getattr(np, op): _rule(logical, op) for op in ("logical_and", "logical_or", "logical_not")},
    np.power: power,
    np.float_power: float_power,
    np.logaddexp: logaddexp,
    np.positive: lambda x: x if x.dtype != _BOOL else -x,  # which says that booleans have none
    np.square: lambda x: x * x,
    np.isnan: lambda x: np.not_equal(x, x),
    np.isfinite: lambda x: np.less(np.absolute(x), np.inf),
    np.isinf: lambda x: np.equal(np.absolute(x), np.inf),
}
for _ufunc, _meaning in _RULES.items():
    register_ufunc(_ufunc, _meaning)
