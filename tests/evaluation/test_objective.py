"""The loss over all rows, its gradient and its Hessian's products."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.errors import TrainingError
from chainrule.evaluation.examples import sample, take_examples
from chainrule.evaluation.objective import BLOCK, Objective
from chainrule.tracing.trees import flatten, unflatten

ROWS = BLOCK + 300  # two blocks, of different sizes


def logistic(p, x, y):
    z = x @ p["w"] + p["b"]
    return np.mean(np.logaddexp(0, z) - y * z)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(ROWS, 3)), rng.integers(0, 2, ROWS) * 1.0
    params = {"b": np.array(0.3), "w": np.array([0.5, -1.0, 2.0])}
    return params, x, y, Objective(logistic, params, take_examples((x, y), np.dtype(float)))


def test_value_gradient_and_products_are_those_of_all_rows_at_once(problem):
    """Blocks of differing size are weighted by their rows."""
    params, x, y, objective = problem
    leaves, structure = flatten(params)
    np.testing.assert_allclose(objective.value(leaves), logistic(params, x, y), rtol=1e-12)
    value, found = objective.value_and_gradient(leaves)
    assert value == objective.value(leaves)
    expected = flatten(cr.grad(lambda p: logistic(p, x, y))(params))[0]
    np.testing.assert_allclose(np.hstack(found), np.hstack(expected), rtol=1e-10)
    v = unflatten(structure, [np.array(1.0), np.array([1.0, -2.0, 0.5])])
    along = flatten(cr.hvp(lambda p: logistic(p, x, y), params, v))[0]
    np.testing.assert_allclose(
        np.hstack(objective.hvp(leaves, flatten(v)[0])), np.hstack(along), rtol=1e-10
    )


def test_weights_are_divided_by_their_sum_over_all_rows(problem):
    """Σ w loss / Σ w, not a mean of the blocks' weighted means."""
    _, x, y, _ = problem
    w = np.linspace(0.0, 2.0, ROWS) ** 3
    model = nn.MLP([3, 1], rng=0, dtype=np.float64)
    rows = take_examples((x, y[:, None], w), np.dtype(float))
    objective = Objective(losses.binary_cross_entropy, model, rows)
    expected = losses.binary_cross_entropy(model(x), y[:, None], sample_weight=w)
    np.testing.assert_allclose(objective.value(objective.leaves), expected, rtol=1e-12)
    grads = cr.grad(lambda m: losses.binary_cross_entropy(m(x), y[:, None], sample_weight=w))(model)
    found = objective.gradient(objective.leaves)
    np.testing.assert_allclose(found[0], flatten(grads)[0][0], rtol=1e-10)


def test_statistics_are_held_and_dropout_is_off():
    """BatchNorm's running mean is no parameter: no gradient, and its given value counts."""
    x = np.random.default_rng(1).normal(size=(50, 2))
    model = nn.Sequential(nn.BatchNorm.init(2, dtype=np.float64), nn.Dropout(0.5))
    loss = lambda m, x: np.mean(m(x) ** 2)  # noqa: E731
    objective = Objective(loss, model, take_examples((x,), np.dtype(float)))
    assert objective.learned == [True, True, False, False]
    np.testing.assert_allclose(objective.value(objective.leaves), loss(model, x), rtol=1e-12)
    moved = [*objective.leaves[:2], objective.leaves[2] + 1.0, objective.leaves[3]]
    assert objective.value(moved) != objective.value(objective.leaves)
    assert not objective.gradient(objective.leaves)[2].any()
    assert objective.size == 4
    flat = objective.flat(objective.leaves)
    np.testing.assert_array_equal(objective.flat(objective.unflat(flat)), flat)


def test_other_rows_share_what_is_compiled(problem):
    params, _, _, objective = problem
    leaves = flatten(params)[0]
    few = objective.on(sample(objective.examples, 10, seed=3))
    assert few.examples.rows == 10
    assert few.gradient(leaves)[0] != objective.gradient(leaves)[0]
    assert few.on(objective.examples).value(leaves) == objective.value(leaves)


def test_a_tree_without_parameters_is_refused():
    rows = take_examples((np.zeros(3),), np.dtype(float))
    with pytest.raises(TrainingError, match="no parameters"):
        Objective(lambda p, x: np.mean(x), {"k": np.array(3)}, rows)
