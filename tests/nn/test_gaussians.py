"""The generative route: class-conditional Gaussians give the linear classifier in closed form."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.errors import DataError, ShapeError, TrainingError


def data(name):
    from sklearn import datasets

    return getattr(datasets, f"load_{name}")(return_X_y=True)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_decision_and_probabilities_are_those_of_discriminant_analysis(name):
    """scikit-learn's LinearDiscriminantAnalysis(solver="lsqr"); digits has constant features."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    x, y = data(name)
    layer = nn.Linear.from_gaussians(x, y)
    reference = LinearDiscriminantAnalysis(solver="lsqr").fit(x, y)
    np.testing.assert_array_equal(layer(x).argmax(axis=1), reference.predict(x))
    np.testing.assert_allclose(cr.softmax(layer(x)), reference.predict_proba(x), atol=1e-6)


def test_shrinkage_is_scikit_learns():
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    x, y = data("wine")
    x = (x - x.mean(0)) / x.std(0)
    layer = nn.Linear.from_gaussians(x, y, shrinkage=0.3)
    of_class = [np.cov(x[y == k].T, bias=True) * np.mean(y == k) for k in range(3)]
    pooled = np.sum(of_class, axis=0)
    ball = np.trace(pooled) / 13 * np.eye(13)
    means = np.stack([x[y == k].mean(0) for k in range(3)])
    expected = np.linalg.solve(0.7 * pooled + 0.3 * ball, means.T).T
    np.testing.assert_allclose(layer.weight, expected, rtol=1e-10)
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(x, y)
    assert np.mean(layer(x).argmax(1) == reference.predict(x)) > 0.99


def test_logistic_form_gives_the_log_odds_of_the_two():
    x, y = data("breast_cancer")
    both, one = nn.Linear.from_gaussians(x, y), nn.Linear.from_gaussians(x, y, logistic=True)
    z = both(x)
    np.testing.assert_allclose(one(x)[:, 0], z[:, 1] - z[:, 0], rtol=1e-6, atol=1e-6)
    near = losses.binary_cross_entropy(one(x), y), losses.cross_entropy(z, y)
    np.testing.assert_allclose(*near, rtol=1e-8)


def test_it_is_a_model_to_descend_from():
    """Softmax regression that begins there has a lower loss than one from zeros needs steps for."""
    x, y = data("iris")
    start = nn.Linear.from_gaussians(x, y)
    run = cr.train(start, losses.cross_entropy, (x, y), batch="all", epochs=50)
    assert losses.cross_entropy(start(x), y) < 0.1
    assert run.history.loss[-1] < run.history.loss[0]


def test_float32_data_give_a_float32_model():
    x, y = data("iris")
    assert nn.Linear.from_gaussians(x.astype(np.float32), y).weight.dtype == np.float32
    assert nn.Linear.from_gaussians(x, y, dtype=np.float32).bias.dtype == np.float32


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "words"),
    [
        (np.zeros((3, 2)), [0, 1], {}, ShapeError, r"x is \(3, 2\), y is \(2,\)"),
        (np.zeros((3, 2)), [0, 0, 0], {}, DataError, "two classes or more"),
        (np.zeros((3, 2)), [0, 2, 2], {}, DataError, r"\[1, 0, 2\] examples of the classes"),
        (np.zeros((3, 2)), [0.0, 1.0, 1.0], {}, DataError, "expected integer labels"),
        (np.full((3, 2), np.nan), [0, 1, 1], {}, DataError, "not finite"),
        (np.zeros((3, 2)), [0, 1, 2], {"logistic": True}, TrainingError, "with 3 classes"),
        (np.zeros((3, 2)), [0, 1, 1], {"shrinkage": 2}, TrainingError, "shrinkage=2"),
    ],
)
def test_data_without_classes_are_refused(x, y, options, error, words):
    with pytest.raises(error, match=words):
        nn.Linear.from_gaussians(x, np.array(y), **options)
