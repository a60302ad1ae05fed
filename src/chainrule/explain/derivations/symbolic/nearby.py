"""Of several forms of a formula the one that fits the point at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.explain.derivations.symbolic.functions import FUNCTIONS, reciprocal, squared
from chainrule.explain.derivations.symbolic.tree import rebuilt
from chainrule.explain.notation import (
    Apply,
    Cases,
    Derivative,
    Expr,
    Fraction,
    Indicator,
    Negative,
    Number,
    Power,
    Relation,
    Sum,
    evaluate,
)

_HALF: Final = Fraction(Number(1), Number(2))
#: Beyond this, 1 - tanh² and 1 - σ lose more digits than a check can spare.
_SATURATED: Final = 4.0


@dataclass(frozen=True)
class Nearby:
    """What is known of the point.

    Attributes:
        values: of every symbol there.
    """

    values: Mapping[str, Any]

    def form(self, e: Expr) -> Expr:
        """The formula without cases that are far away, and without differences that cancel."""
        if isinstance(e, Derivative):
            return e
        e = rebuilt(e, self.form)
        match e:
            case Cases(((Number(1), Relation() as first), (half, tie)), Number(0)):
                away = half == _HALF and not evaluate(tie, self.values)
                return Indicator(first) if away else e
            case Sum((Number(1), Negative(Power(Apply("tanh", (u,)), Number(2))))):
                return reciprocal(squared(FUNCTIONS["cosh"](u))) if self._is_large(u) else e
            case Sum((Number(1), Negative(Apply("σ", (u,))))):
                return FUNCTIONS["sigmoid"](Negative(u)) if self._is_large(u) else e
        return e

    def _is_large(self, u: Expr) -> bool:
        return bool(abs(evaluate(u, self.values)) > _SATURATED)

    def agree(self, a: Expr, b: Expr) -> bool:
        """Whether two forms have the same value here, to all but a few digits."""
        x, y = (np.float64(evaluate(e, self.values)) for e in (a, b))
        return not np.isfinite(x) or bool(abs(x - y) <= 1e-12 * abs(x))
