"""What a fit is: scikit-learn's descent to rounding, the same bits again, kept in a pickle."""

import pickle
import threading

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris

from chainrule import losses, optim
from chainrule.errors import TrainingError
from chainrule.estimators import LinearRegressor, LogisticClassifier, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
X_NUMBERS, Y_NUMBERS = load_diabetes(return_X_y=True)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_weights_are_those_of_scikit_learn(solver, activation):
    """Without preprocessing: the same draws, batches and updates, up to rounding."""
    given = {
        "solver": solver, "activation": activation, "hidden_layer_sizes": (8, 5), "max_iter": 12,
        "random_state": 3, "batch_size": 40, "alpha": 0.1,
    }  # fmt: skip
    ours = MLPClassifier(**given, preprocess=None).fit(X, Y)
    theirs = sklearn.neural_network.MLPClassifier(**given).fit(X, Y)
    for a, b in zip(
        ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-12)


def test_weights_of_several_targets_are_those_of_scikit_learn():
    targets = np.c_[Y_NUMBERS, -2 * Y_NUMBERS] / 100
    given = {"hidden_layer_sizes": 6, "max_iter": 5, "random_state": 0}
    weights = np.linspace(0, 2, len(targets))
    ours = MLPRegressor(**given, preprocess=None).fit(X_NUMBERS, targets, weights)
    theirs = sklearn.neural_network.MLPRegressor(**given).fit(X_NUMBERS, targets, weights)
    np.testing.assert_allclose(ours.coefs_[1], theirs.coefs_[1], rtol=1e-9)
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)


def test_early_stopping_takes_the_epochs_that_scikit_learn_takes():
    given = {"early_stopping": True, "random_state": 1, "max_iter": 60, "learning_rate_init": 0.01}
    ours = MLPClassifier(16, **given, preprocess=None).fit(X, Y)
    theirs = sklearn.neural_network.MLPClassifier(16, **given).fit(X, Y)
    assert ours.n_iter_ == theirs.n_iter_
    np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_)


def test_threads_do_not_change_a_bit():
    given = {"hidden_layer_sizes": (40, 40), "dropout": 0.2, "random_state": 0, "max_iter": 4}
    one, three = (MLPClassifier(**given, threads=n).fit(X, Y) for n in (1, 3))
    for a, b in zip(one.coefs_, three.coefs_, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_pickle_predicts_the_same_and_goes_on_the_same():
    model = MLPClassifier(8, solver=optim.AdamW(optim.cosine(1e-2)), random_state=0, max_iter=5)
    model.fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))
    model.partial_fit(X, Y)
    again.partial_fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], again.coefs_[0])


def test_a_clone_has_the_loss_and_the_optimiser():
    model = MLPClassifier(loss=losses.cross_entropy(label_smoothing=0.1), solver=optim.Adam(0.1))
    again = clone(model)
    assert again.loss.options == {"label_smoothing": 0.1, "class_weight": None}
    assert again.solver == optim.Adam(0.1)


def test_partial_fit_goes_on_where_it_stood():
    """Epochs one by one are one fit: the order of rows is that of an integer seed each time."""
    given = {"hidden_layer_sizes": 5, "shuffle": False, "random_state": 0, "batch_size": 20}
    whole = MLPClassifier(**given, max_iter=4).fit(X, Y)
    parts = MLPClassifier(**given)
    for _ in range(4):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
    np.testing.assert_array_equal(whole.coefs_[0], parts.coefs_[0])


def test_a_warm_start_keeps_the_solver():
    given = {"hidden_layer_sizes": 5, "shuffle": False, "random_state": 0, "batch_size": 20}
    whole = MLPClassifier(**given, max_iter=6).fit(X, Y)
    warm = MLPClassifier(**given, max_iter=3, warm_start=True).fit(X, Y).fit(X, Y)
    np.testing.assert_array_equal(whole.coefs_[0], warm.coefs_[0])
    assert len(warm.loss_curve_) == 6


def test_models_that_fit_at_once_do_not_share_weights():
    alone = [MLPClassifier(7, random_state=k, max_iter=20).fit(X, Y) for k in range(4)]
    together = [MLPClassifier(7, random_state=k, max_iter=20) for k in range(4)]
    threads = [threading.Thread(target=model.fit, args=(X, Y)) for model in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a.coefs_[0], b.coefs_[0])


def test_class_weights_are_weights_of_rows():
    weights = {0: 1.0, 1: 5.0, 2: 0.5}
    given = {"hidden_layer_sizes": 5, "max_iter": 5, "random_state": 0}
    by_class = MLPClassifier(**given, class_weight=weights).fit(X, Y)
    by_row = MLPClassifier(**given).fit(X, Y, [weights[k] for k in Y])
    np.testing.assert_array_equal(by_class.coefs_[0], by_row.coefs_[0])


@pytest.mark.parametrize("several", [False, True])
def test_balanced_weights_count_a_row_of_weight_2_twice(several):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(60, 2)), rng.integers(0, 3, 60)
    y = (x > 0.5).astype(int) if several else np.digitize(x[:, 0], [0.5, 1.0])
    given = {"solver": "lbfgs", "hidden_layer_sizes": 3, "max_iter": 5, "random_state": 0}
    weighted = MLPClassifier(**given, class_weight="balanced").fit(x, y, w)
    repeated = MLPClassifier(**given, class_weight="balanced")
    repeated.fit(np.repeat(x, w, axis=0), np.repeat(y, w, axis=0))
    expected = repeated.predict_proba(x)
    np.testing.assert_allclose(weighted.predict_proba(x), expected, atol=1e-9)


