"""Which matrices lie in strips of columns: those whose columns products read side by side.

A tile of a product reads a few columns of a whole matrix, row after row. Where rows lie whole, each
of its rows is in another page of memory: neither the processor's table of pages nor its prefetcher
keeps up. In strips the same columns lie behind one another.
"""

from __future__ import annotations

import math
from typing import Final

from chainrule.compiler.lower.contraction import lane_side
from chainrule.compiler.lower.prepare import Prepared
from chainrule.compiler.lower.views import REDUCTIONS, source_of
from chainrule.compiler.passes.contractions import sides
from chainrule.compiler.passes.fold import ELEMENTWISE
from chainrule.ir.graph import Node
from chainrule.ir.types import BATCH, sized

#: Bytes from which a matrix spreads over more pages than the processor's nearest table of them.
_LARGE: Final = 1 << 18


def in_strips(prepared: Prepared) -> frozenset[Node]:
    """The carried matrices, and copies of them, that are kept in strips of columns.

    What is updated beside such a matrix, as its momentum is, lies as it does.
    """
    graph, roles = prepared.graph, prepared.roles
    carried = [n for n, role in zip(graph.inputs, roles.inputs, strict=True) if role == "state"]
    after = {
        graph.inputs[role.state]: node
        for node, role in zip(graph.outputs, roles.outputs, strict=True)
        if role.kind == "state"
    }
    large = [x for x in carried if _is_large(x)]
    fit = [x for x in large if all(_fits(n, prepared) for n in (x, after.get(x, x)))]
    kinds = {(x.type, prepared.order(x)) for x in fit if _lane_products(x, prepared)}
    copies = [
        x for x in graph.nodes
        if x.op == "copy" and x in prepared.orders and _is_large(x) and _fits(x, prepared)
        and _lane_products(x, prepared)
    ]  # fmt: skip
    return frozenset([*copies, *(x for x in fit if (x.type, prepared.order(x)) in kinds)])


def _is_large(x: Node) -> bool:
    shape = x.type.shape
    if len(shape) != 2 or not all(isinstance(n, int) for n in shape):
        return False
    return math.prod(sized(shape)) * x.type.dtype.itemsize >= _LARGE


def _fits(x: Node, prepared: Prepared) -> bool:
    """Whether all that reads x reads whole vectors of a strip, or single elements."""
    waiting, seen = [x], set[Node]()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        for user in prepared.graph.users[node]:
            if user.op == "dot":
                reads = any(source_of(y)[0] is x for y in user.inputs)
                if reads and not _gives_lanes(x, user, prepared):
                    return False
            elif user.op in ELEMENTWISE or user.op == "transpose":
                waiting.append(user)
            elif user.op not in REDUCTIONS:
                return False
    return True


def _lane_products(x: Node, prepared: Prepared) -> bool:
    """Whether x gives the lanes of a product; all of those that read it, where it fits."""
    return any(
        node.op == "dot" and any(source_of(y)[0] is x for y in node.inputs)
        for node in prepared.graph.nodes
    )


def _gives_lanes(x: Node, dot: Node, prepared: Prepared) -> bool:
    """Whether a product's lanes run along x, and its rows along the batch."""
    side, _ = lane_side(dot, prepared.order(dot))
    other = source_of(dot.inputs[1 - side])[0]
    is_plain = not sides(dot)[0].shared and other is not x
    return is_plain and source_of(dot.inputs[side])[0] is x and BATCH in other.type.shape
