"""Powers and logarithms of the bases 2 and 10; the cube root. g: cotangent, y: the output."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.ops.record import POINTWISE, Primitive, floating, register

Array = Any

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))

# fmt: off
exp2 = register(Primitive(
    name="exp2", shape=floating, evaluate=np.exp2,
    vjp=(lambda g, y, x: g * y * LN2,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("exp2", x),
    domain=(-3.0, 3.0), source="DLMF 4.7.7",
))
log2 = register(Primitive(
    name="log2", shape=floating, evaluate=np.log2,
    vjp=(lambda g, y, x: g / x / LN2,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("log2", x),
    domain=(0.1, 5.0), source="DLMF 4.7.1",
))
log10 = register(Primitive(
    name="log10", shape=floating, evaluate=np.log10,
    vjp=(lambda g, y, x: g / x / LN10,),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("log10", x),
    domain=(0.1, 5.0), source="DLMF 4.7.1",
))
cbrt = register(Primitive(
    name="cbrt", shape=floating, evaluate=np.cbrt,
    vjp=(lambda g, y, x: g / (3 * y * y),),
    jvp=POINTWISE, batched=POINTWISE,
    lower=lambda e, x: e.call("cbrt", x),
    domain=(0.1, 4.0), source="power rule",
))
# fmt: on
