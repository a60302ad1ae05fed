"""The cross-entropy of one prediction: the lectures' examples, the gradient, what cannot be."""

from __future__ import annotations

import json
import math
from xml.dom import minidom

import numpy as np
import pytest

import chainrule as cr
from chainrule import explain, losses
from chainrule.errors import ChainruleError, DataError, ShapeError, TrainingError


@pytest.mark.parametrize(
    ("p", "nats", "base_10"), [(0.9, 0.105, 0.046), (0.5, 0.693, 0.301), (0.001, 6.908, 3.0)]
)
def test_the_lectures_logarithms_are_base_10_and_losses_are_nats(p, nats, base_10):
    """-log p for y = 1, rounded as the lecture rounds it; and -log(1 - (1 - p)) for y = 0."""
    yes, no = explain.cross_entropy(p, 1), explain.cross_entropy(1 - p, 0)
    assert yes.nats == pytest.approx(nats, abs=5e-4)
    assert yes.base_10 == pytest.approx(base_10, abs=5e-4)
    assert yes.bits == pytest.approx(-math.log2(p))
    assert no.nats == pytest.approx(yes.nats)
    assert f"{-math.log(p):.4g} nats" in str(yes)


def test_the_lectures_three_classes():
    """p = .3, .2, .5 and the third class is true: -log .5, and the gradient p - y."""
    found = explain.cross_entropy([0.3, 0.2, 0.5], 2)
    assert found.nats == pytest.approx(math.log(2))
    np.testing.assert_allclose(found.gradient, [0.3, 0.2, -0.5], atol=1e-15)
    same = explain.cross_entropy([0.3, 0.2, 0.5], [0, 0, 1])
    assert same.nats == found.nats


@pytest.mark.parametrize("seed", range(8))
def test_the_gradient_is_p_minus_y_and_the_step_is_a_step(seed):
    """Against cr.grad, and against the loss of chainrule.losses behind the step."""
    rng = np.random.default_rng(seed)
    z, k, rate = rng.normal(0, 3, 5), int(rng.integers(5)), float(rng.uniform(0.1, 3))
    found = explain.cross_entropy(z=z, y=k, learning_rate=rate)
    assert found.disagreement < 1e-14
    moved = z - rate * found.gradient
    np.testing.assert_allclose(found.z_after, moved)
    np.testing.assert_allclose(found.p_after, cr.softmax(moved), rtol=1e-12)
    assert found.nats == pytest.approx(losses.cross_entropy(z[None], [k]), rel=1e-12)
    assert found.nats_after == pytest.approx(losses.cross_entropy(moved[None], [k]), rel=1e-12)
    assert found.nats_after < found.nats  # the softmax's curvature is below 1/2: rates below 4


@pytest.mark.parametrize(("z", "y"), [(-40.0, 1), (40.0, 0), (0.3, 0.2), (3.0, 1), (1000.0, 0)])
def test_a_logit_keeps_its_loss_where_p_has_rounded(z, y):
    """softplus(z) - y z, which is exact where log(1 - p) would be -inf."""
    found = explain.cross_entropy(z=z, y=y)
    assert found.nats == pytest.approx(np.logaddexp(0, z) - y * z, rel=1e-12)


@pytest.mark.parametrize(
    ("p", "y", "nats"), [(0.0, 1, math.inf), (1.0, 0, math.inf), (0.0, 0, 0.0), (1.0, 1, 0.0)]
)
def test_certainty_is_free_or_infinitely_wrong_and_never_nan(p, y, nats):
    """0 log 0 is 0; a probability of 0 for what came true is said to be infinite."""
    for found in (explain.cross_entropy(p, y), explain.cross_entropy([1 - p, p], y)):
        assert found.nats == nats
        assert np.isfinite(found.gradient).all()
        assert ("infinite: " in str(found)) == math.isinf(nats)
        json.dumps(found.to_json(), allow_nan=False)
        minidom.parseString(found.svg())


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"p": 1.2, "y": 1}, DataError, r"p is 1.2; expected a probability in \[0, 1\]"),
        ({"p": float("nan"), "y": 1}, DataError, "p is nan"),
        ({"p": 0.5, "y": 2}, DataError, "y is 2"),
        ({"p": [0.3, 0.3], "y": 0}, DataError, "p sums to 0.6"),
        ({"p": [0.3, 0.7], "y": 2}, DataError, "class of 0 ... 1"),
        ({"p": [[0.3, 0.7]], "y": 0}, ShapeError, "one prediction"),
        ({"p": 0.5, "y": 1, "learning_rate": 0}, TrainingError, "learning_rate"),
        ({"y": 1}, TrainingError, "expected a probability"),
        ({"p": "a", "y": 1}, ChainruleError, "numbers"),
    ],
)
def test_what_is_no_prediction_is_said(arguments, error, words):
    """The message holds what was got and what was expected."""
    with pytest.raises(error, match=words):
        explain.cross_entropy(**arguments)


@pytest.mark.parametrize("names", [None, ["<b>", "x" * 90, "ü & 'q'"]])
def test_text_picture_and_json_hold_for_any_names(names):
    """Lines of at most 100 letters; an SVG that parses; JSON without NaN."""
    found = explain.cross_entropy([0.3, 0.2, 0.5], 1, names=names)
    assert max(map(len, str(found).splitlines())) <= 100
    minidom.parseString(found.svg())
    assert "<b>" not in found._repr_html_() or names is None
    json.dumps(found.to_json(), allow_nan=False)
