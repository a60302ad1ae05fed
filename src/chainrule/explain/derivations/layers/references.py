"""What automatic differentiation says: the cotangent of every value of the graph, by one pass."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from chainrule.explain.derivations.layers.read import Reading
from chainrule.explain.derivations.layers.values import Value
from chainrule.gradients.vjp import vjp
from chainrule.ir.graph import Graph, Node
from chainrule.ops.apply import bind

Array = Any


def pull_locally(
    reading: Reading, v: Value, root: Value, named: Set[Value], cotangent: Array
) -> Array | None:
    """What v passes to root on the direct ways alone: other named values are held fixed.

    None for a piece that the program itself computes in another form.
    """
    graph = reading.graph
    nodes = {node: x for node, x in reading.values.items() if x is root or x in named or x is v}
    target = next((node for node, x in reading.made.items() if x is v), None)
    if target is None or all(x is not root for x in nodes.values()):
        return None

    def run(more: Any) -> Any:
        values = dict(reading.arrays)
        for node in _between(graph, nodes, root, target):
            known = nodes.get(node)
            if known is root:
                values[node] = values[node] + np.reshape(more, np.shape(values[node]))
            elif node.inputs and (known is None or known is v):
                operands = (values[x] for x in node.inputs)
                values[node] = bind(node.op, *operands, **node.attributes)
        return values[target]

    with np.errstate(all="ignore"):
        value, pull = vjp(run, np.zeros(root.shape))
        (found,) = pull(np.reshape(np.asarray(cotangent, np.float64), np.shape(value)))
    return found


def _between(
    graph: Graph, nodes: Mapping[Node, Value], root: Value, target: Node
) -> Iterator[Node]:
    """The nodes on the ways from the root to the target, operands first."""
    needed: set[Node] = {target}
    waiting = [target]
    while waiting:
        node = waiting.pop()
        if node in nodes and node is not target:
            continue
        for x in node.inputs:
            if x not in needed:
                needed.add(x)
                waiting.append(x)
    return (node for node in graph.nodes if node in needed)


def cotangents(
    graph: Graph, data: Sequence[Array], asked: Mapping[Node, int], live: Sequence[int]
) -> tuple[Array, dict[int, Array], dict[int, Array]]:
    """(the function's value, ∂L/∂ of inputs by number, ∂L/∂ of the nodes asked for).

    To every node a zero is added, and the function is differentiated by the zeros; ``asked`` is
    node -> number of its value, and nodes of one number share one zero.
    """
    shapes: dict[int, Any] = {number: node.type.shape for node, number in asked.items()}
    zeros = {number: np.zeros(shape) for number, shape in shapes.items()}

    def run(inputs: dict[int, Any], more: dict[int, Any]) -> Any:
        values: dict[Node, Any] = {}
        for k, node in enumerate(graph.inputs):
            values[node] = inputs.get(k, data[k])
        for node in graph.nodes:
            if node not in values:
                operands = (values[x] for x in node.inputs)
                values[node] = bind(node.op, *operands, **node.attributes)
            if node in asked:
                extra = more[asked[node]]
                shape: Any = node.type.shape
                values[node] = values[node] + np.reshape(extra, shape)
        return values[graph.outputs[0]]

    chosen = {k: data[k] for k in live}
    with np.errstate(all="ignore"):
        value, pull = vjp(run, chosen, zeros)
        of_inputs, of_nodes = pull(np.ones_like(value))
    return value, of_inputs, of_nodes
