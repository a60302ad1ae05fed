"""The gradient of a convolution is a convolution: windows of the cotangent with turned kernels.

Reverse mode lays a kernel for each number of the cotangent into the image and adds up what
overlaps (``sum`` of ``unshear`` of a product). With windows one place apart each number of the
image is as well a product of its own: of the window on the padded cotangent that reaches it, with
the kernel read backwards. So nothing overlaps and nothing but the image is stored.

Source: Dumoulin & Visin 2016, A guide to convolution arithmetic for deep learning, 4.2.
"""

from __future__ import annotations

from chainrule.compiler.passes.build import axes_of, broadcast, transpose
from chainrule.compiler.passes.contractions import Side, product, sides
from chainrule.ir.graph import Graph, Node, rebuild, with_inputs
from chainrule.ir.types import Shape, Size
from chainrule.ops.windows import resized

Axes = tuple[int, ...]


def correlate(graph: Graph) -> Graph:
    """Overlapping sums of products as products of windows, and parts of products as of parts."""
    if not any(node.op == "unshear" for node in graph.nodes):
        return graph
    return rebuild(graph, _rewrite)


def _rewrite(node: Node, inputs: tuple[Node, ...]) -> Node:
    node = with_inputs(node, inputs)
    found = None
    if node.op == "sum" and node.inputs[0].op == "unshear":
        found = _correlation(node, node.inputs[0])
    elif node.op == "slice":
        found = _product_of_parts(node)
    return found or node


def _behind_transposes(x: Node) -> tuple[Node, Axes]:
    """What is transposed, and for each axis of x its axis there."""
    axes = tuple(range(x.type.rank))
    while x.op == "transpose":
        axes, x = tuple(axes_of(x)[a] for a in axes), x.inputs[0]
    return x, axes


# -- overlapping sums ----------------------------------------------------------------------------


def _correlation(node: Node, wide: Node) -> Node | None:
    axis, along, stride, dilation, size = (
        wide.attributes[k] for k in ("axis", "along", "stride", "dilation", "size")
    )
    assert isinstance(axis, int) and isinstance(along, int)
    assert isinstance(dilation, int) and isinstance(size, int)
    dot, moved = _behind_transposes(wide.inputs[0])
    if axes_of(node) != (along,) or stride != 1 or dot.op != "dot":
        return None
    kernel, image = (_place(dot, moved[k]) for k in (along, axis))
    if kernel is None or image is None or kernel[0] == image[0]:
        return None
    both = sides(dot)
    turned = _turned(both[kernel[0]], kernel[1])
    seen = _windows(both[image[0]], image[1], turned.node.type.shape[kernel[1]], dilation, size)
    turned = Side(turned.node, (*turned.inner, kernel[1]), turned.shared)
    made = product(seen, turned, dot)
    # Where each axis of the old product stands in the new one, and so in what is asked for.
    shared, free = len(seen.shared), len(seen.free)
    places = {moved[along]: -1}
    others = [k for k in _result_axes(dot, kernel[0]) if k != moved[along]]
    places |= {k: k for k in range(shared)}
    places |= {k: shared + j for j, k in enumerate(_result_axes(dot, image[0]))}
    places |= {k: shared + free + j for j, k in enumerate(others)}
    order = tuple(places[k] for j, k in enumerate(moved) if j != along)
    return transpose(made, order)


def _result_axes(dot: Node, side: int) -> list[int]:
    """The axes of a product's result that are free in one operand."""
    a, b = sides(dot)
    first = len(a.shared) + (len(a.free) if side else 0)
    return list(range(first, first + len((a, b)[side].free)))


def _place(dot: Node, axis: int) -> tuple[int, int] | None:
    """(operand, its axis) that gives an axis of a product's result; None for a shared one."""
    for side, operand in enumerate(sides(dot)):
        found = _result_axes(dot, side)
        if axis in found:
            return side, operand.free[axis - found[0]]
    return None


def _turned(side: Side, axis: int) -> Side:
    """An operand read backwards along an axis."""
    x, rank = side.node, side.node.type.rank
    starts, steps = (tuple(-1 if k == axis else n for k in range(rank)) for n in (0, 1))
    attributes = {"starts": starts, "shape": x.type.shape, "steps": steps}
    return Side(Node("slice", (x,), x.type, attributes, x.where), side.inner, side.shared)


