"""Fold what is known, drop what does nothing, bring moves next to what absorbs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from chainrule.compiler.passes.build import axes_of, broadcast, reshape, transpose
from chainrule.compiler.passes.contractions import of_transposed, thin_product, turned_product
from chainrule.ir.graph import Graph, Node, rebuild, with_inputs
from chainrule.ir.types import DTYPE_NAMES, ArrayType
from chainrule.ops import PRIMITIVES

ELEMENTWISE: Final = frozenset(name for name, p in PRIMITIVES.items() if callable(p.lower))


def fold(graph: Graph) -> Graph:
    """Apply the rules below at every node, operands first, until none fires."""
    for _ in range(8):  # each round only shortens chains; a handful is enough for any program
        folded = rebuild(graph, _fold_node)
        if folded.outputs == graph.outputs:  # the very same nodes: nothing fired
            break
        graph = folded
    return graph


def _fold_node(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = with_inputs(node, inputs)
    for rule in _RULES.get(node.op, ()):
        found = rule(node)
        if found is not None:
            return found
    if node.op in ELEMENTWISE:
        return _constant(node) or _hoist_broadcast(node) or _narrow(node) or node
    return node


# -- rules of one operation --------------------------------------------------------------------


def _forward(node: Node) -> Node | None:
    return node.inputs[0]


def _same_dtype(node: Node) -> Node | None:
    return node.inputs[0] if node.inputs[0].type == node.type else None


def _reshape(node: Node) -> Node | None:
    found = reshape(node.inputs[0], node.type.shape)
    return found if found is node.inputs[0] or found.inputs != node.inputs else None


def _broadcast(node: Node) -> Node | None:
    (x,) = node.inputs
    if x.type.shape == node.type.shape:
        return x
    if x.op == "broadcast":
        outer, inner = axes_of(node), axes_of(x)
        return broadcast(x.inputs[0], node.type.shape, tuple(outer[a] for a in inner))
    return None


def _transpose(node: Node) -> Node | None:
    (x,), axes = node.inputs, axes_of(node)
    if axes == tuple(range(len(axes))):
        return x
    if x.op == "transpose":
        inner = axes_of(x)
        return transpose(x.inputs[0], tuple(inner[a] for a in axes))
    if x.op == "dot":
        return turned_product(x, axes)
    if x.op == "broadcast" and not x.inputs[0].type.shape:
        return broadcast(x.inputs[0], node.type.shape, ())
    return None


def _whole_part(node: Node) -> Node | None:
    """A part that is the whole."""
    starts, steps = (node.attributes[name] for name in ("starts", "steps"))
    whole = node.inputs[0].type.shape == node.type.shape
    rank = node.type.rank
    return node.inputs[0] if whole and starts == (0,) * rank and steps == (1,) * rank else None


def _joined(node: Node) -> Node | None:
    """Parts of parts are parts."""
    axis, parts = node.attributes["axis"], list[Node]()
    for x in node.inputs:
        inner = x.op == "concatenate" and x.attributes["axis"] == axis
        parts += x.inputs if inner else [x]
    if len(parts) == len(node.inputs):
        return None
    return Node(node.op, tuple(parts), node.type, node.attributes, node.where)


def _times_one(node: Node) -> Node | None:
    for k, other in ((0, 1), (1, 0)):
        if _number(node.inputs[k]) == 1.0 and (node.op == "multiply" or k == 1):
            return node.inputs[other]
    return None


def _where_same(node: Node) -> Node | None:
    return node.inputs[1] if node.inputs[1] is node.inputs[2] else None


def _sum_of_units(node: Node) -> Node | None:
    """Axes of size one need no sum and no maximum."""
    (x,), axes = node.inputs, axes_of(node)
    rest = tuple(a for a in axes if x.type.shape[a] != 1)
    if rest == axes:
        return None
    if not rest:
        return reshape(x, node.type.shape)
    shape = tuple(n for k, n in enumerate(x.type.shape) if k not in axes or k in rest)
    shifted = tuple(a - sum(1 for k in axes if k < a and k not in rest) for a in rest)
    return Node(node.op, (reshape(x, shape),), node.type, {"axes": shifted}, node.where)


_RULES: Final[dict[str, tuple[Callable[[Node], Node | None], ...]]] = {
    "copy": (_forward,),
    "stop_gradient": (_forward,),
    "argmax": (_forward,),
    "searchsorted": (_forward,),
    "cast": (_same_dtype,),
    "reshape": (_reshape,),
    "broadcast": (_broadcast,),
    "transpose": (_transpose,),
    "dot": (of_transposed, thin_product),
    "concatenate": (_joined,),
    "slice": (_whole_part,),
    "pad": (_whole_part,),
    "multiply": (_times_one,),
    "divide": (_times_one,),
    "where": (_where_same,),
    "sum": (_sum_of_units,),
    "max": (_sum_of_units,),
    "prod": (_sum_of_units,),
}


# -- rules of every elementwise operation ------------------------------------------------------


def _number(node: Node) -> float | None:
    """The number that a node repeats, if it repeats one."""
    if node.op in ("broadcast", "reshape"):
        node = node.inputs[0]
    value = node.attributes["value"] if node.op == "constant" else None
    return float(value) if isinstance(value, int | float) else None


def _constant(node: Node) -> Node | None:
    """An operation on constants is done now, by its NumPy meaning."""
    if node.type.shape or any(x.op != "constant" for x in node.inputs):
        return None
    record = PRIMITIVES[node.op]
    operands = [np.array(x.attributes["value"], x.type.dtype) for x in node.inputs]
    with np.errstate(all="ignore"):
        value = np.asarray(record.evaluate(*operands, **node.attributes)).item()
    attributes = {"value": value, "dtype": DTYPE_NAMES[node.type.dtype]}
    return Node("constant", (), node.type, attributes, node.where)


def _hoist_broadcast(node: Node) -> Node | None:
    """Operate first and repeat afterwards, where every operand is repeated alike."""
    spread = [x for x in node.inputs if x.op == "broadcast" and x.inputs[0].type.shape]
    kinds = {(x.inputs[0].type.shape, axes_of(x)) for x in spread}
    numbers = [x for x in node.inputs if x.op == "broadcast" and not x.inputs[0].type.shape]
    if len(spread) + len(numbers) != len(node.inputs) or len(kinds) > 1 or not node.inputs:
        return None
    shape, axes = next(iter(kinds)) if kinds else ((), ())
    operands = tuple(
        x.inputs[0] if x.inputs[0].type.shape else broadcast(x.inputs[0], shape, ())
        for x in node.inputs
    )
    small = Node(node.op, operands, node.type.with_shape(shape), node.attributes, node.where)
    return broadcast(small, node.type.shape, axes)


def _narrow(node: Node) -> Node | None:
    """Operate without the axes of size one and put them back afterwards."""
    shape = node.type.shape
    if 1 not in shape:
        return None
    narrow = tuple(n for n in shape if n != 1)
    operands = tuple(reshape(x, narrow) for x in node.inputs)
    small = Node(node.op, operands, ArrayType(node.type.dtype, narrow), node.attributes, node.where)
    return reshape(small, shape)


def is_unit_reshape(node: Node) -> bool:
    """A reshape that only adds or drops axes of size one: free of any move."""
    before = [n for n in node.inputs[0].type.shape if n != 1]
    return before == [n for n in node.type.shape if n != 1]
