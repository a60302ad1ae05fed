"""Sums and products whose rounding errors are kept: a number as a sum of two floats."""

from __future__ import annotations

from chainrule.compiler.native.emit import Emitter, Val

Pair = tuple[Val, Val]


def exact_sum(e: Emitter, x: Val, y: Val) -> Pair:
    """(s, error): x + y = s + error, exactly (Knuth, TAOCP 2, 4.2.2)."""
    s = e.add(x, y)
    shadow = e.sub(s, x)
    return s, e.add(e.sub(x, e.sub(s, shadow)), e.sub(y, shadow))


def ordered_sum(e: Emitter, x: Val, y: Val) -> Pair:
    """(s, error): x + y = s + error exactly, if |x| >= |y| or x = 0 (Dekker 1971)."""
    s = e.add(x, y)
    return s, e.sub(y, e.sub(s, x))


def product(e: Emitter, x: Val, y: Val) -> Pair:
    """(p, error): x * y = p + error, exactly."""
    p = e.mul(x, y)
    return p, e.fma(x, y, e.neg(p))


def pair_product(e: Emitter, x: Pair, y: Pair) -> Pair:
    """The product of two pairs without its smallest term."""
    p = e.mul(x[0], y[0])
    low = e.fma(x[0], y[0], e.neg(p))
    return p, e.fma(x[1], y[0], e.fma(x[0], y[1], low))
