"""How many floating-point operations a graph takes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Final, cast

from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import sized

#: What moves, repeats, names or chooses numbers and computes none.
_FREE: Final = frozenset({
    "broadcast", "cast", "concatenate", "constant", "copy", "fence", "input", "iota", "item",
    "pad", "reshape", "shear", "size", "slice", "stop_gradient", "take", "transpose", "unshear",
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
    "logical_and", "logical_or", "logical_not", "argmax", "argsort", "sort", "searchsorted",
})  # fmt: skip
_REDUCTIONS: Final = frozenset({"sum", "max", "prod"})


def flops(nodes: Iterable[Node]) -> int:
    """Operations of these nodes: a product and a sum count as two, an exp or a choice as one.

    A reduction counts its operand's elements, a contraction two for each product, a loop of known
    length its body so often; of ``cond`` the longer branch counts, of ``while_loop`` one step.
    """
    return sum(map(_of_node, nodes))


def _of_node(node: Node) -> int:
    if node.op in _FREE:
        return 0
    if node.op == "dot":
        a = sized(node.inputs[0].type.shape)
        axes: tuple[int, ...] = cast(Any, node.attributes["a_axes"])
        return 2 * _elements(node) * math.prod(a[k] for k in axes)
    if node.op in _REDUCTIONS:
        return _elements(node.inputs[0])
    bodies = [flops(x.nodes) for x in node.attributes.values() if isinstance(x, Graph)]
    if bodies:
        length = node.attributes.get("length", 1)
        return (length if isinstance(length, int) else 1) * max(bodies)
    return _elements(node)


def _elements(node: Node) -> int:
    return math.prod(sized(node.type.shape))
