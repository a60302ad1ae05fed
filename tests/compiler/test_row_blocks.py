"""Sums over the rows of a large batch: one pass, right, and the same bits for any threads."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.compiler.lower.plan import make_plan
from chainrule.compiler.lower.row_blocks import Blocks
from chainrule.compiler.lower.schedule import Work
from chainrule.compiler.native.target import host
from chainrule.compiler.pipeline import compile_graph, plain_roles, simplify

ROWS = 16_384


def cross_entropy(p, x, y):
    z = x @ p["w"] + p["b"]
    return np.mean(np.logaddexp(np.float32(0), z) - y * z)


def examples(rows, columns, dtype=np.float32):
    rng = np.random.default_rng(rows + columns)
    x = rng.standard_normal((rows, columns)).astype(dtype)
    y = (rng.random(rows) < 0.4).astype(dtype)
    weight = (0.1 * rng.standard_normal(columns)).astype(dtype)
    return {"w": weight, "b": np.array(0.3, dtype)}, x, y


def works(f, *args) -> list[Work]:
    graph = simplify(cr.trace(f, *args))
    return [
        work for phase in make_plan(graph, plain_roles(graph)).schedule.phases for work in phase
    ]


def expected(p, x, y):
    x, y = x.astype(np.float64), y.astype(np.float64)
    z = x @ p["w"] + p["b"]
    d = (1 / (1 + np.exp(-z)) - y) / len(y)
    return np.mean(np.logaddexp(0, z) - y * z), d @ x, d.sum()


def test_logistic_regression_goes_through_its_rows_once():
    """Predictions, loss and both gradients take turns: nothing else reads the data."""
    found = works(cr.value_and_grad(cross_entropy), *examples(ROWS, 100))
    assert [type(work) is Blocks for work in found] == [True, False, False, False]
    assert [nest.kind for nest in found[0].nests] == ["reduce", "map", *["blocks"] * 3]


def test_few_rows_are_summed_in_one_piece():
    found = works(cr.value_and_grad(cross_entropy), *examples(1000, 100))
    assert not any(isinstance(work, Blocks) for work in found)


@pytest.mark.parametrize("rows", [ROWS, ROWS + 1, 20_003, 70_001])
@pytest.mark.parametrize("columns", [1, 7, 16, 130])
def test_rows_and_columns_of_any_number_agree_with_float64(rows, columns):
    """Within the rounding of float32: each chunk is a chain of rows / 256 additions."""
    args = examples(rows, columns)
    value, g = cr.compile(cr.value_and_grad(cross_entropy))(*args)
    loss, weight, bias = expected(*args)
    np.testing.assert_allclose(value, loss, rtol=2e-6)
    np.testing.assert_allclose(g["w"], weight, atol=2e-6 * np.abs(args[1]).mean())
    np.testing.assert_allclose(g["b"], bias, atol=1e-6)


def test_any_number_of_threads_gives_the_same_bits():
    args = examples(ROWS + 37, 20)
    for threads in (2, 3, 8):
        one, several = (
            cr.compile(cr.value_and_grad(cross_entropy), threads=n)(*args) for n in (1, threads)
        )
        assert one[0] == several[0]
        assert one[1]["b"] == several[1]["b"]
        np.testing.assert_array_equal(one[1]["w"], several[1]["w"])


@pytest.mark.parametrize("bits", [128, 256])
def test_narrow_vectors_add_up_the_same_rows(bits):
    """AVX2 and SSE2 as well, with columns that are no whole vectors."""
    p, x, y = args = examples(ROWS + 5, 7)

    def f(w, b, x, y):
        return cr.value_and_grad(cross_entropy)({"w": w, "b": b}, x, y)[1]["w"]

    graph = cr.trace(f, p["w"], p["b"], x, y)
    result = np.zeros(7, np.float32)
    executable = compile_graph(graph, plain_roles(graph), host(bits))
    executable.run([p["w"], p["b"], x, y], [result], threads=2)
    np.testing.assert_allclose(result, expected(*args)[1], atol=2e-6)


def test_sums_of_sums_wait_for_one_another():
    """What needs the mean of all rows is summed after it: two turns through the rows."""
    _, x, _ = examples(ROWS, 5, np.float64)

    def variance(x):
        return np.mean((x - np.mean(x, axis=0)) ** 2, axis=0)

    assert sum(isinstance(work, Blocks) for work in works(variance, x)) == 2
    np.testing.assert_allclose(cr.compile(variance)(x), x.var(axis=0), rtol=1e-12)


def test_what_is_read_beside_the_sums_is_stored_whole():
    """A value of each row that is asked for as well comes out of the same turn."""
    p, x, y = examples(ROWS, 9)

    def f(w, x, y):
        d = np.tanh(x @ w) - y
        return d, d @ x, d

    d, g, again = cr.compile(f)(p["w"], x, y)
    right = np.tanh(x @ p["w"]) - y
    np.testing.assert_allclose(d, right, atol=1e-6)
    np.testing.assert_array_equal(d, again)
    np.testing.assert_allclose(g, right @ x, rtol=1e-4, atol=2e-2)


def test_full_batch_training_takes_the_same_steps_as_numpy():
    """batch="all" knows its rows, so its step is in blocks: ten steps beside float64's."""
    p, x, y = examples(ROWS, 6)
    run = cr.train(p, cross_entropy, (x, y), optimizer=optim.SGD(0.5), batch="all", epochs=10)
    w, b = p["w"].astype(np.float64), 0.3
    for _ in range(10):
        _, weight, bias = expected({"w": w, "b": b}, x, y)
        w, b = w - 0.5 * weight, b - 0.5 * bias
    np.testing.assert_allclose(run.model["w"], w, atol=1e-5)
    np.testing.assert_allclose(run.model["b"], b, atol=1e-5)
