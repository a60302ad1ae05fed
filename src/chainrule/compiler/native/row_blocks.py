"""Rows of a large batch block by block: what works them out and what adds them up, by turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chainrule.compiler.lower.buffers import Buffer, Memory, itemsize
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.row_blocks import Blocks, block_rows
from chainrule.compiler.lower.views import references
from chainrule.compiler.native.emit import I64, Emitter, Val
from chainrule.compiler.native.memory import Index, Lanes, memory_kind
from chainrule.compiler.native.shares import Share
from chainrule.compiler.native.sums import fold_lanes, neutral, taken
from chainrule.compiler.native.values import Body
from chainrule.ir.graph import Node

_LOW, _HIGH = Val(I64, "%low"), Val(I64, "%high")
#: Vectors of a row that are added up side by side: their sums stay in registers.
_WIDTH: Final = 8
MEMSET: Final = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"
#: Calls a nest for some rows, with the addresses of all buffers.
Call = Callable[[Sequence[Val], Nest, Share], None]


def write_blocks(
    e: Emitter, memory: Memory, work: Blocks, share: Share, pointers: Sequence[Val], call: Call
) -> None:
    """One thread's chunks: the sums of each begin at zero, then come its blocks of rows."""
    roots = [root for nest in work.nests if nest.kind == "blocks" for root in nest.roots]

    def chunk(number: Val, _: list[Val]) -> list[Val]:
        first = e.smaller(e.mul(number, e.i64(work.chunk)), e.i64(work.length))
        last = e.smaller(e.add(first, e.i64(work.chunk)), e.i64(work.length))
        here = list(pointers)
        for root in roots:
            here[memory.of[root].slot] = _begin(e, memory, root, number, pointers)

        def block(at: Val, _: list[Val]) -> list[Val]:
            end = e.smaller(e.add(at, e.i64(work.block)), last)
            for nest in work.nests:
                call(here, nest, (at, end))
            return []

        e.loop(first, last, work.block, block)
        return []

    e.loop(*share, 1, chunk)


def _begin(e: Emitter, memory: Memory, root: Node, number: Val, pointers: Sequence[Val]) -> Val:
    """The address of a chunk's sums, which are set to zero."""
    buffer = memory.of[root]
    row = buffer.strides[0].at(0)
    kind = memory_kind(buffer.type.dtype)
    place = e.pointer(pointers[buffer.slot], e.mul(number, e.i64(row)), kind)
    size = row * itemsize(buffer)
    e.line(f"  call void @llvm.memset.p0.i64({place.typed}, i8 0, i64 {size}, i1 false)")
    return place


# -- adding up -----------------------------------------------------------------------------------


def write_block_sum(body: Body, nest: Nest) -> None:
    """Add the rows from low to high to the sums of their chunk."""
    node = nest.anchor
    assert node is not None
    term = Node("sum", node.inputs, node.type, node.attributes, node.where)
    if node.type.rank == 1:
        _add_numbers(body, node, term)
        return
    columns = node.type.shape[1]
    assert isinstance(columns, int)
    for first in range(0, columns, _WIDTH * body.lanes):
        last = min(columns, first + _WIDTH * body.lanes)
        runs = [
            Lanes(body.e.i64(at), None if at + body.lanes <= last else last - at)
            for at in range(first, last, body.lanes)
        ]
        _add_columns(body, node, term, runs)


def _add_columns(body: Body, node: Node, term: Node, runs: list[Lanes]) -> None:
    """A strip of columns: lanes along a row, each adds up its own column."""
    e, sums = body.e, body.stored[node]
    places: list[Index] = [(e.i64(0), run) for run in runs]

    matrices = _read_by_row(body, node)

    def row(at: Val, so_far: list[Val]) -> list[Val]:
        with body.block():
            # What adds up waits for no memory: meanwhile the next block is on its way.
            later = e.add(at, e.i64(block_rows(node)))
            for buffer in matrices:
                for run in runs:
                    e.prefetch(body.address(buffer, (later, run)))
            pairs = zip(so_far, runs, strict=True)
            return [body.combine(term, x, (at, run)) for x, run in pairs]

    with body.block():
        before = [body.load(sums, place) for place in places]
        for place, value in zip(places, e.loop(_LOW, _HIGH, 1, row, before), strict=True):
            body.store(sums, place, value)


def _read_by_row(body: Body, node: Node) -> list[Buffer]:
    """The matrices whose rows are read as they are added up."""

    def stored(x: Node) -> bool:
        return x is not node and x in body.stored

    found = references(node, (0, 1), stored)
    return [body.stored[x] for x, labels in found if labels == (0, 1)]


def _add_numbers(body: Body, node: Node, term: Node) -> None:
    """One number a row: lanes along the rows, joined at the end of the block."""
    e, lanes, place = body.e, body.lanes, (body.e.i64(0),)

    def vector(at: Val, so_far: list[Val]) -> list[Val]:
        with body.block():
            return [body.combine(term, so_far[0], (Lanes(at),))]

    rest = e.and_(e.sub(_HIGH, _LOW), e.i64(lanes - 1))
    whole = e.sub(_HIGH, rest)
    (total,) = e.loop(_LOW, whole, lanes, vector, [neutral(body, term)])
    _add_to(body, node, place, fold_lanes(body, term, total))
    with e.when(e.compare("gt", rest, e.i64(0))), body.block():
        last = Lanes(whole, rest)
        total = taken(body, term, neutral(body, term), last, (last,))
        _add_to(body, node, place, fold_lanes(body, term, total))


def _add_to(body: Body, node: Node, place: Index, x: Val) -> None:
    """Add to a stored number."""
    sums = body.stored[node]
    body.store(sums, place, body.e.add(body.load(sums, place), x))
