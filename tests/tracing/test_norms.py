"""Norms and distances: NumPy's values, no overflow, gradient 0 at 0."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import distance

import chainrule as cr
from chainrule.errors import ChainruleError, ShapeError
from tests.tracing.agreement import check_compiled, check_gradient, check_second, draw

norm, inf = np.linalg.norm, np.inf


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("order", [None, 1, 2, 3, 2.5, 0.5, -1, -2, inf, -inf])
def test_norms_of_vectors_are_numpys(order, keepdims):
    check_gradient(lambda x: norm(x, order, axis=1, keepdims=keepdims), draw(3, 4))
    if order is not None:
        f = lambda x: np.linalg.vector_norm(x, ord=order, axis=(0, 2), keepdims=keepdims)  # noqa: E731
        check_gradient(f, draw(2, 3, 4))


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, inf, -inf])
def test_norms_of_matrices_are_numpys(order, keepdims):
    check_gradient(lambda x: norm(x, order, keepdims=keepdims), draw(3, 4))
    check_gradient(lambda x: norm(x, order, axis=(2, 0), keepdims=keepdims), draw(3, 2, 4))
    check_gradient(lambda x: np.linalg.matrix_norm(x, ord=order, keepdims=keepdims), draw(2, 3, 4))


def test_the_norm_of_all_elements_has_two_derivatives():
    check_gradient(norm, draw(2, 3, 4))
    check_second(norm, draw(5))
    check_compiled(norm, draw(2, 3))


def test_the_number_of_elements_that_are_not_zero_has_numpys_dtype():
    x = np.array([[0.0, 2.0, -1.0]])
    assert cr.compile(lambda x: norm(x, 0, axis=1))(x) == norm(x, 0, axis=1) == 2.0


def test_no_square_overflows_or_vanishes():
    """The norm of [3e30, 4e30] in float32 is 5e30, that of [3e-30, 4e-30] 5e-30."""
    for scale in (1e30, 1e-30):
        x = np.array([3, 4], np.float32) * np.float32(scale)
        value, gradient = cr.value_and_grad(norm)(x)
        np.testing.assert_allclose(value, 5 * scale, rtol=1e-6)
        np.testing.assert_allclose(gradient, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3, inf, "fro"])
def test_at_zero_the_gradient_is_zero(order):
    """A subgradient, and no 0 / 0."""
    x = np.zeros((2, 2)) if order == "fro" else np.zeros(3)
    gradient = cr.grad(lambda x: norm(x, order))(x)
    np.testing.assert_array_equal(gradient, np.zeros_like(x))


def test_infinite_and_missing_numbers_pass_through():
    for x in (np.array([inf, 1.0]), np.array([np.nan, 1.0]), np.zeros(0)):
        with np.errstate(invalid="ignore"):  # there is no slope at infinity
            np.testing.assert_array_equal(cr.value_and_grad(norm)(x)[0], norm(x))


def test_distances_are_scipys():
    x, y = draw(4, 3), draw(5, 3)
    np.testing.assert_allclose(cr.cdist(x, y), distance.cdist(x, y))
    np.testing.assert_allclose(cr.cdist(x, y, 1), distance.cdist(x, y, "cityblock"))
    for p in (1, 2, 3, inf):
        check_gradient(lambda x, y, p=p: cr.cdist(x, y, p), x, y)
    check_second(cr.cdist, x, y)
    check_compiled(cr.cdist, x, y)


def test_close_points_lose_no_digits():
    """By differences: |x|² + |y|² - 2xy would be 0 or worse here."""
    x = np.array([[1e8, 0.0]])
    np.testing.assert_array_equal(cr.cdist(x, x + 1.0), [[2**0.5]])
    assert not cr.grad(lambda x: np.sum(cr.cdist(x, x)))(np.ones((3, 2))).any()


def test_what_does_not_fit_is_an_error():
    with pytest.raises(ShapeError, match="cdist at test_norms"):
        cr.cdist(draw(3, 2), draw(3, 3))
    for order, shape in ((7, (2, 2)), ("nuc", (3,)), (2, (2, 2, 2))):
        with pytest.raises(ChainruleError, match="test_norms"):
            cr.grad(lambda x, order=order: np.sum(norm(x, order)))(draw(*shape))
