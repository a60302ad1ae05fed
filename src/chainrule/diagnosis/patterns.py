"""Activations as they stand in a graph, whoever wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from chainrule.ir.graph import Graph, Node
from chainrule.ops import PRIMITIVES
from chainrule.ops.record import POINTWISE

Kind: TypeAlias = Literal["relu", "tanh", "sigmoid"]
_BELOW: Final = ("less", "less_equal")
_ABOVE: Final = ("greater", "greater_equal")


def activations(graph: Graph) -> list[tuple[Node, Kind]]:
    """The rectifiers, and the tanhs and sigmoids that another product reads, in their order.

    A tanh or a sigmoid by which its own argument is multiplied (SiLU, GELU, Mish) is a gate that
    is meant to close, and one that nothing but the loss reads is a prediction.
    """
    found = [(node, _kind(node)) for node in graph.nodes]
    read = _read_by_a_product(graph)
    return [
        (node, kind)
        for node, kind in found
        if kind is not None and (kind == "relu" or (node in read and not _is_gate(node, graph)))
    ]


def _kind(node: Node) -> Kind | None:
    if node.op in ("tanh", "sigmoid"):
        return "tanh" if node.op == "tanh" else "sigmoid"
    if node.op == "divide" and _is_logistic(*node.inputs):
        return "sigmoid"
    return "relu" if _is_rectifier(node) else None


def _is_rectifier(node: Node) -> bool:
    """max(x, 0); 0 where x is below 0; x · (x > 0)."""
    match node.op, node.inputs:
        case "maximum", (a, b):
            return number(a) == 0 or number(b) == 0
        case "where", (condition, a, b):
            is_below = number(a) == 0 and _compares(condition, b, _BELOW, _ABOVE)
            return is_below or (number(b) == 0 and _compares(condition, a, _ABOVE, _BELOW))
        case "multiply", (a, b):
            return _is_mask(a, b) or _is_mask(b, a)
    return False


def _compares(condition: Node, kept: Node, plain: Iterable[str], turned: Iterable[str]) -> bool:
    """Whether ``condition`` is x < 0, or 0 > x, of an x that ``kept`` is or is made of."""
    if condition.op not in (*plain, *turned):
        return False
    a, b = condition.inputs
    x, zero = (a, b) if condition.op in plain else (b, a)
    return number(zero) == 0 and x in {kept, *elementwise(kept)}


def _is_mask(x: Node, mask: Node) -> bool:
    return mask.op == "cast" and _compares(mask.inputs[0], x, _ABOVE, _BELOW)


def _is_logistic(top: Node, bottom: Node) -> bool:
    """1 / (1 + e⁻ˣ), as it is often written out."""
    if number(top) != 1 or bottom.op != "add":
        return False
    a, b = bottom.inputs
    return (number(a) == 1 and b.op == "exp") or (number(b) == 1 and a.op == "exp")


def number(node: Node) -> float | None:
    """The one number that all elements of a node are, if it is a constant."""
    while node.op in ("broadcast", "reshape", "cast"):
        (node,) = node.inputs
    value = node.attributes.get("value") if node.op == "constant" else None
    return float(value) if isinstance(value, int | float) else None


def elementwise(node: Node) -> set[Node]:
    """What a node is made of element by element, back to what is not; constants left out."""
    found: set[Node] = set()
    waiting = [node]
    while waiting:
        now = waiting.pop()
        if not is_elementwise(now):
            continue
        for operand in now.inputs:
            if operand not in found and number(operand) is None:
                found.add(operand)
                waiting.append(operand)
    return found


def is_elementwise(node: Node) -> bool:
    """Whether each element of the result is made of those at its place."""
    return node.op != "input" and PRIMITIVES[node.op].batched == POINTWISE


def _is_gate(node: Node, graph: Graph) -> bool:
    """Whether what comes of it element by element is multiplied by its own argument."""
    own = elementwise(node)
    waiting = list(graph.users.get(node, ()))
    for user in waiting:
        if user.op == "add" and any(number(x) is not None for x in user.inputs):
            waiting += graph.users.get(user, ())
        others = [x for x in user.inputs if user.op == "multiply"]
        if len(others) == 2 and any(_meets(x, own, node) for x in others):
            return True
    return False


def _meets(factor: Node, own: set[Node], node: Node) -> bool:
    around = {factor, *elementwise(factor)}
    return node not in around and not own.isdisjoint(around)


def _read_by_a_product(graph: Graph) -> set[Node]:
    """All nodes from which a way leads to an operand of a contraction."""
    found: set[Node] = set()
    waiting = [x for node in graph.nodes if node.op == "dot" for x in node.inputs]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += node.inputs
    return found


def nearest_leaf(node: Node, leaves: Mapping[Node, str], rank: int = 2) -> str | None:
    """The name of the leaf of at least this rank that is fewest operations before a node."""
    level, seen = [node], {node}
    while level:
        for found in level:
            if found in leaves and len(found.type.shape) >= rank:
                return leaves[found]
        inputs = dict.fromkeys(x for found in level for x in found.inputs)
        level = [x for x in inputs if x not in seen]
        seen.update(level)
    return None
