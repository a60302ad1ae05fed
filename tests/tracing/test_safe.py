"""Reductions whose intermediate results are larger, smaller or blunter than their result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.tracing.surface import F32, F64

#: As compiled code, and as what ``grad`` computes on the way.
RUNS = {
    "compiled": cr.compile,
    "eager": lambda f: lambda *xs: cr.value_and_grad(f, argnums=0)(*xs)[0],
}


@pytest.fixture(params=RUNS)
def run(request: Any) -> Any:
    return RUNS[request.param]


@pytest.mark.parametrize("dtype", [F32, F64])
def test_variance_far_from_zero_does_not_cancel(run, dtype):
    x = np.array([1e8, 1e8 + 8, 1e8 + 16], dtype)
    assert run(lambda x: np.var(x, ddof=1))(x) == 64
    assert run(np.var)(x) == pytest.approx(128 / 3, rel=1e-6)
    assert run(lambda x: x.std(correction=1))(x) == 8
    g = cr.grad(lambda x: np.var(x, ddof=1))(x)
    np.testing.assert_allclose(g, [-8, 0, 8], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [F32, F64])
def test_what_is_representable_does_not_overflow(run, dtype):
    large = np.finfo(dtype).max
    x = np.array([large, large / 2, large, large / 2], dtype)
    assert run(np.mean)(x) == pytest.approx(float(large) * 0.75, rel=1e-6)
    assert run(np.var)(np.full(5, large, dtype)) == 0
    d = np.sqrt(large) / 2
    assert run(np.var)(np.array([-d, d, -d, d], dtype)) == pytest.approx(float(d) ** 2, rel=1e-6)
    assert run(np.std)(np.array([-d, d] * 4, dtype)) == pytest.approx(float(d), rel=1e-6)
    assert run(cr.logsumexp)(np.array([large, 0], dtype)) == large
    np.testing.assert_array_equal(cr.grad(np.mean)(x), np.full(4, 0.25, dtype))


def test_mean_of_few_tiny_numbers_is_theirs():
    x = np.full(3, np.float32(1e-40))
    assert cr.value_and_grad(np.mean)(x)[0] == x[0]


def test_norm_does_not_overflow_and_has_a_gradient_at_zero(run):
    x = np.array([3e30, 4e30], np.float32)
    assert run(np.linalg.norm)(x) == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose(cr.grad(np.linalg.norm)(x), [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(cr.grad(np.linalg.norm)(np.zeros(3)), [0, 0, 0])


def test_logsumexp_at_equal_huge_values_shares_its_gradient_equally():
    for x in (np.array([1e300, 1e300]), np.array([1e38, 1e38], np.float32), np.full(2, -1e30)):
        np.testing.assert_array_equal(cr.grad(cr.logsumexp)(x), [0.5, 0.5])
        np.testing.assert_array_equal(cr.compile(cr.grad(cr.logsumexp))(x), [0.5, 0.5])
        np.testing.assert_array_equal(cr.grad(np.logaddexp.reduce)(x), [0.5, 0.5])


@pytest.mark.parametrize("reduce", [cr.logsumexp, np.logaddexp.reduce])
def test_logsumexp_of_infinities(run, reduce):
    inf = np.inf
    for x, y in (([-inf, 1.0], 1.0), ([inf, 1.0], inf), ([inf, -inf], inf), ([inf, inf], inf)):
        with np.errstate(all="ignore"):
            assert run(reduce)(np.array(x)) == y
    with np.errstate(all="ignore"):
        assert np.isnan(run(reduce)(np.array([np.nan, 1.0])))
        assert run(reduce)(np.array([-inf, -inf])) == -inf
    np.testing.assert_array_equal(cr.grad(reduce)(np.array([-inf, 1.0])), [0.0, 1.0])


def test_std_of_equal_elements_is_zero_and_so_is_its_gradient(run):
    x = np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 3.0]])
    np.testing.assert_array_equal(cr.compile(lambda x: np.std(x, axis=1))(x)[0], 0)
    np.testing.assert_array_equal(cr.grad(np.std)(np.full(3, 0.1)), [0, 0, 0])
    g = cr.grad(lambda x: np.sum(np.std(x, axis=1)))(x)
    assert np.isfinite(g).all()
    assert g[1, 0] == -g[1, 2] != 0


def test_equal_largest_elements_share_the_gradient():
    np.testing.assert_array_equal(cr.grad(np.max)(np.array([1.0, 3, 3])), [0, 0.5, 0.5])
    np.testing.assert_array_equal(cr.grad(np.min)(np.array([1.0, 1, 3])), [0.5, 0.5, 0])
    assert cr.grad(lambda x: np.maximum(x, x))(2.0) == 1.0


def test_variance_has_its_second_derivative():
    """The Hessian of the variance is 2/n (I - 1/n): the correction of rounding is no part of it."""
    x = np.array([1.0, 2.0, 4.0])
    rows = [cr.grad(lambda x, k=k: cr.grad(np.var)(x)[k])(x) for k in range(3)]
    np.testing.assert_allclose(rows, 2 / 3 * (np.eye(3) - 1 / 3), atol=1e-15)


def test_products_with_zeros_have_their_gradient():
    np.testing.assert_array_equal(cr.grad(np.prod)(np.array([2.0, 0, 3])), [0, 6, 0])
    np.testing.assert_array_equal(cr.grad(np.prod)(np.array([0.0, 0, 3])), [0, 0, 0])
    g = cr.grad(lambda x: np.sum(np.cumprod(x)))(np.array([2.0, 0, 3]))
    np.testing.assert_array_equal(g, [1, 8, 0])
