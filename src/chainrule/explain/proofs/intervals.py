"""Intervals of arrays, rounded outwards: what is computed contains every real result.

NumPy rounds sums, products and roots to the nearest number, so one step outwards suffices; its
elementary functions are right to 4 ulp (NumPy's own tests), so eight steps are taken; SciPy's get a
relative slack besides.

Source: Moore, Kearfott & Cloud 2009, Introduction to Interval Analysis, chapters 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.ops.scipy_special import special

Array: TypeAlias = np.ndarray[Any, Any]
_STEPS: Final = 8
_QUARTER: Final = float(np.nextafter(np.pi / 2, 2.0))  # not below π/2


@dataclass(frozen=True, eq=False)
class Interval:
    """Arrays of intervals [low, high].

    Attributes:
        above: where no value is equal to ``low``: eˣ > 0, though it comes as near as one likes.
    """

    low: Array
    high: Array
    above: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.low.shape)

    @property
    def positive(self) -> Array:
        return np.asarray((self.low > 0) | ((self.low == 0) & self.above))

    def each(self, f: Callable[[Array], Array]) -> Interval:
        """f of each of the arrays: a change of places."""
        return Interval(f(self.low), f(self.high), f(self.above))

    def met(self, low: Any, high: Any) -> Interval:
        """Without what lies outside of [low, high]."""
        above = self.above & (self.low >= low)
        return Interval(np.maximum(self.low, low), np.minimum(self.high, high), above)


def point(x: Any) -> Interval:
    """Known numbers."""
    x = np.asarray(x, np.float64)
    return Interval(x, x, np.zeros(x.shape, bool))


def between(low: Any, high: Any, above: Any = False) -> Interval:
    """An interval; bounds that are NaN know nothing."""
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    unknown = np.isnan(low) | np.isnan(high)
    low, high = np.where(unknown, -np.inf, low), np.where(unknown, np.inf, high)
    return Interval(low, high, np.broadcast_to(above, low.shape) & ~unknown & (low > -np.inf))


def everything(shape: tuple[int, ...]) -> Interval:
    """Nothing is known."""
    return between(np.full(shape, -np.inf), np.full(shape, np.inf))


def down(x: Array, steps: int = 1) -> Array:
    """Some floating-point numbers below; 0 stays where it is exact by ``exactly``."""
    for _ in range(steps):
        x = np.nextafter(x, -np.inf)
    return x


def up(x: Array, steps: int = 1) -> Array:
    """Some floating-point numbers above."""
    for _ in range(steps):
        x = np.nextafter(x, np.inf)
    return x


def add(a: Interval, b: Interval) -> Interval:
    """The sum."""
    low, high = a.low + b.low, a.high + b.high
    return between(_sum_down(low, a.low, b.low), _sum_up(high, a.high, b.high), a.above | b.above)


def _sum_down(total: Array, a: Array, b: Array) -> Array:
    """A sum with 0, and the sum of opposite numbers, is exact."""
    return np.where((a == 0) | (b == 0) | (total == 0), total, down(total))


def _sum_up(total: Array, a: Array, b: Array) -> Array:
    return np.where((a == 0) | (b == 0) | (total == 0), total, up(total))


def negative(a: Interval) -> Interval:
    """The opposite."""
    return between(-a.high, -a.low)


def subtract(a: Interval, b: Interval) -> Interval:
    """The difference."""
    return add(a, negative(b))


def multiply(a: Interval, b: Interval) -> Interval:
    """The hull of the products of the bounds; 0 · ∞ is 0, as a bound that is not reached."""
    pairs = [(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    corners = [_times(x, y) for x, y in pairs]
    low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
    lost = np.logical_or.reduce([
        (z == 0) & (x != 0) & (y != 0) for z, (x, y) in zip(corners, pairs, strict=True)
    ])  # fmt: skip
    above = (low == 0) & a.positive & b.positive
    return between(
        np.where(_is_exact_product(a, b, low) & ~lost, low, down(low)),
        np.where(_is_exact_product(a, b, high) & ~lost, high, up(high)),
        above,
    )


def _is_exact_product(a: Interval, b: Interval, y: Array) -> Array:
    """0 as a product with a 0 is exact, and so is a product by ±1."""
    unit = ((np.abs(a.low) == 1) & (a.low == a.high)) | ((np.abs(b.low) == 1) & (b.low == b.high))
    zero = (a.low == 0) | (a.high == 0) | (b.low == 0) | (b.high == 0)
    return np.asarray(unit | (zero & (y == 0)))


def _times(x: Array, y: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where((x == 0) | (y == 0), 0.0, x * y)


def square(a: Interval) -> Interval:
    """The square, which is nowhere negative."""
    size = absolute(a)
    return between(_square_down(size.low), up(size.high * size.high), size.above & (size.low == 0))


def _square_down(x: Array) -> Array:
    return np.where(x == 0, 0.0, np.maximum(down(x * x), 0))


def reciprocal(a: Interval) -> Interval:
    """1 / a; nothing is known where a may be 0."""
    with np.errstate(all="ignore"):
        low, high = down(1 / a.high), up(1 / a.low)
    unsafe = (a.low < 0) & (a.high > 0) | (a.low == 0) & (a.high == 0)
    low = np.where(a.positive & (a.low == 0), np.maximum(low, 0), low)
    high = np.where(a.low == 0, np.inf, high)
    low = np.where(a.high == 0, -np.inf, low)
    low, high = np.where(unsafe, -np.inf, low), np.where(unsafe, np.inf, high)
    low = np.where(a.low >= 0, np.maximum(low, 0), low)
    return between(low, high, (low == 0) & a.positive)


def divide(a: Interval, b: Interval) -> Interval:
    """The quotient; by one number without more rounding than that."""
    whole = (b.low == b.high) & (b.low != 0)
    with np.errstate(all="ignore"):
        corners = np.stack([a.low / b.low, a.high / b.low])
    low, high = np.min(corners, 0), np.max(corners, 0)
    exact = (a.low == a.high) & (a.low == 0)
    product = multiply(a, reciprocal(b))
    low = np.where(exact | (low == 0), low, down(low))
    high = np.where(exact | (high == 0), high, up(high))
    above = np.where(whole, (low == 0) & a.positive & (b.low > 0), product.above)
    return between(np.where(whole, low, product.low), np.where(whole, high, product.high), above)


def absolute(a: Interval) -> Interval:
    """The size."""
    low = np.where((a.low <= 0) & (a.high >= 0), 0.0, np.minimum(np.abs(a.low), np.abs(a.high)))
    high = np.maximum(np.abs(a.low), np.abs(a.high))
    return between(low, high, (low == 0) & (a.positive | (a.high < 0)))


def maximum(a: Interval, b: Interval) -> Interval:
    """The larger of two."""
    above = (a.above & (a.low >= b.low)) | (b.above & (b.low >= a.low))
    return between(np.maximum(a.low, b.low), np.maximum(a.high, b.high), above)


def minimum(a: Interval, b: Interval) -> Interval:
    """The smaller of two."""
    low = np.minimum(a.low, b.low)
    above = ((a.low > low) | a.above) & ((b.low > low) | b.above)
    return between(low, np.minimum(a.high, b.high), above)


def total(a: Interval, axes: tuple[int, ...]) -> Interval:
    """The sum over axes; the rounding of NumPy's sum of n terms is at most n ε Σ|x|."""
    n = int(np.prod([a.shape[k] for k in axes]))
    with np.errstate(all="ignore"):
        low, high = a.low.sum(axis=axes), a.high.sum(axis=axes)
        slack_low = n * 2.0**-52 * np.abs(a.low).sum(axis=axes)
        slack_high = n * 2.0**-52 * np.abs(a.high).sum(axis=axes)
    nonnegative = np.asarray((a.low >= 0).all(axis=axes))
    low = np.where(slack_low == 0, low, _lowered(low, slack_low, nonnegative))
    high = np.where(slack_high == 0, high, up(high + slack_high))
    positive = nonnegative & a.positive.any(axis=axes) & (low == 0)
    return between(low, high, positive)


