"""Sums over the rows of a large batch, taken while the rows are still in the cache.

A sum along the first axis becomes two: over the rows of each of some chunks, then over the chunks.
What works out a row and what adds it up are called by turns, a block of rows at a time, so that
the data pass by once. The chunks follow from the number of rows alone, and each is added up by one
thread in the order of its rows: any number of threads gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chainrule.compiler.lower.buffers import GRANULE
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.prepare import Prepared
from chainrule.compiler.lower.views import BLOCK_SUM
from chainrule.compiler.passes.build import axes_of
from chainrule.ir.graph import Node, rebuild, with_inputs
from chainrule.ir.types import sized

#: Threads share out this many chunks: enough for many threads, few to add up in the end.
CHUNKS: Final = 256
#: Fewer rows are not worth it: what they are worked out from is read twice from the cache.
_MANY: Final = 16384
#: Longer rows than this would need more sums than stay near.
_LONGEST: Final = 1024
#: Elements of a block of rows: a part of the nearest cache of any machine.
_BLOCK: Final = 2048


@dataclass(frozen=True, eq=False)
class Blocks:
    """Nests over the same rows, ``length`` of them, called by turns for a block of rows."""

    nests: tuple[Nest, ...]
    length: int
    block: int

    @property
    def chunk(self) -> int:
        """Rows of a chunk, whole granules; the last chunks may have fewer, or none."""
        return -(-self.length // (CHUNKS * GRANULE)) * GRANULE

    def __str__(self) -> str:
        return f"blocks of {self.block} rows: " + "; ".join(map(str, self.nests))


# -- the graph -------------------------------------------------------------------------------------


def split_row_sums(prepared: Prepared) -> Prepared:
    """Part every sum along the first axis of many rows."""
    new: dict[Node, Node] = {}

    def split(node: Node, inputs: tuple[Node, ...]) -> Node:
        made = with_inputs(node, inputs)
        if _gains(prepared, node):
            made = _two_sums(made)
        new[node] = made
        return made

    graph = rebuild(prepared.graph, split)
    return replace(
        prepared,
        graph=graph,
        orders={new.get(node, node): order for node, order in prepared.orders.items()},
        partial=frozenset(new.get(node, node) for node in prepared.partial),
        terms=frozenset(new.get(node, node) for node in prepared.terms),
    )


def _gains(prepared: Prepared, node: Node) -> bool:
    if node.op != "sum" or axes_of(node) != (0,) or not node.type.is_float:
        return False
    (x,) = node.inputs
    rows, *columns = x.type.shape
    if len(columns) > 1 or not all(isinstance(n, int) and 0 < n <= _LONGEST for n in columns):
        return False
    apart = {node, x}.isdisjoint(prepared.orders) and x not in prepared.terms
    return apart and isinstance(rows, int) and rows >= _MANY


def _two_sums(node: Node) -> Node:
    shape = (CHUNKS, *node.type.shape)
    parts = Node(BLOCK_SUM, node.inputs, node.type.with_shape(shape), {"axes": (0,)}, node.where)
    return with_inputs(node, (parts,))


# -- the nests -------------------------------------------------------------------------------------


def rows_of(nest: Nest) -> int:
    """How many rows a nest goes through, if it can do so block by block; else 0."""
    if nest.kind == "blocks":
        assert nest.anchor is not None
        rows = nest.anchor.inputs[0].type.shape[0]
    elif nest.kind in ("map", "rows", "reduce") and nest.shape and nest.order[0] == 0:
        rows = nest.shape[0]
    else:
        return 0
    return rows if isinstance(rows, int) else 0


def blocks_of(nests: list[Nest]) -> Blocks:
    """Nests over the same rows, the last a sum over them, as one piece of work."""
    sums = [nest.anchor for nest in nests if nest.kind == "blocks" and nest.anchor]
    return Blocks(tuple(nests), rows_of(nests[-1]), min(map(block_rows, sums)))


def block_rows(node: Node) -> int:
    """Rows of a block: whole granules."""
    row = math.prod(sized(node.inputs[0].type.shape[1:]))
    return max(GRANULE, _BLOCK // row // GRANULE * GRANULE)


def together(nests: Sequence[Nest], after: Mapping[int, set[int]]) -> list[list[int]]:
    """The nests that are called by turns: sums over rows, and what they alone wait for."""
    found: list[list[int]] = []
    waiting = {k for k, nest in enumerate(nests) if nest.kind == "blocks"}
    ancestors = {k: _ancestors(k, after) for k in range(len(nests))} if waiting else {}
    used: set[int] = set()
    while waiting:
        first = {k for k in waiting if not ancestors[k] & waiting}
        rows = rows_of(nests[min(first)])
        sums = {k for k in first if rows_of(nests[k]) == rows}
        before = set().union(*(ancestors[k] for k in sums)) - used
        group = {k for k in before if rows_of(nests[k]) == rows and nests[k].kind != "blocks"}
        group = _without_detours(sums | group, ancestors)
        found.append([*_in_order(group - sums, ancestors), *sorted(sums)])
        used |= group
        waiting -= sums
    return found


def _without_detours(group: set[int], ancestors: Mapping[int, set[int]]) -> set[int]:
    """The group without what something outside of it waits for that the group then waits for."""
    while True:
        outside = set().union(*(ancestors[k] for k in group)) - group
        early = set().union(*(ancestors[k] for k in outside)) & group
        if not early:
            return group
        group = group - early


def _in_order(group: set[int], ancestors: Mapping[int, set[int]]) -> list[int]:
    """Results before readers."""
    return sorted(group, key=lambda k: (len(ancestors[k] & group), k))


def _ancestors(k: int, after: Mapping[int, set[int]]) -> set[int]:
    """All that must stand before a piece of work."""
    stack, seen = list(after[k]), set[int]()
    while stack:
        p = stack.pop()
        if p not in seen:
            seen.add(p)
            stack.extend(after[p])
    return seen
