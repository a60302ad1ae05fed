"""Cut a graph into nests: what is computed in one loop.

Each contraction and each reduction anchors a nest, and elementwise operations on its result join
it. Reductions along a short last axis join a *rows* nest, in which one lane holds one row, so that
a softmax with its loss and gradient is one loop. What only feeds a reduction, or depends on the
inputs alone, is worked out where it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from chainrule.compiler.lower.loops import LOOPS, results
from chainrule.compiler.lower.prepare import Order, Prepared, is_general_reshape
from chainrule.compiler.lower.views import (
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

Kind = Literal["map", "rows", "reduce", "dot", "kernel", "check"]
#: The longest axis that a rows nest unrolls.
SHORT: Final = 32
#: The most places at which a value is worked out anew for one element: a chain of values that
#: each read their neighbours would else be worked out exponentially often.
_MOST_PLACES: Final = 16
#: Functions of so much code that they are written once, in a loop, not for each element of a row.
_LONG: Final = frozenset(
    {"gamma", "gammaln", "betaln", "digamma", "polygamma", "erfc", "erfcx", "erfinv", "ndtr",
     "log_ndtr", "ndtri", "normal_hazard", "normal_hazard_excess", "tan"}
)  # fmt: skip
#: Operations worth storing rather than working out twice.
_DEAR: Final = _LONG | {
    "exp", "log", "expm1", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "erf",
    "logaddexp", "power", "divide", "sqrt", "take", "log2", "log10", "xlogy", "xlog1py", "logit",
    "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh", "hypot", "cbrt",
    "remainder", "fmod",
}  # fmt: skip
#: The operand that holds places, for the operations that read or write there.
_PLACES: Final = {"take": 1, "scatter_add": 0, "last_of": 0}
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

    @property
    def shares(self) -> bool:
        """Whether threads share out the first axis of the order; else the first does it all."""
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
        self.lazy = self._find_lazy()

    def run(self) -> list[Nest]:
        for node in self.graph.nodes:
            if (
                node.op == "input"
                or is_inline(node)
                or is_general_reshape(node)
                or node in self.lazy
            ):
                continue
            self._place(node)
        self._find_roots()
        return [*self.nests, *_checks(self.graph)]

    # -- what is worked out where it is read ---------------------------------------------------

    def _find_lazy(self) -> set[Node]:
        from_inputs: set[Node] = set()
        for node in self.graph.nodes:
            if (
                node.op == "input"
                or is_inline(node)
                or node.op in MAPPED
                or _is_short_reduction(node)
            ):
                if all(x in from_inputs for x in node.inputs):
                    from_inputs.add(node)
        lazy: set[Node] = set()
        places: dict[Node, int] = {}  # at how many places a reader's element needs each value
        for node in reversed(self.graph.nodes):
            if node in self.forced:
                continue
            paths = self._paths(node)
            readers = set(paths)
            places[node] = _places(paths, {r: places[r] for r in readers & lazy})
            if places[node] > _MOST_PLACES:
                continue
            if node in from_inputs and _is_short_reduction(node) and len(readers) == 1:
                lazy.add(node)
            if node.op not in MAPPED or node.op in _LONG:
                continue
            repeated = any(user.op == "broadcast" for user in self.graph.users[node])
            if node.op in _DEAR and places[node] > 1:
                continue
            cheap = node.op not in _DEAR or (len(readers) == 1 and not repeated)
            feeds_one = (len(readers) == 1 and not repeated) and all(
                r.op in REDUCTIONS | RUNNING | {JOINED} or r in lazy for r in readers
            )
            if feeds_one or (node in from_inputs and cheap):
                lazy.add(node)
        return lazy

    def _paths(self, node: Node) -> list[Node]:
        """Who reads a value, seen through views, once for each way to it."""
        found: list[Node] = []
        stack = list(self.graph.users[node])
        while stack:
            user = stack.pop()
            if is_view(user):
                stack.extend(self.graph.users[user])
            else:
                found.append(user)
        return found

    # -- joining and founding ------------------------------------------------------------------

    def _place(self, node: Node) -> None:
        if node.op == "item":
            self.home[node] = self.home[node.inputs[0]]
            return
        home = self._joinable(node)
        if home is None:
            home = len(self.nests)
            self.nests.append(self._found(node))
        self.nests[home].members[node] = None
        self.home[node] = home

    def _found(self, node: Node) -> Nest:
        order = self.prepared.order(node)
        if node.op == "dot":
            return Nest("dot", node.type.shape, order, node)
        if node.op in REDUCTIONS:
            if _is_short_reduction(node):
                return Nest("rows", node.type.shape, (0,), None)
            return Nest("reduce", node.type.shape, order, node)
        if node.op in RUNNING:
            axis = node.attributes["axis"]
            others = tuple(k for k in range(node.type.rank) if k != axis)
            return Nest("kernel", node.type.shape, (*others, axis), node)  # type: ignore[arg-type]
        if node.op in KERNELS:
            return Nest("kernel", node.type.shape, order, node)
        return Nest("map", node.type.shape, order, None)

    def _reads(self, node: Node) -> list[tuple[Node, tuple[Label, ...]]]:
        """The values of other nodes that computing this one reads, with their indices."""
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
        if node.op == "dot" or node.op in KERNELS:
            return None
        reads = self._reads(node)
        last = max((self._home_of(x) for x, _ in reads), default=-1)
        if last < 0:
            return None
        nest = self.nests[last]
        if nest.kind == "kernel":
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
        if nest.kind == "reduce" and nest.shape and node.op in _DEAR and _runs_across(nest.anchor):
            return None  # one number at a time: a nest of its own has lanes
        own: tuple[Label, ...] = tuple(range(node.type.rank))
        if self.prepared.order(node) != nest.order and self.prepared.orders.get(node) is not None:
            return None
        return last if all(labels == own for _, labels in inside) else None

    # -- what is stored ------------------------------------------------------------------------

    def _find_roots(self) -> None:
        needed: dict[Node, None] = {}
        for index, nest in enumerate(self.nests):
            for member in nest.members:
                for x, _ in self._reads(member):
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


def _places(paths: list[Node], lazy: dict[Node, int]) -> int:
    """At how many places a value is worked out, if it is worked out where it is read.

    Readers in one nest at the place itself would share it; to count them all keeps chains short.
    """
    return sum(lazy.get(reader, 1) for reader in paths)


def _doubtful_places(graph: Graph) -> Iterator[tuple[Node, Size, str]]:
    """Arrays of places that data might have made wrong, the size they must be below, the line."""
    for node in graph.nodes:
        if node.op in _PLACES:
            places = node.inputs[_PLACES[node.op]]
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


def _is_short_reduction(node: Node) -> bool:
    """Along the last of two axes, short and of known size."""
    if node.op not in REDUCTIONS:
        return False
    (x,) = node.inputs
    return x.type.rank == 2 and axes_of(node) == (1,) and _is_short(x.type.shape)


def _runs_across(node: Node | None) -> bool:
    """Whether a reduction's lanes run along an axis that it reduces."""
    return node is not None and node.inputs[0].type.rank - 1 in axes_of(node)


def _is_short(shape: Shape) -> bool:
    return all(isinstance(n, int) and n <= SHORT for n in shape[1:])


def _fits_rows(node: Node, nest: Nest) -> bool:
    shape = node.type.shape
    if node.op in REDUCTIONS:
        return _is_short_reduction(node) and shape[0] == nest.shape[0]
    if node.op in _LONG and len(shape) > 1:
        return False
    return 1 <= len(shape) <= 2 and shape[0] == nest.shape[0] and _is_short(shape)
