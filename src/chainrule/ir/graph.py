"""A graph without loops: every node names its operation, its operands and its type.

Nodes are compared by identity. A graph is its inputs and outputs; the nodes between them are
found by walking from the outputs, operands first, so that a node always stands behind what it
needs. A loop, which nodes that were changed afterwards could close, is found on this walk.

An attribute may be a graph: the body of a loop or of a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TypeAlias, Union

from chainrule.errors import GraphError
from chainrule.ir.types import BATCH, ArrayType, Batch, sized

Attribute: TypeAlias = Union[int, float, bool, str, Batch, tuple[int | Batch, ...], "Graph"]
Attributes: TypeAlias = Mapping[str, Attribute]
NO_ATTRIBUTES: Attributes = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node:
    """One operation on the values of other nodes. ``where`` is the user's line, if known."""

    op: str
    inputs: tuple[Node, ...]
    type: ArrayType
    attributes: Attributes = field(default_factory=lambda: NO_ATTRIBUTES)
    where: str = ""

    def __repr__(self) -> str:
        return f"<{self.op}: {self.type}>"


@dataclass(frozen=True, eq=False, repr=False)
class Graph:
    """Inputs, outputs and, in an order that can be run, every node between them.

    Raises:
        GraphError: nodes that depend on one another.
    """

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]

    def __post_init__(self) -> None:
        assert self.nodes is not None

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Inputs first, then every node that an output needs, operands before users."""
        return tuple(_ordered(self.inputs, self.outputs))

    @cached_property
    def users(self) -> Mapping[Node, tuple[Node, ...]]:
        """For each node the nodes that read it."""
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for operand in dict.fromkeys(node.inputs):
                users[operand].append(node)
        return {node: tuple(found) for node, found in users.items()}


def _ordered(inputs: Iterable[Node], outputs: Iterable[Node]) -> Iterable[Node]:
    done: dict[Node, None] = dict.fromkeys(inputs)
    begun: dict[Node, None] = {}  # on the way from an output to the node at hand, in order
    for output in outputs:
        stack = [(output, False)]
        while stack:
            node, operands_done = stack.pop()
            if operands_done:
                done[node] = None
                del begun[node]
            elif node in begun:
                raise loop_error(_names_of(tuple(begun)[tuple(begun).index(node) :]))
            elif node not in done:
                begun[node] = None
                stack.append((node, True))
                stack.extend((operand, False) for operand in reversed(node.inputs))
    return done


def _names_of(loop: tuple[Node, ...]) -> list[str]:
    return [f"%{k} ({node.op})" for k, node in enumerate(loop)]


def loop_error(names: list[str]) -> GraphError:
    """Nodes of which each needs the next; printed as the values flow, the other way round."""
    circle = " -> ".join([*names, names[0]][::-1])
    return GraphError(
        f"in a graph anything goes, but loops are not allowed: {circle}",
        "what is done again and again is cr.scan or cr.while_loop",
    )


Rewrite: TypeAlias = Callable[[Node, tuple[Node, ...]], Node]


def rebuild(graph: Graph, rewrite: Rewrite) -> Graph:
    """A graph whose every node is ``rewrite(old node, its new operands)``; inputs stay."""
    new: dict[Node, Node] = {node: node for node in graph.inputs}
    for node in graph.nodes:
        if node not in new:
            new[node] = rewrite(node, tuple(new[operand] for operand in node.inputs))
    return Graph(graph.inputs, tuple(new[output] for output in graph.outputs))


def with_inputs(node: Node, inputs: tuple[Node, ...]) -> Node:
    """The same operation on other operands (the very same node if they are the same)."""
    if all(a is b for a, b in zip(node.inputs, inputs, strict=True)):
        return node
    return Node(node.op, inputs, node.type, node.attributes, node.where)


def map_bodies(node: Node, change: Callable[[Graph], Graph]) -> Node:
    """The node with its bodies, if it has any, changed."""
    bodies = {k: change(v) for k, v in node.attributes.items() if isinstance(v, Graph)}
    if all(body is node.attributes[k] for k, body in bodies.items()):
        return node
    return Node(node.op, node.inputs, node.type, {**node.attributes, **bodies}, node.where)


def _fix_sizes(attribute: Attribute, batch: int) -> Attribute:
    if isinstance(attribute, Graph):
        return specialise(attribute, batch)
    if isinstance(attribute, tuple):
        return sized(attribute, batch)
    return batch if attribute is BATCH else attribute


def _known_size(node: Node, batch: int) -> Node:
    """``scale * batch ** power`` as a constant, rounded as its type says."""
    scale, power = node.attributes["scale"], node.attributes["power"]
    assert isinstance(scale, int | float) and isinstance(power, int)
    value = node.type.dtype.type(scale * float(batch) ** power).item()
    attributes: Attributes = {"value": value, "dtype": node.attributes["dtype"]}
    return Node("constant", (), node.type, attributes, node.where)


def specialise(graph: Graph, batch: int) -> Graph:
    """The graph for one batch size, every symbolic dimension replaced by that number."""

    def fixed(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op == "size":
            return _known_size(node, batch)
        attributes = {name: _fix_sizes(value, batch) for name, value in node.attributes.items()}
        type_ = node.type.with_shape(sized(node.type.shape, batch))
        return Node(node.op, inputs, type_, attributes, node.where)

    new = {node: fixed(node, ()) for node in graph.inputs}
    for node in graph.nodes:
        if node not in new:
            new[node] = fixed(node, tuple(new[operand] for operand in node.inputs))
    return Graph(tuple(new[n] for n in graph.inputs), tuple(new[n] for n in graph.outputs))
