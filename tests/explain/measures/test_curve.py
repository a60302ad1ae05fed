"""Every loss as a curve: its value, its derivative, its link."""

from __future__ import annotations

import json
from xml.dom import minidom

import numpy as np
import pytest

from chainrule import explain, losses
from chainrule.errors import ChainruleError, TrainingError

_OUTPUTS = {
    "cross_entropy": ([1.0, 2.0, 3.0], 1),
    "kl_divergence": ([1.0, 2.0, 3.0], [0.2, 0.3, 0.5]),
    "gaussian": ([1.0, 0.5], 2.0),
    "gamma": ([1.0, 0.5], 2.0),
    "negative_binomial": ([1.0, 0.5], 2),
}


@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_every_loss_is_explained(name):
    """A loss that is added is tested with no test edited."""
    output, y = _OUTPUTS.get(name, (0.3, 1))
    found = explain.loss(losses.LOSSES[name], output, y)
    assert found.unit == losses.LOSSES[name].unit
    assert found.disagreement < 1e-7
    row, target = np.atleast_1d(output)[None], np.asarray(y)[None]
    row = row[0] if np.ndim(output) == 0 else row
    assert found.value == pytest.approx(float(losses.LOSSES[name](row, target)))
    np.testing.assert_allclose(found.prediction, np.ravel(losses.LOSSES[name].link(row)))
    middle = found.places.shape[1] // 2  # the output itself
    np.testing.assert_allclose(found.values[:, middle], found.value)
    np.testing.assert_allclose(found.derivatives[:, middle], found.gradient, atol=1e-12)
    minidom.parseString(found.svg())
    json.dumps(found.to_json(), allow_nan=False)


def test_a_derivative_curve_is_the_slope_of_its_loss_curve():
    """Differences along the curve, away from kinks."""
    found = explain.loss(losses.huber(delta=1), 3.0, 0.0)
    slope = np.gradient(found.values[0], found.places[0])
    inner = slice(2, -2)
    np.testing.assert_allclose(slope[inner], found.derivatives[0][inner], atol=0.05)
    assert found.value == 2.5
    assert found.name == "huber"


def test_a_loss_of_ones_own_is_drawn_where_it_is_defined():
    """Values that are not finite are gaps."""
    found = explain.loss(lambda output, y: -np.log(output) * y, 1.0, 2.0)
    assert np.isnan(found.values).any()
    assert found.gradient[0] == -2.0
    minidom.parseString(found.svg())
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("judge", "output", "y"),
    [("foo", 1.0, 1.0), ("huber", [[1.0]], 1.0), ("huber", np.nan, 1.0),
     ("binary_cross_entropy", 1.0, 2.0), (losses.log_likelihood, None, 1.0)],
)  # fmt: skip
def test_what_is_no_loss_of_one_example_is_said(judge, output, y):
    """By an error of Chainrule's."""
    with pytest.raises(ChainruleError):
        explain.loss(judge, output, y)


def test_a_loss_without_a_value_is_no_curve():
    """The message holds the output."""
    with pytest.raises(TrainingError, match="-1"):
        explain.loss(lambda output, y: np.log(output), -1.0, 1.0)


@pytest.mark.parametrize("name", ["huber", "squared_error", "absolute_error", "quantile"])
def test_the_lowest_loss_is_where_the_target_is(name):
    """Found between the points of the curve, and not at one of them."""
    found = explain.loss(name, 0.5, 0.9876)
    np.testing.assert_allclose(found.lowest, [[0.9876, 0.0]], atol=1e-6)
    assert "near 0.988: 0 " in str(found)
