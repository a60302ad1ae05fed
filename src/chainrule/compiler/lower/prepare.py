"""Make every value that must lie in memory a node of its own, and choose its layout.

A layout is an order of the axes, outermost first. What the caller owns and what has the batch in
front is row-major. A carried matrix lies as most of its products want it: a product reads the
operand that its lanes run along, which must be contiguous there; where the two directions of a
layer disagree, the second reads a copy laid the other way.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from chainrule.compiler.lower.contraction import (
    is_narrow,
    lane_side,
    single_loops,
    source_loops,
)
from chainrule.compiler.lower.loops import LOOPS, spelled
from chainrule.compiler.lower.roles import Roles
from chainrule.compiler.lower.sums import Order, split_sums
from chainrule.compiler.lower.views import (
    HOSTED,
    KERNELS,
    MAPPED,
    REDUCTIONS,
    WINDOWED,
    source_of,
    terms_of,
)
from chainrule.compiler.passes.build import axes_of, copy
from chainrule.compiler.passes.contractions import Side, product, sides
from chainrule.compiler.passes.fold import ELEMENTWISE, is_unit_reshape
from chainrule.ir.graph import Graph, Node, rebuild, with_inputs


@dataclass(frozen=True, eq=False)
class Prepared:
    """A graph ready to be cut into nests, and the layouts that are not row-major.

    ``partial`` and ``terms`` are best worked out beside something else (see ``sums``).
    """

    graph: Graph
    roles: Roles
    orders: dict[Node, Order]
    partial: frozenset[Node] = frozenset()
    terms: frozenset[Node] = frozenset()

    def order(self, node: Node) -> Order:
        """The axes of a value, outermost first."""
        return self.orders.get(node, natural(node))


def prepare(graph: Graph, roles: Roles) -> Prepared:
    """Copies where a value must be stored on its own, layouts and copies between them, sums."""
    graph = own_outputs(rebuild(spelled(graph, roles), _Stored().rewrite))
    orders = _vote(graph, roles)
    _spread_orders(graph, roles, orders)
    _lay_between(graph, orders)
    graph, orders = _copy_to_layout(graph, roles, orders)
    graph, orders = _sum_along_memory(graph, orders)
    sums = split_sums(graph, roles, orders)
    return Prepared(sums.graph, roles, sums.orders, sums.partial, sums.terms)


def natural(node: Node) -> Order:
    """The order of the axes as they stand."""
    return tuple(range(node.type.rank))


def is_general_reshape(node: Node) -> bool:
    """A reshape that is the same memory under another shape, if the memory is row-major."""
    return node.op == "reshape" and not is_unit_reshape(node)


def _computed(node: Node) -> bool:
    return node.op in MAPPED | REDUCTIONS | KERNELS or node.op in ("dot", "item")


class _Stored:
    """Operands that lie in memory for those operations that read it; each copy is made once."""

    def __init__(self) -> None:
        self.copies: dict[Node, Node] = {}

    def rewrite(self, node: Node, inputs: tuple[Node, ...]) -> Node:
        """The node, reading what is stored."""
        if is_general_reshape(node):
            inputs = tuple(x if _computed(x) else self._copy(x) for x in inputs)
        if node.op == "dot":
            inputs = tuple(map(self._readable, inputs))
        if node.op in HOSTED:
            inputs = tuple(x if _is_stored(x) else self._copy(x) for x in inputs)
        return with_inputs(node, inputs)

    def _readable(self, x: Node) -> Node:
        """What a product can read where it lies: stored, perhaps seen through moves and windows."""
        if _is_stored(x):
            return x
        if x.op in WINDOWED or (x.op == "reshape" and is_unit_reshape(x)):
            return with_inputs(x, (self._readable(x.inputs[0]),))
        return self._copy(x)

    def _copy(self, x: Node) -> Node:
        return self.copies.setdefault(x, copy(x))


def _is_stored(x: Node) -> bool:
    return _computed(x) or x.op == "input" or is_general_reshape(x)


def own_outputs(graph: Graph) -> Graph:
    """Each output is a computed node that no other output is."""
    seen: set[Node] = set()
    outputs = []
    for output in graph.outputs:
        own = output if _computed(output) and output not in seen else copy(output)
        seen.add(own)
        outputs.append(own)
    return Graph(graph.inputs, tuple(outputs))


def _vote(graph: Graph, roles: Roles) -> dict[Node, Order]:
    """For each carried matrix the layout that most of its products want, the first on a tie."""
    states = {n for n, role in zip(graph.inputs, roles.inputs, strict=True) if role == "state"}
    votes: dict[Node, Counter[Order]] = {}
    for node in graph.nodes:
        if node.op != "dot" or is_narrow(node, {}):
            continue
        side, axis = lane_side(node, natural(node))
        source, labels = source_of(node.inputs[side])
        if source in states and source.type.rank == 2:
            wanted = (1, 0) if labels[0] == axis else (0, 1)
            votes.setdefault(source, Counter())[wanted] += 1
    return {node: found.most_common(1)[0][0] for node, found in votes.items()}


def _contiguous_axis(
    source: Node, labels: tuple[int | None, ...], orders: dict[Node, Order]
) -> int | None:
    """The axis along which neighbours in memory lie; None for a number that is read everywhere."""
    order = orders.get(source, natural(source))
    return labels[order[-1]] if order else None


def _copy_to_layout(
    graph: Graph, roles: Roles, orders: dict[Node, Order]
) -> tuple[Graph, dict[Node, Order]]:
    """Give products whose lane operand lies the wrong way a copy laid the right way.

    But for the caller's matrices: they are turned as they are packed, nobody else reads the copy.
    """
    given = {n for n, role in zip(graph.inputs, roles.inputs, strict=True) if role == "array"}
    laid = dict(orders)
    copies: dict[tuple[Node, Order], Node] = {}

    def relay(old: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(old, inputs)
        if old in orders:
            laid[node] = orders[old]
        if node.op != "dot" or is_narrow(node, laid):
            return node
        side, axis = lane_side(node, laid.get(node, natural(node)))
        operand = node.inputs[side]
        source, terms = terms_of(operand)
        if _contiguous_axis(source, single_loops(terms), laid) == axis:
            return node
        if source in given and all(_is_packable(node, k, laid) for k in (0, 1)):
            return node
        order = (*(k for k in range(operand.type.rank) if k != axis), axis)
        made = copies.setdefault((operand, order), copy(operand))
        laid[made] = order
        after = with_inputs(node, tuple(made if x is operand else x for x in inputs))
        if node in laid:
            laid[after] = laid[node]
        return after

    return rebuild(graph, relay), laid


def _is_packable(node: Node, number: int, orders: dict[Node, Order]) -> bool:
    """Whether a side of a product is a matrix with its rows or columns contiguous, of one type."""
    side = sides(node)[number]
    source, terms = terms_of(node.inputs[number])
    matrix = len(side.inner) == 1 and len(side.free) == 1 and not side.shared
    static = isinstance(node.type.shape[-1], int) and isinstance(node.type.shape[0], int)
    dtype = node.type.dtype
    same = dtype.kind == "f" and source.type.dtype == dtype
    return (
        matrix
        and static
        and same
        and _contiguous_axis(source, single_loops(terms), orders) is not None
    )


def _sum_along_memory(graph: Graph, orders: dict[Node, Order]) -> tuple[Graph, dict[Node, Order]]:
    """Products over several axes run last over the one along which their rows lie."""
    laid = dict(orders)

    def along(old: Node, inputs: tuple[Node, ...]) -> Node:
        node = with_inputs(old, inputs)
        if node.op == "dot" and len(axes_of(node, "a_axes")) > 1:
            node = _inner_order(node, laid)
        if old in orders:
            laid[node] = orders[old]
        return node

    return rebuild(graph, along), laid


def _inner_order(node: Node, orders: dict[Node, Order]) -> Node:
    side, _ = lane_side(node, orders.get(node, natural(node)))
    source, terms = source_loops(node, 1 - side)
    last = _contiguous_axis(source, single_loops(terms), orders)
    a, b = sides(node)
    rank = {k: (a.node.type.shape[axis] != 1, ~k == last) for k, axis in enumerate(a.inner)}
    order = sorted(rank, key=rank.__getitem__)
    if order == list(rank):
        return node
    a, b = (Side(x.node, tuple(x.inner[k] for k in order), x.shared) for x in (a, b))
    return product(a, b, node)


def _spread_orders(graph: Graph, roles: Roles, orders: dict[Node, Order]) -> None:
    """The new value of a carried array is computed in the layout in which it is kept."""
    for output, role in zip(graph.outputs, roles.outputs, strict=True):
        if role.kind != "state":
            continue
        order = orders.get(graph.inputs[role.state])
        if order is not None and order != tuple(range(len(order))):
            _color(output, order, graph, orders)
    for output, role in zip(graph.outputs, roles.outputs, strict=True):
        if role.kind == "state" and output in orders:
            orders.setdefault(graph.inputs[role.state], orders[output])


def _color(node: Node, order: Order, graph: Graph, orders: dict[Node, Order]) -> None:
    """Mark a value and all of its shape that it is computed from or together with."""
    orders.update(dict.fromkeys(_together(node, graph, orders), order))


def _together(node: Node, graph: Graph, orders: dict[Node, Order]) -> list[Node]:
    """A value and all of its shape that it is computed from or together with."""
    stack, found = [node], dict[Node, None]()
    while stack:
        node = stack.pop()
        if node in orders or node in found or not (node.op in ELEMENTWISE or node.op == "dot"):
            continue
        if any(is_general_reshape(x) or x.op in LOOPS for x in graph.users[node]):
            continue  # its memory is read in another shape, which only row-major memory allows
        found[node] = None
        near = [*(node.inputs if node.op != "dot" else ()), *graph.users[node]]
        stack.extend(x for x in near if x.type.shape == node.type.shape)
    return list(found)


def _lay_between(graph: Graph, orders: dict[Node, Order]) -> None:
    """Compute a matrix that stands between products in the layout that the later one wants."""
    for node in reversed(graph.nodes):
        if node.op != "dot" or node not in orders:
            continue
        side, axis = lane_side(node, orders[node])
        source, labels = source_of(node.inputs[side])
        wanted = (1, 0) if labels[:1] == (axis,) else (0, 1)
        if wanted == (1, 0) and source.type.rank == 2:
            found = _together(source, graph, orders)
            if all(_is_between(x, graph) for x in found):
                orders.update(dict.fromkeys(found, wanted))


def _is_between(node: Node, graph: Graph) -> bool:
    """Whether a value's layout is nobody's but its own: it comes from no input and goes nowhere."""
    near = [x for x in node.inputs if x.type.shape == node.type.shape and node.op != "dot"]
    static = all(isinstance(n, int) for n in node.type.shape)
    return static and node not in graph.outputs and all(x.op != "input" for x in near)
