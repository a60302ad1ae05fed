"""Loops are made as short as what is read of them, and mean the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.passes.loops import shorten
from chainrule.compiler.pipeline import simplify
from chainrule.ir.graph import Graph, Node
from chainrule.ops import verify
from chainrule.ops.bodies import replay

X, XS = np.linspace(0.5, 1.0, 3), np.linspace(-1.0, 1.0, 15).reshape(5, 3)


def shortened(f: Any, *args: Any) -> Graph:
    """The graph after the pass, which must not change what it gives."""
    graph = cr.trace(f, *args)
    after = shorten(graph)
    verify(after)
    for a, b in zip(replay(graph, graph.values), replay(after, graph.values), strict=True):
        np.testing.assert_array_equal(a, b)
    return after


def loop(graph: Graph, op: str = "scan") -> Node:
    (found,) = (node for node in graph.nodes if node.op == op)
    return found


def body(graph: Graph, name: str = "body", op: str = "scan") -> Graph:
    inner = loop(graph, op).attributes[name]
    assert isinstance(inner, Graph)
    return inner


def scan(x: Any, xs: Any) -> Any:
    step = lambda c, t: ((c[0] + t, c[1] * 2.0), (np.sin(c[0]), np.cos(c[1])))  # noqa: E731
    return cr.scan(step, (x, x), xs)


def test_results_that_nobody_picks_are_neither_put_out_nor_carried():
    whole = shortened(scan, X, XS)
    assert loop(whole).attributes["carries"] == 2
    one = shortened(lambda *a: scan(*a)[1][1], X, XS)
    assert loop(one).attributes["carries"] == 1
    assert len(loop(one).inputs) == 1  # neither xs nor the other first value
    assert [n.op for n in body(one).outputs] == ["multiply", "cos"]


def test_what_a_loop_does_not_change_is_not_carried():
    f = lambda x, xs: cr.scan(lambda c, t: ((c[0] * c[1], c[1]), None), (x, xs[0]), xs)[0]  # noqa: E731
    after = shortened(f, X, XS)
    assert loop(after).attributes["carries"] == 1
    assert after.outputs[1].op == "reshape"  # xs[0] itself


def test_numbers_and_repetitions_stand_in_the_body():
    """Neither an array of equal numbers nor a repeated row is made for a body to read."""

    def f(x: Any, xs: Any) -> Any:
        row = np.broadcast_to(x * 2.0, (4, 3))
        return cr.scan(lambda c, t: (c * row + np.full((4, 3), 0.5), None), row * 0.0, xs)[0]

    after = shortened(f, X, XS)
    assert len(loop(after).inputs) == 2  # x * 2 and the first carry
    assert {"broadcast", "constant"} <= {n.op for n in body(after).nodes}


def test_what_every_step_reads_alike_is_a_constant():
    """The cotangents of a sum of all y are one number for all steps."""

    def f(x: Any, xs: Any) -> Any:
        return np.sum(cr.scan(lambda c, t: (np.sin(c + t), c), x, xs)[1])

    graph = simplify(cr.trace(cr.grad(f), X, XS))
    (back,) = (n for n in graph.nodes if n.op == "scan" and n.attributes["reverse"])
    # the cotangent of the carry, the carries of the forward scan, xs
    assert [str(x.type) for x in back.inputs] == ["f64[3]", "f64[5, 3]", "f64[5, 3]"]


def test_operands_that_are_one_are_read_once():
    def f(x: Any, xs: Any) -> Any:
        y, z = np.sin(x), np.sin(x)
        return cr.scan(lambda c, t: (c * y + z * t, None), x, xs)[0]

    assert len(loop(simplify(cr.trace(f, X, XS))).inputs) == 3


def test_branches_give_and_take_what_is_needed():
    def f(x: Any, xs: Any) -> Any:
        return cr.cond(x[0] > 0, lambda: (x, xs, x * 2.0), lambda: (-x, xs * 3.0, x))[0]

    after = shortened(f, X, XS)
    assert len(loop(after, "cond").inputs) == 2
    assert len(body(after, "if_true", "cond").outputs) == 1


def test_a_while_loop_carries_what_its_condition_or_its_result_needs():
    def f(x: Any, xs: Any) -> Any:
        start = (x, xs, 0, x[0])
        step = lambda c: (c[0] * 2.0, c[1] + 1.0, c[2] + 1, c[3])  # noqa: E731
        return cr.while_loop(lambda c: c[2] < 3, step, start)[0::3]

    after = shortened(f, X, XS)
    assert len(body(after, "body", "while_loop").outputs) == 2
    assert after.outputs[1].op == "reshape"  # x[0] itself


def test_loops_in_bodies_are_shortened_too():
    def f(x: Any, xs: Any) -> Any:
        return cr.scan(lambda c, t: (scan(c, xs)[0][0], None), x, xs)[0]

    inner = loop(body(shortened(f, X, XS)))
    assert inner.attributes["carries"] == 1
    assert len(inner.attributes["body"].outputs) == 1


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_any_number_of_steps(steps):
    shortened(lambda x, xs: cr.grad(lambda x: np.sum(scan(x, xs)[1][0]))(x), X, XS[:steps])
