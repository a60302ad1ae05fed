"""Squared distances: the formula's gradients, one step, the Gaussian's likelihood."""

from __future__ import annotations

import json
import math
from xml.dom import minidom

import numpy as np
import pytest

from chainrule import explain
from chainrule.errors import ChainruleError, DataError, TrainingError
from chainrule.explain.measures.residuals_picture import _drawn


@pytest.mark.parametrize("n", [1, 2, 17])
def test_gradient_step_and_likelihood_are_those_of_the_formulas(n):
    """-2 (y - ŷ) / n, mean 2x(wx + b - y), and ½ log 2πσ² + (y - ŷ)² / 2σ² with the square."""
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n), rng.normal(size=n)
    found = explain.squared_distance(y, x=x, w=0.7, b=-0.2, learning_rate=0.05, variance=2.0)
    predicted = 0.7 * x - 0.2
    assert found.mse == pytest.approx(np.mean((y - predicted) ** 2))
    np.testing.assert_allclose(found.gradient, -2 * (y - predicted) / n)
    assert found.disagreement < 1e-14
    assert found.line.disagreement < 1e-14
    assert found.line.gradient[0] == pytest.approx(np.mean(2 * x * (0.7 * x - 0.2 - y)))
    assert found.line.w_after == pytest.approx(0.7 - 0.05 * found.line.gradient[0])
    assert found.nll == pytest.approx(found.nll_from_mse, rel=1e-12)
    by_hand = np.mean((y - predicted) ** 2) / 4 + 0.5 * math.log(4 * math.pi)
    assert found.nll == pytest.approx(by_hand, rel=1e-12)


def test_the_lectures_single_sample():
    """dL/dw = 2x(wx + b - y) for one sample, in the text as well."""
    found = explain.squared_distance(1.0, x=2.0, w=3.0, b=0.5)
    assert found.line.gradient[0] == 2 * 2 * (3 * 2 + 0.5 - 1)
    assert "2x(wx + b − y) = 22" in str(found)


def test_a_step_beyond_the_bound_is_called_too_large():
    """Above 2/λ_max the loss grows along the steepest direction."""
    x = np.array([10.0, 20.0, 30.0])
    found = explain.squared_distance(2 * x, x=x, w=1.9, learning_rate=0.1)
    assert found.line.mse_after > found.mse
    assert "too large" in str(found)


def test_predictions_on_no_line_have_none():
    """The squares are drawn all the same."""
    found = explain.squared_distance([1.0, 2, 3], [1.0, 5, 2], x=[0.0, 1, 2])
    assert found.line is None
    minidom.parseString(found.svg())


def test_squares_are_squares_on_paper():
    """Each rect of a square mark has equal sides, whatever the axes' units."""
    rng = np.random.default_rng(0)
    found = explain.squared_distance(rng.normal(size=9) * 1000, rng.normal(size=9), x=np.arange(9))
    rects = minidom.parseString(found.svg()).getElementsByTagName("rect")
    squares = [r for r in rects if r.getAttribute("opacity") == "0.3"]
    sides = [(float(r.getAttribute("width")), float(r.getAttribute("height"))) for r in squares]
    assert len(sides) == 10  # nine residuals and the legend
    assert all(abs(a - b) < 0.02 for a, b in sides)


@pytest.mark.parametrize(
    ("y", "more", "error"),
    [
        ([1.0, 2], {"predicted": [1.0]}, ChainruleError),
        ([1.0, np.nan], {"predicted": [1.0, 2]}, DataError),
        ([1.0], {}, TrainingError),
        ([1.0], {"w": 1.0}, TrainingError),
        ([1e200], {"predicted": [0.0]}, DataError),
        ([[1.0, 2]], {"predicted": [[1.0, 2]]}, ChainruleError),
        ([], {"predicted": []}, ChainruleError),
    ],
)
def test_what_has_no_distance_is_said(y, more, error):
    """An error of Chainrule's, no traceback of NumPy's."""
    with pytest.raises(error):
        explain.squared_distance(y, **more)


@pytest.mark.parametrize("n", [1, 3, 5000])
def test_text_and_json_hold_for_any_size(n):
    """Whole numbers, perfect predictions, one row and many."""
    found = explain.squared_distance(np.arange(n), np.arange(n), x=np.arange(n))
    assert max(map(len, str(found).splitlines())) <= 100
    json.dumps(found.to_json(), allow_nan=False)
    assert len(found.svg()) < 500_000


def test_a_logarithm_is_advised_only_for_a_positive_target():
    rng = np.random.default_rng(0)
    predicted = np.linspace(1.0, 100.0, 200)
    y = predicted * np.exp(0.3 * rng.normal(size=200))
    assert "a logarithm" in str(explain.residuals(y, predicted))
    shifted = str(explain.residuals(y - 50, predicted - 50))
    assert "grow with the prediction" in shifted
    assert "logarithm" not in shifted


def test_the_largest_residual_of_many_is_drawn():
    y = np.zeros(20_000)
    y[1] = 7.0
    assert 1 in _drawn(y)
    assert len(_drawn(y)) <= 5000
