"""Decision boundaries: θ at a right angle, pointing to class 1, and single SGD updates."""

from __future__ import annotations

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import explain, losses, nn
from chainrule.errors import DataError, TrainingError


def rows(n=60, d=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return x, (x[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("d", [2, 3, 8])
def test_theta_is_perpendicular_to_the_boundary_and_points_to_class_1(seed, d):
    """Between points found on the scores, 90° to 1e-6; p above one half on the side of θ."""
    rng = np.random.default_rng(seed)
    x, y = rows(d=d, seed=seed)
    found = explain.decision_boundary(rng.normal(size=d), x, y, bias=float(rng.normal()))
    (b,) = found.boundaries
    assert abs(b.angle - 90) < 1e-6
    assert b.ahead > 0.5 > b.behind
    assert set(found.pictures()) == {"decision boundary", "SGD updates"}


@pytest.mark.parametrize("d", [2, 5])
def test_each_pair_of_classes_of_a_softmax_has_the_difference_of_rows(d):
    """θ = w_j - w_k, by probing the model; every boundary at a right angle to it."""
    model = nn.Linear.init(d, 4, rng=1)
    x, _ = rows(80, d)
    found = explain.decision_boundary(model, x, np.arange(80) % 4)
    assert len(found.boundaries) == 6
    for b in found.boundaries:
        j, k = b.classes
        np.testing.assert_allclose(b.theta, model.weight[j] - model.weight[k], rtol=1e-6, atol=1e-9)
        assert abs(b.angle - 90) < 1e-6
        assert b.ahead > 0.5 > b.behind


def test_the_gradient_of_one_example_is_p_minus_y_times_x():
    """By the formula, by autodiff, and by the loss's own gradient."""
    x, y = rows()
    theta = np.array([0.7, -0.3])
    found = explain.decision_boundary(theta, x, y, learning_rate=0.5)
    assert found.steps
    for step in found.steps:
        own = cr.grad(
            lambda t, k=step.row: losses.binary_cross_entropy(x[k : k + 1] @ t, y[k : k + 1])
        )(theta)
        np.testing.assert_allclose(step.gradient, own, rtol=1e-12)
        np.testing.assert_allclose(step.gradient, (step.p - step.y) * step.features, rtol=1e-12)
        np.testing.assert_allclose(step.theta, theta - 0.5 * own, rtol=1e-12)
        assert step.loss_after < step.loss
        assert step.error < 1e-14


def test_a_column_of_ones_is_the_bias():
    """θ of (1, x₁, x₂) has the boundary of θ₀ with (x₁, x₂)."""
    x, y = rows()
    whole = np.concatenate([np.ones((len(x), 1)), x], axis=1)
    a = explain.decision_boundary(np.array([0.3, 1.0, 0.5]), whole, y).boundaries[0]
    b = explain.decision_boundary(np.array([0.3, 1.0, 0.5]), x, y).boundaries[0]
    c = explain.decision_boundary({"w": np.array([1.0, 0.5]), "b": 0.3}, x, y).boundaries[0]
    for other in (b, c):
        np.testing.assert_allclose(a.theta, other.theta)
        assert a.theta0 == other.theta0


def test_separable_data_let_theta_grow_and_that_is_said():
    """All on their own side: a longer θ has a lower loss; margin is the least distance."""
    x = np.array([[2.0, 1.0], [1.0, 2.0], [-1.0, -1.0], [-2.0, 0.5]])
    found = explain.decision_boundary(np.array([1e6, 2e6]), x, [1, 1, 0, 0])
    b = found.boundaries[0]
    assert b.separates
    assert "no minimum" in str(found)
    np.testing.assert_allclose(b.margin, np.min(np.abs(x @ [1, 2])) / np.sqrt(5))


def test_a_network_is_seen_to_be_bent():
    """No affine scores: regions by probability; more than two features need to be named."""
    x, y = rows(d=3)
    model = nn.MLP([3, 8, 2], rng=0)
    with pytest.raises(TrainingError, match="features="):
        explain.decision_boundary(model, x, y)
    found = explain.decision_boundary(model, x, y, features=(0, 2))
    assert not found.is_linear
    assert set(found.pictures()) == {"decision regions"}


@pytest.mark.parametrize(
    ("theta", "x", "y", "words"),
    [
        (np.zeros(2), np.eye(2), [0, 1], "there is no boundary"),
        (np.ones(2), np.eye(2), [1, 1], "of one class"),
        (np.ones(2), np.ones((4, 2)), [0, 1, 0, 1], "no boundary parts them"),
        (np.ones(1), np.array([[1.0], [-1.0]]), [1, 0], "it is the point"),
        (np.ones(2, np.float32), np.eye(2, dtype=np.float32), ["<b>", "no"], "“<b>”"),
    ],
    ids=["zero", "one class", "twins", "one feature", "names"],
)
def test_odd_data_get_a_sentence(theta, x, y, words):
    """Text, pictures and JSON of each; HTML escapes the names."""
    found = explain.decision_boundary(theta, x, y)
    assert words in str(found)
    json.dumps(found.to_json(), allow_nan=False)
    assert "“<b>" not in found._repr_html_()


@pytest.mark.parametrize(
    ("theta", "x", "y", "error"),
    [
        (np.ones(5), np.ones((3, 2)), [0, 1, 0], TrainingError),
        (np.ones(2), np.ones((3, 2)), [0, 1], DataError),
        (np.ones(2), np.full((3, 2), np.nan), [0, 1, 0], DataError),
        (np.ones(2), np.ones((0, 2)), [], DataError),
        (np.ones(2), np.arange(6.0).reshape(3, 2), [0, 1, 2], DataError),
    ],
    ids=["theta", "rows", "nan", "empty", "classes"],
)
def test_what_does_not_fit_is_refused(theta, x, y, error):
    """With the shapes in the message."""
    with pytest.raises(error, match="decision_boundary"):
        explain.decision_boundary(theta, x, y)


def test_features_that_are_not_drawn_count_for_accuracy_and_twins():
    """Of a bent model of more features: its own accuracy, and no row is another's twin."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4))
    x[:, :2] = np.round(x[:, :2])  # twins in what is drawn
    model = nn.MLP([4, 8, 2], rng=0)
    y = np.asarray(model(x.astype(np.float32))).argmax(axis=1)
    found = explain.decision_boundary(model, x, y, features=(0, 1))
    assert (found.accuracy, found.held, found.torn) == (1.0, 2, 0)
    assert "the model's 2 others at their means" in str(found)
