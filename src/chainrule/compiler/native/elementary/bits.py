"""nextafter, signbit, shifts and powers of integers: what is done on the bits themselves."""

from __future__ import annotations

from typing import Final

from chainrule.compiler.native.elementary.common import constant, copy_sign, from_bits, to_bits
from chainrule.compiler.native.emit import BITS, I64, Emitter, Kind, Val

_SMALLEST: Final[dict[Kind, float]] = {"f32": 2.0**-149, "f64": 5e-324}


def nextafter(e: Emitter, x: Val, y: Val) -> Val:
    """The float next to x in the direction of y; y where they are equal, NaN of NaN."""
    x, y = e.match(x, y)
    zero, bits = constant(e, x, 0.0), to_bits(e, x)
    one = e.constant(1, bits.type)
    away = e.xor(e.compare("lt", x, y), e.compare("lt", x, zero))
    moved = from_bits(e, e.select(away, e.add(bits, one), e.sub(bits, one)), x.type)
    first = copy_sign(e, constant(e, x, _SMALLEST[x.type.kind]), y)
    moved = e.select(e.compare("eq", x, zero), first, moved)
    moved = e.select(e.compare("eq", x, y), y, moved)
    number = e.and_(e.compare("eq", x, x), e.compare("eq", y, y))
    return e.select(number, moved, e.add(x, y))


def signbit(e: Emitter, x: Val) -> Val:
    """Whether the sign is minus, of zeros and NaN too."""
    bits = to_bits(e, x)
    return e.compare("lt", bits, e.constant(0, bits.type))


def left_shift(e: Emitter, x: Val, count: Val) -> Val:
    """x 2**count, wrapped; 0 for a count that is negative or as large as the word."""
    return _shifted(e, "shl", x, count, e.constant(0, x.type))


def right_shift(e: Emitter, x: Val, count: Val) -> Val:
    """x shifted with its sign; all of it sign for a count that is negative or too large."""
    x, count = e.match(x, count)
    return _shifted(e, "ashr", x, count, e.ashr(x, BITS[x.type.kind] - 1))


def _shifted(e: Emitter, name: str, x: Val, count: Val, outside: Val) -> Val:
    x, count, outside = e.match(x, count, outside)
    width = BITS[x.type.kind]
    low = e.and_(count, e.constant(width - 1, count.type))
    shifted = e.define(x.type, f"{name} {x.typed}, {low.text}")
    return e.select(e.compare("eq", low, count), shifted, outside)


def integer_power(e: Emitter, x: Val, exponent: Val) -> Val:
    """x**exponent, wrapped, by squaring: as many rounds as the longest exponent has bits.

    A negative exponent gives 1 / x**-exponent without its fraction, and 0 for x = 0.
    """
    x, exponent = e.match(x, exponent)
    zero, one = e.constant(0, x.type), e.constant(1, x.type)
    negative = e.compare("lt", exponent, zero)
    size = e.select(negative, e.neg(exponent), exponent)

    def square(_: Val, carried: list[Val]) -> list[Val]:
        result, base, left = carried
        odd = e.compare("ne", e.and_(left, one), zero)
        return [e.select(odd, e.mul(result, base), result), e.mul(base, base), e.lshr(left, 1)]

    result = e.loop(e.i64(0), _longest(e, size), 1, square, [e.match(one, x)[0], x, size])[0]
    unit = e.compare("eq", e.abs(x), one)
    return e.select(e.and_(negative, _not(e, unit)), zero, result)


def _longest(e: Emitter, x: Val) -> Val:
    """The number of bits of the longest of some integers, as unsigned ones."""
    if x.type.lanes:
        element = x.type.__class__(x.type.kind)
        name = f"@llvm.vector.reduce.or.{x.type.suffix}"
        e.declarations.add(f"declare {element.text} {name}({x.type.text})")
        x = e.define(element, f"call {element.text} {name}({x.typed})")
    name = f"@llvm.ctlz.{x.type.suffix}"
    e.declarations.add(f"declare {x.type.text} {name}({x.type.text}, i1)")
    zeros = e.define(x.type, f"call {x.type.text} {name}({x.typed}, i1 false)")
    return e.sub(e.constant(BITS[x.type.kind], I64), e.convert(zeros, "i64"))


def _not(e: Emitter, mask: Val) -> Val:
    return e.xor(mask, e.constant(True, mask.type))
