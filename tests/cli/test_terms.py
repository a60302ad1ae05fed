"""What a loss makes of the user's target and gives back as a prediction."""

import numpy as np
import pytest
from scipy import stats

from chainrule.cli import names
from chainrule.cli.scores import baseline, metrics_of, score
from chainrule.cli.terms import (
    CONSTANTS,
    SCALED,
    in_user_terms,
    likelihood,
    network_target,
    terms_of,
    to_numbers,
)
from chainrule.data.target import Target

RNG = np.random.default_rng(0)
COUNTS = RNG.poisson(RNG.gamma(2.0, 3.0, 400)).astype(np.float64)
AMOUNTS = RNG.gamma(3.0, 1000.0, 400)
NUMBERS = RNG.normal(50.0, 7.0, 400)
CLASSES = RNG.choice(3, 400, p=[0.2, 0.5, 0.3])


def target_and_values(loss, classes=3):
    """A target that fits the loss, and its values."""
    if loss in names.CLASS_LOSSES:
        y = CLASSES % classes
        return Target("y", "classification", "", tuple("abc"[:classes])).fit(y), y
    if loss in names.COUNT_LOSSES:
        y = COUNTS
    else:
        y = AMOUNTS if loss in names.AMOUNT_LOSSES else NUMBERS
    return Target("y", "regression", "").fit(y), y


def terms_for(loss, quantile=None):
    target, y = target_and_values(loss, 2 if loss == "binary_cross_entropy" else 3)
    return target, y, terms_of(loss, quantile, target, y)


def test_each_loss_has_a_constant_and_fits_a_target():
    assert set(CONSTANTS) == {*names.REGRESSION_LOSSES, *names.CLASS_LOSSES}
    for loss in CONSTANTS:
        assert terms_for(loss)[2].loss == loss


# Those of the gamma and the negative binomial are by moments, of Huber's the mean: near the best.
@pytest.mark.parametrize("loss", [name for name in CONSTANTS if name != "hinge"])
def test_no_other_constant_has_a_much_lower_loss(loss):
    """The baseline is the best answer that knows no column, so that a network can be judged."""
    target, y, terms = terms_for(loss)
    taken = network_target(terms, target, y)

    def value(constant):
        return float(terms.function(np.tile(constant, (len(y), 1)), taken))

    best, start = value(np.array(terms.constant)), np.array(terms.constant)
    others = start + np.random.default_rng(1).normal(0, 0.3, (200, len(start)))
    assert min(map(value, others)) > best - 0.003 * abs(best)


@pytest.mark.parametrize("loss", names.REGRESSION_LOSSES)
def test_numbers_go_to_the_network_and_back(loss):
    """to_numbers(network_target(y)) = y to float32; only losses of numbers scale and centre."""
    target, y, terms = terms_for(loss)
    there = network_target(terms, target, y)
    np.testing.assert_allclose(to_numbers(terms, target, there), y, rtol=1e-5)
    assert (abs(there.mean()) < 1e-3) == (loss in SCALED)


@pytest.mark.parametrize("loss", names.REGRESSION_LOSSES)
def test_the_constant_network_predicts_the_mean_or_the_median_in_the_users_unit(loss):
    target, y, terms = terms_for(loss)
    predicted = in_user_terms(terms, target, np.array([terms.constant]))
    is_median = loss in ("absolute_error", "quantile")
    np.testing.assert_allclose(predicted.values, np.median(y) if is_median else y.mean())
    if predicted.deviation is not None and loss != "poisson":
        np.testing.assert_allclose(predicted.deviation, y.std(), rtol=1e-6)


def test_a_quantile_has_its_share_of_the_rows_below_it():
    target, y, terms = terms_for("quantile", 0.9)
    scores = baseline(terms, target, y)
    assert scores["share_below"] == pytest.approx(0.9, abs=0.005)
    assert set(scores) == {"pinball_0.9", "share_below"}


def distribution(loss, predicted, output):
    """SciPy's distribution of each row."""
    mean, deviation = predicted.values, predicted.deviation
    if loss == "gaussian":
        return stats.norm(mean, deviation).logpdf
    if loss == "poisson":
        return stats.poisson(mean).logpmf
    if loss == "gamma":
        shape = (mean / deviation) ** 2
        return stats.gamma(shape, scale=mean / shape).logpdf
    r = mean**2 / (deviation**2 - mean)
    return stats.nbinom(r, r / (r + mean)).logpmf


@pytest.mark.parametrize("loss", ["gaussian", "poisson", "gamma", "negative_binomial"])
def test_the_likelihood_is_scipys_in_the_targets_own_unit(loss):
    target, y, terms = terms_for(loss)
    noise = np.random.default_rng(2).normal(0, 0.2, (len(y), terms.n_out))
    output = np.array(terms.constant) + noise
    logpdf = distribution(loss, in_user_terms(terms, target, output), output)
    assert likelihood(terms, target, y, output) == pytest.approx(-np.mean(logpdf(y)), rel=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
def test_hinge_gives_scores_and_no_probabilities(classes):
    target, y = target_and_values("hinge", classes)
    terms = terms_of("hinge", None, target, y)
    output = np.random.default_rng(3).normal(size=(len(y), terms.n_out))
    predicted = in_user_terms(terms, target, output)
    assert predicted.said == "scores"
    assert predicted.values.shape == (len(y), classes)
    if terms.n_out == classes:
        np.testing.assert_array_equal(predicted.values.argmax(1), output.argmax(1))
    else:
        np.testing.assert_array_equal(predicted.values.argmax(1), output[:, 0] > 0)
    scores = score(terms, target, y, output)
    assert set(scores) == {"roc_auc", "accuracy"}


def test_metrics_asked_for_are_scored_too_and_none_twice():
    target, y, terms = terms_for("squared_error")
    keys = [metric.key for metric in metrics_of(terms, target, ("rmse", "mape"))]
    assert keys == ["rmse", "r2", "mae", "mape"]
    assert baseline(terms, target, y, ("mape",))["mape"] > 0
