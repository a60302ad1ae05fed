"""fmod, remainder and floor_divide of floats and of integers, exact, as NumPy defines them."""

from __future__ import annotations

import math

from chainrule.compiler.native.elementary.common import constant, copy_sign, layout, rarely
from chainrule.compiler.native.emit import Emitter, Val


def fmod(e: Emitter, x: Val, y: Val) -> Val:
    """x - y trunc(x / y), exact, with the sign of x; NaN (0 of integers) for y = 0."""
    x, y = e.match(x, y)
    return _float_remainder(e, x, y) if x.type.is_float else _whole(e, "srem", x, y)


def remainder(e: Emitter, x: Val, y: Val) -> Val:
    """x - y floor(x / y), with the sign of y: fmod, brought to the other side where need be."""
    x, y = e.match(x, y)
    rest = fmod(e, x, y)
    zero = e.constant(0, x.type)
    other = _other_side(e, rest, y)
    moved = e.select(other, e.add(rest, y), rest)
    if not x.type.is_float:
        return moved
    none = e.and_(e.compare("eq", rest, zero), e.compare("ne", y, zero))
    return e.select(none, copy_sign(e, zero, y), moved)


def floor_divide(e: Emitter, x: Val, y: Val) -> Val:
    """floor(x / y) of the exact quotient; x / y (0 of integers) for y = 0."""
    x, y = e.match(x, y)
    zero, one = e.constant(0, x.type), e.constant(1, x.type)
    if not x.type.is_float:
        quotient = _whole(e, "sdiv", x, y)
        other = _other_side(e, _whole(e, "srem", x, y), y)
        return e.select(other, e.sub(quotient, one), quotient)
    rest = _float_remainder(e, x, y)
    quotient = e.div(e.sub(x, rest), y)
    quotient = e.select(_other_side(e, rest, y), e.sub(quotient, one), quotient)
    floor = e.intrinsic("floor", quotient)
    lost = e.compare("gt", e.sub(quotient, floor), constant(e, x, 0.5))
    floor = e.select(lost, e.add(floor, one), floor)
    plain = e.div(x, y)
    floor = e.select(e.compare("eq", quotient, zero), copy_sign(e, zero, plain), floor)
    return e.select(e.compare("eq", y, zero), plain, floor)


def _other_side(e: Emitter, rest: Val, y: Val) -> Val:
    """Whether a remainder has not the sign of the divisor."""
    zero = e.constant(0, y.type)
    differ = e.xor(e.compare("lt", y, zero), e.compare("lt", rest, zero))
    return e.and_(e.compare("ne", rest, zero), differ)


def _float_remainder(e: Emitter, x: Val, y: Val) -> Val:
    """With q = trunc(x / y) the remainder x - q y is a float, so one fma gives it exactly.

    The rounded quotient may be one too far; then y is put back. Quotients that are no integers
    with all bits, and infinite divisors, take the C library's fmod, by a branch.
    """
    size = e.abs(y)
    q = e.intrinsic("trunc", e.div(e.abs(x), size))
    rest = e.fma(e.neg(q), size, e.abs(x))
    zero = constant(e, x, 0.0)
    rest = e.select(e.compare("lt", rest, zero), e.add(rest, size), rest)
    rest = copy_sign(e, e.select(e.compare("eq", rest, size), zero, rest), x)
    limit = constant(e, x, 2.0 ** layout(x).fraction)
    easy = e.and_(e.compare("lt", q, limit), e.compare("lt", size, constant(e, x, math.inf)))
    hard = e.xor(easy, e.constant(True, easy.type))
    return rarely(e, hard, [rest], lambda: [_instruction(e, "frem", x, y)])[0]


def _whole(e: Emitter, name: str, x: Val, y: Val) -> Val:
    """An integer division that does not trap: 0 for y = 0; the opposite of x for y = -1."""
    zero, one, minus = (e.constant(c, x.type) for c in (0, 1, -1))
    by_zero, turned = e.compare("eq", y, zero), e.compare("eq", y, minus)
    result = _instruction(e, name, x, e.select(e.or_(by_zero, turned), one, y))
    if name == "sdiv":
        result = e.select(turned, e.neg(x), result)
    return e.select(by_zero, zero, result)


def _instruction(e: Emitter, name: str, x: Val, y: Val) -> Val:
    return e.define(x.type, f"{name} {x.typed}, {y.text}")