def _windows(side: Side, axis: int, k: Size, dilation: int, size: int) -> Side:
    """An operand's windows of k along an axis that is padded, as the last of its inner axes."""
    x = side.node
    assert isinstance(k, int)
    margin = (k - 1) * dilation
    wide = pad(x, axis, margin, size + margin)
    spread = broadcast(wide, (k, *wide.type.shape), tuple(range(1, wide.type.rank + 1)))
    shape = resized(spread.type.shape, axis + 1, size)
    attributes = {"axis": axis + 1, "along": 0, "stride": 1, "dilation": dilation, "size": size}
    seen = Node("shear", (spread,), x.type.with_shape(shape), attributes, x.where)
    inner, shared = (tuple(n + 1 for n in axes) for axes in (side.inner, side.shared))
    return Side(seen, (*inner, 0), shared)


def pad(x: Node, axis: int, start: int, size: int) -> Node:
    """x with zeros around it along an axis, put where the values come from."""
    shape = resized(x.type.shape, axis, size)
    if x.op == "shear" and axis not in (x.attributes["axis"], x.attributes["along"]):
        y = pad(x.inputs[0], axis, start, size)
        return Node("shear", (y,), x.type.with_shape(shape), x.attributes, x.where)
    if x.op == "broadcast" and axis in axes_of(x):
        y = pad(x.inputs[0], axes_of(x).index(axis), start, size)
        return broadcast(y, shape, axes_of(x))
    starts = tuple(start if k == axis else 0 for k in range(x.type.rank))
    if x.op == "pad" and set(axes_of(x, "steps")) == {1}:
        starts = tuple(a + b for a, b in zip(starts, axes_of(x, "starts"), strict=True))
        (x,) = x.inputs
    attributes = {"starts": starts, "shape": shape, "steps": (1,) * x.type.rank}
    return Node("pad", (x,), x.type.with_shape(shape), attributes, x.where)


# -- parts of products ---------------------------------------------------------------------------


def _product_of_parts(node: Node) -> Node | None:
    """Parts along free axes of windows are products of parts."""
    dot, moved = _behind_transposes(node.inputs[0])
    if dot.op != "dot" or set(axes_of(node, "steps")) != {1}:
        return None
    both = list(sides(dot))
    for k, axis in enumerate(moved):
        start, size = axes_of(node, "starts")[k], node.type.shape[k]
        if size == node.inputs[0].type.shape[k]:
            continue
        place = _place(dot, axis)
        if place is None or not isinstance(size, int):
            return None
        side = both[place[0]]
        both[place[0]] = Side(part(side.node, place[1], start, size), side.inner, side.shared)
    return transpose(product(both[0], both[1], dot), moved)


def part(x: Node, axis: int, start: int, size: int) -> Node:
    """A part along one axis, taken where the values come from."""
    shape = resized(x.type.shape, axis, size)
    if x.op == "shear" and axis != x.attributes["along"]:
        return _part_of_windows(x, axis, start, size, shape)
    if x.op == "broadcast" and axis in axes_of(x):
        y = part(x.inputs[0], axes_of(x).index(axis), start, size)
        return broadcast(y, shape, axes_of(x))
    if x.op == "pad" and set(axes_of(x, "steps")) == {1}:
        begin, n = axes_of(x, "starts")[axis] - start, x.inputs[0].type.shape[axis]
        if isinstance(n, int) and begin >= 0 and begin + n <= size:
            places = axes_of(x, "starts")
            starts = (*places[:axis], begin, *places[axis + 1 :])
            attributes = {**x.attributes, "starts": starts, "shape": shape}
            return Node("pad", x.inputs, x.type.with_shape(shape), attributes, x.where)
    starts = tuple(start if k == axis else 0 for k in range(x.type.rank))
    attributes = {"starts": starts, "shape": shape, "steps": (1,) * x.type.rank}
    return Node("slice", (x,), x.type.with_shape(shape), attributes, x.where)


def _part_of_windows(x: Node, axis: int, start: int, size: int, shape: Shape) -> Node:
    (y,), attributes = x.inputs, dict(x.attributes)
    if axis == attributes["axis"]:
        stride, dilation = attributes["stride"], attributes["dilation"]
        k = y.type.shape[attributes["along"]]  # type: ignore[index]
        assert isinstance(stride, int) and isinstance(dilation, int) and isinstance(k, int)
        y = part(y, axis, start * stride, (size - 1) * stride + (k - 1) * dilation + 1)
        attributes["size"] = size
    else:
        y = part(y, axis, start, size)
    return Node("shear", (y,), x.type.with_shape(shape), attributes, x.where)
