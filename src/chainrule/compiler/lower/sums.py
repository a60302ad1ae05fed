"""Sums over whole arrays in two parts, so that the first is taken where the array is worked out.

``sum(x)`` becomes ``sum(sum(x, along the lanes))``. The inner sum has one number for each row of x,
and joins the nest that works x out: a tile's rows are added up in registers before they are
stored, each in an order that no number of threads changes. The outer sum is over few numbers, in
one order, by one thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.roles import Roles
from chainrule.compiler.lower.views import REDUCTIONS
from chainrule.compiler.passes.build import axes_of
from chainrule.compiler.passes.fold import ELEMENTWISE
from chainrule.ir.graph import Graph, Node, rebuild, with_inputs
from chainrule.ir.types import Shape

Order = tuple[int, ...]
#: A sum of fewer elements than this that nothing else works out is done at once by one thread.
_WORTH_SHARING: Final = 4096


@dataclass(frozen=True, eq=False)
class Sums:
    """A graph whose whole sums are in two parts.

    ``partial`` are the inner sums; ``terms`` are vectors of which a whole sum is taken and that
    are worked out from carried arrays, as they are before the step. Both are best placed last:
    beside what works out the new values of those arrays.
    """

    graph: Graph
    orders: dict[Node, Order]
    partial: frozenset[Node]
    terms: frozenset[Node]


def split_sums(graph: Graph, roles: Roles, orders: dict[Node, Order]) -> Sums:
    """Part every whole sum that gains by it."""
    splitter = _Splitter(graph, roles, orders)
    after = rebuild(graph, splitter.rewrite)
    renamed = {splitter.new.get(node, node): order for node, order in orders.items()}
    return Sums(
        after, {**renamed, **splitter.orders}, frozenset(splitter.partial),
        frozenset(splitter.terms),
    )  # fmt: skip


def is_whole_sum(node: Node) -> bool:
    """A sum of numbers over all axes."""
    return node.op == "sum" and not node.type.shape and node.type.dtype.kind != "b"


def lies(x: Node, orders: Mapping[Node, Order]) -> Order:
    """The order of a value's axes: its own, or that of the first array it is worked out from."""
    found = (orders[leaf] for leaf in [x, *_leaves(x)] if leaf in orders)
    return next(found, tuple(range(x.type.rank)))


def _leaves(x: Node) -> Iterator[Node]:
    """What a value is worked out from, element by element, in its own shape."""
    waiting, seen = [x], {x}
    while waiting:
        node = waiting.pop()
        if node.op not in ELEMENTWISE:
            yield node
            continue
        near = [y for y in node.inputs if y.type.shape == x.type.shape and y not in seen]
        seen.update(near)
        waiting.extend(reversed(near))


def _is_large(shape: Shape) -> bool:
    count = 1
    for n in shape:
        if not isinstance(n, int):
            return True
        count *= n
    return count >= _WORTH_SHARING


class _Splitter:
    def __init__(self, graph: Graph, roles: Roles, orders: dict[Node, Order]) -> None:
        self.graph = graph
        self.known = orders
        self.renewed = renewed(graph, roles)
        self.new: dict[Node, Node] = {}
        self.orders: dict[Node, Order] = {}
        self.partial: set[Node] = set()
        self.terms: set[Node] = set()

    def rewrite(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        """The node with its operands, in two parts if it is a whole sum that gains by it."""
        made = with_inputs(node, inputs)
        if is_whole_sum(node):
            made = self._two_sums(node, made)
        self.new[node] = made
        return made

    def _two_sums(self, node: Node, made: Node) -> Node:
        (x,), (new_x,) = node.inputs, made.inputs
        from_carried = x.op in ELEMENTWISE and self._reads_carried(node, x)
        if x.type.rank == 1:
            self.terms.update({new_x} if from_carried else ())
            return made
        hosted = from_carried or any(leaf.op == "dot" for leaf in _leaves(x))
        if 0 in x.type.shape or not (hosted or _is_large(x.type.shape)):
            return made
        order = lies(x, self.known)
        if x not in self.known and x.op in ELEMENTWISE and self.graph.users[x] == (node,):
            self.orders[new_x] = order
        axes = order[-1:] if hosted else tuple(sorted(order[1:]))
        kept = tuple(n for k, n in enumerate(x.type.shape) if k not in axes)
        inner = Node("sum", (new_x,), node.type.with_shape(kept), {"axes": axes}, node.where)
        self.partial.add(inner)
        attributes = {**node.attributes, "axes": tuple(range(len(kept)))}
        return Node("sum", (inner,), node.type, attributes, node.where)

    def _reads_carried(self, node: Node, x: Node) -> bool:
        """Whether a sum is over old values of carried arrays that do not wait for the sum."""
        old = [leaf for leaf in _leaves(x) if leaf in self.renewed]
        return bool(old) and not self._leads_to(node, {self.renewed[leaf] for leaf in old})

    def _leads_to(self, node: Node, goals: set[Node]) -> bool:
        waiting, seen = [node], {node}
        while waiting:
            node = waiting.pop()
            if node in goals:
                return True
            near = [user for user in self.graph.users[node] if user not in seen]
            seen.update(near)
            waiting.extend(near)
        return False


def renewed(graph: Graph, roles: Roles) -> dict[Node, Node]:
    """The new value of each carried input."""
    outputs = zip(graph.outputs, roles.outputs, strict=True)
    return {graph.inputs[r.state]: output for output, r in outputs if r.kind == "state"}


def lane_axis(node: Node, orders: Mapping[Node, Order]) -> int | None:
    """The reduced axis along which a reduction's lanes run; None if they run along a kept one."""
    assert node.op in REDUCTIONS, node
    (x,) = node.inputs
    last = lies(x, orders)[-1] if x.type.rank else 0
    return last if last in axes_of(node) else None
