"""A row of weight 2 counts as two rows, one of weight 0 as none."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import Columns
from chainrule.data.number import Number
from chainrule.data.statistics import median, median_and_scale, normal_scores, quantiles
from chainrule.errors import DataError

VALUES = st.lists(
    st.tuples(st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(-3, 3), st.integers(1, 4)),
    min_size=1,
)


def parted(pairs):
    values, weights = (np.array(x, dtype=float) for x in zip(*pairs, strict=True))
    return values, weights, np.repeat(values, weights.astype(int))


@given(VALUES)
def test_weighted_quantiles_are_those_of_repeated_rows(pairs):
    values, weights, repeated = parted(pairs)
    levels = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)
    want = np.quantile(repeated, levels, method="averaged_inverted_cdf")
    np.testing.assert_allclose(quantiles(values, levels, weights), want, rtol=1e-12)
    np.testing.assert_allclose(quantiles(values, levels, weights * 0.1), want, rtol=1e-12)
    np.testing.assert_allclose(quantiles(repeated, (0.5,)), np.median(repeated), rtol=1e-12)


@given(VALUES)
def test_weighted_normal_scores_are_those_of_repeated_rows(pairs):
    values, weights, repeated = parted(pairs)
    for got, want in zip(
        normal_scores(values, 7, weights), normal_scores(repeated, 7), strict=True
    ):
        np.testing.assert_allclose(got, want, rtol=1e-12)


@pytest.mark.parametrize("scale", ["auto", "standard", "robust", "quantile"])
def test_columns_of_weighted_rows_are_those_of_repeated_rows(scale):
    rng = np.random.default_rng(0)
    n = 100
    weights = rng.integers(0, 4, n)
    colours = rng.choice(["red", "green", "blue", "grey"], n, p=[0.5, 0.3, 0.19, 0.01])
    days = [dt.date(2020, 1, 1) + dt.timedelta(int(i)) for i in rng.integers(0, 900, n)]
    table = pa.table({
        "size": pa.array(np.where(rng.random(n) < 0.1, np.nan, rng.standard_cauchy(n))),
        "hour": pa.array(rng.integers(0, 4, n)),
        "open": pa.array(rng.random(n) < 0.5),
        "colour": pa.array(colours),
        "day": pa.array(days),
    })  # fmt: skip
    weighted = Columns.fit(table, scale=scale, weights=weights)
    repeated = Columns.fit(table.take(np.repeat(np.arange(n), weights)), scale=scale)
    assert weighted.features() == repeated.features()
    got, want = (c.encode(table, np.float64) for c in (weighted, repeated))
    np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-12)


def test_rows_of_weight_zero_are_not_there():
    table = pa.table({"x": [1.0, 2.0, 3.0, 1e9]})
    (column,) = Columns.fit(table, weights=[1, 1, 1, 0]).columns
    assert (column.high, column.centre) == (3.0, 2.0)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([1.0, 2.0], r"weights of shape \(2,\); the table has 3 rows"),
        ([1.0, -1.0, 1.0], "finite numbers from 0"),
        ([1.0, np.nan, 1.0], "finite numbers from 0"),
        ([0.0, 0.0, 0.0], "not all of them 0"),
    ],
)
def test_weights_that_are_none_are_refused(weights, said):
    with pytest.raises(DataError, match=said):
        Columns.fit(pa.table({"x": [1.0, 2.0, 3.0]}), weights=weights)


def test_the_robust_scale_of_normal_numbers_is_their_standard_deviation():
    values = np.random.default_rng(0).normal(5.0, 3.0, 20_000)
    np.testing.assert_allclose(median_and_scale(values), (5.0, 3.0), rtol=0.02)


def test_the_robust_scale_falls_back_where_half_of_the_values_are_equal():
    values = np.array([0.0] * 30 + [1.0, 2.0])
    assert median_and_scale(values) == (0.0, pytest.approx(values.std()))


def test_normal_scores_are_kept_at_their_middle_ranks():
    column = Number.fit("x", np.array([0.0, 0.0, 1.0, 5.0]), scale="quantile")
    assert column.knots == (0.0, 1.0, 5.0)
    np.testing.assert_allclose(column.scores, [-0.674490, 0.318639, 1.150349], atol=1e-6)
    x = np.zeros((4, 1))
    column.encode_values(np.array([-9.0, 0.5, 5.0, 1e308]), x)
    np.testing.assert_allclose(x[:, 0], [-0.674490, -0.177925, 1.150349, 1.150349], atol=1e-6)


@pytest.mark.parametrize("weights", [None, np.ones(3)])
def test_the_median_is_exact_at_both_ends_of_the_numbers(weights):
    for values in ([5e-324] * 3, [1.7e308] * 3, [-1.7e308, 1.7e308, 1.6e308]):
        values = np.array(values)
        assert median(values, weights) == np.sort(values)[1]
