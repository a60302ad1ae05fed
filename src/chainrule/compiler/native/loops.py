"""The loops of map, rows and reduce nests."""

from __future__ import annotations

from collections.abc import Callable

from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.emit import I64, Val
from chainrule.compiler.native.memory import Entry, Index, Lanes
from chainrule.compiler.native.values import Body
from chainrule.compiler.passes.build import axes_of
from chainrule.ir.graph import Node
from chainrule.ir.types import Size

LOW, HIGH = Val(I64, "%low"), Val(I64, "%high")
#: How many vectors of one row are summed side by side, to hide the latency of an addition.
_SIDE_BY_SIDE = 4


def write_loops(body: Body, nest: Nest, exact: bool) -> None:
    """Write the loops of a nest whose anchor is no product.

    ``exact``: some array in it is the caller's, so that no lane past an end may be touched.
    """
    if nest.kind == "rows":
        lanes_over(body, LOW, HIGH, None, exact, lambda at: _store_rows(body, nest, at))
    elif nest.kind == "map":
        _over_axes(body, nest, lambda indices: store(body, nest, *indices), exact)
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
    e, block = body.e, _SIDE_BY_SIDE * body.lanes
    if isinstance(size, int) and size < block:
        lanes_over(body, low, high, None, exact, lambda at: write([at]))
        return

    def strip(at: Val, _: list[Val]) -> list[Val]:
        with body.block():
            write([Lanes(at, None, k * body.lanes) for k in range(_SIDE_BY_SIDE)])
        return [e.add(at, e.i64(block))]

    (rest,) = e.loop(low, e.sub(high, e.i64(block - 1)), block, strip, [low])
    lanes_over(body, rest, high, None, exact, lambda at: write([at]))


def _over_axes(body: Body, nest: Nest, write: Callable[[list[Index]], None], exact: bool) -> None:
    """Loop over the domain, the lanes along the last axis of the order.

    A reduction gets several neighbouring runs of lanes at a time, any other nest one.
    """
    rank = len(nest.shape)
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
        elif nest.kind == "reduce":
            _strips_over(body, low, high, size, exact, lambda runs: write(indices(axis, runs)))
        else:
            known = None if shared else size
            lanes_over(body, low, high, known, exact, lambda run: write(indices(axis, [run])))

    descend(0)


# -- what is stored ----------------------------------------------------------------------------


def store(body: Body, nest: Nest, *indices: Index) -> None:
    """Work out and store all that a nest stores at some places of its domain."""
    # All values first: one may need the old value that another is stored over.
    places = [(root, index) for index in indices for root in nest.roots]
    values = [body.value(root, index) for root, index in places]
    for (root, index), value in zip(places, values, strict=True):
        body.store(body.stored[root], index, value)


def _store_rows(body: Body, nest: Nest, rows: Lanes) -> None:
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

    def across(index: Index) -> None:
        _finish(body, nest, node, index, _across(body, node, index))

    def along(indices: list[Index]) -> None:
        for index, value in zip(indices, _along(body, node, indices), strict=True):
            _finish(body, nest, node, index, value)

    if node.inputs[0].type.rank - 1 in axes_of(node):
        _over_scalars(body, nest, across)
    else:
        _over_axes(body, nest, along, exact)


def _finish(body: Body, nest: Nest, node: Node, index: Index, value: Val) -> None:
    body.know(node, index, value)
    store(body, nest, index)


def _over_scalars(body: Body, nest: Nest, write: Callable[[Index], None]) -> None:
    """Loop over the domain without lanes: they run along an axis that is reduced."""
    if not nest.shape:
        _over_axes(body, nest, lambda indices: write(*indices), exact=True)
        return
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


def _operand_index(node: Node, index: Index, reduced: dict[int, Entry]) -> Index:
    kept = iter(index)
    rank = node.inputs[0].type.rank
    return tuple(reduced[k] if k in reduced else next(kept) for k in range(rank))


