"""NumPy's ufuncs of rounding, division, signs, bits and truth on tracers, and their compositions.

What is one primitive after promotion stands in ``tracing.ufuncs``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.ops import bind
from chainrule.tracing.tracer import Tracer, cast, register_named, register_ufunc
from chainrule.tracing.ufuncs import _array, _dtype, _floating, alike, elementwise, logical

Array = Any
_BOOL: Final = np.dtype(np.bool_)
_LN2: Final = float(np.log(2.0))


# -- rounding and division -----------------------------------------------------------------------


def _rounded(name: str, ufunc: Any) -> Callable[[Array], Array]:
    def rule(x: Array) -> Array:
        """Whole numbers stay as they are where this NumPy leaves them."""
        kept = x.dtype.kind != "f" and ufunc(np.zeros((), x.dtype)).dtype == x.dtype
        return x if kept else elementwise(name, x, floating=True)

    return rule


def round_(x: Array, decimals: int = 0, out: None = None) -> Array:
    """To so many decimals; halves go to the even neighbour. Differentiating it is an error."""
    if x.dtype.kind != "f" and decimals >= 0:
        return x
    factor = 10.0 ** abs(decimals)
    if decimals > 0:
        return np.rint(x * factor) / factor
    return cast(np.rint(x / factor) * factor, x.dtype) if decimals else np.rint(x)


def divmod_(a: Array, b: Array) -> tuple[Array, Array]:
    """Quotient and remainder."""
    return np.floor_divide(a, b), np.remainder(a, b)


def modf(x: Array) -> tuple[Array, Array]:
    """Fraction and whole part, both with the sign of x."""
    x = cast(x, _floating(x))
    whole = np.trunc(x)
    rest = np.where(np.isinf(x), np.zeros(x.shape, x.dtype), x - _still(whole))
    return np.copysign(rest, x), whole


def _still(x: Array) -> Array:
    return bind("stop_gradient", x) if isinstance(x, Tracer) else x


def reciprocal(x: Array) -> Array:
    """1 / x; of integers without the fraction, as NumPy's."""
    if x.dtype.kind == "f":
        return 1 / x
    smallest = np.iinfo(x.dtype).min if x.dtype.kind == "i" else 0  # which is what x86 gives
    return np.where(np.equal(x, 0), smallest, np.fmod(1, x) * 0 + _unit(x))


def _unit(x: Array) -> Array:
    """x where it is 1 or -1, 0 elsewhere."""
    return np.where(np.equal(np.absolute(x), 1), x, x * 0)


# -- signs and choices ---------------------------------------------------------------------------


def copysign(x: Array, sign: Array) -> Array:
    """|x| with the sign of ``sign``; constant in the latter but at 0."""
    x, sign = alike("copysign", x, sign, dtype=_floating(x, sign))
    size = np.absolute(x)
    return np.where(np.signbit(sign), -size, size)


def signbit(x: Array) -> Array:
    """Whether the sign is minus, of -0.0 too."""
    return elementwise("signbit", x) if x.dtype.kind == "f" else np.less(x, 0)


def heaviside(x: Array, at_zero: Array) -> Array:
    """0 below 0, 1 above and ``at_zero`` at 0; a gradient flows to that alone."""
    x, at_zero = alike("heaviside", x, at_zero, dtype=_floating(x, at_zero))
    one, nan = x.dtype.type(1), x.dtype.type(np.nan)
    side = np.where(np.less(x, 0), one * 0, np.where(np.isnan(x), nan, one))
    return np.where(np.equal(x, 0), at_zero, side)


def _other_than_nan(choose: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    def rule(a: Array, b: Array) -> Array:
        a, b = alike("fmax", a, b, dtype=_dtype((a, b)))
        if a.dtype.kind != "f":
            return choose(a, b)
        return np.where(np.isnan(a), b, np.where(np.isnan(b), a, choose(a, b)))

    return rule


def sinc(x: Array) -> Array:
    """sin(πx) / (πx), near 0 by its series, so that all derivatives are right there too."""
    x = cast(x, _floating(x)) * math.pi
    near = np.less(np.absolute(x), 1)
    square = np.where(near, x, x * 0)
    square = square * square
    series = x * 0
    for k in reversed(range(12)):
        series = series * square + (-1) ** k / math.factorial(2 * k + 1)
    safe = np.where(near, x * 0 + 1, x)
    return np.where(near, series, np.sin(safe) / safe)


def logaddexp2(a: Array, b: Array) -> Array:
    """log2(2ᵃ + 2ᵇ)."""
    return np.logaddexp(a * _LN2, b * _LN2) / _LN2


# -- bits ----------------------------------------------------------------------------------------


def _bitwise(op: str, of_truths: str) -> Callable[..., Array]:
    def rule(*operands: Array) -> Array:
        if _dtype(operands) == _BOOL:
            return logical(of_truths, *operands)
        return elementwise(op, *operands)

    return rule


_TRUTHS: Final[dict[str, str]] = {
    "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "not_equal",
    "invert": "logical_not",
}  # fmt: skip

_RULES: Final[dict[Any, Callable[..., Any]]] = {
    **{u: _rounded(u.__name__, u) for u in (np.floor, np.ceil, np.trunc, np.rint)},
    **{getattr(np, op): _bitwise(op, of) for op, of in _TRUTHS.items()},
    np.logical_xor: lambda a, b: logical("not_equal", a, b),
    np.divmod: divmod_,
    np.modf: modf,
    np.reciprocal: reciprocal,
    np.copysign: copysign,
    np.signbit: signbit,
    np.heaviside: heaviside,
    np.fmax: _other_than_nan(np.maximum),
    np.fmin: _other_than_nan(np.minimum),
    np.fabs: lambda x: np.absolute(cast(x, _floating(x))),
    np.conjugate: lambda x: x,
    np.deg2rad: lambda x: x * (math.pi / 180),
    np.radians: lambda x: x * (math.pi / 180),
    np.rad2deg: lambda x: x * (180 / math.pi),
    np.degrees: lambda x: x * (180 / math.pi),
    np.logaddexp2: logaddexp2,
}
for _ufunc, _meaning in _RULES.items():
    register_ufunc(_ufunc, _meaning)
register_named({"round": round_, "around": round_, "fix": lambda x: np.trunc(_array(x)),
                "sinc": sinc})  # fmt: skip
