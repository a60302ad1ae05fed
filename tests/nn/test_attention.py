"""Attention, embedding and one-hot rows against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule import nn
from chainrule.errors import DTypeError, ShapeError
from tests.tracing.agreement import check_compiled, check_gradient, check_second, draw


def by_definition(q, k, v, scores_mask=0.0, scale=None):
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    return special.softmax(q @ np.swapaxes(k, -1, -2) * scale + scores_mask, axis=-1) @ v


def operands():
    return draw(2, 3, 5, 4), draw(2, 3, 6, 4), draw(2, 3, 6, 7)


def test_attention_is_its_definition():
    q, k, v = operands()
    np.testing.assert_allclose(nn.attention(q, k, v), by_definition(q, k, v))
    np.testing.assert_allclose(nn.attention(q, k, v, scale=2.0), by_definition(q, k, v, scale=2.0))
    later = np.where(np.arange(6) <= np.arange(5)[:, None], 0.0, -np.inf)
    np.testing.assert_allclose(nn.attention(q, k, v, causal=True), by_definition(q, k, v, later))
    added = draw(3, 5, 6)
    np.testing.assert_allclose(nn.attention(q, k, v, added), by_definition(q, k, v, added))


@pytest.mark.parametrize("causal", [True, False])
def test_gradients_of_attention(causal):
    args = operands()
    check_gradient(lambda *a: nn.attention(*a, causal=causal), *args)
    check_second(lambda *a: nn.attention(*a, causal=causal), *args)
    check_compiled(lambda *a: nn.attention(*a, causal=causal), *args)
    check_gradient(nn.attention, *args, draw(5, 6))


def test_a_query_that_may_look_nowhere_gets_zeros_and_no_nan():
    q, k, v = operands()
    mask = np.ones((5, 6), bool)
    mask[2] = False
    value, gradient = cr.value_and_grad(
        lambda *a: np.sum(nn.attention(*a, mask=mask)), argnums=(0, 1, 2)
    )(q, k, v)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in gradient)
    assert not nn.attention(q, k, v, mask)[..., 2, :].any()
    assert not gradient[0][..., 2, :].any()


def test_huge_scores_do_not_overflow():
    x = np.array([[1e3, 0.0], [0.0, 1e3]], np.float32)
    np.testing.assert_array_equal(nn.attention(x, x, x), x)


def test_embedding_reads_rows_and_adds_up_their_gradients():
    table, places = draw(5, 2, 3), np.array([[0, 4], [4, 4]])
    np.testing.assert_array_equal(nn.embedding(table, places), table[places])
    gradient = cr.grad(lambda t: np.sum(nn.embedding(t, places)))(table)
    np.testing.assert_array_equal(gradient[:, 0, 0], [1, 0, 0, 0, 3])
    check_gradient(lambda t: nn.embedding(t, places), table)
    check_compiled(lambda t: nn.embedding(t, places), table)


def test_one_hot_rows_are_rows_of_the_identity():
    places = np.array([[2, 0], [1, 2]])
    got = nn.one_hot(places, 3)
    np.testing.assert_array_equal(got, np.eye(3)[places])
    assert got.dtype == np.float32
    assert nn.one_hot(places, 3, np.int64).dtype == np.int64
    assert not nn.one_hot(np.array([-1, 3]), 3).any()
    np.testing.assert_array_equal(cr.compile(lambda i: nn.one_hot(i, 3))(places), got)


def test_what_does_not_fit_is_an_error():
    q, k, v = operands()
    with pytest.raises(ShapeError, match=r"attention at test_attention\.py"):
        nn.attention(q, v, v)
    with pytest.raises(DTypeError, match="expected booleans"):
        nn.attention(q, k, v, np.ones((5, 6), int))
    with pytest.raises(DTypeError, match="whole numbers"):
        nn.embedding(draw(3, 2), np.array([0.5]))
    with pytest.raises(ShapeError, match=r"test_attention.*outside an axis of size 3"):
        nn.embedding(draw(3, 2), np.array([3]))
    with pytest.raises(ShapeError, match="n=0"):
        nn.one_hot(np.array([0]), 0)