def _along(body: Body, node: Node, indices: list[Index]) -> list[Val]:
    """Lanes along a kept axis: each lane reduces its own column, neighbours side by side."""
    start = [body.e.splat(body.neutral(node), body.lanes)] * len(indices)

    def take(reduced: dict[int, Entry], so_far: list[Val]) -> list[Val]:
        places = [_operand_index(node, index, reduced) for index in indices]
        return [body.combine(node, x, at) for x, at in zip(so_far, places, strict=True)]

    return _nested(body, node, list(axes_of(node)), {}, start, take)


def _nested(
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
            return _nested(body, node, rest, {**reduced, axis: at}, carried, write)

    return body.e.loop(body.e.i64(0), size, 1, run, so_far)


def _across(body: Body, node: Node, index: Index) -> Val:
    """Lanes along the last, reduced axis: partial results side by side, then joined in a tree."""
    *outer, last = axes_of(node)
    width = _SIDE_BY_SIDE if _is_long(node.inputs[0].type.shape[last], body.lanes) else 1
    start = [body.e.splat(body.neutral(node), body.lanes)] * width
    parts = _nested(body, node, outer, {}, start, lambda reduced, so_far: _run(
        body, node, index, reduced, last, so_far
    ))  # fmt: skip
    total = parts[0]
    for part in parts[1:]:
        total = body.join(node, total, part)
    return _fold_lanes(body, node, total)


def _is_long(size: Size, lanes: int) -> bool:
    return not isinstance(size, int) or size >= _SIDE_BY_SIDE * lanes


def _run(
    body: Body,
    node: Node,
    index: Index,
    reduced: dict[int, Entry],
    last: int,
    so_far: list[Val],
) -> list[Val]:
    """One row: blocks of several vectors, then single vectors, then the lanes that are left."""
    e, lanes = body.e, body.lanes
    size = body.size(node.inputs[0].type.shape[last])

    def take(at: Lanes, value: Val) -> Val:
        return body.combine(node, value, _operand_index(node, index, {**reduced, last: at}))

    block = lanes * len(so_far)
    whole_blocks = _multiple(body, size, block)
    whole = _multiple(body, size, lanes)

    def blocks(at: Val, carried: list[Val]) -> list[Val]:
        with body.block():
            return [take(Lanes(at, None, k * lanes), c) for k, c in enumerate(carried)]

    def singles(at: Val, carried: list[Val]) -> list[Val]:
        with body.block():
            return [take(Lanes(at), carried[0])]

    parts = e.loop(e.i64(0), whole_blocks, block, blocks, so_far)
    if len(so_far) > 1:
        parts[:1] = e.loop(whole_blocks, whole, lanes, singles, parts[:1])
    if size.text.isdigit() and int(size.text) % lanes == 0:
        return parts
    with body.block():
        rest = e.sub(size, whole) if size.text.startswith("%") else e.i64(int(size.text) % lanes)
        valid: Val | int = rest if rest.text.startswith("%") else int(rest.text)
        before = parts[0]
        taken = take(Lanes(whole, valid), before)
        parts[0] = e.select(e.first_lanes(lanes, rest), taken, before)
    return parts


def _multiple(body: Body, size: Val, of: int) -> Val:
    """The largest multiple of ``of`` (a power of two) that is not above ``size``."""
    if size.text.startswith("%"):
        return body.e.and_(size, body.e.i64(-of))
    return body.e.i64(int(size.text) // of * of)


def _fold_lanes(body: Body, node: Node, x: Val) -> Val:
    """The lanes of a vector joined: halves onto halves, in one fixed order."""
    lanes = body.lanes
    while lanes > 1:
        lanes //= 2
        moved = body.e.shuffle(x, x, [(k + lanes) % body.lanes for k in range(body.lanes)])
        x = body.join(node, x, moved)
    return body.e.extract(x, 0)
