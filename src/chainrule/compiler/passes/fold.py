"""Fold what is known, drop what does nothing, bring moves next to what absorbs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from chainrule.ir.graph import Graph, Node, rebuild, with_inputs
from chainrule.ir.types import BATCH, DTYPE_NAMES, ArrayType, Shape
from chainrule.ops import PRIMITIVES

ELEMENTWISE: Final = frozenset(name for name, p in PRIMITIVES.items() if p.lower is not None)


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


# -- building ----------------------------------------------------------------------------------


def reshape(x: Node, shape: Shape) -> Node:
    """x in another shape; chains of reshapes become one, and one that changes nothing none."""
    if x.op == "reshape":
        x = x.inputs[0]
    if x.type.shape == shape:
        return x
    if x.op == "broadcast" and not x.inputs[0].type.shape:
        return broadcast(x.inputs[0], shape, ())
    return Node("reshape", (x,), x.type.with_shape(shape), {"shape": shape}, x.where)


def broadcast(x: Node, shape: Shape, axes: tuple[int, ...]) -> Node:
    """x spread over a shape, its own axes at ``axes``."""
    if x.type.shape == shape:
        return x
    return Node(
        "broadcast", (x,), x.type.with_shape(shape), {"shape": shape, "axes": axes}, x.where
    )


def transpose(x: Node, axes: tuple[int, ...]) -> Node:
    """x with its axes in another order."""
    shape = tuple(x.type.shape[a] for a in axes)
    return Node("transpose", (x,), x.type.with_shape(shape), {"axes": axes}, x.where)


def _dot(a: Node, b: Node, a_axis: int, b_axis: int, like: Node) -> Node:
    left = a.type.shape[:a_axis] + a.type.shape[a_axis + 1 :]
    right = b.type.shape[:b_axis] + b.type.shape[b_axis + 1 :]
    attributes = {"a_axis": a_axis, "b_axis": b_axis}
    return Node("dot", (a, b), like.type.with_shape(left + right), attributes, like.where)


def _axes_of(node: Node) -> tuple[int, ...]:
    axes = node.attributes["axes"]
    assert isinstance(axes, tuple)
    return axes  # type: ignore[return-value]


def _dot_axes(node: Node) -> tuple[int, int]:
    a, b = node.attributes["a_axis"], node.attributes["b_axis"]
    assert isinstance(a, int) and isinstance(b, int)
    return a, b


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
        outer, inner = _axes_of(node), _axes_of(x)
        return broadcast(x.inputs[0], node.type.shape, tuple(outer[a] for a in inner))
    return None


def _transpose(node: Node) -> Node | None:
    (x,), axes = node.inputs, _axes_of(node)
    if axes == tuple(range(len(axes))):
        return x
    if x.op == "transpose":
        inner = _axes_of(x)
        return transpose(x.inputs[0], tuple(inner[a] for a in axes))
    if x.op == "dot" and x.inputs[0].type.rank == x.inputs[1].type.rank == 2:
        a_axis, b_axis = _dot_axes(x)
        return _dot(x.inputs[1], x.inputs[0], b_axis, a_axis, node)
    if x.op == "broadcast" and not x.inputs[0].type.shape:
        return broadcast(x.inputs[0], node.type.shape, ())
    return None


def _dot_of_transposed(node: Node) -> Node | None:
    (a, b), (a_axis, b_axis) = node.inputs, _dot_axes(node)
    if a.op == "transpose":
        return _dot(a.inputs[0], b, _axes_of(a)[a_axis], b_axis, node)
    if b.op == "transpose":
        return _dot(a, b.inputs[0], a_axis, _axes_of(b)[b_axis], node)
    return None


def _thin_dot(node: Node) -> Node | None:
    """A product with a vector, or over or with an axis of size one, is a sum of products.

    The products keep the axes of the matrix, so that it is read as it lies.
    """
    (a, b), (a_axis, b_axis) = node.inputs, _dot_axes(node)
    left, right = _squeezed(a, a_axis), _squeezed(b, b_axis)
    if left.type.rank == right.type.rank == 2:
        return _outer_product(node, left, right) if a.type.shape[a_axis] == 1 else None
    matrix, vector, inner = (left, right, a_axis) if left.type.rank == 2 else (right, left, b_axis)
    inner = inner if matrix.type.rank == 2 else 0
    full = matrix.type.shape
    product = Node("multiply", (matrix, broadcast(vector, full, (inner,))), matrix.type)
    total = Node(
        "sum", (product,), node.type.with_shape(full[:inner] + full[inner + 1 :]),
        {"axes": (inner,)}, node.where,
    )  # fmt: skip
    return reshape(total, node.type.shape)


def _squeezed(x: Node, inner_axis: int) -> Node:
    """A matrix whose outer axis has size one, as a vector."""
    if x.type.rank == 2 and x.type.shape[1 - inner_axis] == 1:
        return reshape(x, (x.type.shape[inner_axis],))
    return x


def _outer_product(node: Node, a: Node, b: Node) -> Node:
    """A product over an axis of size one."""
    full = node.type.shape
    operands = tuple(broadcast(reshape(x, (full[k],)), full, (k,)) for k, x in enumerate((a, b)))
    return Node("multiply", operands, node.type, where=node.where)


def _times_one(node: Node) -> Node | None:
    for k, other in ((0, 1), (1, 0)):
        if _number(node.inputs[k]) == 1.0 and (node.op == "multiply" or k == 1):
            return node.inputs[other]
    return None


def _where_same(node: Node) -> Node | None:
    return node.inputs[1] if node.inputs[1] is node.inputs[2] else None


def _sum_of_units(node: Node) -> Node | None:
    """Axes of size one need no sum and no maximum."""
    (x,), axes = node.inputs, _axes_of(node)
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
    "cast": (_same_dtype,),
    "reshape": (_reshape,),
    "broadcast": (_broadcast,),
    "transpose": (_transpose,),
    "dot": (_dot_of_transposed, _thin_dot),
    "multiply": (_times_one,),
    "divide": (_times_one,),
    "where": (_where_same,),
    "sum": (_sum_of_units,),
    "max": (_sum_of_units,),
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
    kinds = {(x.inputs[0].type.shape, _axes_of(x)) for x in spread}
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


def has_batch(shape: Shape) -> bool:
    """Whether one of the sizes is the batch."""
    return any(n is BATCH for n in shape)
