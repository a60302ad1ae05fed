"""What becomes of products: transposes go into their axes, thin ones become sums of products."""

from __future__ import annotations

from dataclasses import dataclass

from chainrule.compiler.passes.build import axes_of, broadcast, reshape, transpose
from chainrule.ir.graph import Node
from chainrule.ir.types import Shape
from chainrule.ops.contract import free_axes

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Side:
    """An operand of a product: its contracted and its shared axes; the others are free."""

    node: Node
    inner: Axes
    shared: Axes

    @property
    def free(self) -> Axes:
        return free_axes(self.node.type.rank, self.inner, self.shared)

    def sizes(self, axes: Axes) -> Shape:
        return tuple(self.node.type.shape[k] for k in axes)

    def thin(self) -> bool:
        """Whether no free axis is longer than one."""
        return all(n == 1 for n in self.sizes(self.free))


def sides(dot: Node) -> tuple[Side, Side]:
    """The two operands of a product."""
    a, b = dot.inputs
    return (
        Side(a, axes_of(dot, "a_axes"), axes_of(dot, "a_batch")),
        Side(b, axes_of(dot, "b_axes"), axes_of(dot, "b_batch")),
    )


def product(a: Side, b: Side, like: Node) -> Node:
    """The node of a product."""
    shape = a.sizes(a.shared) + a.sizes(a.free) + b.sizes(b.free)
    attributes = {"a_axes": a.inner, "b_axes": b.inner, "a_batch": a.shared, "b_batch": b.shared}
    return Node("dot", (a.node, b.node), like.type.with_shape(shape), attributes, like.where)


def turned_product(dot: Node, order: Axes) -> Node | None:
    """A product whose result has its free axes exchanged is the product the other way round."""
    a, b = sides(dot)
    shared, left, right = len(a.shared), len(a.free), len(b.free)
    exchanged = (
        *range(shared), *range(shared + left, shared + left + right), *range(shared, shared + left),
    )  # fmt: skip
    return product(b, a, dot) if order == exchanged else None


def of_transposed(dot: Node) -> Node | None:
    """A product reads a transposed operand where it lies, if the order of the others allows it."""
    a, b = sides(dot)
    straight = _straightened(a), _straightened(b)
    if straight == (None, None):
        return None
    return product(straight[0] or a, straight[1] or b, dot)


def _straightened(side: Side) -> Side | None:
    if side.node.op != "transpose":
        return None
    moved = axes_of(side.node)
    inner, shared = (tuple(moved[k] for k in axes) for axes in (side.inner, side.shared))
    free = tuple(moved[k] for k in side.free)
    return Side(side.node.inputs[0], inner, shared) if free == tuple(sorted(free)) else None


def thin_product(dot: Node) -> Node | None:
    """A product with a vector, or over axes of size one, is a sum of products of elements.

    The products keep the axes of the larger operand, so that it is read as it lies.
    """
    a, b = sides(dot)
    if not b.thin() and not a.thin():
        return _outer_product(dot, a, b) if all(n == 1 for n in a.sizes(a.inner)) else None
    large, small = (a, b) if b.thin() else (b, a)
    if a.thin() and b.thin() and a.node.type.rank < b.node.type.rank:
        large, small = b, a
    return _sum_of_products(dot, large, small)


def _sum_of_products(dot: Node, large: Side, small: Side) -> Node:
    full = large.node.type.shape
    places = (*large.shared, *large.inner)  # of the axes of the small side, in its own order
    spread = _laid(small, (*small.shared, *small.inner), places, full)
    terms = Node("multiply", (large.node, spread), large.node.type)
    if large.inner:
        rest = tuple(n for k, n in enumerate(full) if k not in large.inner)
        axes = tuple(sorted(large.inner))
        terms = Node("sum", (terms,), dot.type.with_shape(rest), {"axes": axes}, dot.where)
    kept = free_axes(len(full), large.inner)
    order = tuple(kept.index(k) for k in (*large.shared, *large.free))
    if order != tuple(range(len(order))):
        terms = transpose(terms, order)
    return reshape(terms, dot.type.shape)


def _outer_product(dot: Node, a: Side, b: Side) -> Node:
    """A product over axes of size one, or over none."""
    full, shared = dot.type.shape, tuple(range(len(a.shared)))
    left = (*shared, *range(len(shared), len(shared) + len(a.free)))
    right = (*shared, *range(len(full) - len(b.free), len(full)))
    operands = (
        _laid(a, (*a.shared, *a.free), left, full), _laid(b, (*b.shared, *b.free), right, full)
    )  # fmt: skip
    return Node("multiply", operands, dot.type, where=dot.where)


def _laid(side: Side, axes: Axes, places: Axes, full: Shape) -> Node:
    """An operand spread over a shape, its axis axes[k] at places[k]; its others have size one."""
    kept = [k for k in range(side.node.type.rank) if k in axes]
    x = reshape(side.node, tuple(side.node.type.shape[k] for k in kept))
    place = dict(zip(axes, places, strict=True))
    at = [place[k] for k in kept]
    order = tuple(sorted(range(len(at)), key=at.__getitem__))
    if order != tuple(range(len(order))):
        x = transpose(x, order)
    return broadcast(x, full, tuple(sorted(at)))