def _lowered(low: Array, slack: Array, nonnegative: Array) -> Array:
    with np.errstate(all="ignore"):
        found = np.where(np.isinf(low), low, down(low - slack))
    return np.where(nonnegative, np.maximum(found, 0), found)


def _rising(
    f: Callable[[Array], Array],
    floor: float = -np.inf,
    ceiling: float = np.inf,
    fixed: bool = False,
    relative: float = 0.0,
) -> Callable[[Interval], Interval]:
    """An increasing function with values in (floor, ceiling).

    Neither bound is reached. ``fixed`` says that f(0) is 0; ``relative`` is an error of f beyond
    the eight steps, 10⁻³⁰⁰ besides where numbers run out.
    """

    def enclose(a: Interval) -> Interval:
        with np.errstate(all="ignore"):
            low, high = f(a.low), f(a.high)
            if relative:
                low = low - relative * np.abs(low) - 1e-300
                high = high + relative * np.abs(high) + 1e-300
        zero_low, zero_high = fixed & (a.low == 0), fixed & (a.high == 0)
        low = np.where(zero_low, 0.0, np.maximum(down(low, _STEPS), floor))
        high = np.where(zero_high, 0.0, np.minimum(up(high, _STEPS), ceiling))
        if fixed:
            low = np.where(a.low >= 0, np.maximum(low, 0), low)
        strict = np.where(zero_low, a.above, low == floor)
        return between(low, high, strict)

    return enclose


