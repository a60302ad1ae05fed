"""Eigenvalues of Hessians that are known only by their products."""

import math

import numpy as np
import pytest

from chainrule import losses, nn
from chainrule.diagnosis.curvature import curvature, lanczos, stability_bound
from chainrule.errors import TrainingError
from chainrule.evaluation.examples import take_examples
from chainrule.evaluation.objective import Objective

SPECTRA = {
    "even": np.linspace(1.0, 5.0, 30),
    "indefinite": np.concatenate([[-3.0], np.linspace(-0.1, 0.1, 300), [7.0]]),
    "all negative": -np.linspace(1.0, 2.0, 40),
    "one value": np.full(20, 3.0),
    "zero": np.zeros(10),
    "condition 10^4": np.geomspace(1e-4, 1.0, 60),
    "single": np.array([2.0]),
    "as of a network": np.concatenate([np.geomspace(10, 1, 10), np.linspace(-0.01, 0.1, 2000)]),
}


@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_both_ends_lie_within_their_error_of_an_eigenvalue(spectrum):
    """And the largest is found to the tolerance, whatever the spectrum."""
    normal = np.random.default_rng(0).normal(size=len(spectrum))

    def mirrored(v):
        return v - 2 * normal * (normal @ v) / (normal @ normal)

    def product(v):
        return mirrored(spectrum * mirrored(v))

    found = lanczos(product, len(spectrum))
    scale = max(np.max(np.abs(spectrum)), 1e-300)
    for value, error in (
        (found.largest, found.largest_error), (found.smallest, found.smallest_error),
    ):  # fmt: skip
        assert np.min(np.abs(spectrum - value)) <= error + 1e-12 * scale
    assert abs(found.largest - spectrum.max()) <= 1e-3 * scale
    assert abs(found.smallest - spectrum.min()) <= 1e-3 * scale
    for value, v in (
        (found.largest, found.largest_direction), (found.smallest, found.smallest_direction),
    ):  # fmt: skip
        np.testing.assert_allclose(np.linalg.norm(v), 1.0)
        assert np.linalg.norm(product(v) - value * v) <= 0.05 * scale


def test_a_deadline_ends_it_with_a_bound_that_holds():
    """Two products are enough for an answer; its error says how good it is."""
    spectrum = np.linspace(0.0, 1.0, 500)
    found = lanczos(lambda v: spectrum * v, 500, seconds=0.0)
    assert found.products == 2
    assert not found.converged
    assert np.min(np.abs(spectrum - found.largest)) <= found.largest_error


def test_the_same_seed_gives_the_same_bits():
    spectrum = np.linspace(-1.0, 1.0, 100)
    one, other = (lanczos(lambda v: spectrum * v, 100, seed=4) for _ in range(2))
    assert one.largest == other.largest
    np.testing.assert_array_equal(one.smallest_direction, other.smallest_direction)


def test_of_a_network_it_agrees_with_the_whole_hessian():
    """In float32, against the eigenvalues of the matrix of all products."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.integers(0, 3, 200)
    model = nn.MLP([3, 4, 3], rng=0, activation="tanh")
    objective = Objective(losses.cross_entropy, model, take_examples((x, y), np.dtype(np.float32)))
    leaves, n = objective.leaves, objective.size
    columns = [objective.flat(objective.hvp(leaves, objective.unflat(e))) for e in np.eye(n)]
    expected = np.linalg.eigvalsh((np.array(columns) + np.array(columns).T) / 2)
    found = curvature(objective, leaves)
    assert abs(found.largest - expected[-1]) <= 1e-4 * expected[-1]
    assert abs(found.smallest - expected[0]) <= 1e-3 * expected[-1]
    assert found.is_indefinite
    assert math.isinf(found.condition)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("kind", ["plain", "nesterov", "dampened"])
def test_the_bound_is_where_the_iteration_begins_to_grow(momentum, kind):
    """A step of optim.SGD on λ/2 x² has spectral radius 1 there, below it less, above it more."""
    if kind != "plain" and momentum == 0:
        pytest.skip("nothing to look ahead along, nothing to dampen")
    curve, dampening = 3.0, 0.4 if kind == "dampened" else 0.0
    nesterov = kind == "nesterov"
    bound = stability_bound(curve, momentum, nesterov=nesterov, dampening=dampening)

    def radius(rate):
        # (x, b) -> (x', b'): b' = momentum b + (1 - dampening) λ x
        b = np.array([(1 - dampening) * curve, momentum])
        step = np.array([curve, 0.0]) + momentum * b if nesterov else b
        return np.max(np.abs(np.linalg.eigvals([np.array([1.0, 0.0]) - rate * step, b])))

    assert radius(0.99 * bound) < 1 < radius(1.01 * bound)
    assert math.isinf(stability_bound(-1.0))


def test_products_that_are_not_finite_are_an_error():
    with pytest.raises(TrainingError, match="not finite"):
        lanczos(lambda v: v * np.nan, 3)