def test_a_balanced_class_may_have_no_weight():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    y = np.digitize(x[:, 0], [-0.5, 0.5])
    model = MLPClassifier(3, class_weight="balanced", max_iter=2, random_state=0)
    assert np.isfinite(model.fit(x, y, (y < 2) * 1.0).loss_)


def test_balanced_classes_find_the_rare_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 2))
    rare = (x[:, 0] + rng.normal(size=2000) > 2.6).astype(int)
    plain = LogisticClassifier().fit(x, rare)
    balanced = LogisticClassifier(class_weight="balanced").fit(x, rare)
    found = [model.predict(x)[rare == 1].mean() for model in (plain, balanced)]
    assert found[1] > 0.7 > found[0]


def test_rows_of_ones_own_are_validated_on():
    model = MLPClassifier(8, max_iter=300, early_stopping=True, n_iter_no_change=3, random_state=0)
    model.fit(X[::2], Y[::2], validation_data=(X[1::2], Y[1::2]))
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert model.score(X[1::2], Y[1::2]) == model.best_validation_score_
    assert model.stopped_


def test_partial_fit_stops_early_by_rows_of_ones_own():
    model = MLPClassifier(8, early_stopping=True, n_iter_no_change=2, random_state=0)
    for _ in range(200):
        model.partial_fit(X, Y, classes=[0, 1, 2], validation_data=(X, Y))
        if model.stopped_:
            break
    assert model.stopped_
    assert model.score(X, Y) == model.best_validation_score_


def test_a_callback_sees_each_epoch_and_stops_the_fit():
    seen = []

    def watch(progress):
        seen.append((progress.epoch, progress.epoch_end, len(progress.recorded["loss"])))
        return "enough" if progress.epoch == 3 else None

    model = MLPClassifier(8, batch_size=50, callbacks=[watch], random_state=0).fit(X, Y)
    assert seen == [(1, True, 3), (2, True, 3), (3, True, 3)]
    assert model.n_iter_ == 3


def test_an_interrupt_keeps_what_was_learnt():
    def interrupt(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    model = MLPClassifier(8, callbacks=[interrupt], random_state=0)
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert len(model.loss_curve_) == 2


@pytest.mark.parametrize(
    "batch_size", [optim.Doubling(16, every=3, limit=64), optim.NoiseDriven(8, limit=64)], ids=repr
)
def test_a_batch_schedule_changes_the_batch(batch_size):
    sizes = []
    watch = lambda progress: sizes.append(progress.batch)  # noqa: E731
    model = MLPClassifier(16, batch_size=batch_size, callbacks=[watch], max_iter=40, random_state=0)
    model.fit(X, Y)
    assert sizes[0] < sizes[-1]
    assert model.loss_curve_[-1] < 0.8 * model.loss_curve_[0]


def test_a_plateau_lowers_the_learning_rate():
    rates = []
    watch = lambda progress: rates.append(progress.learning_rate)  # noqa: E731
    solver = optim.SGD(optim.plateau(0.5, patience=1))
    model = MLPClassifier(
        8, solver=solver, callbacks=[watch], max_iter=60, tol=0.0, n_iter_no_change=60,
        random_state=0,
    )  # fmt: skip
    model.fit(X, Y, validation_data=(X, np.roll(Y, 75)))  # what it cannot learn
    assert rates[-1] < rates[0]


def test_an_average_of_the_weights_is_what_predicts():
    solver = optim.average(optim.Adam(0.01), decay=0.9)
    model = MLPClassifier(16, solver=solver, max_iter=100, random_state=0).fit(X, Y)
    assert any((a != b).any() for a, b in zip(model._leaves(), model._memory.params, strict=True))
    assert model.score(X, Y) > 0.8


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_normalised_layers_learn(norm):
    model = MLPClassifier(16, norm=norm, dropout=0.1, learning_rate_init=0.01, random_state=0)
    assert model.fit(X, Y).score(X, Y) > 0.9


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"alpha": -1}, "alpha must be a number from 0, got -1"),
        ({"solver": "newton"}, "solver must be"),
        ({"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be"),
        ({"activation": "cubic"}, "activation must be"),
        ({"solver": "lbfgs", "dropout": 0.5}, "needs mini-batches"),
        ({"preprocess": "whiten"}, "preprocess must be"),
        ({"loss": "no_such"}, "loss must be"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(given, words):
    with pytest.raises(TrainingError, match=words):
        MLPClassifier(**given).fit(X, Y)


def test_coefficients_are_in_the_units_of_the_features():
    """Least squares in closed form; features and target of other sizes and places."""
    x = X_NUMBERS * np.logspace(-3, 3, 10) + np.arange(10)
    model = LinearRegressor(tol=1e-12, max_iter=10_000).fit(x, Y_NUMBERS)
    design = np.c_[x, np.ones(len(x))]
    exact, *_ = np.linalg.lstsq(design, Y_NUMBERS)
    np.testing.assert_allclose(model.predict(x), design @ exact, rtol=1e-4)
    np.testing.assert_allclose(x @ model.coef_ + model.intercept_, model.predict(x), rtol=1e-9)


def test_logits_are_the_line_of_the_coefficients():
    model = LogisticClassifier(alpha=1.0).fit(X, Y)
    np.testing.assert_allclose(X @ model.coef_.T + model.intercept_, model.decision_function(X))
    assert model.coef_.shape == (3, 4)


def test_parts_of_the_network_may_have_optimisers_of_their_own():
    solver = optim.groups({"intercepts*": optim.SGD(optim.cosine(0.1))}, optim.Adam(0.01))
    model = MLPClassifier(8, solver=solver, batch_size=optim.Doubling(16, every=5), max_iter=40)
    assert model.set_params(random_state=0).fit(X, Y).score(X, Y) > 0.9
