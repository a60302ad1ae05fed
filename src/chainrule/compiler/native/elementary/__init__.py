"""Elementary functions, written in place as straight-line vector code.

Each takes an emitter and operands of f32 or f64 (some of integers too), scalars or vectors of any
number of lanes, and returns the result in the same type. The accuracy that each promises is in
its docstring and is held to in ``tests/compiler/native/test_elementary*.py``, in units in the
last place (ulp).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chainrule.compiler.native.elementary.bases import exp2, log2, log10
from chainrule.compiler.native.elementary.bits import (
    integer_power,
    left_shift,
    nextafter,
    right_shift,
    signbit,
)
from chainrule.compiler.native.elementary.division import floor_divide, fmod, remainder
from chainrule.compiler.native.elementary.exponential import exp, expm1, sigmoid, tanh
from chainrule.compiler.native.elementary.gamma import betaln, gamma, gammaln
from chainrule.compiler.native.elementary.hyperbolic import acosh, asinh, atanh, cosh, sinh
from chainrule.compiler.native.elementary.inverse import acos, asin, atan, atan2
from chainrule.compiler.native.elementary.logarithm import log, log1p, logaddexp, logit, softplus
from chainrule.compiler.native.elementary.normal import erf, gelu
from chainrule.compiler.native.elementary.polygamma import digamma, polygamma
from chainrule.compiler.native.elementary.power import power
from chainrule.compiler.native.elementary.quantile import erfinv, ndtri
from chainrule.compiler.native.elementary.roots import cbrt, hypot
from chainrule.compiler.native.elementary.tail import (
    erfc,
    erfcx,
    log_ndtr,
    ndtr,
    normal_hazard,
    normal_hazard_excess,
)
from chainrule.compiler.native.elementary.trigonometric import cos, sin, tan
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
    "tan": tan,
    "asin": asin,
    "acos": acos,
    "atan": atan,
    "sinh": sinh,
    "cosh": cosh,
    "asinh": asinh,
    "acosh": acosh,
    "atanh": atanh,
    "exp2": exp2,
    "log2": log2,
    "log10": log10,
    "cbrt": cbrt,
    "logit": logit,
    "erfc": erfc,
    "erfcx": erfcx,
    "ndtr": ndtr,
    "log_ndtr": log_ndtr,
    "normal_hazard": normal_hazard,
    "normal_hazard_excess": normal_hazard_excess,
    "erfinv": erfinv,
    "ndtri": ndtri,
    "gammaln": gammaln,
    "gamma": gamma,
    "digamma": digamma,
}
BINARY: Final[dict[str, Callable[[Emitter, Val, Val], Val]]] = {
    "power": power,
    "logaddexp": logaddexp,
    "atan2": atan2,
    "hypot": hypot,
    "fmod": fmod,
    "remainder": remainder,
    "floor_divide": floor_divide,
    "nextafter": nextafter,
    "betaln": betaln,
}
#: Of integers, with a static number, or to booleans.
OTHERS: Final[dict[str, Callable[..., Val]]] = {
    "signbit": signbit,
    "left_shift": left_shift,
    "right_shift": right_shift,
    "integer_power": integer_power,
    "polygamma": polygamma,
}
