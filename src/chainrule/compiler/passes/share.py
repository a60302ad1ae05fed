"""Share equal subexpressions: a value is computed once; what no output needs is never walked."""

from __future__ import annotations

import struct
from typing import Any, Final

from chainrule.ir.graph import Attribute, Graph, Node, rebuild, with_inputs

_COMMUTATIVE: Final = frozenset({"add", "multiply", "logical_and", "logical_or", "equal"})


def share(graph: Graph) -> Graph:
    """One node for each distinct (operation, operands, attributes)."""
    known: dict[Any, Node] = {}

    def merge(node: Node, inputs: tuple[Node, ...]) -> Node:
        operands = (
            tuple(sorted(map(id, inputs))) if node.op in _COMMUTATIVE else tuple(map(id, inputs))
        )
        attributes = tuple((key, type(v), _exact(v)) for key, v in sorted(node.attributes.items()))
        key = (node.op, operands, attributes, node.type)
        return known.setdefault(key, with_inputs(node, inputs))

    return rebuild(graph, merge)


def _exact(value: Attribute) -> str | bytes:
    """What equals that of another value only if the values are the same, to a NaN's last bit."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    return str(value) if isinstance(value, Graph) else repr(value)
