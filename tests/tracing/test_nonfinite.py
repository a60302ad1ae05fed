"""``cr.trace(f, *args).first_nonfinite()``: where the first NaN or infinity comes from."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import chainrule as cr

X = np.array([[1.0, 2.0], [3.0, 0.0], [0.5, 4.0]])


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def entropy(p: Any) -> Any:
    return -np.sum(p * np.log(p))


def test_all_finite_is_none():
    assert cr.trace(entropy, X + 1.0).first_nonfinite() is None
    assert cr.trace(cr.value_and_grad(entropy), X + 1.0).first_nonfinite() is None


def test_a_forward_run_names_op_line_element_example_and_operands():
    report = cr.trace(entropy, X).first_nonfinite()
    assert report is not None
    assert (report.op, report.value, report.index, report.example) == ("log", -np.inf, (1, 1), 1)
    assert report.where.startswith("test_nonfinite.py:")
    assert report.count == 1
    (operand,) = report.operands
    assert (operand.name, operand.low, operand.high, operand.at) == ("argument 0", 0.0, 4.0, 0.0)
    assert str(report).splitlines() == [
        f"first -inf: log at {report.where}",
        "  element [1, 1] of f64[3, 2]; 1 of 6 are not finite",
        "  example 1 (index along the first axis)",
        "  reads argument 0, f64[3, 2]: from 0 to 4, 0 at the element",
    ]


def test_a_backward_run_names_the_line_of_what_is_derived():
    """The root of 0 is fine, its slope is not."""

    def f(x: Any) -> Any:
        return np.sum(np.sqrt(x))  # the line

    report = cr.trace(cr.grad(f), X).first_nonfinite()
    assert report is not None
    line = f.__code__.co_firstlineno + 1
    assert report.where == f"test_nonfinite.py:{line} (backward)"
    assert (report.op, report.value, report.index) == ("divide", np.inf, (1, 1))


def test_what_is_wrong_from_the_beginning_is_named_as_such():
    tree = {"w": X, "b": np.array([0.0, np.nan])}
    report = cr.trace(lambda p: np.sum(p["w"] + p["b"]), tree).first_nonfinite()
    assert report is not None
    assert (report.op, report.where, report.index) == ("argument", "argument 0.b", (1,))
    assert "first nan: already in argument 0.b" in str(report)
    table = np.array([1.0, np.inf])
    report = cr.trace(lambda x: x * table, 2.0).first_nonfinite()
    assert report is not None
    assert report.where == "a plain array of the code around"


def test_an_infinity_that_is_meant_is_no_finding():
    """A mask of -inf ends as a probability of 0."""
    hidden = X > 2.0

    def f(x: Any) -> Any:
        return np.sum(cr.softmax(np.where(hidden, -np.inf, x), axis=0) ** 2)

    assert cr.trace(f, X).first_nonfinite() is None or np.isfinite(f(X))

    def wrong(x: Any) -> Any:
        masked = np.where(hidden, -np.inf, x)
        return np.sum(masked - masked)

    report = cr.trace(wrong, X).first_nonfinite()
    assert report is not None
    assert report.op == "subtract"


def test_the_finding_is_what_leads_to_the_result():
    """An earlier overflow that is thrown away is not what made the result NaN."""

    def f(x: Any) -> Any:
        unused = np.exp(1000.0 * x)
        kept = np.where(unused > 1.0, x, 0.0)
        return np.sum(np.log(kept - 0.5))

    report = cr.trace(f, X).first_nonfinite()
    assert report is not None
    assert report.op == "log"

    report = cr.trace(lambda x: np.sum(np.where(np.exp(1000.0 * x) > 1.0, x, 0.0)), X)
    found = report.first_nonfinite()
    assert found is not None
    assert (found.op, found.reaches) == ("exp", False)
    assert "all results are finite in spite of it" in str(found)


def test_inside_a_loop_the_step_is_named():
    def step(c: Any, x: Any) -> Any:
        return c * c + x, np.log(c)

    def f(x: Any) -> Any:
        return cr.scan(step, 0.5, x)[1]

    report = cr.trace(f, np.array([0.0, -1.0, 2.0])).first_nonfinite()
    assert report is not None
    assert (report.op, report.steps) == ("log", (2,))
    assert report.where == f"test_nonfinite.py:{step.__code__.co_firstlineno + 1}"
    assert "step 2 of the loop" in str(report)
    grown = cr.trace(lambda x: cr.while_loop(lambda c: c < 1e300, lambda c: c**5, x), 1e100)
    found = grown.first_nonfinite()
    assert found is not None
    assert (found.op, found.steps) == ("power", (0,))
    report = cr.trace(lambda x: cr.cond(x > 0, np.log, lambda x: x / 0.0, x), -1.0)
    found = report.first_nonfinite()
    assert found is not None
    assert found.op == "divide"


def test_backwards_through_a_loop():
    def f(x: Any) -> Any:
        c, _ = cr.scan(lambda c, t: (np.sqrt(c) * t, None), x, np.array([0.0, 1.0]))
        return c

    report = cr.trace(cr.grad(f), 2.0).first_nonfinite()
    assert report is not None
    assert "(backward)" in report.where
    assert report.steps == (1,)
    assert report.value == np.inf
