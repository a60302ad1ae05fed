"""Reductions along lanes: partial results side by side, joined in one fixed order.

The order depends on the lengths of the axes alone, never on how the rows are shared out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.emit import Emitter, Val
from chainrule.compiler.native.memory import Entry, Index, Lanes
from chainrule.compiler.native.values import Body
from chainrule.compiler.passes.build import axes_of
from chainrule.ir.graph import Node
from chainrule.ir.types import Size

#: How many vectors of one row are summed side by side, to hide the latency of an addition.
SIDE_BY_SIDE: Final = 4
#: (neighbouring runs of lanes, what is carried for each of them) -> what is carried on.
Take = Callable[[list[Lanes], list[list[Val]]], list[list[Val]]]


def store(body: Body, nest: Nest, *indices: Index) -> None:
    """Work out and store all that a nest stores at some places of its domain."""
    # All values first: one may need the old value that another is stored over.
    roots = [root for root in nest.roots if root not in nest.sums]
    places = [(root, index) for index in indices for root in roots]
    values = [body.value(root, index) for root, index in places]
    for (root, index), value in zip(places, values, strict=True):
        body.store(body.stored[root], index, value)


def neutral(body: Body, node: Node) -> Val:
    """A vector with which a reduction begins."""
    return body.e.splat(body.neutral(node), body.lanes)


def taken(body: Body, node: Node, so_far: Val, at: Lanes, index: Index) -> Val:
    """The operand at ``index`` in a reduction, but for lanes of the run that do not exist."""
    after = body.combine(node, so_far, index)
    if at.valid is None:
        return after
    valid = body.e.i64(at.valid) if isinstance(at.valid, int) else at.valid
    return body.e.select(body.e.first_lanes(body.lanes, valid), after, so_far)


def fold_lanes(body: Body, node: Node, x: Val) -> Val:
    """The lanes of a vector joined: halves onto halves, in one fixed order.

    Each half is a vector of its own: of lanes turned round, of which one was then used, LLVM 22
    lost the last turn where the sum was chosen by a condition.
    """
    while x.type.lanes > 2:
        half = x.type.lanes // 2
        low, high = (body.e.shuffle(x, x, range(k, k + half)) for k in (0, half))
        x = body.join(node, low, high)
    return body.join(node, body.e.extract(x, 0), body.e.extract(x, 1))


def interleaved(e: Emitter, a: Val, b: Val, span: int) -> tuple[Val, Val]:
    """Two vectors whose lane i belongs to row i mod ``span``, to be joined.

    In what is joined of the result lane i belongs to row i mod 2 ``span``: of a, then of b.
    """
    lanes = range(a.type.lanes)
    second = [a.type.lanes * bool(i & span) for i in lanes]
    own, other = (
        e.shuffle(a, b, [(i ^ turn) + s for i, s in zip(lanes, second, strict=True)])
        for turn in (0, span)
    )
    return own, other


# -- one row -------------------------------------------------------------------------------------


def run_over(body: Body, size: Size, parts: list[list[Val]], take: Take) -> list[list[Val]]:
    """One row: blocks of several vectors, then single vectors, then the lanes that are left."""
    e, lanes, width, each = body.e, body.lanes, len(parts), len(parts[0])
    end = body.size(size)
    whole_blocks, whole = _multiple(body, end, lanes * width), _multiple(body, end, lanes)

    def in_loop(first: Val, last: Val, side_by_side: int) -> None:
        def block(at: Val, carried: list[Val]) -> list[Val]:
            runs = [Lanes(at, None, k * lanes) for k in range(side_by_side)]
            with body.block():
                found = take(runs, [carried[k * each : (k + 1) * each] for k in range(len(runs))])
            return [x for part in found for x in part]

        start = [x for part in parts[:side_by_side] for x in part]
        after = e.loop(first, last, lanes * side_by_side, block, start)
        for k in range(side_by_side):
            parts[k] = after[k * each : (k + 1) * each]

    in_loop(e.i64(0), whole_blocks, width)
    if width > 1 and whole_blocks.text != whole.text:
        in_loop(whole_blocks, whole, 1)
    if not isinstance(size, int) or size % lanes:
        rest = size % lanes if isinstance(size, int) else e.sub(end, whole)
        with body.block():
            parts[:1] = take([Lanes(whole, rest)], parts[:1])
    return parts


def _multiple(body: Body, size: Val, of: int) -> Val:
    """The largest multiple of ``of`` (a power of two) that is not above ``size``."""
    if size.text.startswith("%"):
        return body.e.and_(size, body.e.i64(-of))
    return body.e.i64(int(size.text) // of * of)


def _width(size: Size, lanes: int) -> int:
    """How many partial results a row of this length is worth."""
    return SIDE_BY_SIDE if not isinstance(size, int) or size >= SIDE_BY_SIDE * lanes else 1


def _joined(body: Body, node: Node, parts: list[Val]) -> Val:
    total = parts[0]
    for part in parts[1:]:
        total = body.join(node, total, part)
    return fold_lanes(body, node, total)


# -- reductions that anchor a nest ---------------------------------------------------------------


def operand_index(node: Node, index: Index, reduced: dict[int, Entry]) -> Index:
    """The index into the operand of a reduction."""
    kept = iter(index)
    rank = node.inputs[0].type.rank
    return tuple(reduced[k] if k in reduced else next(kept) for k in range(rank))


def across(body: Body, node: Node, lanes: int | None, index: Index) -> Val:
    """One number: lanes along a reduced axis, loops over the others."""
    assert lanes is not None, node
    size = node.inputs[0].type.shape[lanes]
    width = _width(size, body.lanes)

    def row(reduced: dict[int, Entry], so_far: list[Val]) -> list[Val]:
        def take(runs: list[Lanes], parts: list[list[Val]]) -> list[list[Val]]:
            return [
                [taken(body, node, part[0], at, operand_index(node, index, {**reduced, lanes: at}))]
                for at, part in zip(runs, parts, strict=True)
            ]

        return [part for (part,) in run_over(body, size, [[x] for x in so_far], take)]

    outer = [k for k in axes_of(node) if k != lanes]
    parts = nested(body, node, outer, {}, [neutral(body, node)] * width, row)
    return _joined(body, node, parts)


def nested(
    body: Body, node: Node, axes: list[int], reduced: dict[int, Entry], so_far: list[Val],
    write: Callable[[dict[int, Entry], list[Val]], list[Val]],
) -> list[Val]:  # fmt: skip
    """Loops over reduced axes, outermost first, carrying the partial results."""
    if not axes:
        return write(reduced, so_far)
    axis, *rest = axes
    size = body.size(node.inputs[0].type.shape[axis])

    def run(at: Val, carried: list[Val]) -> list[Val]:
        with body.block():
            return nested(body, node, rest, {**reduced, axis: at}, carried, write)

    return body.e.loop(body.e.i64(0), size, 1, run, so_far)


# -- sums beside what a nest is about --------------------------------------------------------------


def sum_row(
    body: Body, nest: Nest, entries: dict[int, Entry],
    indices: Callable[[list[Lanes]], list[Index]], ready: Callable[[list[Index]], None],
) -> None:  # fmt: skip
    """One row of a nest of loops: work out, add up and store, then store the row's sums."""
    axis = nest.order[-1]
    size = nest.shape[axis]

    def take(runs: list[Lanes], parts: list[list[Val]]) -> list[list[Val]]:
        places = indices(runs)
        ready(places)
        triples = zip(runs, places, parts, strict=True)
        found = [take_sums(body, nest, at, index, part) for at, index, part in triples]
        store(body, nest, *places)
        return found

    start = [neutral(body, node) for node in nest.sums]
    parts = run_over(body, size, [start] * _width(size, body.lanes), take)
    row = tuple(entries[k] for k in sorted(nest.order[:-1]))
    for node, of_node in zip(nest.sums, zip(*parts, strict=True), strict=True):
        body.store(body.stored[node], row, _joined(body, node, list(of_node)))


def take_sums(body: Body, nest: Nest, at: Lanes, index: Index, so_far: list[Val]) -> list[Val]:
    """All sums of a nest with one run of lanes more."""
    pairs = zip(nest.sums, so_far, strict=True)
    return [taken(body, node, x, at, index) for node, x in pairs]
