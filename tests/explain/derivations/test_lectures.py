"""The lectures' examples come out in the lectures' own form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.explain.derivations.derivation import Derivation
from chainrule.explain.derivations.front import formulas
from chainrule.explain.notation import latex, unicode


def _texts(derivation: Derivation) -> list[str]:
    return [unicode(step.formula) for step in derivation.steps]


def test_a_two_layer_network_reads_as_in_the_lecture() -> None:
    """Affine map, activation, affine map, softmax; then the cotangents in the reverse order."""
    rng = np.random.default_rng(0)
    model = nn.MLP([4, 3, 2], rng=0)
    found = formulas(model, losses.cross_entropy, (rng.normal(size=(1, 4)), np.array([1])))
    assert [unicode(step.formula) for step in found.forward] == [
        "z⁽¹⁾ = W⁽¹⁾ x + b⁽¹⁾",
        "a⁽¹⁾ = ReLU(z⁽¹⁾)",
        "z⁽²⁾ = W⁽²⁾ a⁽¹⁾ + b⁽²⁾",
        "p = softmax(z⁽²⁾)",
        "L = −e_yᵀ log(p)",
    ]
    assert [unicode(step.formula) for step in found.backward] == [
        "∂L/∂z⁽²⁾ = δ⁽²⁾ = p − e_y",
        "∂L/∂z⁽¹⁾ = δ⁽¹⁾ = W⁽²⁾ᵀ δ⁽²⁾ ⊙ 𝟏[z⁽¹⁾ > 0]",
    ]
    results = {g.variable: [unicode(s.formula) for s in g.steps] for g in found.gradients}
    assert results["layers.1.weight"][0] == "∂L/∂W⁽²⁾ = δ⁽²⁾ a⁽¹⁾ᵀ"
    assert results["layers.0.weight"][0] == "∂L/∂W⁽¹⁾ = δ⁽¹⁾ xᵀ"
    assert results["layers.0.bias"][0] == "∂L/∂b⁽¹⁾ = δ⁽¹⁾"
    assert found.difference < 1e-12


def test_a_batch_stands_in_rows_with_the_mean_of_its_examples() -> None:
    """X Wᵀ + 𝟏 bᵀ, and the gradient with 1/n."""
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(5, 4)), rng.integers(0, 2, 5))
    found = formulas(nn.MLP([4, 3, 2], rng=0), losses.cross_entropy, data)
    texts = _texts(found)
    assert "Z⁽¹⁾ = X W⁽¹⁾ᵀ + 𝟏 b⁽¹⁾ᵀ" in texts
    assert "∂L/∂Z⁽²⁾ = Δ⁽²⁾ = (1/n) (P − Y)" in texts
    assert "∂L/∂W⁽¹⁾ = Δ⁽¹⁾ᵀ X" in texts
    assert found.difference < 1e-12


def _written_out(w: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-w @ x))
    return -y * np.log(p) - (1 - y) * np.log(1 - p)


def _negated(w: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-np.dot(w, x)))
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def _softplus(w: Any, x: Any, y: Any) -> Any:
    z = x @ w
    return np.logaddexp(0, z) - y * z


@pytest.mark.parametrize("loss", [_written_out, _negated, _softplus])
@pytest.mark.parametrize("y", [0.0, 1.0, 0.3])
def test_the_gradient_of_logistic_regression_is_p_less_y_times_x(loss: Any, y: float) -> None:
    """However the loss is written."""
    rng = np.random.default_rng(1)
    found = formulas(loss, rng.normal(size=3), rng.normal(size=3), y, wrt="w")
    assert unicode(found.gradients[0].formula) == "∂L/∂w = (p − y) x"
    assert latex(found.gradients[0].formula).endswith(r"= \left(p - y\right) \, \mathbf{x}")
    assert found.difference < 1e-12


@pytest.mark.parametrize(
    "loss",
    [
        lambda z, y: -cr.log_softmax(z)[y],
        lambda z, y: -np.log(cr.softmax(z)[y]),
        lambda z, y: np.log(np.sum(np.exp(z))) - z[y],
        lambda z, y: -np.log(np.exp(z)[y] / np.sum(np.exp(z))),
        lambda z, y: losses.cross_entropy(z[None], np.atleast_1d(y)),
    ],
    ids=["log_softmax", "softmax", "logsumexp", "quotient", "loss"],
)
def test_softmax_and_cross_entropy_pass_p_less_y(loss: Any) -> None:
    """However it is written, ∂L/∂b = p - e_y for z = W x + b."""
    rng = np.random.default_rng(2)

    def of(W: Any, b: Any, x: Any, y: Any) -> Any:
        return loss(W @ x + b, y)

    point = (rng.normal(size=(3, 4)), rng.normal(size=3), rng.normal(size=4), 2)
    found = formulas(of, *point, wrt=["W", "b"])
    assert [unicode(g.formula) for g in found.gradients][1] == "∂L/∂b = p − e_y"
    assert found.difference < 1e-12


def test_linear_regression_is_twice_the_residual() -> None:
    """L = (1/n) Σ r², ∂L/∂w = (2/n) Xᵀ r."""
    rng = np.random.default_rng(3)
    model = nn.Linear.init(3, 1, rng=rng)
    found = formulas(model, losses.squared_error, (rng.normal(size=(6, 3)), rng.normal(size=6)))
    texts = _texts(found)
    assert "L = (1/n) Σᵢ rᵢ²" in texts
    assert "∂L/∂w = (2/n) (Xᵀ r)" in texts


def test_a_scalar_function_is_written_out_and_forced_where_asked() -> None:
    """The lecture's y² + w²x² + ... and 2x(wx + b - y), by both ways."""

    def loss(w: Any, x: Any, b: Any, y: Any) -> Any:
        return (y - (w * x + b)) ** 2

    found = formulas(loss, 1.0, 2.0, 3.0, 4.0, wrt="w", brute_force=True)
    text = str(found)
    assert "y² + w²x² + b² + 2wxb − 2ywx − 2yb" in text
    assert text.count("2x(wx + b − y)") >= 2
    assert found.difference < 1e-12
