"""Inputs as people have them: frames, categories, gaps, sparse matrices, foreign arrays."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.datasets import load_iris

import chainrule
from chainrule.errors import DataError, TrainingError
from chainrule.estimators import LogisticClassifier, MLPClassifier, MLPRegressor, inputs, programs

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
FAST = {"hidden_layer_sizes": 16, "learning_rate_init": 0.01, "max_iter": 60, "random_state": 0}
FRAME = pd.DataFrame(
    {
        "petal": X[:, 2],
        "kind": np.where(X[:, 0] > 5.8, "large", "small"),
        "shape": pd.Categorical(np.where(X[:, 1] > 3, "wide", "slim")),
        "width": np.where(np.arange(150) % 7 == 0, np.nan, X[:, 3]),
    }
)


@pytest.mark.parametrize("taken", [lambda f: f, pl.from_pandas, pa.Table.from_pandas])
def test_a_table_is_taken_as_it_is(taken):
    model = MLPClassifier(**FAST).fit(taken(FRAME), Y)
    assert list(model.feature_names_in_) == list(FRAME.columns)
    assert model.score(taken(FRAME), Y) > 0.9


def test_one_tables_kind_predicts_anothers():
    model = MLPClassifier(**FAST).fit(FRAME, Y)
    same = model.predict_proba(pl.from_pandas(FRAME))
    np.testing.assert_array_equal(model.predict_proba(FRAME), same)


def test_an_unseen_category_is_predicted_for():
    model = MLPClassifier(**FAST).fit(FRAME, Y)
    assert model.predict(FRAME.assign(kind="enormous")).shape == (150,)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (FRAME.drop(columns="width"), "width"),
        (FRAME[["kind", "petal", "shape", "width"]], "same order"),
        (FRAME.rename(columns={"petal": "Petal"}), "Petal"),
    ],
)
def test_other_columns_are_refused_by_their_names(changed, words):
    model = MLPClassifier(**FAST).fit(FRAME, Y)
    with pytest.raises(ValueError, match=words):
        model.predict(changed)


def test_an_array_is_no_table_with_categories():
    model = MLPClassifier(**FAST).fit(FRAME, Y)
    with pytest.raises(TrainingError, match="named columns"):
        model.predict(X)


def test_gaps_take_the_median_and_a_marker():
    gappy = X.copy()
    gappy[::5, 1] = np.nan
    model = MLPClassifier(**FAST).fit(gappy, Y)
    assert model.coefs_[0].shape == (5, 16)
    assert model.score(gappy, Y) > 0.9
    assert model.predict(X).shape == (150,)


def test_a_gap_where_training_had_none_takes_the_middle():
    model = LogisticClassifier().fit(X, Y)
    row = X[:1].copy()
    row[0, 0] = np.nan
    filled = X[:1].copy()
    filled[0, 0] = X[:, 0].mean()
    np.testing.assert_allclose(model.predict_proba(row), model.predict_proba(filled))


def test_gaps_are_refused_where_nothing_is_preprocessed():
    with pytest.raises(ValueError, match="NaN"):
        MLPClassifier(preprocess=None).fit(np.where(X > 6, np.nan, X), Y)


@pytest.mark.parametrize("kind", ["auto", "standard", "robust", "quantile"])
def test_scales_do_not_matter(kind):
    """Units of a thousandth and of millions: the same predictions."""
    units = np.array([1e-3, 1.0, 1e3, 1e6])
    given = {**FAST, "preprocess": kind, "max_iter": 20}
    first = MLPClassifier(**given).fit(X * 2, Y).predict_proba(X * 2)
    second = MLPClassifier(**given).fit(X * units, Y).predict_proba(X * units)
    np.testing.assert_allclose(first, second, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Got `batch_size` less")
@pytest.mark.parametrize("kind", ["standard", "robust", "quantile"])
def test_weights_scale_as_repeated_rows_do(kind):
    weights = np.arange(150) % 4
    given = {**FAST, "preprocess": kind, "max_iter": 5, "batch_size": 1000}
    by_weight = MLPClassifier(**given).fit(X, Y, weights)
    by_row = MLPClassifier(**given).fit(X.repeat(weights, axis=0), Y.repeat(weights))
    np.testing.assert_allclose(by_weight.predict_proba(X), by_row.predict_proba(X), rtol=1e-7)


def test_a_heavy_tail_is_drawn_in():
    rng = np.random.default_rng(0)
    x = np.exp(3 * rng.normal(size=(1000, 1)))
    model = MLPRegressor(**FAST).fit(x, np.log(x[:, 0]))
    assert np.abs(model._inputs.apply(x, "float64")).max() <= 3
    assert model.score(x, np.log(x[:, 0])) > 0.8


def test_a_large_sparse_matrix_is_never_written_out(monkeypatch):
    """Blocks of rows give what the whole matrix gives, but for centring."""
    monkeypatch.setattr(inputs, "MOST_DENSE", 0)
    rng = np.random.default_rng(0)
    x = sparse.random(600, 80, 0.05, format="csr", rng=rng)
    y = np.asarray(x[:, :10].sum(axis=1)).ravel() > 0.3
    model = MLPClassifier(**FAST).fit(x, y)
    assert model._inputs.scaling.center.max() == 0
    assert model.score(x, y) > 0.95
    np.testing.assert_allclose(model.predict_proba(x), model.predict_proba(x.toarray()))


def test_arrays_of_other_libraries_are_taken():
    xp = pytest.importorskip("array_api_strict")
    theirs = MLPClassifier(**FAST).fit(xp.asarray(X), xp.asarray(Y))
    ours = MLPClassifier(**FAST).fit(X, Y)
    np.testing.assert_array_equal(theirs.predict(xp.asarray(X)), ours.predict(X))
    assert isinstance(theirs.predict(xp.asarray(X)), np.ndarray)


def test_float32_stays_float32():
    model = MLPRegressor(**FAST).fit(X.astype(np.float32), X[:, 0].astype(np.float32))
    assert model.predict(X.astype(np.float32)).dtype == np.float32


def test_a_class_that_partial_fit_was_not_told_of_is_refused():
    model = MLPClassifier(**FAST).partial_fit(X[:100], Y[:100], classes=[0, 1])
    with pytest.raises(DataError, match="not in"):
        model.partial_fit(X, Y)


@pytest.mark.parametrize("wrong", [-1.0, np.inf])
def test_a_wrong_weight_is_refused_with_its_row(wrong):
    weights = np.ones(150)
    weights[7] = wrong
    with pytest.raises(ValueError, match=r"row 7|infinity"):
        MLPClassifier(**FAST).fit(X, Y, weights)


def test_estimators_are_found_under_the_package():
    assert chainrule.estimators.MLPClassifier is MLPClassifier
    assert "estimators" not in chainrule.__all__


def test_a_sparse_matrix_fits_as_the_dense_one_does():
    x = np.where(X > 2, X, 0)
    dense, thin = (MLPClassifier(**FAST).fit(a, Y) for a in (x, sparse.csr_array(x)))
    np.testing.assert_array_equal(dense.coefs_[0], thin.coefs_[0])
    np.testing.assert_array_equal(dense.predict_proba(x), thin.predict_proba(sparse.csc_array(x)))


@pytest.mark.parametrize("norm", [None, "batch"])
def test_many_rows_are_predicted_by_compiled_code(monkeypatch, norm):
    """More rows than a block: as NumPy's, to rounding, and the same bits on any threads."""
    model = MLPClassifier(**FAST, norm=norm).fit(X, Y)
    expected = np.tile(model.predict_proba(X), (40, 1))
    monkeypatch.setattr(programs, "_WORTH_COMPILING", 0)
    many = np.tile(X, (40, 1))
    found = model.set_params(threads=1).predict_proba(many)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_array_equal(model.set_params(threads=3).predict_proba(many), found)
