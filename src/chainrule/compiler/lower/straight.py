"""Steps of one example and few parameters: one nest that is written out, without a loop.

With a batch of one, products are a matrix and a vector, and a weight's gradient is the product of
two vectors: all that is stored are the carried arrays. Vectors stay in registers, a matrix is read
once forward, once backward and once to be written over, and an example is read where it lies.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.lower.buffers import GRANULE, assign
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.prepare import Prepared, own_outputs
from chainrule.compiler.lower.roles import Roles
from chainrule.compiler.lower.schedule import Schedule
from chainrule.compiler.lower.sums import Order
from chainrule.compiler.lower.views import LEAVES
from chainrule.compiler.passes.build import axes_of
from chainrule.compiler.passes.fold import ELEMENTWISE, is_unit_reshape
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import sized

#: The most elements of all carried arrays, and the longest vector.
_MOST: Final = 4096
_LONGEST: Final = 512
_KNOWN: Final = ELEMENTWISE | LEAVES | {"input", "sum", "max", "broadcast", "transpose"}


def straight_plan(graph: Graph, roles: Roles) -> Plan | None:
    """The plan of a step of fixed sizes as one nest; None where it is not of this kind."""
    graph = own_outputs(graph)
    if not _fits(graph):
        return None
    computed = {node: None for node in graph.nodes if node.op in ELEMENTWISE | {"sum", "max"}}
    rows = tuple(
        node
        for node, role in zip(graph.inputs, roles.inputs, strict=True)
        if role == "rows" and graph.users[node]
    )
    nest = Nest("straight", (), (), None, computed, list(graph.outputs), rows=rows)
    pairs = zip(graph.outputs, roles.outputs, strict=True)
    in_place = {output: graph.inputs[r.state] for output, r in pairs if r.kind == "state"}
    prepared = Prepared(graph, roles, _orders(graph, roles))
    memory = assign(prepared, [nest], in_place)
    return Plan(prepared, memory, Schedule(((nest,),), frozenset()), {}, {})


def may_be_straight(graph: Graph, roles: Roles) -> bool:
    """Whether a step of one example carries so little that it is worth a look."""
    carried = (n for n, r in zip(graph.inputs, roles.inputs, strict=True) if r == "state")
    return (
        roles.batch == 1
        and sum(math.prod(sized(node.type.shape)) for node in carried) <= _MOST
        and all(role.kind in ("state", "scalar") for role in roles.outputs)
        and all(role in ("state", "rows", "scalar") for role in roles.inputs)
    )


def long_axes(node: Node) -> tuple[int, ...]:
    """The axes that are not of size one."""
    return tuple(k for k, n in enumerate(sized(node.type.shape)) if n != 1)


def _fits(graph: Graph) -> bool:
    known = all(node.op in _KNOWN or is_unit_reshape(node) for node in graph.nodes)
    return known and all(map(_is_small, graph.nodes)) and all(map(_is_of_vectors, graph.outputs))


def _is_small(node: Node) -> bool:
    """A number, a vector or a matrix without an empty axis; a sum is over one long axis."""
    sizes = sized(node.type.shape)
    if node.op in ("sum", "max"):
        gone = set(axes_of(node)) & set(long_axes(node.inputs[0]))
        if len(gone) > 1 and len(long_axes(node)) > 0:
            return False
    return len(long_axes(node)) <= 2 and all(0 < n <= _LONGEST for n in sizes)


def _is_of_vectors(output: Node) -> bool:
    """Whether each element of a matrix follows from vectors and the same elements of others.

    Then elements may be written over one after the other. What is turned must be of vectors alone.
    """
    waiting, seen = [(output, False)], {(output, False)}
    while waiting:
        node, is_turned = waiting.pop()
        if len(long_axes(node)) < 2 or (node.op == "input" and not is_turned):
            continue
        if node.op not in ELEMENTWISE | LEAVES | {"broadcast", "transpose"}:
            return False
        if node.op == "broadcast" and len(long_axes(node.inputs[0])) > 1:
            return False
        is_turned = is_turned or node.op == "transpose"
        near = {(x, is_turned) for x in node.inputs} - seen
        waiting += near
        seen |= near
    return True


def _orders(graph: Graph, roles: Roles) -> dict[Node, Order]:
    """A tall matrix lies column by column: its rows are too short for a vector."""
    states = (n for n, r in zip(graph.inputs, roles.inputs, strict=True) if r == "state")
    return {node: (1, 0) for node in states if is_tall(node)}


def is_tall(node: Node) -> bool:
    """Whether a matrix has short rows, and fewer columns than rows."""
    shape = sized(node.type.shape)
    return len(shape) == 2 and shape[1] < min(shape[0], GRANULE)
