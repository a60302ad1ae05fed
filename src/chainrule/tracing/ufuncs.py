"""NumPy's and SciPy's ufuncs on tracers: promotion, broadcasting, then one primitive or a few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from scipy import special

from chainrule.errors import ShapeError, TraceError
from chainrule.tracing.shaping import broadcast_to
from chainrule.tracing.tracer import Tracer, bind, cast, register_ufunc, user_line

Array = Any
_BOOL: Final = np.dtype(np.bool_)
_F64: Final = np.dtype(np.float64)


def _dtype(operands: tuple[Any, ...]) -> np.dtype:
    """NumPy's promotion, in which a plain Python number takes the arrays' type (NEP 50)."""
    plain = (bool, int, float)
    return np.result_type(*(x if type(x) in plain else x.dtype for x in map(_array, operands)))


def _array(x: Any) -> Any:
    return x if hasattr(x, "dtype") or isinstance(x, bool | int | float) else np.asarray(x)


def alike(op: str, *operands: Any, dtype: np.dtype) -> list[Any]:
    """The operands as arrays of one dtype and one shape."""
    arrays = [cast(x, dtype) for x in map(_array, operands)]
    try:
        shape = np.broadcast_shapes(*(x.shape for x in arrays))
    except ValueError:
        shapes = " and ".join(str(x.type if isinstance(x, Tracer) else x.shape) for x in arrays)
        raise ShapeError(
            f"{op} at {user_line()}: {shapes} do not broadcast", _broadcast_hint(arrays)
        ) from None
    return [x if x.shape == shape else broadcast_to(x, shape) for x in arrays]


def _broadcast_hint(arrays: list[Any]) -> str:
    """One number per row needs an axis of size one; else NumPy's rule."""
    small, large = sorted((x.shape for x in arrays[:2]), key=len)
    if small == large[: len(small)]:
        return f"one per row of {large}? x[:, None] makes {small} {(*small, 1)}"
    return "from the last axis on, sizes must be equal or one of them 1"


def elementwise(op: str, *operands: Any, floating: bool = False) -> Array:
    """One elementwise primitive after promotion and broadcasting."""
    dtype = _dtype(operands)
    if floating and dtype.kind != "f":
        dtype = _F64
    return bind(op, *alike(op, *operands, dtype=dtype))


def logical(op: str, *operands: Any) -> Array:
    """One primitive on truth values."""
    return bind(op, *alike(op, *operands, dtype=_BOOL))


def bitwise(op: str, *operands: Any) -> Array:
    """&, | and ~ of booleans."""
    if _dtype(operands) != _BOOL:
        raise TraceError(f"bits of integers at {user_line()} cannot be traced; booleans can")
    return logical(op, *operands)


def power(x: Array, exponent: Any) -> Array:
    """x ** exponent; small whole exponents become products."""
    dtype = _dtype((x, exponent))
    if type(exponent) in (int, float) and exponent in (1, 2, 3, 4):
        x = cast(x, dtype)
        square = x * x if exponent > 1 else x
        return {1: x, 2: square, 3: square * x, 4: square * square}[int(exponent)]
    if dtype.kind != "f":
        raise TraceError(
            f"a power of integers at {user_line()} cannot be traced; 1 to 4 as plain numbers can",
            "use x.astype(np.float64) ** k",
        )
    if type(exponent) in (int, float) and exponent in (0.5, -1):
        return np.sqrt(x) if exponent == 0.5 else 1 / x
    return elementwise("power", x, exponent)


def float_power(x: Array, exponent: Any) -> Array:
    """A power in float64 at least, also of integers."""
    return power(cast(_array(x), _F64), exponent)


