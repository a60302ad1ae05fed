"""Share equal subexpressions: a value is computed once; what no output needs is never walked."""

from __future__ import annotations

from typing import Any, Final

from chainrule.ir.graph import Graph, Node, rebuild, with_inputs

_COMMUTATIVE: Final = frozenset({"add", "multiply", "logical_and", "logical_or", "equal"})


def share(graph: Graph) -> Graph:
    """One node for each distinct (operation, operands, attributes)."""
    known: dict[Any, Node] = {}

    def merge(node: Node, inputs: tuple[Node, ...]) -> Node:
        operands = (
            tuple(sorted(map(id, inputs))) if node.op in _COMMUTATIVE else tuple(map(id, inputs))
        )
        attributes = tuple(
            (key, type(v), str(v) if isinstance(v, Graph) else repr(v))
            for key, v in sorted(node.attributes.items())
        )
        key = (node.op, operands, attributes, node.type)
        return known.setdefault(key, with_inputs(node, inputs))

    return rebuild(graph, merge)
