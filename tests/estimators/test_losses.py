"""Losses of an estimator: quantiles, distributions, calibrated probabilities, one's own."""

import numpy as np
import pytest
from scipy import stats

from chainrule import losses
from chainrule.errors import DataError, TrainingError
from chainrule.estimators import LinearRegressor, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, (3000, 2))
FAST = {"hidden_layer_sizes": 16, "learning_rate_init": 0.01, "max_iter": 60, "random_state": 0}


def test_a_gaussian_finds_a_spread_that_depends_on_x():
    spread = np.exp(X[:, 1])
    y = 100 + 50 * X[:, 0] + 10 * spread * RNG.normal(size=len(X))
    dist = MLPRegressor(loss="gaussian", **FAST).fit(X, y).predict_dist(X)
    assert isinstance(dist, type(stats.norm()))
    assert dist.mean().shape == (len(X),)
    assert np.corrcoef(dist.std(), 10 * spread)[0, 1] > 0.95
    assert 0.75 < np.mean((y > dist.ppf(0.1)) & (y < dist.ppf(0.9))) < 0.85


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("poisson", stats.poisson(np.exp(X[:, 0] + 3)).rvs(random_state=1)),
        ("gamma", stats.gamma(4.0, scale=np.exp(X[:, 0]) * 1000 / 4).rvs(random_state=1)),
        ("negative_binomial", stats.nbinom(2, 0.05 + 0.2 * (X[:, 0] > 0)).rvs(random_state=1)),
    ],
)
def test_a_likelihood_gives_its_distribution(loss, y):
    """Its quantiles hold the shares of rows that they say; its mean is what is predicted."""
    model = MLPRegressor(loss=loss, **FAST).fit(X, y)
    dist = model.predict_dist(X)
    np.testing.assert_allclose(dist.mean(), model.predict(X), rtol=1e-6)
    assert abs(np.mean(y <= dist.ppf(0.9)) - 0.9) < 0.05  # counts: a step may be that high
    assert abs(model.predict(X).mean() / y.mean() - 1) < 0.05


@pytest.mark.parametrize("targets", [1, 2])
def test_quantiles_hold_their_shares_and_do_not_cross(targets):
    y = (X[:, :1] + RNG.exponential(size=(len(X), 2)))[:, :targets] * [1000, 1][:targets]
    model = MLPRegressor(loss="quantile", quantiles=[0.1, 0.5, 0.9], **FAST)
    model.fit(X, y[:, 0] if targets == 1 else y)
    found = model.predict_quantiles(X).reshape(len(X), targets, 3)
    assert (np.diff(found, axis=2) >= 0).all()
    below = np.mean(y[:, :, None] <= found, axis=0)
    np.testing.assert_allclose(below, np.tile([0.1, 0.5, 0.9], (targets, 1)), atol=0.06)
    np.testing.assert_allclose(model.predict(X).reshape(len(X), targets), found[:, :, 1], rtol=1e-6)


def test_what_has_no_distribution_says_which_losses_do():
    model = LinearRegressor().fit(X, X[:, 0])
    with pytest.raises(TrainingError, match="gaussian"):
        model.predict_dist(X)
    with pytest.raises(TrainingError, match="no likelihood"):
        model.predict_quantiles(X)


def test_quantiles_without_the_loss_are_refused():
    with pytest.raises(TrainingError, match='loss="quantile"'):
        LinearRegressor(quantiles=[0.5]).fit(X, X[:, 0])


def test_a_target_that_the_loss_does_not_know_is_refused():
    with pytest.raises(DataError, match="expected a finite count"):
        MLPRegressor(loss="poisson").fit(X, X[:, 0])


def cubed(output, y):
    return np.abs(output - y) ** 3


@pytest.mark.parametrize("targets", [1, 2])
def test_coefficients_of_a_spread_are_in_the_targets_units(targets):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = 100 + 10 * x[:, 0] + 5 * np.exp(0.3 * x[:, 0]) * rng.normal(size=400)
    y = y if targets == 1 else np.c_[y, 3 * y]
    model = LinearRegressor("gaussian").fit(x, y)
    lines = x @ model.coef_.T + model.intercept_
    dist = model.predict_dist(x)
    expected = np.c_[dist.mean(), np.log(dist.var())]
    np.testing.assert_allclose(lines, expected, rtol=1e-6)


def test_a_function_is_a_loss():
    y = X[:, 0] + X[:, 1] ** 2
    model = MLPRegressor(loss=cubed, **FAST).fit(X, y, np.ones(len(X)))
    assert model.score(X, y) > 0.9


def test_a_function_that_returns_a_mean_is_refused():
    with pytest.raises(TrainingError, match="one loss per row"):
        MLPRegressor(loss=lambda output, y: np.mean((output - y) ** 2)).fit(X, X[:, 0])


def test_two_classes_may_have_two_logits():
    model = MLPClassifier(loss=losses.cross_entropy(label_smoothing=0.2), **FAST)
    proba = model.fit(X, X[:, 0] > 0).predict_proba(X)
    assert proba.shape == (len(X), 2)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert proba.max() < 0.97  # smoothed labels: none is certain


def test_hinge_separates_and_has_no_probabilities():
    model = MLPClassifier(loss="hinge", **FAST).fit(X, X[:, 0] > 0)
    assert model.score(X, X[:, 0] > 0) > 0.95
    with pytest.raises(TrainingError, match="margins"):
        model.predict_proba(X)


def test_calibration_mends_probabilities_that_are_too_sure():
    """Labels that are noise beyond 80 %: a network that has learnt them by heart is too sure."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1200, 20))
    y = (x[:, 0] > 0) ^ (rng.uniform(size=1200) < 0.2)
    given = {**FAST, "hidden_layer_sizes": 64, "max_iter": 100}
    plain = MLPClassifier(**given).fit(x[:400], y[:400])
    mended = MLPClassifier(**given, calibration="temperature").fit(
        x[:400], y[:400], validation_data=(x[400:800], y[400:800])
    )
    np.testing.assert_array_equal(plain.coefs_[0], mended.coefs_[0])
    test, truth = x[800:], y[800:].astype(int)
    loss = [-np.log(m.predict_proba(test)[range(400), truth]).mean() for m in (plain, mended)]
    assert mended.temperature_ > 2
    assert loss[1] < 0.7 * loss[0]