def matmul(a: Array, b: Array) -> Array:
    """``a @ b`` for vectors and matrices."""
    a, b = (_array(x) for x in (a, b))
    if not (1 <= len(np.shape(a)) <= 2 and 1 <= len(np.shape(b)) <= 2):
        raise TraceError(
            f"matmul at {user_line()}: {_name(a)} @ {_name(b)}; vectors and matrices can be traced",
            "reshape to two dimensions",
        )
    if a.shape[-1] != b.shape[0]:
        hint = ""
        if b.ndim == 2 and a.shape[-1] == b.shape[1]:
            hint = f"the second operand transposed is {b.shape[::-1]}; a @ b.T fits"
        raise ShapeError(
            f"matmul at {user_line()}: inner sizes differ: {_name(a)} @ {_name(b)}: "
            f"{a.shape[-1]} is not {b.shape[0]}",
            hint,
        )
    dtype = _dtype((a, b))
    if dtype.kind != "f":
        raise TraceError(
            f"a matrix product of {dtype} at {user_line()}; float32 and float64 can be traced",
            "use a.astype(np.float64) @ b",
        )
    return bind("dot", cast(a, dtype), cast(b, dtype), a_axis=len(a.shape) - 1, b_axis=0)


def _name(x: Array) -> str:
    return str(x.type) if isinstance(x, Tracer) else f"{x.dtype}{list(x.shape)}"


def log_expit(x: Array) -> Array:
    """log of the sigmoid, which is minus softplus of minus x."""
    return -softplus(-x)


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


def xlogy(x: Array, y: Array) -> Array:
    """x log y, which is 0 where x is 0."""
    x, y = alike("xlogy", x, y, dtype=_floating(x, y))
    zero = np.equal(x, 0)
    return np.where(zero, x * 0, x * np.log(np.where(zero, y * 0 + 1, y)))


def _floating(*operands: Any) -> np.dtype:
    dtype = _dtype(operands)
    return dtype if dtype.kind == "f" else _F64


_LN2: Final = float(np.log(2.0))
_LN10: Final = float(np.log(10.0))

_PLAIN: Final = (
    "add", "subtract", "multiply", "maximum", "minimum", "negative", "absolute", "sign",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal",
)  # fmt: skip
_FLOATING: Final = ("divide", "sqrt", "exp", "log", "expm1", "log1p", "sin", "cos", "tanh")


def _rule(apply: Callable[..., Array], op: str, **options: Any) -> Callable[..., Array]:
    return lambda *operands: apply(op, *operands, **options)


_RULES: Final[dict[Any, Callable[..., Array]]] = {
    **{getattr(np, op): _rule(elementwise, op) for op in _PLAIN},
    **{getattr(np, op): _rule(elementwise, op, floating=True) for op in _FLOATING},
    **{getattr(np, op): _rule(logical, op) for op in ("logical_and", "logical_or", "logical_not")},
    np.bitwise_and: _rule(bitwise, "logical_and"),
    np.bitwise_or: _rule(bitwise, "logical_or"),
    np.invert: _rule(bitwise, "logical_not"),
    np.power: power,
    np.float_power: float_power,
    np.matmul: matmul,
    np.logaddexp: logaddexp,
    np.positive: lambda x: x if x.dtype != _BOOL else -x,  # which says that booleans have none
    np.square: lambda x: x * x,
    np.reciprocal: lambda x: 1.0 / x,
    np.exp2: lambda x: np.exp(x * _LN2),
    np.log2: lambda x: np.log(x) / _LN2,
    np.log10: lambda x: np.log(x) / _LN10,
    np.tan: lambda x: np.sin(x) / np.cos(x),
    np.sinh: lambda x: (np.expm1(x) - np.expm1(-x)) / 2,
    np.cosh: lambda x: (np.exp(x) + np.exp(-x)) / 2,
    np.isnan: lambda x: np.not_equal(x, x),
    np.isfinite: lambda x: np.less(np.absolute(x), np.inf),
    np.isinf: lambda x: np.equal(np.absolute(x), np.inf),
    special.expit: _rule(elementwise, "sigmoid", floating=True),
    special.erf: _rule(elementwise, "erf", floating=True),
    special.logit: lambda x: np.log(x) - np.log1p(-x),
    special.log_expit: log_expit,
    special.ndtr: lambda x: (special.erf(x * 0.5**0.5) + 1.0) / 2,
    special.xlogy: xlogy,
    special.xlog1py: lambda x, y: x * np.log1p(y),
}
for _ufunc, _meaning in _RULES.items():
    register_ufunc(_ufunc, _meaning)
