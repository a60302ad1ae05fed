"""Calibration and confusion of classifiers, residuals of regressions."""

from __future__ import annotations

import json
import math
from xml.dom import minidom

import numpy as np
import pytest

import chainrule as cr
from chainrule import explain
from chainrule.errors import ChainruleError, DataError


def _drawn(n, k, seed=0):
    """Probabilities, and classes drawn by them."""
    rng = np.random.default_rng(seed)
    p = cr.softmax(2 * rng.standard_normal((n, k)), axis=1)
    return p, np.array([rng.choice(k, p=row) for row in p])


@pytest.mark.parametrize("k", [2, 4])
def test_calibrated_probabilities_are_called_so_and_others_not(k):
    """Classes drawn by the probabilities themselves; then by sharpened ones."""
    p, y = _drawn(3000, k)
    assert explain.calibration(p, y).verdict.startswith("calibrated")
    sharp = p**3 / np.sum(p**3, axis=1, keepdims=True)
    assert explain.calibration(sharp, y).verdict == "too sure of itself"
    flat = p**0.4 / np.sum(p**0.4, axis=1, keepdims=True)
    assert explain.calibration(flat, y).verdict == "not sure enough of itself"


def test_the_numbers_are_those_of_the_definitions():
    """ECE, Brier score, log loss and Wilson's interval, worked out one row at a time."""
    p, y = _drawn(200, 3, seed=1)
    found = explain.calibration(p, y, bins=10)
    confidence, hit = p.max(axis=1), p.argmax(axis=1) == y
    gaps = [
        abs(np.sum(hit[inside]) - np.sum(confidence[inside]))
        for k in range(10)
        if (inside := (confidence > k / 10) & (confidence <= (k + 1) / 10)).any()
    ]
    assert found.calibration_error == pytest.approx(sum(gaps) / 200)
    assert found.log_loss == pytest.approx(-np.mean(np.log(p[np.arange(200), y])))
    assert found.brier == pytest.approx(np.mean(np.sum((p - np.eye(3)[y]) ** 2, axis=1)))
    assert found.count.sum() == 200
    known = found.count > 0
    assert np.all((found.low <= found.accuracy)[known] & (found.accuracy <= found.high)[known])


def test_a_wilson_interval_is_the_published_one():
    """8 of 10: (0.4902, 0.9433), Brown, Cai & DasGupta 2001's formula by hand."""
    found = explain.calibration(np.full(10, 0.75), [1] * 8 + [0] * 2, bins=1)
    z, n, share = 1.959963984540054, 10, 0.8
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    assert (found.low[0], found.high[0]) == pytest.approx((centre - half, centre + half))
    assert (round(found.low[0], 4), round(found.high[0], 4)) == (0.4902, 0.9433)


def test_an_impossible_row_makes_the_log_loss_infinite_and_is_counted():
    """Said, and plain in JSON."""
    found = explain.calibration([0.0, 1.0], [1, 1])
    assert math.isinf(found.log_loss)
    assert found.impossible == 1
    assert "probability 0" in str(found)
    json.dumps(found.to_json(), allow_nan=False)


def test_confusion_counts_what_it_says():
    """Against a count by hand; precision, recall and F1 by their definitions."""
    rng = np.random.default_rng(0)
    y, guess = rng.integers(0, 4, 300), rng.integers(0, 4, 300)
    found = explain.confusion(y, guess)
    by_hand = [[np.sum((y == i) & (guess == j)) for j in range(4)] for i in range(4)]
    np.testing.assert_array_equal(found.counts, by_hand)
    assert found.accuracy == np.mean(y == guess)
    precision = [np.mean(y[guess == k] == k) for k in range(4)]
    recall = [np.mean(guess[y == k] == k) for k in range(4)]
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    harmonic = 2 / (1 / np.array(precision) + 1 / np.array(recall))
    np.testing.assert_allclose(found.f1, harmonic)


@pytest.mark.parametrize("k", [1, 2, 13, 300])
def test_confusion_shows_any_number_of_classes(k):
    """Text within 100 letters, an SVG that parses, for odd names too."""
    names = [f"<class {j} & 'so on'> {'x' * (j % 40)}" for j in range(k)]
    found = explain.confusion(np.arange(k), np.arange(k)[::-1], names)
    assert max(map(len, str(found).splitlines())) <= 100
    minidom.parseString(found.svg())
    assert "<class 0" not in found._repr_html_()
    json.dumps(found.to_json(), allow_nan=False)


def test_labels_of_any_kind_are_classes():
    """Strings, booleans, scores; a class that never occurs has no recall, and says so."""
    found = explain.confusion(np.array(["a", "b", "b"]), np.array(["a", "b", "c"]))
    assert found.names == ("a", "b", "c")
    assert np.isnan(found.recall[2])
    assert explain.confusion([True, False], [True, True]).accuracy == 0.5
    scores = np.array([[0.1, 0.9], [0.8, 0.2]])
    assert explain.confusion([1, 1], scores).counts.tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    "call",
    [
        lambda: explain.calibration([1.5], [1]),
        lambda: explain.calibration([[0.5, 0.6]], [1]),
        lambda: explain.calibration([0.5], [2]),
        lambda: explain.calibration([0.5], [1, 0]),
        lambda: explain.calibration([], []),
        lambda: explain.calibration([0.5], [1], bins=0),
        lambda: explain.confusion([], []),
        lambda: explain.confusion([0], [0, 1]),
        lambda: explain.confusion([-1], [0]),
        lambda: explain.confusion([0.5], [0]),
        lambda: explain.confusion([0, 10**7], [0, 0]),
        lambda: explain.confusion(["a"], [0]),
        lambda: explain.confusion([0.0, np.nan], [0, 0]),
        lambda: explain.residuals([], []),
        lambda: explain.residuals([1.0], [1.0, 2.0]),
        lambda: explain.residuals([np.inf], [1.0]),
        lambda: explain.residuals([1e200], [0.0]),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_said(call):
    """By an error of Chainrule's with a message."""
    with pytest.raises(ChainruleError):
        call()


def test_residuals_are_those_of_the_definitions():
    """RMSE, mean size, R² and bias; growth of the errors is noticed."""
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 10, 500)
    y = x + x * rng.normal(size=500)
    found = explain.residuals(y, x, unit="mm")
    assert found.rmse == pytest.approx(np.sqrt(np.mean((y - x) ** 2)))
    assert found.r2 == pytest.approx(1 - np.sum((y - x) ** 2) / np.sum((y - y.mean()) ** 2))
    assert "errors grow" in str(found)
    assert " mm" in str(found)
    minidom.parseString(found.svg())
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("n", [1, 2, 20_000])
def test_residuals_of_any_number_of_rows(n):
    """One row has no R²; a picture of many stays small."""
    found = explain.residuals(np.arange(n), np.zeros(n))
    assert math.isnan(found.r2) == (n == 1)
    assert len(found.svg()) < 1_000_000


def test_a_column_of_one_is_a_list():
    """(n, 1) and (n,) are the same rows; anything wider is refused."""
    a = explain.residuals(np.ones((4, 1)), np.zeros((4, 1)))
    assert a.rmse == 1.0
    with pytest.raises(ChainruleError):
        explain.residuals(np.ones((4, 2)), np.zeros((4, 2)))
    with pytest.raises(DataError):
        explain.calibration(np.full((3, 2), 0.7), [0, 1, 0])


def test_perfect_probabilities_are_calibrated():
    y = np.arange(500) % 2
    found = explain.calibration(y * 1.0, y)
    assert found.verdict.startswith("calibrated")
    assert len(found.outside) == 0
