"""Elementary functions, written in place as straight-line vector code.

Each takes an emitter and operands of f32 or f64, scalars or vectors of any number of lanes, and
returns the result in the same type. The accuracy that each promises is in its docstring and is
held to in ``tests/compiler/native/test_elementary.py``, in units in the last place (ulp).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chainrule.compiler.native.elementary.exponential import exp, expm1, sigmoid, tanh
from chainrule.compiler.native.elementary.logarithm import log, log1p, logaddexp, softplus
from chainrule.compiler.native.elementary.normal import erf, gelu
from chainrule.compiler.native.elementary.power import power
from chainrule.compiler.native.elementary.trigonometric import cos, sin
from chainrule.compiler.native.emit import Emitter, Val

FUNCTIONS: Final[dict[str, Callable[[Emitter, Val], Val]]] = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "erf": erf,
    "gelu": gelu,
    "sin": sin,
    "cos": cos,
}
BINARY: Final[dict[str, Callable[[Emitter, Val, Val], Val]]] = {
    "power": power,
    "logaddexp": logaddexp,
}
