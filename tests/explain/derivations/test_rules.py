"""Every primitive has a formula, and each elementwise one the right derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.explain.derivations.front import formulas
from chainrule.explain.derivations.layers.pointwise import POINTWISE_RULES
from chainrule.explain.derivations.layers.recognise import recognised
from chainrule.explain.derivations.layers.structure import STRUCTURES
from chainrule.explain.notation import Symbol, evaluate, latex, mathml, unicode
from chainrule.ops import PRIMITIVES
from chainrule.ops.record import NoGradient

#: Pieces that are read out of several primitives.
LARGER = {
    "square", "relu", "mean", "softmax", "log_softmax", "logsumexp", "cross_entropy",
    "soft_cross_entropy", "binary_cross_entropy", "pick", "rearrange", "patches", "conv",
}  # fmt: skip
DIFFERENTIABLE = sorted(
    name
    for name in POINTWISE_RULES
    if name in PRIMITIVES
    and not isinstance(PRIMITIVES[name].vjp, NoGradient)
    and name not in ("where", "cast", "copy", "fence", "stop_gradient")
)


def test_every_primitive_is_written_by_exactly_one_table() -> None:
    """The keys of both tables are those of the op table and the larger pieces."""
    assert not set(POINTWISE_RULES) & set(STRUCTURES)
    assert set(POINTWISE_RULES) | set(STRUCTURES) == set(PRIMITIVES) | LARGER
    assert recognised.__doc__


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_a_derivative_as_printed_is_the_rule_of_the_primitive(name: str) -> None:
    """At random points of its domain, to rounding; and it prints in all three ways."""
    rule, record = POINTWISE_RULES[name], PRIMITIVES[name]
    vjp: Any = record.vjp
    low, high = record.domain
    rng = np.random.default_rng(len(name))
    points = [rng.uniform(low + 0.05, high - 0.05, (6, 1)) for _ in rule.slopes]
    operands = [Symbol(letter, kind="vector") for letter in "abc"[: len(points)]]
    values: dict[str, Any] = {x.key: point for x, point in zip(operands, points, strict=True)}
    written = rule.write(*operands)
    values["y"] = record.evaluate(*points)
    np.testing.assert_allclose(evaluate(written, values), values["y"], rtol=1e-12)
    for k, slope in enumerate(rule.slopes):
        if slope is None or vjp[k] is None:
            continue
        formula = slope(Symbol("y", kind="vector"), *operands)
        expected = vjp[k](np.ones_like(values["y"]), values["y"], *points)
        found = np.broadcast_to(evaluate(formula, values), np.shape(expected))
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        assert unicode(formula)
        assert latex(formula)
        assert mathml(formula)


def test_what_is_held_constant_is_printed_so() -> None:
    """Of Σ stop(x²) x the gradient is x², not 3 x²: the formula tells why."""
    found = formulas(lambda x: np.sum(cr.stop_gradient(x**2) * x), np.array([1.0, 2.0, 3.0]))
    assert "stop(x²)" in str(found)
