"""The front door: what is asked, what is refused, what is said."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chainrule import losses, nn
from chainrule.errors import ShapeError, TrainingError
from chainrule.explain import convexity
from chainrule.explain.proofs.precise import precise_value
from chainrule.explain.proofs.program import program_of
from chainrule.explain.subject import subject_of

_RNG = np.random.default_rng(0)
X = np.round(_RNG.normal(size=(10, 2)), 1)
Y = np.round(_RNG.normal(size=10), 1)


def test_a_proof_names_its_laws_and_the_lines_that_they_are_used_at():
    found = convexity(lambda w: np.mean(np.logaddexp(0, X @ w)), np.zeros(2))
    assert any("B&V 3.1.5" in step and "test_front.py" in step for step in found.reason)


def test_a_counter_example_holds_in_high_precision_on_the_function_itself():
    """The numbers of the verdict, put into the untouched program in 50 digits."""
    model = nn.MLP([2, 2, 1], rng=0)
    found = convexity(model, losses.squared_error, (X, Y), seconds=3)
    program = program_of(subject_of(model, losses.squared_error, (X, Y)))
    a, b, t = found.chord.theta1, found.chord.theta2, found.t
    assert t == 0.5
    middle = precise_value(program, 0.5 * a + 0.5 * b)
    chord = 0.5 * precise_value(program, a) + 0.5 * precise_value(program, b)
    assert middle - chord > 1e-6
    assert float(middle - chord) == pytest.approx(found.chord.gap, rel=1e-6)


def test_a_part_of_the_arguments_may_be_asked_for():
    """(w x - 1)² is convex in w, not in w and x."""

    def f(w, x):
        return (w * x - 1) ** 2

    assert convexity(f, 2.0, 3.0, wrt="w").verdict == "convex, proved"
    assert convexity(f, 2.0, 3.0, seconds=2).verdict == "not convex, proved"


def test_a_box_may_be_given_for_one_part():
    found = convexity(lambda x, y: x**3 + y**2, 1.0, 1.0, box={"x": (0.0, np.inf)})
    assert found.verdict == "convex, proved"
    assert "x ≥ 0" in found.domain


def test_an_interval_hessian_says_what_it_bounds():
    found = convexity(lambda x: np.sin(x) + x * x, 0.0)
    assert (found.method, found.curvature) == ("interval Hessian", "strongly convex")
    assert 0.99 < found.modulus <= 1.0


def test_what_is_not_decided_says_what_was_tried():
    found = convexity(lambda x: np.linalg.norm(x, "nuc"), np.eye(2), seconds=0.3)
    assert found.verdict == "not decided"
    assert "composition" in found.tried
    assert any("svd" in reason for reason in found.reason)


def test_a_function_without_values_is_not_decided():
    found = convexity(lambda x: x * np.nan, 1.0, seconds=0.2)
    assert found.verdict == "not decided"
    assert found.reason[0] == "f is not finite where it was given"


@pytest.mark.parametrize(
    ("box", "error"),
    [
        ({"v": (0, 1)}, TrainingError),
        ((1.0, 0.0), TrainingError),
        ((0.0, np.nan), TrainingError),
        ((0.0, np.ones(3)), ShapeError),
        (1.0, ShapeError),
    ],
)
def test_a_box_that_makes_no_sense_is_refused(box, error):
    with pytest.raises(error, match="box"):
        convexity(lambda w: w @ w, np.zeros(2), box=box)


def test_json_holds_the_numbers():
    found = convexity(lambda x: x**3, 1.0, seconds=1)
    told = json.loads(json.dumps(found.to_json()))
    assert told["gap"] > 0
    assert set(told["theta1"]) == {"x"}


@pytest.mark.slow
def test_a_large_network_is_answered_by_a_few_of_its_weights():
    """784-128-10: f is the mean over a sample of rows, and few numbers are not 0."""
    rng = np.random.default_rng(0)
    x = (rng.random((300, 784)) * (rng.random((300, 784)) < 0.2)).astype(np.float32)
    y = rng.integers(0, 10, 300)
    found = convexity(nn.MLP([784, 128, 10], rng=0), losses.cross_entropy, (x, y))
    assert found.verdict == "not convex, proved"
    assert found.rows is not None
    assert found.rows[1] == 300
    assert np.count_nonzero(found.chord.theta1) < 20
    assert "interval arithmetic" in found.chord.checked
    names: dict = {}
    exec(found.code.replace("print(", "(lambda *_: None)("), names)
    assert names["middle"] > names["chord"]


def test_a_large_softmax_regression_is_convex():
    rng = np.random.default_rng(0)
    x, y = rng.random((200, 300)).astype(np.float32), rng.integers(0, 10, 200)
    found = convexity(nn.MLP([300, 10], rng=0), losses.cross_entropy, (x, y))
    assert found.verdict == "convex, proved"
