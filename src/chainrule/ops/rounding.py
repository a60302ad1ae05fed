"""Rounding to whole numbers and division with a whole quotient. g: cotangent, y: the output."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.apply import bind
from chainrule.ops.record import POINTWISE, NoGradient, Primitive, floating, numeric, register

Array = Any


def _rounding(name: str, intrinsic: str) -> Primitive:
    why = f"{name} is constant but where it jumps; leave it out, or say cr.stop_gradient(x)"
    return register(
        Primitive(
            name=name,
            shape=floating,
            evaluate=getattr(np, name),
            vjp=NoGradient(why),
            jvp=POINTWISE,
            batched=POINTWISE,
            lower=lambda e, x: e.intrinsic(intrinsic, x),
            domain=(-3.0, 3.0),
            source="IEEE 754-2019, 5.9",
        )
    )


floor = _rounding("floor", "floor")
ceil = _rounding("ceil", "ceil")
trunc = _rounding("trunc", "trunc")
rint = _rounding("rint", "rint")


def _times_quotient(divide: Any) -> Any:
    """-g times the whole quotient, which is constant but where it jumps."""
    return lambda g, y, a, b: -g * bind("stop_gradient", divide(a, b))


# fmt: off
floor_divide = register(Primitive(
    name="floor_divide", shape=numeric, evaluate=np.floor_divide,
    vjp=NoGradient("a // b is constant but where it jumps; use a / b"),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("floor_divide", a, b),
    domain=(0.5, 3.0), source="Knuth, TAOCP 1, 1.2.4",
))
remainder = register(Primitive(
    name="remainder", shape=numeric, evaluate=np.remainder,
    vjp=(lambda g, y, a, b: g,
         _times_quotient(np.floor_divide)),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("remainder", a, b),
    domain=(0.5, 3.0), source="a - b floor(a / b), Knuth, TAOCP 1, 1.2.4",
))
fmod = register(Primitive(
    name="fmod", shape=numeric, evaluate=np.fmod,
    vjp=(lambda g, y, a, b: g,
         _times_quotient(lambda a, b: np.trunc(a / b))),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, a, b: e.call("fmod", a, b),
    domain=(0.5, 3.0), source="a - b trunc(a / b), C99 7.12.10.1",
))
# fmt: on
