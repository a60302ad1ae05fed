"""Local Jacobians by structure, against those that are formed number by number."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.explain.numbers import backpropagation
from chainrule.explain.numbers.norms import largest_singular, norm

RNG = np.random.default_rng(3)
A, B = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
#: A function of one array, whose last operation but the sum is looked at; how its J is held.
OPERATIONS = {
    "tanh": (np.tanh, A, "Diagonal"),
    "relu": (nn.relu, A, "Diagonal"),
    "square": (lambda x: x * x, A, "Diagonal"),
    "quotient": (lambda x: x / 3.0, A, "Diagonal"),
    "left factor": (lambda x: x @ B, A, "Product"),
    "right factor": (lambda x: A @ x, B, "Product"),
    "batched": (
        lambda x: np.einsum("bij,bjk->bik", x, np.ones((2, 3, 2))),
        RNG.normal(size=(2, 2, 3)),
        "Product",
    ),
    "transposed": (lambda x: x.T, A, "Selection"),
    "reshaped": (lambda x: x.reshape(2, 6), A, "Selection"),
    "repeated": (lambda x: np.broadcast_to(x, (5, 3, 4)), A, "Selection"),
    "part": (lambda x: x[1:, ::2], A, "Selection"),
    "read": (lambda x: x[np.array([0, 2, 2])], A, "Selection"),
    "sum": (lambda x: np.sum(x, axis=0), A, "Reduction"),
    "maximum": (lambda x: np.max(x, axis=1), A, "Reduction"),
    "running sum": (lambda x: np.cumsum(x, axis=1), A, None),
    "inverse": (np.linalg.inv, A[:, :3], "Dense"),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_structure_and_norms_are_those_of_the_full_matrix(name):
    """dense(), Frobenius and spectral norm against cr.jacobian and NumPy's SVD."""
    f, x, kind = OPERATIONS[name]
    weights = RNG.normal(size=np.shape(f(x)))
    found = backpropagation(lambda x: np.sum(weights * f(x)), x)
    visit = next(v for v in found.visits if any(p.to == "x" for p in v.passed))
    full = np.reshape(cr.jacobian(f)(x), (-1, x.size))
    passed = next(p for p in visit.passed if p.to == "x")
    if visit.shape != np.shape(f(x)):
        pytest.skip("written as several operations")
    jacobian = passed.jacobian
    assert kind in (None, type(jacobian).__name__)
    np.testing.assert_allclose(jacobian.dense(), full, rtol=1e-12, atol=1e-14)
    assert jacobian.frobenius == pytest.approx(np.linalg.norm(full), rel=1e-12)
    assert jacobian.spectral == pytest.approx(np.linalg.norm(full, 2), rel=1e-7)


@pytest.mark.slow
def test_large_products_are_held_by_their_factor():
    """128 × 784 weights: J of 128 × 100,352 numbers is 128 blocks of 1 × 784."""
    model, x = nn.MLP([784, 128, 10], rng=0), RNG.normal(size=(1, 784)).astype(np.float32)
    found = backpropagation(model, nn_loss, (x, np.array([3])))
    weight, _, data = found.layers[-1].leaves
    assert weight.jacobian.shape == (128, 100_352)
    assert weight.jacobian.blocks == 128
    assert weight.jacobian.spectral == pytest.approx(np.linalg.norm(x), rel=1e-6)
    own = model.layers[0].weight
    assert data.jacobian.spectral == pytest.approx(np.linalg.norm(own, 2), rel=1e-5)
    np.testing.assert_array_equal(data.jacobian.factor[0], own)


def nn_loss(model, x, y):
    return -np.mean(cr.log_softmax(model(x))[np.arange(len(y)), y])


def test_what_is_too_large_is_not_formed():
    """A dense Jacobian of 10,000 rows has a shape and no numbers, and nothing hangs."""
    found = backpropagation(lambda x: np.sum(np.sort(x) ** 2), RNG.normal(size=10_000))
    passed = found.visits[-1].passed[0]
    assert passed.jacobian.shape == (10_000, 10_000)
    assert passed.jacobian.frobenius is passed.error is None
    assert "more are not formed" in "".join(found.notes())


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_norms_neither_overflow_nor_vanish(scale):
    """They are homogeneous over the whole range of float64."""
    assert norm(scale * A) == pytest.approx(scale * np.linalg.norm(A), rel=1e-12)
    assert largest_singular(scale * A) == pytest.approx(scale * np.linalg.norm(A, 2), rel=1e-7)


def test_norms_of_nothing_and_of_what_is_not_finite():
    """0 of no numbers; NaN and infinities stay."""
    assert norm(np.zeros(0)) == 0.0
    assert np.isnan(norm([1.0, np.nan]))
    assert norm([1.0, -np.inf]) == np.inf
