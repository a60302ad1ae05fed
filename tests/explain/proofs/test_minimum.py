# ruff: noqa: PLW0108 - each function reads as its formula
"""Whether a minimum exists and whether it is the only one, against what is known."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.explain.proofs import convexity

_RNG = np.random.default_rng(3)
X = np.round(_RNG.normal(size=(16, 2)), 1)
Y = np.round(_RNG.normal(size=16), 1)
APART = (X @ [1.0, -2.0] > 0.1).astype(int)
MIXED = np.array([0, 1] * 8)
COUNTS = np.array([0, 2, 1, 3] * 4)
W = np.zeros(2)


def _regression(loss, y, n_out=1):
    return nn.MLP([2, n_out], rng=0), loss, (X, y)


def _least_squares(w):
    return np.mean((X @ w - Y) ** 2)


def _ridge_softmax(w):
    return -np.mean(cr.log_softmax(X @ w.T)[np.arange(16), MIXED]) + 0.1 * np.sum(w * w)


@pytest.mark.parametrize(
    ("subject", "exists", "unique"),
    [
        ((_least_squares, W), True, True),
        ((lambda w: np.mean((X[:1] @ w - 1) ** 2), W), True, False),
        ((lambda w: np.mean((X[:, :1] * (w[0] + w[1]) - Y[:, None]) ** 2), W), True, False),
        (_regression(losses.binary_cross_entropy, MIXED), True, True),
        (_regression(losses.binary_cross_entropy, APART), False, None),
        (_regression(losses.binary_cross_entropy, np.ones(16)), False, None),
        (_regression(losses.cross_entropy, MIXED, 2), True, False),
        (_regression(losses.cross_entropy, APART, 2), False, None),
        ((_ridge_softmax, np.zeros((2, 2))), True, True),
        (_regression(losses.poisson, COUNTS), True, True),
        (_regression(losses.poisson, np.zeros(16)), False, None),
        (_regression(losses.absolute_error, Y), True, None),
        (_regression(losses.hinge, MIXED), True, None),
        ((lambda x: np.exp(x), 0.0), False, None),
        ((lambda x: np.exp(x) - x, 0.0), True, True),
        ((lambda x: np.exp(x) + x, 0.0), False, None),
        ((lambda x: 2 * x, 0.0), False, None),
        ((lambda x: 0 * x + 1, 0.0), True, False),
        ((lambda x: -np.log(x), 1.0), False, None),
        ((lambda x: x - np.log(x), 1.0), True, True),
        ((lambda x: np.sum(x * np.log(x)), np.ones(2)), True, True),
        ((lambda x: cr.logsumexp(x), np.ones(2)), False, None),
        ((lambda x: x[0] ** 2 + x[1], np.ones(2)), False, None),
        ((lambda x: (x[0] + x[1]) ** 2, np.ones(2)), True, False),
        ((lambda x: x**4, 1.0), True, True),
    ],
)
def test_the_minimum_is_as_known(subject, exists, unique):
    found = convexity(*subject, seconds=1)
    assert found.verdict == "convex, proved"
    assert (found.minimum.exists, found.minimum.unique) == (exists, unique)


def test_separable_data_have_a_separating_direction():
    """Along it the logistic loss falls towards 0, and every example is on its own side."""
    found = convexity(*_regression(losses.binary_cross_entropy, APART))
    w, b = found.direction["layers.0.weight"], found.direction["layers.0.bias"]
    margins = (2 * APART - 1) * (X @ w[0] + b[0])
    assert (margins > 0).all()


def test_f_does_not_change_along_the_direction_of_a_minimum_that_is_not_unique():
    found = convexity(*_regression(losses.cross_entropy, MIXED, 2))
    model = nn.MLP([2, 2], rng=1)
    d = found.direction

    def at(t: float) -> float:
        weight = model.layers[0].weight + t * d["layers.0.weight"]
        bias = model.layers[0].bias + t * d["layers.0.bias"]
        return float(losses.cross_entropy(X @ weight.T + bias, MIXED))

    assert found.minimum.dimension == 3
    assert at(2.0) == pytest.approx(at(0.0), abs=1e-6)


def test_the_modulus_bounds_the_least_eigenvalue_from_below():
    """Of a mean of squares the Hessian is 2 XᵀX / n."""
    found = convexity(_least_squares, W)
    least = np.linalg.eigvalsh(2 * X.T @ X / 16)[0]
    assert found.curvature == "strongly convex"
    assert least * (1 - 1e-9) <= found.modulus <= least


@pytest.mark.parametrize("seed", range(6))
def test_random_logistic_regressions_have_a_minimum_where_newton_finds_one(seed):
    """Separable or not, as the margins of a linear program say."""
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(size=(8, 2)), 2)
    y = rng.integers(0, 2, 8)
    found = convexity(nn.MLP([2, 1], rng=0), losses.binary_cross_entropy, (x, y))
    rows = (2 * y - 1)[:, None] * np.column_stack([x, np.ones(8)])
    angles = np.random.default_rng(0).normal(size=(20000, 3))
    separable = bool(((rows @ angles.T) > 0).all(axis=0).any())
    assert found.minimum.exists is not separable


@pytest.mark.parametrize(
    ("f", "x", "wrong"),
    [
        (lambda x: 1e-9 * x + np.maximum(-1, 0.5 * x - 1), 1.0, (True, None)),
        (lambda x: np.maximum(0, 1 - x) - 1e-10 * x, 1.0, (True, None)),
        (lambda x: np.abs(x) + (1 + 1e-10) * x, 1.0, (True, None)),
        (lambda x: x[0] ** 2 + (1e-12 * x[1]) ** 2, W, (True, False)),
        (lambda x: x[0] ** 2 + (1e-12 * x[1]) ** 2 - 1e-14 * x[1], W, (False, None)),
        (lambda x: np.expm1(1e-300 * x), 1.0, (True, False)),
        (lambda x: x * x + 0 * np.log(x), 1.0, (True, True)),
        (lambda x: x + np.log(x) - np.log(x), 1.0, (False, None)),
    ],
)
def test_small_slopes_and_domains_that_no_part_of_f_tells_of(f, x, wrong) -> None:
    """What linear programming takes for 0, and a bound at which f does not rise."""
    found = convexity(f, x).minimum
    assert (found.exists, found.unique) != wrong


def test_a_direction_of_fall_does_not_leave_the_box() -> None:
    """|log(1 - 3x)| for x ≥ 0 is least at 0; along -x it would fall."""
    found = convexity(lambda x: np.abs(np.log1p(-3 * x)), 0.1, box=(0.0, np.inf))
    assert found.verdict == "convex, proved"
    assert found.minimum.exists is not False


def test_a_divisor_that_may_be_0_bounds_the_domain() -> None:
    found = convexity(lambda x: 1 / np.sqrt(x), 1.0, box=(0.0, 4.0))
    assert found.verdict == "convex, proved"
    assert "the divisor is positive" in found.domain
