"""The gradient and the level set: angles measured on paths that know nothing of the gradient."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chainrule import explain, losses, nn
from chainrule.errors import GradientError, TrainingError

RNG = np.random.default_rng(7)
#: Degrees: what the issue asks for.
ANGLE = 1e-6


def smooth(seed, n):
    """A smooth function of n variables with random coefficients."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(n, n)), rng.normal(size=n), rng.normal(size=n)
    return lambda w: np.sum(np.tanh(a @ w + b) ** 2) + np.sum(np.sin(w * c)) + 0.1 * np.sum(w**2)


def closed(w):
    """A function of any number of variables whose level sets are closed and small."""
    return np.sum(w**4) + np.sum(np.cumsum(w) ** 2) + w[0]


@pytest.mark.parametrize(("seed", "n"), [(0, 2), (1, 2), (2, 5), (3, 5)])
def test_the_gradient_is_at_a_right_angle_to_the_measured_tangent(seed, n):
    """90° to 1e-6 at the point, along the path and for random tangents; f constant to 1e-10."""
    theta = np.random.default_rng(seed + 100).normal(size=n)
    found = explain.level_set(smooth(seed, n), theta)
    assert found.kind == "regular"
    assert abs(found.angle - 90) < ANGLE
    assert found.spread < 1e-10
    assert found.checks
    assert all(abs(check.angle - 90) < ANGLE for check in found.checks)
    assert len(found.random_angles) >= 4
    assert max(abs(a - 90) for a in found.random_angles) < ANGLE
    assert abs(sum(df * dtheta for _, df, dtheta in found.factors) - found.rate) < 1e-12
    assert abs(found.rate) < 1e-8 * np.linalg.norm(found.gradient)


def test_a_path_on_a_circle_closes_and_is_as_long_as_the_circle():
    """Of f = x² + y² the level set through (0.6, 0.8) is the unit circle, 2π long."""
    found = explain.level_set(lambda x, y: x * x + y * y, 0.6, 0.8)
    assert found.path.is_closed
    length = float(np.sum(np.linalg.norm(np.diff(found.path.points, axis=0), axis=1)))
    assert abs(length - 2 * np.pi) < 5e-3  # a polygon of some hundred sides is shorter
    radii = np.linalg.norm(found.path.points + found.theta, axis=1)
    np.testing.assert_allclose(radii, 1.0, rtol=1e-12)


def test_the_tangent_is_measured_and_not_taken_from_the_gradient():
    """A wrong gradient is found out: its angle to the tangent is not 90°."""
    from chainrule.explain.geometry.field import field_of
    from chainrule.explain.geometry.tangent import measured_tangent

    f = field_of(lambda w: w[0] ** 2 + 3 * w[1] ** 2, (np.array([1.0, 1.0]),), None)
    value, gradient = f.value_and_gradient(f.theta)
    wrong = gradient + np.array([0.1, 0.0])
    tangent = measured_tangent(f, f.theta, value, wrong, np.array([-gradient[1], gradient[0]]))
    assert abs(tangent.angle - 90) > 0.1


@pytest.mark.parametrize(
    "along", [None, "random", ("w[0]", "w[3]"), (np.eye(4)[1], np.ones(4))], ids=str
)
def test_any_plane_through_the_point_shows_a_right_angle(along):
    """In more than two dimensions, the tangent within the plane is orthogonal to all of ∇f."""
    found = explain.level_set(closed, np.array([0.3, -0.2, 0.5, 1.0]), along=along)
    assert abs(found.angle - 90) < ANGLE
    assert np.allclose(found.plane.basis @ found.plane.basis.T, np.eye(2), atol=1e-12)


