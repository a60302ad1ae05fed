"""What is worked out where it is read, instead of being stored."""

from __future__ import annotations

from typing import Final, TypeAlias

from chainrule.compiler.lower.views import (
    BLOCK_SUM,
    JOINED,
    MAPPED,
    REDUCTIONS,
    RUNNING,
    is_inline,
    is_view,
)
from chainrule.compiler.passes.build import axes_of
from chainrule.compiler.passes.fold import ELEMENTWISE
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import Shape

#: The longest axis that a rows nest unrolls.
SHORT: Final = 32
#: The most places at which a value is worked out anew for one element: a chain of values that
#: each read their neighbours would else be worked out exponentially often.
_MOST_PLACES: Final = 16
#: The most operations that are done twice rather than once and stored, as random bits are.
_MOST_WORK: Final = 24
#: Functions of so much code that they are written once, in a loop, not for each element of a row.
LONG: Final = frozenset(
    {"gamma", "gammaln", "betaln", "digamma", "polygamma", "erfc", "erfcx", "erfinv", "ndtr",
     "log_ndtr", "ndtri", "normal_hazard", "normal_hazard_excess", "tan"}
)  # fmt: skip
#: Operations worth storing rather than working out twice.
DEAR: Final = LONG | {
    "exp", "log", "expm1", "log1p", "sin", "cos", "tanh", "sigmoid", "softplus", "erf",
    "logaddexp", "power", "divide", "sqrt", "take", "log2", "log10", "xlogy", "xlog1py", "logit",
    "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh", "hypot", "cbrt",
    "remainder", "fmod",
}  # fmt: skip


#: Where a value is worked out: the reader that is stored, and what lies on the way to it.
_Place: TypeAlias = tuple[Node, ...]


def find_lazy(graph: Graph, forced: set[Node]) -> set[Node]:
    """Values that no nest stores, but for those that are ``forced`` to be."""
    from_inputs = _from_inputs(graph)
    lazy: set[Node] = set()
    places: dict[Node, frozenset[_Place]] = {}
    for node in reversed(graph.nodes):
        if node in forced:
            continue
        paths = _paths(graph, node)
        readers = {reader for reader, _ in paths}
        places[node] = _places(paths, {r: places[r] for r in readers & lazy})
        if len(places[node]) > _MOST_PLACES:
            continue
        if node in from_inputs and is_short_reduction(node) and len(readers) == 1:
            lazy.add(node)
        if node.op not in MAPPED or node.op in LONG:
            continue
        repeated = any(user.op == "broadcast" for user in graph.users[node])
        if len(places[node]) > 1 and (node.op in DEAR or _is_laborious(node)):
            continue
        cheap = node.op not in DEAR or (len(readers) == 1 and not repeated)
        feeds_one = (len(readers) == 1 and not repeated) and all(
            r.op in REDUCTIONS | RUNNING | {JOINED, BLOCK_SUM} or r in lazy for r in readers
        )
        if feeds_one and _is_of_rows(node):
            continue
        if feeds_one or (node in from_inputs and cheap):
            lazy.add(node)
    return lazy


def _is_of_rows(node: Node) -> bool:
    """Whether a vector has a number for each row, worked out of what reduces rows.

    It is best worked out beside that, with a lane for each row, and the sum over it is then short.
    """
    waiting, seen = [node], {node}
    while waiting and node.type.rank == 1:
        for x in waiting.pop().inputs:
            if is_short_reduction(x):
                return True
            if x.op in ELEMENTWISE and x not in seen:
                seen.add(x)
                waiting.append(x)
    return False


def _from_inputs(graph: Graph) -> set[Node]:
    found: set[Node] = set()
    for node in graph.nodes:
        if node.op == "input" or is_inline(node) or node.op in MAPPED or is_short_reduction(node):
            if all(x in found for x in node.inputs):
                found.add(node)
    return found


def _paths(graph: Graph, node: Node) -> list[tuple[Node, _Place]]:
    """Who reads a value, with the views it is seen through, once for each way to it."""
    found: list[tuple[Node, _Place]] = []
    stack: list[tuple[Node, _Place]] = [(user, ()) for user in graph.users[node]]
    while stack:
        user, views = stack.pop()
        if is_view(user):
            stack.extend((after, (*views, user)) for after in graph.users[user])
        else:
            found.append((user, views))
    return found


def _places(
    paths: list[tuple[Node, _Place]], lazy: dict[Node, frozenset[_Place]]
) -> frozenset[_Place]:
    """At which places a value is worked out, if it is worked out where it is read.

    Readers that work out one element of a stored value each need the same element of this one,
    which is worked out once; behind a view, or along an axis, it is another.
    """
    found: set[_Place] = set()
    for reader, views in paths:
        ends = lazy.get(reader, frozenset({(reader,)}))
        way = views if reader.op in ELEMENTWISE else (*views, reader)
        found.update((*end, *way) for end in ends)
    return frozenset(found)


def _is_laborious(node: Node) -> bool:
    """Whether a value of its own takes more operations than storing and loading it is worth."""
    waiting, seen = [node], {node}
    while waiting and len(seen) <= _MOST_WORK:
        near = [x for x in waiting.pop().inputs if x.type.rank and x not in seen]
        near = [x for x in near if x.op in ELEMENTWISE or is_view(x)]
        seen.update(near)
        waiting.extend(near)
    return len(seen) > _MOST_WORK


def is_short_reduction(node: Node) -> bool:
    """Along the last of two axes, short and of known size."""
    if node.op not in REDUCTIONS:
        return False
    (x,) = node.inputs
    return x.type.rank == 2 and axes_of(node) == (1,) and is_short(x.type.shape)


def is_short(shape: Shape) -> bool:
    """Whether all axes but the first are short and of known size."""
    return all(isinstance(n, int) and n <= SHORT for n in shape[1:])
