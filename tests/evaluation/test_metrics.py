"""Metrics by name: what they compute, what they are given, what they refuse."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sk

from chainrule import losses
from chainrule.errors import DataError, MissingExtraError, ShapeError, TrainingError
from chainrule.evaluation import metrics as module
from chainrule.evaluation.metrics import METRICS, of_predictions, resolve
from chainrule.losses import LOSSES

RNG = np.random.default_rng(11)
N = 60
#: Logits, labels and weights; some weights are 0, which must count as if the row were not there.
Z3, Y3 = RNG.normal(0, 2, (N, 3)), RNG.integers(0, 3, N)
Z1, Y1 = RNG.normal(0, 2, N), RNG.integers(0, 2, N)
W = RNG.integers(0, 4, N).astype(np.float64)
P3, P1 = special.softmax(Z3, axis=1), special.expit(Z1)

Y_NUMBER = RNG.gamma(2.0, 1.0, N)
GUESS = Y_NUMBER * RNG.uniform(0.5, 1.5, N)


def one(name: str, loss: Any, outputs: Any, y: Any, w: Any = None) -> float:
    """The score of one metric."""
    return resolve([name], loss).score(np.asarray(outputs), np.asarray(y), w)[name]


# ------------------------------------------------------------------------------ scikit-learn's

OF_THREE = {
    "accuracy": lambda w: sk.accuracy_score(Y3, P3.argmax(1), sample_weight=w),
    "balanced_accuracy": lambda w: sk.balanced_accuracy_score(Y3, P3.argmax(1), sample_weight=w),
    "precision": lambda w: sk.precision_score(Y3, P3.argmax(1), average="macro", sample_weight=w),
    "recall": lambda w: sk.recall_score(Y3, P3.argmax(1), average="macro", sample_weight=w),
    "f1": lambda w: sk.f1_score(Y3, P3.argmax(1), average="macro", sample_weight=w),
    "f1_macro": lambda w: sk.f1_score(Y3, P3.argmax(1), average="macro", sample_weight=w),
    "matthews": lambda w: sk.matthews_corrcoef(Y3, P3.argmax(1), sample_weight=w),
    "roc_auc": lambda w: sk.roc_auc_score(Y3, P3, multi_class="ovr", sample_weight=w),
    "average_precision": lambda w: sk.average_precision_score(Y3, P3, sample_weight=w),
    "log_loss": lambda w: sk.log_loss(Y3, P3, sample_weight=w),
    "brier": lambda w: np.average(((P3 - np.eye(3)[Y3]) ** 2).sum(1), weights=w),
    "calibration_error": lambda w: by_hand_calibration(P3.max(1), P3.argmax(1) == Y3, w),
    "top_2_accuracy": lambda w: sk.top_k_accuracy_score(Y3, P3, k=2, sample_weight=w),
}
OF_TWO = {
    "accuracy": lambda w: sk.accuracy_score(Y1, P1 > 0.5, sample_weight=w),
    "balanced_accuracy": lambda w: sk.balanced_accuracy_score(Y1, P1 > 0.5, sample_weight=w),
    "precision": lambda w: sk.precision_score(Y1, P1 > 0.5, sample_weight=w),
    "recall": lambda w: sk.recall_score(Y1, P1 > 0.5, sample_weight=w),
    "f1": lambda w: sk.f1_score(Y1, P1 > 0.5, sample_weight=w),
    "f1_macro": lambda w: sk.f1_score(Y1, P1 > 0.5, average="macro", sample_weight=w),
    "matthews": lambda w: sk.matthews_corrcoef(Y1, P1 > 0.5, sample_weight=w),
    "roc_auc": lambda w: sk.roc_auc_score(Y1, P1, sample_weight=w),
    "average_precision": lambda w: sk.average_precision_score(Y1, P1, sample_weight=w),
    "log_loss": lambda w: sk.log_loss(Y1, P1, sample_weight=w),
    "brier": lambda w: sk.brier_score_loss(Y1, P1, sample_weight=w),
    "calibration_error": lambda w: by_hand_calibration(P1, Y1, w),
    "top_1_accuracy": lambda w: sk.accuracy_score(Y1, P1 > 0.5, sample_weight=w),
}
OF_NUMBERS = {
    "rmse": sk.root_mean_squared_error,
    "mse": sk.mean_squared_error,
    "mae": sk.mean_absolute_error,
    "median_absolute_error": sk.median_absolute_error,
    "max_error": lambda y, p, sample_weight: sk.max_error(y, p),
    "r2": sk.r2_score,
    "explained_variance": sk.explained_variance_score,
    "mape": sk.mean_absolute_percentage_error,
    "rmsle": sk.root_mean_squared_log_error,
    "poisson_deviance": sk.mean_poisson_deviance,
    "gamma_deviance": sk.mean_gamma_deviance,
    "pinball_0.9": lambda y, p, sample_weight: sk.mean_pinball_loss(
        y, p, alpha=0.9, sample_weight=sample_weight
    ),
}


def by_hand_calibration(confidence: Any, hit: Any, w: Any) -> float:
    """Σ |B| / n |acc(B) - conf(B)| over 15 bins (m/15, (m + 1)/15], as the paper writes it."""
    w = np.ones(len(hit)) if w is None else w
    total = 0.0
    for low, high in pairwise(np.linspace(0, 1, 16)):
        inside = (confidence > low) & (confidence <= high)
        if w[inside].sum() > 0:
            means = [np.average(x[inside], weights=w[inside]) for x in (hit, confidence)]
            total += w[inside].sum() / w.sum() * abs(means[0] - means[1])
    return total


@pytest.mark.parametrize("w", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", OF_THREE)
def test_of_three_classes_it_is_scikit_learns(name: str, w: Any):
    found = one(name, losses.cross_entropy, Z3, Y3, w)
    assert found == pytest.approx(OF_THREE[name](w), rel=1e-12)


@pytest.mark.parametrize("w", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", OF_TWO)
def test_of_a_yes_or_no_it_is_scikit_learns(name: str, w: Any):
    found = one(name, losses.binary_cross_entropy, Z1, Y1, w)
    assert found == pytest.approx(OF_TWO[name](w), rel=1e-12)


@pytest.mark.parametrize("name", OF_TWO)
def test_two_logits_are_scored_as_the_one_that_is_their_difference(name: str):
    """softmax(0, z) = (1 - sigmoid(z), sigmoid(z))."""
    two = one(name, losses.cross_entropy, np.stack([0 * Z1, Z1], axis=1), Y1)
    assert two == pytest.approx(one(name, losses.binary_cross_entropy, Z1, Y1), rel=1e-12)


@pytest.mark.parametrize("w", [None, W], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", OF_NUMBERS)
def test_of_numbers_it_is_scikit_learns(name: str, w: Any):
    kept = slice(None) if w is None or name != "max_error" else w > 0
    wanted = OF_NUMBERS[name](
        Y_NUMBER[kept], GUESS[kept], sample_weight=None if w is None else w[kept]
    )
    assert one(name, losses.squared_error, GUESS, Y_NUMBER, w) == pytest.approx(wanted, rel=1e-12)


def test_every_name_is_compared_above():
    assert set(METRICS) <= {*OF_THREE, *OF_TWO, *OF_NUMBERS}


# ------------------------------------------------------------------------------- closed forms


def test_a_perfect_model_and_one_that_knows_nothing():
    y = np.array([0, 1, 0, 1])
    sure, none = np.where(y == 1, 50.0, -50.0), np.zeros(4)
    names = ["accuracy", "log_loss", "brier", "calibration_error", "roc_auc"]
    metrics = resolve(names, losses.binary_cross_entropy)
    assert list(metrics.score(sure, y).values()) == pytest.approx([1, 0, 0, 0, 1], abs=1e-15)
    assert list(metrics.score(none, y).values()) == pytest.approx([0.5, np.log(2), 0.25, 0, 0.5])


def test_calibration_of_a_model_that_is_always_too_sure():
    """It says 0.9, and is right in half of the rows: |0.9 - 0.5|."""
    z = np.full(10, special.logit(0.9))
    y = np.arange(10) % 2
    assert one("calibration_error", losses.binary_cross_entropy, z, y) == pytest.approx(0.4)


def test_a_confident_mistake_in_float32_costs_what_it_costs_in_float64():
    """A float32 probability of 1 - 2·10⁻⁹ is 1; outputs are linked in float64.

    There 1 - p keeps eps / (1 - p) = 10⁻⁷ of its digits.
    """
    z = np.array([20.0, -20.0], np.float32)
    found = one("log_loss", losses.binary_cross_entropy, z, np.array([0, 0]))
    assert found == pytest.approx((20 + 2 * np.log1p(np.exp(-20.0))) / 2, rel=1e-7)


def test_top_5_of_three_classes_is_always_right():
    assert one("top_5_accuracy", losses.cross_entropy, Z3, Y3) == 1.0


# ------------------------------------------------------------------------------------ targets


def test_one_hot_targets_are_labels():
    names = list(OF_THREE)
    metrics = resolve(names, losses.cross_entropy)
    a, b = metrics.score(Z3, Y3), metrics.score(Z3, np.eye(3)[Y3])
    assert a == pytest.approx(b, rel=1e-12)
    assert metrics.score(Z3, Y3[:, None]) == a


@pytest.mark.parametrize("w", [None, W], ids=["plain", "weighted"])
def test_soft_targets_are_rows_of_each_class_with_its_probability_as_weight(w: Any):
    """The log loss is linear in the target."""
    q = RNG.dirichlet([1, 1, 1], N)
    weights = (q if w is None else q * w[:, None]).ravel()
    wanted = sk.log_loss(np.tile(np.arange(3), N), np.repeat(P3, 3, axis=0), sample_weight=weights)
    assert one("log_loss", losses.cross_entropy, Z3, q, w) == pytest.approx(wanted, rel=1e-12)
    assert one("accuracy", losses.cross_entropy, Z3, q) == np.mean(q.argmax(1) == P3.argmax(1))
    t = q[:, 0]
    wanted = -np.mean(t * np.log(P1) + (1 - t) * np.log(1 - P1))
    assert one("log_loss", losses.binary_cross_entropy, Z1, t) == pytest.approx(wanted, rel=1e-12)
    assert one("brier", losses.binary_cross_entropy, Z1, t) == pytest.approx(np.mean((P1 - t) ** 2))


def test_the_log_loss_is_the_loss_of_the_descent():
    w = W[:, None]
    for loss, z, y in (
        (losses.cross_entropy, Z3, Y3),
        (losses.binary_cross_entropy, Z1[:, None], Y1),
    ):
        assert one("log_loss", loss, z, y, w) == pytest.approx(float(loss(z, y, sample_weight=W)))


def test_hinge_takes_answers_of_plus_and_minus_one_and_labels():
    signs = 2 * Y1 - 1
    for y in (Y1, signs, signs.astype(np.float32)):
        found = resolve(["accuracy", "roc_auc"], losses.hinge).score(Z1, y)
        assert found == {
            "accuracy": np.mean((Z1 > 0) == Y1), "roc_auc": sk.roc_auc_score(Y1, Z1)
        }  # fmt: skip
    several = resolve(["accuracy", "top_2_accuracy", "roc_auc"], losses.hinge).score(Z3, Y3)
    each = [sk.roc_auc_score(np.equal(Y3, j), Z3[:, j]) for j in range(3)]
    assert several["accuracy"] == np.mean(Z3.argmax(1) == Y3)
    assert several["roc_auc"] == pytest.approx(np.mean(each))


def test_several_answers_and_several_quantities_are_scored_each_by_itself():
    """The mean over them, as scikit-learn's ``uniform_average`` and ``macro`` have it."""
    y = RNG.integers(0, 2, (N, 3))
    found = resolve(["accuracy", "roc_auc"], losses.binary_cross_entropy).score(Z3, y)
    assert found["accuracy"] == pytest.approx(np.mean((Z3 > 0) == y))
    assert found["roc_auc"] == pytest.approx(sk.roc_auc_score(y, Z3, average="macro"))
    t = RNG.normal(size=(N, 3))
    found = resolve(["r2", "rmse"], losses.squared_error).score(Z3, t, W)
    assert found["r2"] == pytest.approx(sk.r2_score(t, Z3, sample_weight=W))
    assert found["rmse"] == pytest.approx(sk.root_mean_squared_error(t, Z3, sample_weight=W))


