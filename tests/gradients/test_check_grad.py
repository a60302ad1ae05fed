"""``cr.check_grad``: passes what is right, and says of what is wrong where and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GradientError

X = np.array([0.3, -0.7, 1.1])


@cr.custom_gradient
def almost_sine(x: Any) -> Any:
    """Wrong by one percent, in one element."""
    factor = np.where(np.arange(3) == 1, 1.01, 1.0)
    return np.sin(x), lambda g: g * np.cos(x) * factor


@pytest.mark.parametrize(
    ("f", "args"),
    [(lambda x: np.sum(np.sin(x) * x), (X,)),
     (lambda p: {"y": p["w"] @ p["w"].T, "z": [np.sum(p["w"])]}, ({"w": np.ones((2, 3))},)),
     (lambda x, k: x[k] ** 3, (X, 2)), (np.log, (1e-9,)), (np.exp, (500.0,)),
     (lambda x: np.sum(x * 1e-30), (X,)), (np.linalg.norm, (X,)), (lambda x: np.ones(3), (X,)),
     (lambda x: np.sum(np.maximum(x, 0)), (np.array([1e-6, -1e-6]),)),
     (lambda x: np.sum(cr.checkpoint(np.sin)(x)), (X,))],
)  # fmt: skip
def test_right_derivatives_pass_to_second_order(f, args):
    report = cr.check_grad(f, *args, order=2)
    assert report.passed, report
    assert report
    assert "passes to order 2" in str(report)


def test_a_wrong_rule_is_named_with_its_line_element_and_both_numbers():
    report = cr.check_grad(lambda p: np.sum(almost_sine(p["w"] * 2)), {"b": 1.0, "w": X})
    assert not report
    failure = report.failure
    assert failure is not None
    assert (failure.op, failure.argument, failure.element) == ("almost_sine", "argument 0.w", (1,))
    assert failure.by_difference == pytest.approx(2 * np.cos(2 * X[1]), rel=1e-9)
    assert failure.by_rule == pytest.approx(2.02 * np.cos(2 * X[1]), rel=1e-12)
    assert failure.where.startswith("test_check_grad.py:")
    assert "a wrong rule" in failure.cause
    assert "argument 0.w[1]" in str(report)
    assert "by differences" in str(report)


def test_the_right_operations_around_a_wrong_one_are_not_blamed():
    for f in (lambda x: np.exp(almost_sine(x)) @ X, lambda x: np.sum(almost_sine(np.tanh(x)) ** 2)):
        report = cr.check_grad(f, X)
        assert report.failure.op == "almost_sine"


def test_a_wrong_element_is_found_among_many():
    @cr.custom_gradient
    def wrong(x: Any) -> Any:
        mark = (np.arange(x.size) == 777).reshape(x.shape)
        return x * x, lambda g: g * 2 * x * np.where(mark, 1.5, 1.0)

    report = cr.check_grad(lambda x: np.sum(wrong(x)), np.linspace(0.5, 1.5, 1000).reshape(20, 50))
    assert report.failure.element == (15, 27)


def test_second_order_is_checked_on_request():
    assert cr.check_grad(lambda x: np.sum(cr.stop_gradient(x) * 0 + x * x), X, order=1)

    @cr.custom_gradient
    def exponential(x: Any) -> Any:
        y = np.exp(x)
        return y, lambda g: g * cr.stop_gradient(y)

    f = lambda x: np.sum(exponential(x))  # noqa: E731 - twice below
    assert cr.check_grad(f, X)
    report = cr.check_grad(f, X, order=2)
    assert not report
    assert report.failure.order == 2
    assert report.failure.op == "stop_gradient"


@pytest.mark.parametrize(
    ("f", "x", "op", "cause"),
    [(lambda x: np.sum(np.where(x > 0, x, 0.0)), np.array([1.0, 0.0]), "greater", "a kink"),
     (lambda x: np.sqrt(np.sum(x * x)), np.zeros(2), "sqrt", "the edge of the operation's domain"),
     (lambda x: np.sum(cr.stop_gradient(x) * x), X, "stop_gradient", "on purpose")],
)  # fmt: skip
def test_the_likely_cause_is_said(f, x, op, cause):
    report = cr.check_grad(f, x)
    assert report.failure is not None
    assert report.failure.op == op, report
    assert cause in report.failure.cause, report


def test_random_functions_are_found_out():
    rng = np.random.default_rng(0)
    report = cr.check_grad(lambda x: np.sum(x * rng.normal(size=3)), X)
    assert "other values each time" in report.failure.cause


def test_float32_is_promoted_and_less_is_asked_of_what_computes_in_it():
    report = cr.check_grad(np.sin, X.astype(np.float32))
    assert report
    assert "argument 0 is float32; it is checked in float64" in str(report)
    inside = cr.check_grad(lambda x: np.sum(np.sin(x.astype(np.float32)) ** 2), X)
    assert inside
    assert "float32 inside" in str(inside)


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(GradientError, match="no argument is a floating-point number"):
        cr.check_grad(np.sin, 1)
    with pytest.raises(GradientError, match="returned no floating-point number"):
        cr.check_grad(lambda x: x > 0, X)
    with pytest.raises(GradientError, match=r"through floor at test_check_grad\.py"):
        cr.check_grad(lambda x: np.sum(np.floor(x)), X)


@pytest.mark.parametrize(
    ("f", "x", "op"),
    [(lambda x: np.sum(np.absolute(x)), [0.0, 1.0], "absolute"),
     (lambda x: np.sum(np.maximum(x, 0)), [1.0, 0.0], "maximum"),
     (np.max, [2.0, 2.0], "max"), (np.linalg.norm, [0.0, 0.0], "")],
)  # fmt: skip
def test_a_kink_at_the_point_is_named_though_the_mean_of_its_sides_agrees(f, x, op):
    """A subgradient in the middle is what central differences give; there is no derivative."""
    report = cr.check_grad(f, np.array(x))
    assert not report
    assert report.failure is not None
    assert report.failure.cause.startswith("a kink")
    assert op in report.failure.op


def test_a_kink_beside_the_point_is_none_of_its():
    assert cr.check_grad(lambda x: np.sum(np.absolute(x)), np.array([1e-6, -1e-7]))