def sine(a: Interval) -> Interval:
    """sin over an interval: its ends, and ±1 where a crest lies between."""
    return _wave(a, np.sin, 0.5)


def cosine(a: Interval) -> Interval:
    """cos over an interval, as ``sine``."""
    return _wave(a, np.cos, 0.0)


def _wave(a: Interval, f: Callable[[Array], Array], crest: float) -> Interval:
    """Crests at (crest + 2 k) π, troughs at (crest + 1 + 2 k) π."""
    tame = (np.abs(a.low) < 1e6) & (np.abs(a.high) < 1e6)
    left, right = np.where(tame, a.low, 0.0), np.where(tame, a.high, 0.0)
    ends = np.stack([f(left), f(right)])
    slack = 1e-9  # far above the rounding of the turns below 1e6
    has_crest = _has_turn(left, right, crest, slack)
    has_trough = _has_turn(left, right, crest + 1, slack)
    low = np.where(has_trough | ~tame, -1.0, np.maximum(down(ends.min(0), _STEPS), -1.0))
    high = np.where(has_crest | ~tame, 1.0, np.minimum(up(ends.max(0), _STEPS), 1.0))
    return between(low, high)


def _has_turn(left: Array, right: Array, at: float, slack: float) -> Array:
    first = np.ceil((left / np.pi - at) / 2 - slack)
    return (right - left > 0) & ((right / np.pi - at) / 2 + slack >= first)


def cosh(a: Interval) -> Interval:
    """cosh, least at 0."""
    size = absolute(a)
    return _rising(np.cosh, 1.0)(size).met(1.0, np.inf)


def power(a: Interval, p: float) -> Interval:
    """a ** p for one number p; for p not whole a counts as far as it is >= 0."""
    if p == 2:
        return square(a)
    if p < 0:
        return reciprocal(power(a, -p))
    whole = float(p).is_integer()
    if whole and p % 2 == 0:
        return _rising(lambda x: np.power(x, p), 0.0, fixed=True)(absolute(a))
    if whole:
        return _rising(lambda x: np.power(x, p), fixed=True)(a)
    inside = Interval(np.maximum(a.low, 0), np.maximum(a.high, 0), a.above & (a.low >= 0))
    return _rising(lambda x: np.power(x, p), 0.0, fixed=True)(inside)


def _log(f: Callable[[Array], Array], start: float) -> Callable[[Interval], Interval]:
    """A logarithm as far as its argument lies in its domain."""
    return lambda a: _rising(f)(a.met(start, np.inf))


def gammaln(a: Interval) -> Interval:
    """log Γ on x > 0, least at 1.4616... with the value -0.1214..."""
    turn = 1.4616321449683623
    a = a.met(0.0, np.inf)
    with np.errstate(all="ignore"):
        ends = np.stack([special.gammaln(a.low), special.gammaln(a.high)])
    slack = 1e-13 * (1 + np.abs(ends))  # SciPy: some 1e-15 relative, absolute near its zeros
    inside = (a.low <= turn) & (a.high >= turn)
    low = np.where(inside, -0.12148629053584962, np.min(ends - slack, 0))
    return between(low, np.max(ends + slack, 0))


#: The enclosure of a function of one variable over intervals, by the name of its operation.
UNARY: Final[Mapping[str, Callable[[Interval], Interval]]] = {
    "exp": _rising(np.exp, 0.0),
    "exp2": _rising(np.exp2, 0.0),
    "expm1": _rising(np.expm1, -1.0, fixed=True),
    "log": _log(np.log, 0.0),
    "log2": _log(np.log2, 0.0),
    "log10": _log(np.log10, 0.0),
    "log1p": lambda a: _rising(np.log1p, fixed=True)(a.met(-1.0, np.inf)),
    "sqrt": lambda a: power(a, 0.5),
    "cbrt": _rising(np.cbrt, fixed=True),
    "tanh": _rising(np.tanh, -1.0, 1.0, fixed=True),
    "sigmoid": _rising(special.expit, 0.0, 1.0, relative=1e-14),
    "softplus": _rising(lambda x: np.logaddexp(0, x), 0.0),
    "erf": _rising(special.erf, -1.0, 1.0, fixed=True, relative=1e-14),
    "ndtr": _rising(special.ndtr, 0.0, 1.0, relative=1e-12),
    "atan": _rising(np.arctan, -_QUARTER, _QUARTER, fixed=True),
    "sinh": _rising(np.sinh, fixed=True),
    "asinh": _rising(np.arcsinh, fixed=True),
    "cosh": cosh,
    "sin": sine,
    "cos": cosine,
    "absolute": absolute,
    "negative": negative,
    "gammaln": gammaln,
}
