"""``cr.grad`` and ``cr.value_and_grad``: arguments, trees, higher derivatives, refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GradientError
from chainrule.tracing.tracer import Tracer

X = np.arange(6.0).reshape(2, 3) + 0.5


def f(a: Any, b: Any, c: Any) -> Any:
    return a * b**2 + c**3


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [(0, 9.0), (1, 12.0), (2, 48.0), (-1, 48.0), (-3, 9.0), ((0, 2), (9.0, 48.0)),
     ((2, 0), (48.0, 9.0)), ([1], (12.0,)), ((0, -1), (9.0, 48.0))],
)  # fmt: skip
def test_argnums_choose_the_arguments(argnums, expected):
    assert cr.grad(f, argnums)(2.0, 3.0, 4.0) == expected
    assert cr.value_and_grad(f, argnums)(2.0, 3.0, 4.0) == (82.0, expected)


@pytest.mark.parametrize("argnums", [3, -4, (0, 0), (1, -2)])
def test_argnums_that_are_none_are_refused(argnums):
    with pytest.raises(GradientError, match="expected different places"):
        cr.grad(f, argnums)(2.0, 3.0, 4.0)


def test_keywords_are_passed_on():
    assert cr.grad(lambda x, *, k: x**2 * k)(3.0, k=2.0) == 12.0
    assert cr.grad(f)(2.0, c=4.0, b=3.0) == 9.0


def test_has_aux_returns_what_else_was_computed():
    def loss(w: Any) -> Any:
        y = w * X
        return np.sum(y**2), {"y": y, "name": 1, "w": w}

    (value, aux), gradient = cr.value_and_grad(loss, has_aux=True)(2.0)
    assert value == np.sum((2 * X) ** 2)
    assert gradient == np.sum(4 * X**2)
    np.testing.assert_array_equal(aux["y"], 2 * X)
    assert aux["name"] == 1
    assert not isinstance(aux["w"], Tracer)
    again, same = cr.grad(loss, has_aux=True)(2.0)
    assert again == gradient
    np.testing.assert_array_equal(same["y"], aux["y"])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradient_has_the_shape_and_dtype_of_its_argument(dtype):
    for x in (X.astype(dtype), dtype(2.0), np.zeros((0, 3), dtype), X.astype(dtype).T):
        value, gradient = cr.value_and_grad(lambda x: np.sum(np.exp(x) * 2))(x)
        assert np.shape(gradient) == np.shape(x)
        assert gradient.dtype == value.dtype == dtype
        unused = cr.grad(lambda x: np.float64(1.0))(x)
        assert (np.shape(unused), unused.dtype) == (np.shape(x), dtype)


def test_a_gradient_is_an_array_of_its_own():
    """Writing to it changes neither the argument nor another leaf's gradient."""
    a, b = X.copy(), X.copy()
    ga, gb = cr.grad(lambda a, b: np.sum(a + b), argnums=(0, 1))(a, b)
    ga[...] = 7.0
    np.testing.assert_array_equal(gb, np.ones_like(X))
    np.testing.assert_array_equal(a, X)


def test_a_value_used_many_times_gets_the_sum():
    """Along every path from the result back to it."""
    assert cr.grad(lambda x: x + x * x + np.sin(x) * x)(2.0) == pytest.approx(
        1 + 4 + math.sin(2) + 2 * math.cos(2)
    )


def test_what_does_not_depend_on_the_argument_has_gradient_zero():
    assert cr.grad(lambda x: 3.0)(2.0) == 0.0
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.ones(3)))(X), np.zeros_like(X))
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(x[:, 0]))(X), [[1, 0, 0], [1, 0, 0]])


def test_gradient_of_a_long_chain_needs_no_deep_stack():
    def chain(x: Any) -> Any:
        for _ in range(5000):
            x = x * 1.0001
        return x

    assert cr.grad(chain)(1.0) == pytest.approx(1.0001**5000, rel=1e-9)


# -- higher derivatives ----------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_of_a_derivative(order):
    """dⁿ/dxⁿ sin(2x) = 2ⁿ sin(2x + nπ/2)."""
    g = lambda x: np.sin(2.0 * x)  # noqa: E731 - taken apart by the loop below
    for _ in range(order):
        g = cr.grad(g)
    expected = 2**order * math.sin(2 * 0.7 + order * math.pi / 2)
    assert g(0.7) == pytest.approx(expected, rel=1e-13)
    assert cr.compile(g)(0.7) == pytest.approx(expected, rel=1e-13)


def test_an_inner_gradient_may_use_an_outer_value():
    """d/dx [x · d/dy (x y²) at y = 3] = d/dx 6x² = 12x: the two are not confused."""
    assert cr.grad(lambda x: x * cr.grad(lambda y: x * y**2)(3.0))(2.0) == 24.0


