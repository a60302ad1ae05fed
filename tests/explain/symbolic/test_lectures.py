"""The derivations of the lectures come out as a teacher writes them."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.explain.derivations.symbolic.derive import derive
from chainrule.explain.notation import unicode
from chainrule.explain.subject import subject_of


def lines(steps):
    return [unicode(step.formula).strip() for step in steps]


def rules(steps):
    return [step.rule for step in steps]


def loss(w, x, b, y):
    l = w * x + b
    return (y - l) ** 2


def test_the_squared_error_by_brute_force_is_expanded_differentiated_collected_and_factored():
    shown = derive(subject_of(loss, 2.0, 3.0, 1.0, 4.0, wrt="w"), brute_force=True)
    steps = shown.brute_force[0].steps
    assert lines(steps) == [
        "L = (y − (wx + b))²",
        "= y² + w²x² + b² + 2wxb − 2ywx − 2yb",
        "∂L/∂w = ∂(w²x²)/∂w + ∂(2wxb)/∂w − ∂(2ywx)/∂w",
        "= x² (∂(w²)/∂w) + 2xb − 2yx",
        "= 2x²w + 2xb − 2yx",
        "= 2wx² + 2xb − 2yx",
        "∂L/∂w = 2x(wx + b − y) = 2·3(2·3 + 1 − 4) = 18",
    ]
    assert rules(steps)[1] == "expand"
    assert rules(steps)[-2:] == ["collect the terms", "factor"]
    assert steps[-1].note == "the same formula as by the chain rule"


def test_the_squared_error_by_the_chain_rule_factor_by_factor():
    shown = derive(subject_of(loss, 2.0, 3.0, 1.0, 4.0, wrt="w"))
    assert lines(shown.forward)[:2] == ["l = wx + b = 2·3 + 1 = 7", "L = (y − l)² = (4 − 7)² = 9"]
    assert "= 2(l − y) = 2(7 − 4) = 6" in lines(shown.local)
    assert lines(shown.gradients[0].steps) == [
        "∂L/∂w = (∂L/∂l)·(∂l/∂w)",
        "= 2(l − y)x",
        "= 6·3 = 18",
        "∂L/∂w = 2x(wx + b − y) = 2·3(2·3 + 1 − 4) = 18",
    ]


def test_a_partial_derivative_of_a_sum_is_taken_term_by_term():
    shown = derive(subject_of(lambda x, w, b: w * x + b, 3.0, 2.0, 1.0, wrt="w"))
    assert lines(shown.local) == ["∂f/∂w = ∂(wx + b)/∂w = ∂(wx)/∂w + 0", "= x + 0", "= x = 3"]
    assert rules(shown.local) == ["sum rule", "constant multiple rule", "simplify"]


def test_without_names_in_the_code_the_inner_function_gets_one():
    """(2x² + 1)² is u² of u = 2x² + 1; of y - (wx + b) it is the sum in parentheses."""
    square = derive(subject_of(lambda x: (2 * x**2 + 1) ** 2, 1.0))
    assert lines(square.forward)[:2] == ["u = 2x² + 1 = 2·1² + 1 = 3", "f = u² = 3² = 9"]
    assert lines(square.gradients[0].steps)[-1] == "df/dx = 16x³ + 8x = 16·1³ + 8·1 = 24"
    error = derive(subject_of(lambda w, x, b, y: (y - (w * x + b)) ** 2, 2.0, 3.0, 1.0, 4.0))
    assert lines(error.forward)[:2] == ["z = wx + b = 2·3 + 1 = 7", "f = (y − z)² = (4 − 7)² = 9"]


def test_a_variable_that_is_used_twice_gets_the_sum_over_both_paths():
    def u(x):
        z1, z2 = x[0] * np.sin(x[1]), np.sin(x[1]) ** 2
        return (z1 + z2) ** 2 / 2

    shown = derive(subject_of(u, np.array([1.0, 2.0])), brute_force=True)
    assert [line.split(" ≈")[0] for line in lines(shown.forward)[:3]] == [
        "z₁ = x₁ sin(x₂) = 1 sin(2)",
        "z₂ = sin(x₂)² = sin(2)²",
        "u = (z₁ + z₂)²/2",
    ]
    steps = shown.gradients[1].steps
    assert lines(steps)[0] == "∂u/∂x₂ = (∂u/∂z₁)·(∂z₁/∂x₂) + (∂u/∂z₂)·(dz₂/dx₂)"
    assert rules(steps)[0] == "chain rule: the sum over 2 paths"
    assert {gradient.steps[-1].note for gradient in shown.brute_force} == {
        "the same formula as by the chain rule"
    }


def test_the_logistic_gradient_is_p_minus_y_times_x():
    def nll(theta, x, y):
        z = theta[0] * x[0] + theta[1] * x[1]
        p = 1 / (1 + np.exp(-z))
        return -y * np.log(p) - (1 - y) * np.log(1 - p)

    theta, x = np.array([0.5, -0.25]), np.array([1.0, 2.0])
    shown = derive(subject_of(nll, theta, x, 1.0, wrt="theta"))
    assert "= p(1 − p) = 0.5(1 − 0.5) = 0.25" in lines(shown.local)
    finals = [lines(gradient.steps)[-1].split(" = ")[:2] for gradient in shown.gradients]
    assert finals == [["∂L/∂θ₁", "(p − y)x₁"], ["∂L/∂θ₂", "(p − y)x₂"]]


@pytest.mark.parametrize("by_hand", [True, False])
def test_the_softmax_gradient_is_p_minus_y(by_hand):
    """p₁(y₁ + y₂ + y₃) - y₁, whether the shift by the largest logit is there or not."""

    def loss(z, y):
        e = np.exp(z)
        p = e / np.sum(e) if by_hand else cr.softmax(z, 0)
        return -np.sum(y * np.log(p))

    shown = derive(subject_of(loss, np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0]), wrt="z"))
    finals = [lines(gradient.steps)[-1].split(" = ")[1] for gradient in shown.gradients]
    assert finals[0].startswith("p₁(y₁ + y₂ + y₃) − y₁")
    assert shown.difference < 1e-12


def test_the_logarithm_of_a_normal_density_has_the_gradient_of_a_squared_error():
    def nll(theta, x, y, sigma):
        mu = theta * x
        p = np.exp(-((y - mu) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)
        return -np.log(p)

    shown = derive(subject_of(nll, 0.5, 2.0, 3.0, 1.5, wrt="theta"))
    assert unicode(shown.forward[2].formula).startswith("p = eᵘ/√(2πσ²)")
    assert "x(θx − y)/σ²" in lines(shown.gradients[0].steps)[-1]