@pytest.mark.slow
def test_a_model_with_relu_and_float32_weights_is_measured_in_float64():
    """Kinks near the path are stepped round: shorter differences until none lies between."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 2)).astype(np.float32)
    model = nn.MLP([2, 8, 2], rng=0)
    found = explain.level_set(model, losses.cross_entropy, (x, (x[:, 0] > 0).astype(int)))
    assert abs(found.angle - 90) < ANGLE
    measured = [check for check in found.checks if check.is_measured]
    assert len(measured) > len(found.checks) / 2
    assert max(abs(check.angle - 90) for check in measured) < ANGLE


def test_a_critical_point_has_no_direction_and_that_is_said():
    """∇f = 0: minimum, saddle and maximum by the Hessian in the plane."""
    bowl = explain.level_set(lambda w, b: w**2 + 4 * b**2, 0.0, 0.0)
    saddle = explain.level_set(lambda w, b: w * b, 0.0, 0.0)
    assert bowl.kind == saddle.kind == "critical"
    assert bowl.tangent is None
    assert "this single point" in str(bowl)
    assert "two branches" in str(saddle)
    assert saddle.svg().startswith("<svg")


def test_a_kink_is_told_from_a_smooth_minimum():
    """|w| + |b| at (1, 0) and at 0 has no gradient; the diamond elsewhere has four corners."""

    def f(w, b):
        return abs(w) + abs(b)

    assert explain.level_set(f, 1.0, 0.0).kind == "kink"
    assert explain.level_set(f, 0.0, 0.0).kind == "kink"
    found = explain.level_set(f, 1.0, 0.3)
    assert found.kind == "regular"
    assert found.path.is_closed
    assert len(found.path.corners) == 4


def test_one_variable_has_points():
    """(w² - 1)² has its value at 0.5 at four places."""
    found = explain.level_set(lambda w: (w**2 - 1) ** 2, 0.5)
    other = np.sqrt(1.75)
    assert found.kind == "one variable"
    np.testing.assert_allclose(found.points, [-other, -0.5, 0.5, other][-len(found.points) :])
    assert "no tangent and no angle" in str(found)


def test_python_control_flow_is_followed():
    """What cannot be compiled is run step by step."""
    found = explain.level_set(lambda w, b: w * w + b * b if w > 0 else b * b - w, 0.6, 0.8)
    assert abs(found.angle - 90) < ANGLE


def test_text_json_and_html_hold_the_numbers():
    """Lines of a hundred at most, JSON without NaN, a fragment with the picture."""
    found = explain.level_set(closed, np.array([0.1, 0.2, 0.3]))
    assert all(len(line) <= 100 for line in str(found).splitlines())
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["angle"] == found.angle
    assert "<svg" in found._repr_html_()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: explain.level_set(lambda w, b: np.log(w) * b, -1.0, 2.0), TrainingError, "nan"),
        (lambda: explain.level_set(lambda w, b: np.sqrt(w) + b, 0.0, 2.0), GradientError, "∂f/∂w"),
        (
            lambda: explain.level_set(lambda w: np.sum(w**2), np.ones(3), along=("w[0]", "w[9]")),
            TrainingError,
            "w[9]",
        ),
        (
            lambda: explain.level_set(lambda w: np.sum(w**2), np.ones(3), along=(np.ones(3),) * 2),
            TrainingError,
            "parallel",
        ),
    ],
    ids=["not finite", "infinite slope", "no such entry", "parallel"],
)
def test_what_cannot_be_done_is_said(call, error, words):
    """The message names the function's trouble or the entry."""
    with pytest.raises(error) as found:
        call()
    assert words in str(found.value)


@pytest.mark.parametrize(("seed", "n"), [(0, 1), (1, 2), (2, 6)])
def test_no_direction_rises_faster_than_the_gradients(seed, n):
    """Slopes by forward mode are |∇f| cos(angle); measured changes agree to first order."""
    theta = np.random.default_rng(seed).normal(size=n)
    found = explain.steepest_ascent(smooth(seed, n), theta)
    assert found.error < 1e-12 * max(1.0, found.norm)
    assert np.max(found.slopes) <= found.norm * (1 + 1e-12)
    assert found.angles[found.best] <= 1.0
    assert found.angles[found.best] == found.angles.min()
    np.testing.assert_allclose(
        found.changes / found.step, found.slopes, atol=0.02 * found.norm + 0.01
    )


def test_at_a_critical_point_no_direction_is_steepest():
    """All slopes are 0, and the text says so."""
    found = explain.steepest_ascent(lambda w, b: w * b, 0.0, 0.0)
    assert found.norm == 0
    assert not np.any(found.slopes)
    assert "there is no direction" in str(found)
    assert found.svg().startswith("<svg")


def test_a_level_set_through_a_saddle_ends_there_and_is_no_kink():
    found = explain.level_set(lambda w, b: w * w - b * b, 1.0, 1.0)
    assert "critical point" in found.path.endings
    assert found.path.corners == ()
    assert not found.is_relative


def test_a_level_of_rounding_has_an_absolute_spread():
    """f(θ) = 9e-16 where it is 0 in exact numbers: relative to it all would be noise."""
    found = explain.level_set(
        lambda w, b: (w * w + b * b) ** 2 - 2 * (w * w - b * b), np.sqrt(2.0), 0.0
    )
    assert found.spread < 1e-14
    assert "(absolute)" in str(found)


def test_slopes_agree_relative_to_the_gradient_and_angles_are_no_rounding():
    text = str(explain.steepest_ascent(lambda w, b: np.exp(w) + b**2, 300.0, 3.0))
    assert "at 0° to the gradient" in text
    assert "10¹¹" not in text