def test_perturbations_of_two_levels_stay_apart():
    """d/dx x · (d/dy (x + y)) = 1 (Siskind & Pearlmutter 2005, Perturbation Confusion)."""
    assert cr.grad(lambda x: x * cr.grad(lambda y: x + y)(1.0))(1.0) == 1.0


def test_hessian_row_by_row_is_symmetric():
    def g(x: Any) -> Any:
        return np.sum(np.exp(x[0] * x[1]) * x[2] ** 2)

    x = np.array([0.3, -0.7, 1.1])
    rows = [cr.grad(lambda x, k=k: cr.grad(g)(x)[k])(x) for k in range(3)]
    np.testing.assert_allclose(rows, np.transpose(rows), rtol=1e-14)


def test_tiny_probabilities_keep_their_slopes():
    """No 1 - y² that cancels: tanh' and s' far out are what e^-2x and e^-x say."""
    for x in (20.0, -20.0):
        assert cr.grad(np.tanh)(x) == pytest.approx(4 * math.exp(-40.0), rel=1e-13)
        assert cr.grad(lambda x: 1 / (1 + np.exp(-x)))(20.0) == pytest.approx(
            math.exp(-20), rel=1e-8
        )


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("g", "shape"),
    [(lambda x: x, r"\(2, 3\)"), (lambda x: np.sum(x, axis=0), r"\(3,\)"),
     (lambda x: np.sum(x, keepdims=True), r"\(1, 1\)")],
)  # fmt: skip
def test_a_result_that_is_no_number_is_refused(g, shape):
    with pytest.raises(GradientError, match=f"shape {shape} .*one floating-point number") as caught:
        cr.grad(g)(X)
    assert "np.mean or np.sum" in str(caught.value)


@pytest.mark.parametrize("g", [lambda x: np.sum(x > 1), lambda x: x.astype(int)[0, 0], lambda x: 3])
def test_a_result_that_is_an_integer_is_refused(g):
    with pytest.raises(GradientError, match="one floating-point number"):
        cr.grad(g)(X)


@pytest.mark.parametrize("g", [lambda x: None, lambda x: "loss", lambda x: (1.0, 2.0)])
def test_a_result_that_is_no_array_is_refused(g):
    with pytest.raises(GradientError):
        cr.grad(g)(X)


@pytest.mark.parametrize("x", [2, np.arange(3), True, [1.0, 2]])
def test_an_integer_argument_is_refused(x):
    with pytest.raises(GradientError, match="only floating-point numbers") as caught:
        cr.grad(np.sum)(x)
    assert "2.0 instead of 2" in str(caught.value)


@pytest.mark.parametrize(
    ("g", "op"),
    [
        (lambda x: np.mean(x > 1), "greater"),
        (lambda x: np.mean((x > 1) & (x < 2)), "logical_and"),
        (lambda x: np.sum(np.where(x == 1, 2.0, 3.0)), "equal"),
        (lambda x: np.mean((x >= 1).astype(np.float64)), "greater_equal"),
    ],
)
def test_a_gradient_that_only_comparisons_could_carry_is_refused(g, op):
    """The accuracy is no loss: its gradient is zero wherever it exists. No silent zero."""
    with pytest.raises(GradientError, match=f"no gradient flows through {op}"):
        cr.grad(g)(X)


def test_a_comparison_beside_a_value_passes_the_values_gradient():
    """x (x > 1) is a rectifier as many write it."""
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(x * (x > 1)))(X), (X > 1).astype(float))
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(np.where(x > 1, x, 0)))(X), X > 1)


def test_the_branch_not_taken_leaves_no_trace():
    """log of what is not positive is -inf or NaN, but its branch is not the one chosen."""
    x = np.array([-1.0, 0.0, 2.0])
    with np.errstate(all="ignore"):
        safe = cr.grad(lambda x: np.sum(np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0)))(x)
    np.testing.assert_array_equal(safe, [0.0, 0.0, 0.5])


def test_what_is_made_of_stopped_values_alone_is_no_missing_gradient():
    """``stop_gradient`` before an operation without a derivative is as good as behind it."""
    x, y = np.array([3.0, -1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    got = cr.grad(lambda x: np.sum(np.sign(cr.stop_gradient(x)) * x * y))(x)
    np.testing.assert_array_equal(got, np.sign(x) * y)
    with pytest.raises(GradientError, match="sign"):
        cr.grad(lambda x: np.sum(np.sign(x) * x * y))(x)

    def in_order(x: Any) -> Any:
        return np.sum(x[np.argsort(cr.stop_gradient(x))] * y)

    np.testing.assert_array_equal(cr.grad(in_order)(x), [3.0, 1.0, 2.0])
    second = cr.grad(lambda x: np.sum(cr.grad(in_order)(x)))
    np.testing.assert_array_equal(second(x), np.zeros(3))
    np.testing.assert_array_equal(cr.compile(second)(x), np.zeros(3))
