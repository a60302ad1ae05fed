"""Rows drawn by weight."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import orders
from chainrule.errors import DataError
from tests.orders.surprise import surprise


@pytest.mark.parametrize(
    "weights",
    [
        np.arange(1, 33),
        np.r_[1e3, np.ones(31)],
        2.0 ** -np.arange(12),
        np.r_[np.zeros(50), 1.0, np.zeros(50), 3.0, 2.0, np.zeros(50)],
        np.array([True, False, True]),
        np.full(7, 1e300),
        np.full(7, 5e-324),
        np.array([2, 1], np.float32),
    ],
    ids=["rising", "one heavy", "halves", "gaps", "bools", "huge", "tiny", "float32"],
)
def test_rows_are_drawn_in_proportion_to_their_weights(weights: np.ndarray) -> None:
    """Chi-square of 50,000 draws or more over the rows with five draws expected or more."""
    n, order = len(weights), orders.weighted(weights)
    epochs = -(-50_000 // n)
    held = np.empty((epochs, n), np.int32)
    for epoch, out in enumerate(held):
        order.epoch_into(out, 1, epoch)
    p = weights.astype(np.float64) / weights.max()
    expected = p / p.sum() * held.size
    counts = np.bincount(held.ravel(), minlength=n)
    assert not counts[weights == 0].any()
    often = expected >= 5
    share = counts[often].sum() / expected[often].sum()
    assert surprise(counts[often], expected[often] * share) > 1e-4


def test_equal_weights_are_drawn_evenly_over_many_rows() -> None:
    n = 1 << 20
    drawn = orders.weighted(np.ones(n)).epoch(n, 0, 0)
    blocks = np.bincount(drawn >> 10, minlength=1024)
    assert surprise(blocks, np.full(1024, 1024.0)) > 1e-4


@given(st.lists(st.sampled_from([0.0, 0.0, 1e-300, 1.0, 1e9]), min_size=1, max_size=60))
def test_a_row_of_weight_zero_is_never_drawn(weights: list[float]) -> None:
    if not any(weights):
        return
    drawn = orders.weighted(weights).epoch(len(weights), 0, 0)
    assert all(weights[row] > 0 for row in drawn)


def test_a_single_row_with_weight_is_all_that_is_drawn() -> None:
    weights = np.zeros(10_000)
    weights[1234] = 1e-200
    assert set(orders.weighted(weights).epoch(10_000, 0, 0)) == {1234}


def test_a_probability_is_right_to_rounding() -> None:
    """The whole numbers that weights become are in their proportion to 2^-51 or 2^-60."""
    weights = np.random.default_rng(0).pareto(0.5, 5000) + 1e-12
    bounds = orders.weighted(weights)._cumulative.bounds
    counts = np.diff(bounds.astype(object), prepend=0)
    for count, weight in zip(counts, weights, strict=True):
        p, wanted = count / int(bounds[-1]), weight / weights.sum()
        assert abs(p - wanted) <= max(wanted * 2.0**-51, 2.0**-60)


def test_weights_are_kept_as_they_were() -> None:
    """What becomes of the caller's array later changes no run."""
    weights = np.array([1.0, 1.0])
    order = orders.weighted(weights)
    before = repr(order)
    weights[0] = 0
    assert repr(order) == before
    assert 0 in np.concatenate([order.epoch(2, 0, epoch) for epoch in range(20)])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, -1], r"the weight of row 1 is -1\.0; expected finite, >= 0"),
        ([1, np.nan], "the weight of row 1 is nan"),
        ([np.inf, 1], "the weight of row 0 is inf"),
        ([0, 0], "all weights are 0"),
        ([], r"weights have shape \(0,\)"),
        ([[1, 2]], r"weights have shape \(1, 2\)"),
        (3.0, r"weights have shape \(\)"),
        (["a"], "weights are <U1; expected numbers"),
        ([1j], "weights are complex128"),
        ([None, 1], "weights are object"),
    ],
)
def test_weights_that_cannot_be_are_refused(weights: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        orders.weighted(weights)
