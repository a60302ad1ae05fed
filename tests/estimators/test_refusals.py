"""What cannot be done is refused in words, and leaves a fitted model as it was."""

import numpy as np
import pandas as pd
import pytest

from chainrule.errors import DataError, TrainingError
from chainrule.estimators import LinearRegressor, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 2))
Y = (X[:, 0] > 0).astype(int)
SUM = X @ [1.0, 2.0]
FAST = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}


def test_another_number_of_targets_leaves_the_model_as_it_was():
    model = MLPRegressor(**FAST).partial_fit(X, SUM)
    before = model.predict(X)
    with pytest.raises(DataError, match="2 targets; the model has 1"):
        model.partial_fit(X, np.c_[SUM, SUM])
    np.testing.assert_array_equal(model.predict(X), before)


def test_labels_of_another_shape_are_refused():
    several = (X > 0).astype(int)
    with pytest.raises(DataError, match="expected"):
        MLPClassifier(**FAST).partial_fit(X, several, classes=[0, 1]).partial_fit(X, Y)
    with pytest.raises(DataError, match="expected"):
        MLPClassifier(**FAST).fit(X, Y, validation_data=(X, several))


@pytest.mark.parametrize("weights", [{0: -1, 1: 1}, {0: 0, 1: 0}, {0: np.nan}, {7: 2.0}])
def test_a_wrong_class_weight_is_refused_by_its_name(weights):
    with pytest.raises(DataError, match="class_weight"):
        MLPClassifier(**FAST, class_weight=weights).fit(X, Y)


def test_a_batch_may_lack_the_class_that_has_a_weight():
    model = MLPClassifier(**FAST, class_weight={0: 5.0})
    model.partial_fit(X[Y == 1], Y[Y == 1], classes=[0, 1])
    assert model.predict(X).shape == (60,)


def test_rows_of_weight_0_are_not_held_out():
    weights = np.where(np.arange(60) < 20, 1.0, 0.0)
    model = MLPClassifier(**FAST, early_stopping=True).fit(X, Y, weights)
    assert len(model.validation_scores_) == 2


def test_calibration_without_rows_for_it_is_refused():
    model = MLPClassifier(**FAST, calibration="temperature")
    with pytest.raises(TrainingError, match="calibrate"):
        model.partial_fit(X, Y, classes=[0, 1])
    model.partial_fit(X, Y, classes=[0, 1], validation_data=(X, Y))
    assert model.temperature_ != 1.0


def test_a_number_that_becomes_text_is_refused():
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    model = MLPClassifier(**FAST).fit(frame, Y)
    with pytest.raises(ValueError, match="could not convert"):
        model.predict(frame.assign(b="text"))
    same = model.predict_proba(frame.astype(object))
    np.testing.assert_array_equal(same, model.predict_proba(frame))
    assert model.predict(frame.assign(b=None)).shape == (60,)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_one_column_is_no_table():
    frame = pd.DataFrame({"a": X[:, 0], "b": X[:, 1]})
    model = MLPClassifier(**FAST).fit(frame, Y)
    with pytest.raises(ValueError, match="2-dimensional"):
        model.predict(frame["a"])


def test_training_goes_on_with_the_first_tables_names():
    frame = pd.DataFrame({"a": X[:, 0], "b": np.where(Y, "u", "v")})
    model = MLPClassifier(**FAST).partial_fit(frame, Y, classes=[0, 1])
    with pytest.raises(TrainingError, match="named columns"):
        model.partial_fit(X, Y)


@pytest.mark.parametrize("column", [X[:, 0] * 1j, [1, "a"] * 30])
def test_a_column_that_no_table_holds_is_named(column):
    frame = pd.DataFrame({"a": np.where(Y, "u", "v"), "odd": column})
    with pytest.raises(DataError, match="odd"):
        MLPClassifier(**FAST).fit(frame, Y)


@pytest.mark.parametrize("unit", [1e-250, 1e-160, 1e160, 1e250])
def test_units_however_far_are_scaled(unit):
    model = LinearRegressor(preprocess="standard").fit(X * unit, SUM * unit)
    np.testing.assert_allclose(model.predict(X * unit) / unit, SUM, atol=1e-3)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_numbers_near_the_largest_are_refused(solver):
    with pytest.raises(ValueError, match="large values"):
        MLPClassifier(**FAST, solver=solver).fit(X * 1e307, Y)
