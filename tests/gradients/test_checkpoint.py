"""``cr.checkpoint``: the same bits for less memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.errors import TraceError
from chainrule.tracing.trace import array_type, trace_types

RNG = np.random.default_rng(0)
WEIGHTS = [RNG.normal(size=(16, 16)) / 4 for _ in range(8)]
X = RNG.normal(size=(400, 16))


def block(w: Any, x: Any) -> Any:
    for _ in range(4):
        x = np.tanh(x @ w)
    return x


def plain(weights: Any) -> Any:
    x = X
    for w in weights:
        x = block(w, x)
    return np.sum(x**2)


def saving(weights: Any) -> Any:
    x = X
    for w in weights:
        x = cr.checkpoint(block)(w, x)
    return np.sum(x**2)


def peak(f: Any) -> int:
    tracemalloc.start()
    f(WEIGHTS)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most


def buffers(f: Any) -> int:
    graph = trace_types(f, [array_type(w) for w in WEIGHTS]).graph
    return compile_graph(graph, plain_roles(graph)).plan.offsets(0)[1]


def same(a: Any, b: Any) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_gradient_is_the_same_bits_eagerly_and_needs_less_memory():
    """Of 32 activations 8 are kept, and the 4 of one block."""
    same(cr.grad(plain)(WEIGHTS), cr.grad(saving)(WEIGHTS))
    assert peak(cr.grad(saving)) < 0.6 * peak(cr.grad(plain))


def test_compiled_code_computes_again_and_needs_less_memory():
    """Nothing shares the first values with the second ones, nor works them out early."""
    for a, b in zip(cr.grad(plain)(WEIGHTS), cr.compile(cr.grad(saving))(WEIGHTS), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)
    assert buffers(cr.grad(saving)) < 0.6 * buffers(cr.grad(plain))


def f(x: Any) -> Any:
    return np.sin(np.exp(x) * x) * x


@pytest.mark.parametrize(
    "transform",
    [cr.grad, cr.value_and_grad, cr.hessian,
     lambda g: cr.grad(lambda x: np.sum(cr.grad(g)(x) ** 2)),
     lambda g: lambda x: cr.hvp(g, x, x), lambda g: lambda x: cr.jvp(g, (x,), (x,)),
     lambda g: lambda x: cr.vmap(cr.grad(g))(np.stack([x, 2 * x])),
     lambda g: cr.grad(lambda x: np.sum(cr.vmap(g)(np.stack([x, 2 * x])))),
     lambda g: lambda x: cr.vjp(g, x)[1](1.0) + cr.vjp(g, x)[1](2.0)],
)  # fmt: skip
@pytest.mark.parametrize("nested", [False, True])
def test_every_transform_passes_through(transform, nested):
    once = cr.checkpoint(f)
    inside = cr.checkpoint(lambda x: once(once(x)) * x) if nested else once
    outside = (lambda x: f(f(x)) * x) if nested else f
    x = np.array([0.2, -0.4, 0.9])
    expected = transform(lambda x: np.sum(outside(x)))(x)
    for way in (lambda g: g, cr.compile):
        got = way(transform(lambda x: np.sum(inside(x))))(x)
        pairs = zip(got, expected, strict=True) if isinstance(got, tuple) else [(got, expected)]
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_what_the_function_closes_over_gets_its_gradient():
    def loss(p: Any) -> Any:
        return np.sum(cr.checkpoint(lambda x: np.tanh(x * p["w"]) * p["b"])(p["w"] * 2))

    def direct(p: Any) -> Any:
        return np.sum(np.tanh(p["w"] * 2 * p["w"]) * p["b"])

    p = {"w": np.array([0.5, 1.5]), "b": 2.0}
    np.testing.assert_equal(cr.grad(loss)(p), cr.grad(direct)(p))


def test_a_layer_is_checkpointed_as_it_stands():
    layer = nn.Linear.init(3, 2, rng=np.random.default_rng(0))
    x = np.ones((4, 3), np.float32)
    got = cr.grad(lambda m: np.sum(cr.checkpoint(m)(x) ** 2))(layer)
    expected = cr.grad(lambda m: np.sum(m(x) ** 2))(layer)
    np.testing.assert_array_equal(got.weight, expected.weight)


def test_backward_may_be_called_again():
    _, backward = cr.vjp(cr.checkpoint(f), 0.7)
    assert backward(1.0) == backward(1.0)


def test_the_function_runs_once_and_outside_of_a_gradient_it_is_the_function():
    runs: list[int] = []

    def counted(x: Any) -> Any:
        runs.append(1)
        return np.sin(x)

    cr.grad(cr.checkpoint(counted))(1.0)
    assert len(runs) == 1
    assert cr.checkpoint(counted)(1.0) == np.sin(1.0)


def test_a_value_taken_out_by_the_back_door_is_refused():
    kept: list[Any] = []

    def leaking(x: Any) -> Any:
        kept.append(np.exp(x))
        return np.sin(kept[-1])

    with pytest.raises(TraceError, match=r"inside of cr\.checkpoint"):
        cr.grad(lambda x: cr.checkpoint(leaking)(x) + kept[0] * 2)(1.0)
