"""The derivatives that the two lectures work out by hand, each by the chain rule of ours."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr

RNG = np.random.default_rng(0)
BOTH = pytest.mark.parametrize("way", ["eager", "compiled"])


def gradient(f, way, argnums=0):
    g = cr.grad(f, argnums)
    return g if way == "eager" else cr.compile(g)


@BOTH
@pytest.mark.parametrize("x", [-1.5, 0.0, 1.0, 2.0])
def test_nested_function(way, x):
    """d/dx (2x² + 1)² = 2 (2x² + 1) 4x."""
    g = gradient(lambda x: (2 * x**2 + 1) ** 2, way)(x)
    assert g == pytest.approx(2 * (2 * x**2 + 1) * 4 * x, rel=1e-15)


@BOTH
def test_affine_function(way):
    """∂(wx + b)/∂w = x, ∂(wx + b)/∂b = 1, ∂(wx + b)/∂x = w."""
    assert gradient(lambda w, x, b: w * x + b, way, (0, 2, 1))(2.0, 3.0, 1.0) == (3.0, 1.0, 2.0)


@BOTH
def test_square_of_a_sum(way):
    """∇u of u = (z₁ + z₂)²/2 is (z₁ + z₂, z₁ + z₂)."""
    g = gradient(lambda z: (z[0] + z[1]) ** 2 / 2, way)(np.array([1.5, -4.0]))
    np.testing.assert_array_equal(g, [-2.5, -2.5])


@BOTH
def test_squared_error_of_one_example(way):
    """∂(wx + b - y)²/∂w = 2x (wx + b - y), by b it is 2 (wx + b - y)."""
    w, b, x, y = 1.5, -0.5, 2.0, 4.0
    g = gradient(lambda w, b: (w * x + b - y) ** 2, way, (0, 1))(w, b)
    assert g == pytest.approx((2 * x * (w * x + b - y), 2 * (w * x + b - y)))


@BOTH
def test_linear_regression(way):
    """The sum over the examples: 2 Xᵀ(Xθ - y)/n."""
    x, y, theta = RNG.normal(size=(30, 3)), RNG.normal(size=30), RNG.normal(size=3)
    g = gradient(lambda theta: np.mean((x @ theta - y) ** 2), way)(theta)
    np.testing.assert_allclose(g, 2 * x.T @ (x @ theta - y) / 30, rtol=1e-13)


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


@BOTH
@pytest.mark.parametrize("y", [0.0, 1.0])
def test_logistic_regression(way, y):
    """-y log p - (1 - y) log(1 - p), p = s(wx + b): by w it is (p - y) x, by b it is p - y."""
    w, b, x = 0.7, -0.2, 1.7

    def loss(w, b):
        p = _sigmoid(w * x + b)
        return -y * np.log(p) - (1 - y) * np.log(1 - p)

    p = _sigmoid(w * x + b)
    assert gradient(loss, way, (0, 1))(w, b) == pytest.approx(((p - y) * x, p - y), rel=1e-13)


@BOTH
def test_softmax_regression(way):
    """-Σ y log softmax(z): by the logits it is p - y, whatever the true class."""
    z = RNG.normal(size=5)
    p = np.exp(z) / np.sum(np.exp(z))
    for k in range(5):
        y = np.eye(5)[k]
        g = gradient(lambda z, y: -np.sum(y * cr.log_softmax(z)), way)(z, y)
        np.testing.assert_allclose(g, p - y, rtol=1e-13, atol=1e-16)


@BOTH
def test_gaussian_negative_log_likelihood(way):
    """(y - θᵀx)²/2σ² by θ is -(y - θᵀx) x/σ²: the square is what makes it least squares."""
    theta, x, y, sigma = RNG.normal(size=3), RNG.normal(size=3), 0.3, 0.8
    g = gradient(lambda theta: (y - theta @ x) ** 2 / (2 * sigma**2), way)(theta)
    np.testing.assert_allclose(g, -(y - theta @ x) * x / sigma**2, rtol=1e-14)


@BOTH
def test_network_of_two_layers(way):
    """Backpropagation written out: δ₂ = p - y, δ₁ = (W₂ᵀ δ₂)(1 - h²), gradients δ xᵀ."""
    x, y = RNG.normal(size=4), 1.0
    w1, b1, w2, b2 = RNG.normal(size=(3, 4)), RNG.normal(size=3), RNG.normal(size=3), 0.1

    def loss(w1, b1, w2, b2):
        z = w2 @ np.tanh(w1 @ x + b1) + b2
        return np.logaddexp(0, z) - y * z

    h = np.tanh(w1 @ x + b1)
    second = _sigmoid(w2 @ h + b2) - y
    first = w2 * second * (1 - h * h)
    expected = np.outer(first, x), first, second * h, second
    for got, wanted in zip(
        gradient(loss, way, (0, 1, 2, 3))(w1, b1, w2, b2), expected, strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12)


@BOTH
def test_sum_over_examples_is_the_sum_of_their_gradients(way):
    """L(θ) = Σᵢ Lᵢ(θ): the architecture rests on it."""
    x, y, theta = RNG.normal(size=(7, 3)), RNG.normal(size=7), RNG.normal(size=3)

    def loss(theta, x, y):
        return np.sum((np.tanh(x @ theta) - y) ** 2)

    whole = gradient(loss, way)(theta, x, y)
    parts = [gradient(loss, way)(theta, x[k : k + 1], y[k : k + 1]) for k in range(7)]
    np.testing.assert_allclose(whole, np.sum(parts, axis=0), rtol=1e-12)


def test_gradient_descent_walks_to_the_bottom_of_a_bowl():
    """θ ← θ - η ∇L halves the distance each step for L = (θ - 3)² and η = 1/4."""
    step = cr.compile(lambda t: t - 0.25 * cr.grad(lambda t: (t - 3.0) ** 2)(t))
    t = 11.0
    for k in range(1, 20):
        t = step(t)
        assert t == 3.0 + 8.0 * 0.5**k


def test_a_saddle_has_no_slope():
    """x² - y² at the origin: the gradient is zero though it is no minimum."""
    np.testing.assert_array_equal(cr.grad(lambda z: z[0] ** 2 - z[1] ** 2)(np.zeros(2)), [0.0, 0.0])
