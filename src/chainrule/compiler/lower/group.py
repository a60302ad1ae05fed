"""Cut a graph into nests: what is computed in one loop.

Each contraction and each reduction anchors a nest, and elementwise operations on its result join
it. Reductions along a short last axis join a *rows* nest, in which one lane holds one row, so that
a softmax with its loss and gradient is one loop; a product of few columns begins one. What only
feeds a reduction, or depends on the inputs alone, is worked out where it is read. A sum along the
lanes joins the nest that works out what it is over, and sums of all of small arrays are one nest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from chainrule.compiler.lower.contraction import is_narrow
from chainrule.compiler.lower.lazy import DEAR, LONG, find_lazy, is_short, is_short_reduction
from chainrule.compiler.lower.loops import LOOPS, results
from chainrule.compiler.lower.prepare import Prepared, is_general_reshape
from chainrule.compiler.lower.sums import Order, lane_axis, renewed
from chainrule.compiler.lower.views import (
    BLOCK_SUM,
    HOSTED,
    JOINED,
    KERNELS,
    MAPPED,
    REDUCTIONS,
    RUNNING,
    Label,
    is_inline,
    is_view,
    references,
    shared_axes,
)
from chainrule.compiler.passes.build import axes_of
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import Batch, Shape, Size

Kind = Literal["map", "rows", "reduce", "blocks", "dot", "kernel", "check", "straight"]
#: The operand that holds places, for the operations that read or write there.
PLACES: Final = {"take": 1, "scatter_add": 0, "last_of": 0}
#: What makes places that are there.
_SURE: Final = frozenset({"argsort", "argcummax"})


@dataclass(eq=False)
class Nest:
    """One loop nest: its domain, the values it computes, those of them that it stores.

    ``order`` is the order of the domain's axes, outermost first; the lanes run along the last one
    (in a rows nest along the first). Threads share out the first axis of the order.
    """

    kind: Kind
    shape: Shape
    order: Order
    anchor: Node | None
    members: dict[Node, None] = field(default_factory=dict)
    roots: list[Node] = field(default_factory=list)
    #: For each reduction of a reduce nest the axis along which lanes run, None for a kept one.
    lanes: dict[Node, int | None] = field(default_factory=dict)
    #: Sums along the last axis of the order that are taken beside the anchor.
    sums: dict[Node, None] = field(default_factory=dict)
    #: The first thread does it all, though it could be shared out.
    alone: bool = False
    #: The inputs whose rows a straight nest reads where they lie.
    rows: tuple[Node, ...] = ()

    def axes_of(self, root: Node) -> Order:
        """The axes of the domain that a stored value has."""
        axes = tuple(range(root.type.rank))
        return tuple(sorted(self.order[:-1])) if root in self.sums else axes

    @property
    def is_across(self) -> bool:
        """Whether the lanes run along an axis that the anchor reduces."""
        return self.anchor is not None and self.lanes.get(self.anchor) is not None

    @property
    def shares(self) -> bool:
        """Whether threads share out the first axis of the order; else the first does it all."""
        if self.alone:
            return False
        if self.kind == "kernel":
            assert self.anchor is not None
            if self.anchor.op == JOINED:
                return self.anchor.attributes["axis"] != self.order[0]
            return self.anchor.op in RUNNING and len(self.order) > 1
        return bool(self.shape) and self.kind != "check"

    def __str__(self) -> str:
        of = f" of {self.anchor.op}" if self.anchor else ""
        stored = ", ".join(f"{n.op}: {n.type}" for n in self.roots)
        axes = ", ".join(f"axis {a}: {self.shape[a]}" for a in self.order)
        return f"{self.kind}{of} over ({axes}) stores {stored}"


def cut(prepared: Prepared) -> list[Nest]:
    """The nests of a graph, each behind those whose results it reads."""
    return _Cutter(prepared).run()


class _Cutter:
    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.graph = prepared.graph
        self.nests: list[Nest] = []
        self.home: dict[Node, int] = {}
        self.outputs = set(self.graph.outputs)
        self.forced = self.outputs | {
            operand
            for node in self.graph.nodes
            if node.op == "dot" or node.op in HOSTED | LOOPS or is_general_reshape(node)
            for operand in map(behind_views, node.inputs)
        }
        self.forced |= {behind_views(x) for x, _, _ in _doubtful_places(self.graph)}
        self.beside = prepared.partial | prepared.terms
        self.forced |= self.beside
        self.renewed = renewed(self.graph, prepared.roles)
        self.lazy = find_lazy(self.graph, self.forced)

    def run(self) -> list[Nest]:
        waiting = self._place_ready(list(self.graph.nodes), frozenset())
        while waiting:
            waiting = self._place_ready(waiting, self._ready(waiting))
        self._find_roots()
        return [*self.nests, *_checks(self.graph)]

    def _place_ready(self, nodes: list[Node], ready: frozenset[Node]) -> list[Node]:
        """Place what does not wait for a sum that is not ready; what waits is given back."""
        waiting: dict[Node, None] = {}
        for node in nodes:
            late = node in self.beside and node not in ready
            if late or any(x in waiting for x in node.inputs):
                waiting[node] = None
            elif not (
                node.op == "input"
                or is_inline(node)
                or is_general_reshape(node)
                or node in self.lazy
            ):
                self._place(node)
        return list(waiting)

    def _ready(self, waiting: list[Node]) -> frozenset[Node]:
        """Those of the late ones that wait for no other."""
        blocked: set[Node] = set()
        found: set[Node] = set()
        for node in waiting:
            if any(x in blocked for x in node.inputs):
                blocked.add(node)
            elif node in self.beside:
                blocked.add(node)
                found.add(node)
        return frozenset(found)

    # -- joining and founding ------------------------------------------------------------------

    def _place(self, node: Node) -> None:
        if node.op == "item":
            self.home[node] = self.home[node.inputs[0]]
            return
        home = self._beside(node) if node in self.beside else None
        if home is not None and node in self.prepared.partial:
            self.nests[home].sums[node] = None
        if home is None:
            home = self._joinable(node)
        if home is None:
            home = len(self.nests)
            self.nests.append(self._found(node))
        nest = self.nests[home]
        nest.members[node] = None
        self.home[node] = home
        if nest.kind == "reduce" and node.op in REDUCTIONS and node not in nest.sums:
            nest.lanes[node] = lane_axis(node, self.prepared.orders)

    def _found(self, node: Node) -> Nest:
        order = self.prepared.order(node)
        if node.op == "dot" and is_narrow(node, self.prepared.orders):
            return Nest("rows", node.type.shape[:1], (0,), node)
        if node.op == "dot":
            return Nest("dot", node.type.shape, order, node)
        if node.op in REDUCTIONS:
            if is_short_reduction(node):
                return Nest("rows", node.type.shape, (0,), None)
            return Nest("reduce", node.type.shape, order, node)
        if node.op in RUNNING:
            axis = node.attributes["axis"]
            others = tuple(k for k in range(node.type.rank) if k != axis)
            return Nest("kernel", node.type.shape, (*others, axis), node)  # type: ignore[arg-type]
        if node.op == BLOCK_SUM:
            return Nest("blocks", node.type.shape, order, node)
        if node.op in KERNELS:
            return Nest("kernel", node.type.shape, order, node)
        return Nest("map", node.type.shape, order, None)

    def _reads(self, node: Node, beside: bool = False) -> list[tuple[Node, tuple[Label, ...]]]:
        """The values of other nodes that computing this one reads, with their indices.

        A sum that is taken ``beside`` what it is over reads that at the index at hand.
        """
        if beside and node in self.prepared.partial:
            (x,) = node.inputs
            known = (x in self.home) or x.op == "input" or is_general_reshape(x)
            return [(x, tuple(range(x.type.rank)))] if known else self._reads(x)
        labels: tuple[Label, ...] = tuple(range(node.type.rank))
        if node.op == "dot" or node.op in HOSTED | LOOPS:
            return [(behind_views(x), ()) for x in node.inputs]

        def stored(x: Node) -> bool:
            return x is not node and (x in self.home or x.op == "input" or is_general_reshape(x))

        return list(references(node, labels, stored))

    def _home_of(self, node: Node) -> int:
        while is_general_reshape(node):
            node = behind_views(node.inputs[0])
        return self.home.get(node, -1)

    def _joinable(self, node: Node) -> int | None:
        """The nest that this node can be computed in, if there is one."""
        if node.op in ("dot", BLOCK_SUM) or node.op in KERNELS:
            return None
        reads = self._reads(node)
        last = max((self._home_of(x) for x, _ in reads), default=-1)
        if node.op in REDUCTIONS and not node.type.shape:
            return self._other_sums(reads, last)
        if last < 0:
            return None
        nest = self.nests[last]
        if nest.kind in ("kernel", "blocks"):
            return None
        inside = [(x, labels) for x, labels in reads if self._home_of(x) == last]
        if any(is_general_reshape(x) for x, _ in inside):
            return None
        if nest.kind == "rows":
            return (
                last if _fits_rows(node, nest) and all(ls[:1] == (0,) for _, ls in inside) else None
            )
        if node.op not in MAPPED or node.type.shape != nest.shape:
            return None
        if nest.shape and node.op in DEAR and nest.is_across:
            return None  # one number at a time: a nest of its own has lanes
        own: tuple[Label, ...] = tuple(range(node.type.rank))
        if self.prepared.order(node) != nest.order and self.prepared.orders.get(node) is not None:
            return None
        return last if all(labels == own for _, labels in inside) else None

    def _other_sums(self, reads: list[tuple[Node, tuple[Label, ...]]], last: int) -> int | None:
        """The last nest of whole reductions, if it does not work out what this one reads."""
        if any(x in self.renewed for x, _ in reads):
            return None  # not to make what renews a carried array wait for all the others
        after = range(last + 1, len(self.nests))
        found = (k for k in after if self.nests[k].kind == "reduce" and not self.nests[k].shape)
        return max(found, default=None)

    def _beside(self, node: Node) -> int | None:
        """The nest of which each element gives one for this sum, or for this vector's."""
        x = node.inputs[0] if node in self.prepared.partial else node
        own: tuple[Label, ...] = tuple(range(x.type.rank))
        reads = self._reads(node, beside=True)
        last = max((self._home_of(y) for y, _ in reads), default=-1)
        if last < 0:
            new = (self.renewed[y] for y, at in reads if y in self.renewed and at == own)
            last = max((self.home.get(y, -1) for y in new), default=-1)
        if last < 0 or not self._hosts(self.nests[last], x):
            return None
        inside = [(y, labels) for y, labels in reads if self._home_of(y) == last]
        fits = all(labels == own and not is_general_reshape(y) for y, labels in inside)
        return last if fits and self._along(node, self.nests[last]) else None

    def _hosts(self, nest: Nest, x: Node) -> bool:
        if nest.kind not in ("map", "dot", "reduce") or nest.shape != x.type.shape:
            return False
        copies = all(member.op == "copy" for member in nest.members)
        unknown = nest.kind == "dot" and not isinstance(nest.shape[nest.order[-1]], int)
        return self.prepared.order(x) == nest.order and not copies and not unknown

    def _along(self, node: Node, nest: Nest) -> bool:
        """Whether a nest's lanes run as a sum needs them."""
        if node in self.prepared.partial:
            return axes_of(node) == nest.order[-1:] and not nest.is_across
        return not (nest.is_across and node.op in DEAR)

    # -- what is stored ------------------------------------------------------------------------

    def _find_roots(self) -> None:
        needed: dict[Node, None] = {}
        for index, nest in enumerate(self.nests):
            for member in nest.members:
                for x, _ in self._reads(member, member in nest.sums):
                    if self._home_of(x) not in (-1, index):
                        needed[storage_of(x)] = None
        needed.update(dict.fromkeys(self.forced))
        for node in self.graph.nodes:
            if node in needed and node in self.home:
                self.nests[self.home[node]].roots.append(node)
        for nest in self.nests:
            if nest.anchor and nest.anchor.op in LOOPS:
                nest.roots = results(nest.anchor, list(self.graph.users[nest.anchor]))
            assert nest.roots, f"a nest stores nothing: {nest}"


