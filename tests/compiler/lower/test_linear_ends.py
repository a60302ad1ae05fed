"""Losses with a linear end: the gradient of a product is a number spread over a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.orders import in_order
from chainrule.tracing.trees import flatten

SIZES = ((1, 1, 1), (1, 5, 3), (2, 1, 3), (40, 5, 1), (40, 5, 3), (33, 17, 40))


def _mixed_gaussian(p: Any, x: Any) -> Any:
    """A Gaussian negative log-likelihood whose log deviation is linear."""
    log_sigma = x @ p["w"]
    return np.mean(log_sigma + 0.5 * ((x @ p["u"] - 1.0) / np.exp(log_sigma)) ** 2)


# Each of the parameters w, u (i, o), s () and rows x (b, i).
# fmt: off
LOSSES = {
    "a mean": lambda p, x: np.mean(x @ p["w"]),
    "a sum": lambda p, x: np.sum(x @ p["w"]),
    "a mean of the transpose": lambda p, x: np.mean((x @ p["w"]).T),
    "the product turned": lambda p, x: np.mean(p["w"].T @ x.T),
    "a linear penalty": lambda p, x: np.mean((x @ p["w"] - 1) ** 2) + 0.1 * np.mean(x @ p["w"]),
    "a likelihood": _mixed_gaussian,
    "a scaled product": lambda p, x: np.mean(p["s"] * (x @ p["w"])),
    "two products": lambda p, x: np.mean(x @ p["w"] @ p["u"].T),
    "a number spread": lambda p, x: np.sum(np.broadcast_to(p["s"], p["w"].T.shape) @ p["u"]),
    "spread and turned": lambda p, x: np.sum(np.broadcast_to(p["s"], p["w"].shape).T @ p["u"]),
    "spread behind": lambda p, x: np.mean(np.tanh(x @ np.broadcast_to(p["s"], p["w"].shape))),
    "spread in front": lambda p, x: np.sum(np.broadcast_to(p["s"], x.shape).T @ (x @ p["w"])),
    "a mean of rows": lambda p, x: np.mean(x @ p["w"], axis=0) @ np.sum(p["u"], axis=0),
    "a sum over three": lambda p, x: np.sum(np.einsum("bi,io,jo->bj", x, p["w"], p["u"])),
}
# fmt: on


def _problem(sizes: tuple[int, int, int], dtype: Any) -> tuple[dict[str, Any], np.ndarray]:
    b, i, o = sizes
    rng = np.random.default_rng(0)
    params = {"w": rng.normal(size=(i, o)), "u": rng.normal(size=(i, o)), "s": np.asarray(0.5)}
    params = {name: (0.3 * x).astype(dtype) for name, x in params.items()}
    return params, (0.3 * rng.normal(size=(b, i))).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_compiled_gradients_are_the_eager_ones(name, dtype):
    gradient = cr.grad(LOSSES[name])
    for k, sizes in enumerate(SIZES):
        params, x = _problem(sizes, dtype)
        found = flatten(cr.compile(gradient, threads=1 + k % 2)(params, x))[0]
        doubles = {name: p.astype(np.float64) for name, p in params.items()}
        expected = flatten(gradient(doubles, x.astype(np.float64)))[0]
        # sums of up to 1320 products in another order, in f32 and in f64
        tolerance = 1e-4 if dtype == np.float32 else 1e-11
        for got, wanted in zip(found, expected, strict=True):
            assert np.shape(got) == np.shape(wanted)
            np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "name", ["a mean", "the product turned", "a linear penalty", "a likelihood"]
)
def test_training_on_a_linear_end_is_the_descent_by_hand(name, threads):
    """With a batch that the graph does not know, and a last one that is smaller."""
    start, x = _problem((40, 5, 3), np.float64)
    run = cr.train(
        start, LOSSES[name], (x,), batch=16, epochs=2, threads=threads, order=in_order("smaller"),
        optimizer=cr.optim.SGD(0.1),
    )  # fmt: skip
    by_hand = start
    for first in (0, 16, 32) * 2:
        slopes = cr.grad(LOSSES[name])(by_hand, x[first : first + 16])
        by_hand = {key: p - 0.1 * slopes[key] for key, p in by_hand.items()}
    for key, p in by_hand.items():
        np.testing.assert_allclose(run.model[key], p, rtol=1e-10, atol=1e-12)
