"""The loops of map, rows and reduce nests."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.emit import I64, Val
from chainrule.compiler.native.memory import Entry, Index, Lanes
from chainrule.compiler.native.sums import (
    SIDE_BY_SIDE,
    across,
    nested,
    operand_index,
    store,
    sum_row,
)
from chainrule.compiler.native.values import Body
from chainrule.compiler.passes.build import axes_of
from chainrule.ir.graph import Node
from chainrule.ir.types import Size

LOW, HIGH = Val(I64, "%low"), Val(I64, "%high")


def write_loops(body: Body, nest: Nest, exact: bool) -> None:
    """Write the loops of a nest whose anchor is no product.

    ``exact``: some array in it is the caller's, so that no lane past an end may be touched.
    """
    if nest.kind == "rows":
        lanes_over(body, LOW, HIGH, None, exact, lambda at: store_rows(body, nest, at))
    elif nest.kind == "map":
        _over_axes(body, nest, lambda _: None, exact)
    else:
        _reduce(body, nest, exact)


# -- loops over one axis -----------------------------------------------------------------------


def lanes_over(
    body: Body, low: Val, high: Val, size: Size | None, exact: bool, write: Callable[[Lanes], None]
) -> None:
    """``write`` for runs of lanes from low to high; the last run may be short.

    ``size`` is the static length of an axis that is run over whole, if it is.
    """
    e, lanes = body.e, body.lanes
    if not exact:  # our own memory has room: a last run over the end does no harm
        _loop(body, low, high, lanes, lambda at: write(Lanes(at)))
        return
    if isinstance(size, int):
        whole = size // lanes * lanes
        if whole:
            _loop(body, low, e.i64(whole), lanes, lambda at: write(Lanes(at)))
        if size > whole:
            write(Lanes(e.i64(whole), size - whole))
        return
    count = e.sub(high, low)
    rest = e.and_(count, e.i64(lanes - 1))
    whole_end = e.sub(high, rest)
    _loop(body, low, whole_end, lanes, lambda at: write(Lanes(at)))
    with e.when(e.compare("gt", rest, e.i64(0))), body.block():
        write(Lanes(whole_end, rest))


def _loop(body: Body, low: Val, high: Val, step: int, write: Callable[[Val], None]) -> None:
    """A loop; one that is known to run once is written without the loop."""
    if not low.text.startswith("%") and not high.text.startswith("%"):
        first, last = int(low.text), int(high.text)
        if last - first <= step:
            if last > first:
                write(low)
            return

    def run(at: Val, _: list[Val]) -> list[Val]:
        with body.block():
            write(at)
        return []

    body.e.loop(low, high, step, run)


def _strips_over(
    body: Body, low: Val, high: Val, size: Size, exact: bool, write: Callable[[list[Lanes]], None]
) -> None:
    """``write`` for several runs of lanes side by side while they fit, then for one at a time."""
    e, block = body.e, SIDE_BY_SIDE * body.lanes
    if isinstance(size, int) and size < block:
        lanes_over(body, low, high, None, exact, lambda at: write([at]))
        return

    def strip(at: Val, _: list[Val]) -> list[Val]:
        with body.block():
            write([Lanes(at, None, k * body.lanes) for k in range(SIDE_BY_SIDE)])
        return [e.add(at, e.i64(block))]

    (rest,) = e.loop(low, e.sub(high, e.i64(block - 1)), block, strip, [low])
    lanes_over(body, rest, high, None, exact, lambda at: write([at]))


def _over_axes(body: Body, nest: Nest, ready: Callable[[list[Index]], None], exact: bool) -> None:
    """Loop over the domain, the lanes along the last axis of the order.

    At each place ``ready`` works out what the nest is about; then it is stored. A reduction gets
    several neighbouring runs of lanes at a time, any other nest one.
    """
    rank = len(nest.shape)

    def write(indices: list[Index]) -> None:
        ready(indices)
        store(body, nest, *indices)

    if rank == 0:
        with body.e.when(body.e.compare("lt", LOW, HIGH)):
            write([()])
        return
    entries: dict[int, Entry] = {}

    def indices(axis: int, runs: list[Lanes]) -> list[Index]:
        return [tuple({**entries, axis: run}[k] for k in range(rank)) for run in runs]

    def descend(depth: int) -> None:
        axis, size = nest.order[depth], nest.shape[nest.order[depth]]
        shared = depth == 0
        low = LOW if shared else body.e.i64(0)
        high = HIGH if shared else body.size(size)

        def at(entry: Val) -> None:
            entries[axis] = entry
            descend(depth + 1)

        if depth < rank - 1:
            _loop(body, low, high, 1, at)
        elif nest.sums:
            sum_row(body, nest, entries, lambda runs: indices(axis, runs), ready)
        elif nest.kind == "reduce":
            _strips_over(body, low, high, size, exact, lambda runs: write(indices(axis, runs)))
        else:
            known = None if shared else size
            lanes_over(body, low, high, known, exact, lambda run: write(indices(axis, [run])))

    descend(0)


# -- what is stored ----------------------------------------------------------------------------


def store_rows(body: Body, nest: Nest, rows: Lanes) -> None:
    """In a rows nest the short axis is written out, column by column."""
    for root in nest.roots:
        if root.type.rank == 1:
            body.store(body.stored[root], (rows,), body.value(root, (rows,)))
            continue
        columns = root.type.shape[1]
        assert isinstance(columns, int)
        for k in range(columns):
            index = (rows, body.e.i64(k))
            body.store(body.stored[root], index, body.value(root, index))


# -- reductions --------------------------------------------------------------------------------


def _reduce(body: Body, nest: Nest, exact: bool) -> None:
    node = nest.anchor
    assert node is not None

    def whole(_: list[Index]) -> None:
        for each in nest.lanes:
            body.know(each, (), across(body, each, nest.lanes[each], ()))

    def one(index: Index) -> None:
        body.know(node, index, across(body, node, nest.lanes[node], index))
        store(body, nest, index)

    def along(indices: list[Index]) -> None:
        for index, value in zip(indices, _along(body, node, indices), strict=True):
            body.know(node, index, value)

    if not nest.shape:
        _over_axes(body, nest, whole, exact)
    elif nest.is_across:
        _over_scalars(body, nest, one)
    else:
        _over_axes(body, nest, along, exact)


def _over_scalars(body: Body, nest: Nest, write: Callable[[Index], None]) -> None:
    """Loop over the domain without lanes: they run along an axis that is reduced."""
    entries: dict[int, Val] = {}

    def descend(depth: int) -> None:
        if depth == len(nest.shape):
            write(tuple(entries[k] for k in range(depth)))
            return
        axis = nest.order[depth]

        def at(entry: Val) -> None:
            entries[axis] = entry
            descend(depth + 1)

        low, high = (LOW, HIGH) if depth == 0 else (body.e.i64(0), body.size(nest.shape[axis]))
        _loop(body, low, high, 1, at)

    descend(0)


def _along(body: Body, node: Node, indices: list[Index]) -> list[Val]:
    """Lanes along a kept axis: each lane reduces its own column, neighbours side by side."""
    start = [body.e.splat(body.neutral(node), body.lanes)] * len(indices)

    def take(reduced: dict[int, Entry], so_far: list[Val]) -> list[Val]:
        places = [operand_index(node, index, reduced) for index in indices]
        return [body.combine(node, x, at) for x, at in zip(so_far, places, strict=True)]

    return nested(body, node, list(axes_of(node)), {}, start, take)