def test_a_class_at_each_place_in_time_is_a_row_of_its_own():
    z, y, w = Z3.reshape(20, 3, 3), Y3.reshape(20, 3), np.arange(20.0)
    metrics = resolve(["accuracy", "log_loss"], losses.cross_entropy)
    flat = metrics.score(Z3, Y3, np.repeat(w, 3))
    assert metrics.score(z, y, w) == pytest.approx(flat, rel=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_predictions_are_what_the_link_of_the_loss_makes_of_outputs(name: str):
    """Of each loss, its first metric that fits is computed; of distributions, of the mean."""
    loss = LOSSES[name]
    kind = resolve([], loss).kind
    assert kind != "anything"
    if kind == "numbers":
        two = name in ("gaussian", "gamma", "negative_binomial")
        outputs = RNG.normal(size=(N, 2 if two else 1))
        wanted = np.exp(outputs[:, 0]) if loss.link(np.ones((1, 2))).max() > 2 else outputs[:, 0]
        assert one("mae", loss, outputs, Y_NUMBER) == pytest.approx(
            np.mean(abs(wanted - Y_NUMBER)), rel=1e-12
        )
    else:
        outputs, y = (Z3, Y3) if kind == "classes" else (Z1[:, None], Y1)
        right = Z3.argmax(1) == Y3 if kind == "classes" else (Z1 > 0) == Y1
        assert one("accuracy", loss, outputs, y) == np.mean(right)


def test_members_are_averaged_before_they_are_scored():
    z = RNG.normal(size=(N, 4, 3))
    loss = losses.each_member(losses.cross_entropy)
    p = special.softmax(z, axis=-1).mean(1)
    assert one("log_loss", loss, z, Y3) == pytest.approx(sk.log_loss(Y3, p), rel=1e-12)


# -------------------------------------------------------------------------- a metric of one's own


def test_a_function_sees_targets_and_linked_predictions():
    def mean_of_largest(y: Any, prediction: Any) -> Any:
        assert y.shape == (N,)
        return np.mean(prediction.max(axis=1))

    found = resolve([mean_of_largest, "accuracy"], losses.cross_entropy).score(Z3, Y3)
    assert found["mean_of_largest"] == pytest.approx(P3.max(1).mean())
    assert list(found) == ["mean_of_largest", "accuracy"]


def test_a_function_that_takes_weights_is_given_them():
    metrics = resolve(sk.mean_squared_log_error, losses.squared_error)
    wanted = sk.mean_squared_log_error(Y_NUMBER, GUESS, sample_weight=W)
    assert metrics.score(GUESS, Y_NUMBER, W) == {"mean_squared_log_error": wanted}


def test_a_loss_is_a_metric_of_raw_outputs():
    other = losses.cross_entropy(label_smoothing=0.1)
    metrics = resolve([other], losses.cross_entropy)
    assert metrics.score(Z3, Y3, W) == {
        "cross_entropy": pytest.approx(float(other(Z3, Y3, sample_weight=W)))
    }
    assert metrics.greater_is_better == {"cross_entropy": False}


def test_which_way_is_better_is_said_of_names_and_of_functions_that_say_it():
    def gain(y: Any, prediction: Any) -> float:
        return 0.0

    def other(y: Any, prediction: Any) -> float:
        return 0.0

    gain.greater_is_better = True
    found = resolve(["accuracy", "brier", gain, other], losses.cross_entropy).greater_is_better
    assert found == {"accuracy": True, "brier": False, "gain": True}


def test_under_a_loss_of_ones_own_outputs_are_scored_as_they_are():
    def mine(params: Any, x: Any, y: Any) -> Any:
        raise AssertionError

    assert one("mae", mine, GUESS, Y_NUMBER) == pytest.approx(np.mean(abs(GUESS - Y_NUMBER)))
    assert one("accuracy", mine, P3, Y3) == one("accuracy", losses.cross_entropy, Z3, Y3)
    assert one("accuracy", mine, Z3, np.eye(3)[Y3]) == one("accuracy", mine, Z3, Y3)
    with pytest.raises(TrainingError, match=r"log_loss.* needs probabilities"):
        resolve(["log_loss"], mine)
    with pytest.raises(ShapeError, match="which class is meant is not known"):
        one("accuracy", mine, Z1, Y1)


# --------------------------------------------------------------------------- what is undefined


def test_what_is_undefined_is_nan_and_is_said_once():
    metrics = resolve(["roc_auc", "accuracy"], losses.binary_cross_entropy)
    with pytest.warns(RuntimeWarning, match="roc_auc is not defined .*no row has label 0"):
        found = metrics.score(Z1, np.ones(N))
    assert np.isnan(found["roc_auc"])
    assert found["accuracy"] == np.mean(Z1 > 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(metrics.score(Z1, np.ones(N))["roc_auc"])
    assert metrics.notes == {"roc_auc": "no row has label 0"}


@pytest.mark.parametrize("name", METRICS)
def test_no_metric_fails_on_hard_rows(name: str):
    """One row, one class, equal outputs, infinite or NaN outputs: a number or NaN."""
    numbers = METRICS[name].needs == "numbers"
    loss: Any = losses.squared_error if numbers else losses.cross_entropy
    metrics = resolve(name, loss)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for z in (Z3[:1], 0 * Z3, 1e4 * Z3, np.where(Z3 > 0, np.inf, Z3), np.nan * Z3):
            y = np.zeros(len(z), int)
            (found,) = metrics.score(z[:, 0] if numbers else z, y).values()
            assert isinstance(found, float)
            if not np.isfinite(z).all():
                assert np.isnan(found)


def test_a_rate_that_is_too_large_for_exp_is_undefined_and_not_an_error():
    metrics = resolve("poisson_deviance", losses.poisson)
    with pytest.warns(RuntimeWarning, match="the output is not finite"):
        assert np.isnan(metrics.score(np.array([1e4]), np.array([1]))["poisson_deviance"])


def test_without_any_weight_nothing_is_defined():
    with pytest.warns(RuntimeWarning, match="every weight is 0"):
        assert np.isnan(one("accuracy", losses.cross_entropy, Z3, Y3, np.zeros(N)))


def test_a_negative_prediction_has_no_deviance():
    with pytest.warns(RuntimeWarning, match="a prediction is not above 0"):
        assert np.isnan(one("poisson_deviance", losses.squared_error, -GUESS, Y_NUMBER))


# --------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("names", "loss", "said"),
    [
        (["acuracy"], losses.cross_entropy, r"no 'acuracy'; under cross_entropy .*\n.*accuracy"),
        (["mean_squared_error"], losses.squared_error, r'hint: "mse" is one'),
        (["ROC AUC"], losses.cross_entropy, r'hint: "roc_auc" is one'),
        (["neg_log_loss"], losses.cross_entropy, r'hint: "log_loss" is one'),
        (["top_0_accuracy"], losses.cross_entropy, "no 'top_0_accuracy'"),
        (["pinball_0.0"], losses.squared_error, "no 'pinball_0.0'"),
        (["rmse"], losses.cross_entropy, r"of numbers, and cross_entropy predicts classes\n.*acc"),
        (["accuracy"], losses.poisson, r"of classes, and poisson predicts numbers\n.*rmse"),
        (["brier"], losses.hinge, r"needs probabilities, and hinge gives margins.*\n.*accuracy"),
        (["accuracy", "accuracy"], losses.cross_entropy, "stands there twice"),
        ([lambda y, p: 0.0], losses.cross_entropy, "cannot be named '<lambda>'"),
        ([3], losses.cross_entropy, "got 3; expected a name or a function"),
    ],
)  # fmt: skip
def test_a_name_that_does_not_fit_is_refused_at_once(names: Any, loss: Any, said: str):
    with pytest.raises(TrainingError, match=said):
        resolve(names, loss)


def test_targets_that_cannot_be_scored_are_refused_before_the_first_step():
    metrics = resolve(["accuracy"], losses.cross_entropy)
    metrics.check(np.full((N, 3), np.nan), Y3)
    with pytest.raises(DataError, match="labels from 0 to 5"):
        metrics.check(Z3, np.array([5, *[0] * (N - 1)]))
    with pytest.raises(ShapeError, match=r"accuracy: y is \(60,\) for predictions of \(30, 3\)"):
        metrics.check(Z3[:30], Y3)
    with pytest.raises(ShapeError, match=r"rmse: y is \(60, 2\)"):
        resolve("rmse", losses.squared_error).check(Z1, np.zeros((N, 2)))


def test_a_function_must_return_a_number():
    def residuals(y: Any, prediction: Any) -> Any:
        return y - prediction

    with pytest.raises(TrainingError, match=r"residuals\(y, prediction\) returned ndarray"):
        resolve([residuals], losses.squared_error).score(GUESS, Y_NUMBER)


def test_scikit_learn_is_asked_for_only_by_names(monkeypatch: pytest.MonkeyPatch):
    def need(name: str) -> Any:
        raise MissingExtraError(f"{name} cannot be imported")

    monkeypatch.setattr(module, "need", need)
    resolve([np.linalg.norm], losses.squared_error)
    with pytest.raises(MissingExtraError):
        resolve(["mae"], losses.squared_error)


def test_predictions_without_a_model_are_scored_quietly():
    metrics = of_predictions(["accuracy", "roc_auc"], "classes")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = metrics.score(P3, np.zeros(N, int))
    assert found["accuracy"] == np.mean(P3.argmax(1) == 0)
    assert np.isnan(found["roc_auc"])
