"""Sharing: equal values are computed once, and only what is equal is shared."""

from __future__ import annotations

import numpy as np

import chainrule as cr
from chainrule.compiler.passes.share import share
from chainrule.ir.graph import Graph, Node
from tests.compiler.programs import make


def _ops(graph: Graph) -> list[str]:
    return [node.op for node in graph.nodes if node.op != "input"]


def test_equal_values_are_computed_once_whichever_way_round():
    a, b = np.zeros(3), np.zeros(3)
    graph = cr.trace(lambda a, b: ((a + b) * (b + a), (a - b) * (b - a)), a, b)
    assert _ops(share(graph)) == ["add", "multiply", "subtract", "subtract", "multiply"]


def test_a_random_looking_pair_of_attributes_is_not_taken_for_equal():
    x = np.zeros((4, 4))
    graph = cr.trace(lambda x: (np.sum(x, axis=0), np.sum(x, axis=1)), x)
    assert _ops(share(graph)) == ["sum", "sum"]


def test_zeros_of_either_sign_and_numbers_of_either_dtype_stay_apart():
    pairs = [(0.0, "f64"), (-0.0, "f64"), (0.0, "f32"), (1, "i64"), (1.0, "f64"), (True, "bool")]
    nodes = [make("constant", value=value, dtype=dtype) for value, dtype in pairs]
    assert len(set(share(Graph((), tuple(nodes))).outputs)) == len(nodes)


def test_what_no_output_needs_is_not_in_the_graph():
    def f(x):
        np.exp(x)
        return x + 1.0

    assert _ops(share(cr.trace(f, 1.0))) == ["constant", "add"]


def test_inputs_are_never_shared():
    a, b = np.zeros(3), np.zeros(3)
    shared = share(cr.trace(lambda a, b: a * b, a, b))
    assert shared.outputs[0].inputs[0] is not shared.outputs[0].inputs[1]
    assert all(isinstance(x, Node) for x in shared.inputs)
