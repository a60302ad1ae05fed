"""Which elements of which values f depends on: where only those lie in a domain, f has a value."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.explain.proofs.program import Array, Program, shape_of, size_of
from chainrule.ir.graph import Node
from chainrule.ops import PRIMITIVES

#: Operations that move elements: what they leave out does not count.
MOVES: Final = ("reshape", "transpose", "slice", "broadcast", "concatenate", "pad")
_ELEMENTWISE: Final = (
    "add", "subtract", "multiply", "divide", "power", "negative", "exp", "log", "log1p", "sqrt",
    "log2", "log10", "maximum", "minimum", "absolute", "xlogy", "where", "tanh", "sin", "cos",
)  # fmt: skip


def live_elements(program: Program) -> dict[Node, Array]:
    """For each node a truth value per element: whether f reads it."""
    live = {node: np.zeros(shape_of(node), bool) for node in program.nodes}
    if program.output in live:
        live[program.output] = np.ones(shape_of(program.output), bool)
    for node in reversed(program.nodes):
        if node.inputs and live[node].any():
            for k, x in enumerate(node.inputs):
                if x in live:
                    live[x] |= _read(program, node, k, live[node])
    return live


def _read(program: Program, node: Node, k: int, live: Array) -> Array:
    """Which elements of operand k a node's live elements are made of."""
    operand = node.inputs[k]
    if node.op in MOVES:
        return _moved(node, k, live)
    if node.op == "take" and node.inputs[1] in program.known and k == 0:
        return _taken(program, node, live)
    if node.op == "where" and node.inputs[0] in program.known:
        chosen = np.asarray(program.known[node.inputs[0]], bool)
        return np.asarray(live & (chosen if k == 1 else ~chosen))
    if node.op in _ELEMENTWISE and shape_of(operand) == live.shape:
        return live
    return np.ones(shape_of(operand), bool)


def _moved(node: Node, k: int, live: Array) -> Array:
    numbers = [np.zeros(shape_of(x), np.int64) for x in node.inputs]
    numbers[k] = np.arange(1, size_of(node.inputs[k]) + 1).reshape(shape_of(node.inputs[k]))
    index = np.asarray(PRIMITIVES[node.op].evaluate(*numbers, **node.attributes))
    return _marked(index[live] - 1, node.inputs[k])


def _taken(program: Program, node: Node, live: Array) -> Array:
    x = node.inputs[0]
    numbers = np.arange(size_of(x)).reshape(shape_of(x))
    places: Any = program.known[node.inputs[1]]
    index = np.asarray(PRIMITIVES["take"].evaluate(numbers, places, **node.attributes))
    return _marked(index[live], x)


def _marked(index: Array, x: Node) -> Array:
    found = np.zeros(size_of(x), bool)
    found[index[index >= 0]] = True
    return found.reshape(shape_of(x))
