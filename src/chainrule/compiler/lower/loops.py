"""Loops and branches as the emission knows them: bodies with roles, operands that lie densely.

A body is planned as a program of its own: its constants are arrays of the loop's caller, what it
runs over and puts out are slices of such arrays, one each step, and what it carries is written
over in place, in the memory of the loop's last values. So a loop needs no memory for its steps but
what its caller asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.roles import InputRole, OutputRole, Roles, plain_roles
from chainrule.compiler.passes.build import copy
from chainrule.compiler.passes.contractions import sides
from chainrule.compiler.passes.loops import item_of
from chainrule.ir.graph import Attributes, Graph, Node, rebuild, with_inputs
from chainrule.ir.types import ArrayType, Size, sized
from chainrule.ops.bodies import TOKEN
from chainrule.ops.scan import Scan

#: scan and cond as they are in graphs; ``repeat``, a while_loop that carries its own condition.
LOOPS: Final = frozenset({"scan", "repeat", "cond"})
#: A step of fewer operations than this is done by one thread: each step waits at barriers.
WORTH_SHARING: Final = 2_000_000
#: How many steps a loop is taken to make, and how many examples there are, where nobody knows.
_STEPS: Final = 1_000_000
_BATCH: Final = 64


def spelled(graph: Graph, roles: Roles) -> Graph:
    """The graph with its loops ready to be planned."""
    pairs = zip(graph.inputs, roles.inputs, strict=True)
    dense = {node for node, role in pairs if role not in ("state", "rows")}

    def spell(node: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(node, inputs)
        if node.op == "while_loop":
            node = _repeat(node)
        if node.op not in LOOPS:
            return node
        operands = tuple(x if x in dense or _is_dense(x) else copy(x) for x in node.inputs)
        alone = all(effort(body) < WORTH_SHARING for body, _ in bodies(node))
        attributes = {**node.attributes, "alone": alone}
        return Node(node.op, operands, node.type, attributes, node.where)

    return rebuild(graph, spell)


def _is_dense(x: Node) -> bool:
    """Whether a value lies row-major without gaps once it is known that a loop reads it."""
    return x.op == "item"


def _repeat(node: Node) -> Node:
    """The condition worked out once before the loop, and by each step for the next."""
    condition, body, consts = (node.attributes[k] for k in ("condition", "body", "consts"))
    assert isinstance(condition, Graph) and isinstance(body, Graph) and isinstance(consts, int)
    first = _inlined(condition, dict(zip(condition.inputs, node.inputs, strict=True)))
    again = (*body.inputs[:consts], *body.outputs)
    still = _inlined(condition, dict(zip(condition.inputs, again, strict=True)))
    whole = Graph((*body.inputs, Node("input", (), TOKEN)), (*body.outputs, still))
    attributes: Attributes = {"body": whole, "consts": consts, "carries": len(whole.outputs)}
    return Node("repeat", (*node.inputs, first), node.type, attributes, node.where)


def _inlined(graph: Graph, known: Mapping[Node, Node]) -> Node:
    """The only output of a graph, worked out from other nodes."""
    new = dict(known)
    for node in graph.nodes:
        if node not in new:
            new[node] = with_inputs(node, tuple(new[x] for x in node.inputs))
    return new[graph.outputs[0]]


def number(node: Node, name: str) -> int:
    """An attribute that is a whole number."""
    value = node.attributes[name]
    assert isinstance(value, int)
    return value


def body_of(node: Node, name: str = "body") -> Graph:
    """An attribute that is a body."""
    body = node.attributes[name]
    assert isinstance(body, Graph)
    return body


def is_alone(node: Node) -> bool:
    """Whether one thread does the whole loop."""
    return bool(node.attributes["alone"])


def bodies(node: Node) -> list[tuple[Graph, Roles]]:
    """The bodies of a loop with what their inputs and outputs are."""
    if node.op == "cond":
        found = [body_of(node, "if_true"), body_of(node, "if_false")]
        return [(body, plain_roles(body)) for body in found]
    body, consts, carries = body_of(node), number(node, "consts"), number(node, "carries")
    inputs: list[InputRole] = ["array"] * consts
    inputs += ["carry"] * carries
    inputs += ["slice"] * (len(body.inputs) - consts - carries)
    outputs = [OutputRole("state", consts + k) for k in range(carries)]
    outputs += [OutputRole("slice")] * (len(body.outputs) - carries)
    return [(body, Roles(tuple(inputs), tuple(outputs)))]


def results(node: Node, items: list[Node]) -> list[Node]:
    """A node for each result of a loop: those that are picked, and new ones for the others."""
    known = {item.attributes["index"]: item for item in items}
    types = _result_types(node)
    return [known.get(k) or item_of(node, k, type_) for k, type_ in enumerate(types)]


def _result_types(node: Node) -> list[ArrayType]:
    if node.op == "cond":
        return [x.type for x in body_of(node, "if_true").outputs]
    if node.op == "repeat":
        return [x.type for x in body_of(node).outputs]
    attributes = {k: v for k, v in node.attributes.items() if k != "alone"}
    scan = Scan(**attributes)  # type: ignore[arg-type]
    return scan.types[: len(scan.body.outputs)]


# -- effort --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Effort:
    """Operations in all, and those that threads can share."""

    total: float
    shared: float


def effort(graph: Graph, batch: int = _BATCH) -> float:
    """Multiplications, additions and stored elements of one run of a graph."""
    return effort_of(graph, batch).total


def effort_of(graph: Graph, batch: int) -> Effort:
    """The same, with what threads can share of it."""
    total = shared = 0.0
    for node in graph.nodes:
        found = _of_node(node, batch)
        total, shared = total + found.total, shared + found.shared
    return Effort(total, shared)


def factors_of(node: Node) -> tuple[Size, ...]:
    """What gives, multiplied, the operations of a node that is no loop."""
    if node.op in ("input", "item"):
        return (0,)
    if node.op == "dot":
        a, _ = sides(node)
        return (2, *node.type.shape, *a.sizes(a.inner))
    return node.type.shape


def _of_node(node: Node, batch: int) -> Effort:
    elements = float(math.prod(sized(factors_of(node), batch)))
    inside = [v for v in node.attributes.values() if isinstance(v, Graph)]
    if not inside:
        return Effort(elements, elements)
    times = _STEPS
    if node.op == "scan":
        (times,) = sized((node.attributes["length"],), batch)  # type: ignore[arg-type]
    elif node.op == "cond":
        times = 1
    found = [effort_of(body, batch) for body in inside]
    step = max(found, key=lambda x: x.total)
    alone = step.total < WORTH_SHARING
    return Effort(times * step.total, 0.0 if alone else times * step.shared)
