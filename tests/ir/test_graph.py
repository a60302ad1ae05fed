"""Graphs: order, users, rebuilding, one batch size."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import GraphError
from chainrule.ir.graph import Graph, Node, rebuild, specialise, with_inputs
from chainrule.ir.text import parse
from chainrule.ops import verify
from tests.compiler.interpret import evaluate
from tests.compiler.programs import make


def _chain(length: int) -> Graph:
    x = Node("input", (), cr.trace(lambda x: x, 1.0).inputs[0].type)
    node = x
    for _ in range(length):
        node = make("add", node, node)
    return Graph((x,), (node,))


def test_operands_stand_before_their_users():
    graph = cr.trace(lambda x, y: (np.sin(x) * y + np.cos(x), y), 1.0, 2.0)
    place = {node: k for k, node in enumerate(graph.nodes)}
    assert all(place[x] < place[node] for node in graph.nodes for x in node.inputs)
    assert graph.nodes[:2] == graph.inputs


def test_long_chains_and_many_paths_are_walked_once():
    """Ten thousand nodes in a row, each read twice: 2¹⁰⁰⁰⁰ paths."""
    graph = _chain(10_000)
    assert len(graph.nodes) == 10_001
    assert len(rebuild(graph, with_inputs).nodes) == 10_001


def test_users_are_who_reads_a_value():
    graph = _chain(2)
    x, first, second = graph.nodes
    assert graph.users == {x: (first,), first: (second,), second: ()}


def test_rebuilding_with_nothing_new_is_the_same_graph():
    graph = _chain(3)
    assert rebuild(graph, with_inputs).outputs == graph.outputs


def test_nodes_are_compared_by_identity():
    a, b = (make("constant", value=1.0, dtype="f64") for _ in range(2))
    assert a != b
    assert repr(a) == "<constant: f64[]>"


@pytest.mark.parametrize("batch", [1, 7])
def test_one_batch_size_takes_the_place_of_the_symbol(batch):
    graph = parse(
        """
        graph(%0: f32[batch, 2]) {
          %1: f32[] = size() {dtype='f32'; power=-1; scale=6.0}
          %2: f32[batch, 2] = broadcast(%1) {axes=(); shape=(batch, 2)}
          %3: f32[batch, 2] = multiply(%0, %2)
          %4: f32[2, batch] = transpose(%3) {axes=(1, 0)}
          %5: i64[batch] = iota() {axis=0; dtype='i64'; shape=(batch,)}
          return %4, %5
        }
        """
    )
    fixed = specialise(graph, batch)
    verify(fixed)
    assert "batch" not in str(fixed)
    assert "size" not in str(fixed)
    scaled, numbers = evaluate(graph, [np.ones((batch, 2), np.float32)], batch)
    np.testing.assert_array_equal(scaled, np.full((2, batch), np.float32(6 / batch)))
    np.testing.assert_array_equal(numbers, np.arange(batch))


def test_the_users_line_is_kept():
    graph = cr.trace(lambda x: np.sum(np.exp(x)), np.zeros(3))
    assert all(node.where.startswith("test_graph.py:") for node in graph.nodes[1:])


def test_nodes_that_were_changed_to_need_one_another_make_no_graph():
    graph = cr.trace(lambda x: np.exp(np.sin(x) + x), 1.0)
    sine = next(n for n in graph.nodes if n.op == "sin")
    last = graph.outputs[0]
    object.__setattr__(sine, "inputs", (last,))
    with pytest.raises(GraphError, match="loops are not allowed: ") as error:
        Graph(graph.inputs, graph.outputs)
    for op in ("sin", "add", "exp"):
        assert f"({op})" in str(error.value)


def test_bodies_are_for_the_batch_size_of_the_graph_around_them():
    graph = parse(
        """
        graph(%0: f64[batch, 2], %1: f64[2]) {
          %2: bool[] = scan(%1, %0) {carries=1; consts=0; length=batch; reverse=False} body=graph(%0: f64[2], %1: f64[2]) {
            %2: f64[] = size() {dtype='f64'; power=1; scale=1.0}
            %3: f64[2] = broadcast(%2) {axes=(); shape=(2,)}
            %4: f64[2] = add(%1, %3)
            return %4
          }
          %3: f64[2] = item(%2) {dtype='f64'; index=0; shape=(2,)}
          return %3
        }
        """  # noqa: E501 - a node is one line
    )
    verify(graph)
    fixed = specialise(graph, 3)
    verify(fixed)
    assert "batch" not in str(fixed)
