"""Narrower vectors, as other machines have them, give the same answers to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import chainrule as cr
from chainrule.compiler.native.target import host
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.ir.graph import Graph
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.guarded import run_plain
from tests.compiler.interpret import Bounded, assert_agree, run
from tests.compiler.programs import DTYPES, programs
from tests.compiler.steps import assert_same_bits
from tests.ops.cases import RECORDS, cases, graph_of

WIDTHS = (512, 256, 128)
RNG = np.random.default_rng(0)
FEW = settings(max_examples=max(1, settings.default.max_examples // 3))  # three compilations each


def _run_on(width: int, graph: Graph, inputs: list[np.ndarray], batch: int = 0) -> list[np.ndarray]:
    executable = compile_graph(graph, plain_roles(graph), target=host(width))
    alone = run_plain(executable, inputs, batch=batch)
    assert_same_bits(alone, run_plain(executable, inputs, batch=batch, threads=2))
    return alone


def test_narrower_targets_are_narrower():
    bits = [host(width).vector_bits for width in WIDTHS]
    assert bits[0] >= bits[1] >= bits[2] == 128
    assert [host(width).lanes(32) for width in WIDTHS] == [b // 32 for b in bits]


@pytest.mark.parametrize("width", WIDTHS[1:])
def test_table_of_operations_means_the_same_on(width):
    """All elementwise records on vectors with a rest, and all that move, reduce or multiply."""
    found = [
        case
        for record in RECORDS
        for case in cases(record, ((19,),))
        if all(t.dtype in DTYPES[:2] for t in case.types) and case.attributes.get("dtype") != "i32"
    ]
    graph, batch = graph_of(found), 19
    rng = np.random.default_rng(1)
    inputs = [x for case in found for x in case.operands(rng, batch)]
    expected = run(graph, [Bounded.exact(x) for x in inputs], batch)
    assert_agree(expected, _run_on(width, graph, inputs, batch))


@FEW
@given(programs(batched=True))
def test_random_programs_mean_the_same_on_every_width(program):
    batch = 21
    inputs = program.inputs(batch)
    expected = run(program.graph, [Bounded.exact(x) for x in inputs], batch)
    for width in WIDTHS[1:]:
        assert_agree(expected, _run_on(width, program.graph, inputs, batch), width)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shapes", [((1, 1), (1, 1)), ((5, 7), (7, 3)), ((33, 20), (20, 50)),
                                    ((17, 130), (130, 65)), ((50, 3), (3, 129))])  # fmt: skip
def test_products_of_odd_sizes(shapes, width, dtype):
    """Every height and width of tile, with and without a rest, in all four layouts."""
    left, right = (np.asarray(RNG.normal(size=s), dtype) for s in shapes)

    def f(a: Any, at: Any, b: Any, bt: Any) -> list[Any]:
        return [a @ b, at.T @ b, a @ bt.T, at.T @ bt.T, (a @ b).T + 1.0]

    inputs = [np.ascontiguousarray(x) for x in (left, left.T, right, right.T)]
    graph = trace_types(lambda xs: f(*xs), [array_type(x) for x in inputs]).graph
    expected = run(graph, [Bounded.exact(x) for x in inputs])
    got = _run_on(width, graph, inputs)
    assert_agree(expected, got)
    assert_same_bits(got[:1] * 3, got[1:4])  # one chain of sums per element, whatever the layout


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("rows", [1, 40])
def test_long_chains_behind_a_product(rows, width):
    """What follows a product is worked out on its tile, whichever way its other operands lie."""
    a, b, c, d = (RNG.normal(size=s) for s in ((rows, 9), (9, 21), (rows, 21), (21, rows)))

    def f(a: Any, b: Any, c: Any, d: Any) -> Any:
        z = a @ b
        p = cr.softmax(z)
        chain = np.tanh(z) * np.exp(-c) + np.sin(d.T) * np.log1p(z * z) - np.cos(z + c[:, :1])
        return chain, chain.T @ a, np.sum(p * chain, axis=1), np.maximum(z, d.T)

    graph = trace_types(lambda xs: f(*xs), [array_type(x) for x in (a, b, c, d)]).graph
    expected = run(graph, [Bounded.exact(x) for x in (a, b, c, d)])
    assert_agree(expected, _run_on(width, graph, [a, b, c, d]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_larger_than_the_nearest_cache(dtype):
    a, b = (np.asarray(RNG.normal(size=s), dtype) for s in ((70, 1100), (1100, 530)))
    for f in (lambda a, b: a @ b, lambda a, b: (b.T @ a.T) + 1.0):
        graph = trace_types(lambda xs, f=f: f(*xs), [array_type(a), array_type(b)]).graph
        expected = run(graph, [Bounded.exact(a), Bounded.exact(b)])
        assert_agree(expected, _run_on(512, graph, [a, b]))


def test_the_default_target_is_this_machine():
    f = cr.compile(np.tanh)
    np.testing.assert_allclose(f(np.ones(3)), np.tanh(1.0), rtol=1e-15)