def _doubtful_places(graph: Graph) -> Iterator[tuple[Node, Size, str]]:
    """Arrays of places that data might have made wrong, the size they must be below, the line."""
    for node in graph.nodes:
        if node.op in PLACES:
            places = node.inputs[PLACES[node.op]]
            taken = node.inputs[0].type.shape
            size = taken[shared_axes(node)] if node.op == "take" else node.attributes["size"]
            assert isinstance(size, int | Batch)
            if behind_views(places).op not in _SURE:
                yield places, size, node.where


def _checks(graph: Graph) -> list[Nest]:
    """A nest for each of them: it stores nothing but a note of what is wrong."""
    found: dict[tuple[Node, Size], Nest] = {}
    for places, size, where in _doubtful_places(graph):
        check = Node("check", (places,), places.type, {"size": size}, where)
        order = tuple(range(places.type.rank))
        nest = Nest("check", places.type.shape, order, check, {check: None})
        found.setdefault((places, size), nest)
    return list(found.values())


def storage_of(node: Node) -> Node:
    """The computed node whose memory a reshape is another reading of."""
    while is_general_reshape(node):
        node = behind_views(node.inputs[0])
    return node


def behind_views(node: Node) -> Node:
    """What a chain of views looks at."""
    while is_view(node):
        node = node.inputs[0]
    return node


def _fits_rows(node: Node, nest: Nest) -> bool:
    shape = node.type.shape
    if node.op in REDUCTIONS:
        return is_short_reduction(node) and shape[0] == nest.shape[0]
    if node.op in LONG and len(shape) > 1:
        return False
    return 1 <= len(shape) <= 2 and shape[0] == nest.shape[0] and is_short(shape)
