"""Packing: parts of a product's operands laid the way its tiles read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule.compiler.native.blocking import WIDTH, Blocking
from chainrule.compiler.native.emit import Val
from chainrule.compiler.native.operands import Operand
from chainrule.compiler.native.tiles import Tiles
from chainrule.compiler.native.transpose import transposed


@dataclass(frozen=True, slots=True)
class Run:
    """Places from ``begin`` to ``end`` of an axis."""

    begin: Val
    end: Val


def pack_panel(tiles: Tiles, blocking: Blocking, panel: Val, columns: Run, inner: Run) -> None:
    """The lane operand strip by strip."""
    if blocking.across:
        _turn_panel(tiles, blocking, panel, columns, inner)
    else:
        _pack_lines(tiles, blocking, panel, columns, inner)


def _pack_lines(tiles: Tiles, blocking: Blocking, panel: Val, columns: Run, inner: Run) -> None:
    """One row of the lane operand after the other, all strips of it: one stream from memory."""
    body, e, operand, kind = tiles.body, tiles.body.e, tiles.by_lanes, tiles.type.kind
    entries = {**tiles.outer, ~0: inner.begin, tiles.lanes_axis: columns.begin}
    start = body.address(operand.buffer, operand.index(body, entries))
    stride, step = body.extent(operand.stride(~0)), WIDTH * blocking.lanes
    count = tiles.nest.shape[tiles.lanes_axis]
    assert isinstance(count, int)
    whole = body.plus(columns.end, e.i64(1 - step))

    def strip(_: Val, carried: list[Val]) -> list[Val]:
        _move(tiles, carried, [None] * WIDTH)
        ahead, further = e.i64(step), e.i64(blocking.strip)
        return [e.pointer(carried[0], ahead, kind), e.pointer(carried[1], further, kind)]

    def line(_: Val, carried: list[Val]) -> list[Val]:
        after = e.loop(columns.begin, whole, step, strip, carried)
        if count % step:
            with e.when(e.compare("eq", columns.end, e.i64(count))):
                _move(tiles, after, _valid(count % step, blocking.lanes))
        return [e.pointer(carried[0], stride, kind), e.pointer(carried[1], e.i64(step), kind)]

    e.loop(inner.begin, inner.end, 1, line, [start, panel])


def _valid(rest: int, lanes: int) -> list[int | None]:
    """How many lanes exist of each vector of a strip that is cut."""
    whole = [None] * (rest // lanes)
    return [*whole, rest % lanes] if rest % lanes else [*whole]


def _move(tiles: Tiles, places: list[Val], valid: Sequence[int | None]) -> None:
    """The vectors of one row and strip, from where they lie to where they are packed."""
    e, type_, roomy = tiles.body.e, tiles.type, tiles.by_lanes.buffer.roomy
    for k, count in enumerate(valid):
        source, target = (e.pointer(x, e.i64(k * type_.lanes), type_.kind) for x in places)
        e.store(e.load_part(source, type_, None if roomy else count), target)


def _turn_panel(tiles: Tiles, blocking: Blocking, panel: Val, columns: Run, inner: Run) -> None:
    """The columns lie behind one another: a vector of each at a time is turned in registers.

    Vectors are stored whole: what is too much is written over by the next strip, or is behind all.
    """
    body, e, kind, lanes = tiles.body, tiles.body.e, tiles.type.kind, tiles.body.lanes
    step = WIDTH * lanes

    def vector(at: Val, carried: list[Val]) -> list[Val]:
        with body.block():
            lines = _lines(tiles, tiles.by_lanes, tiles.lanes_axis, at, columns, lanes, inner)
            below = body.times(body.extent(tiles.by_lanes.stride(tiles.lanes_axis)), e.i64(lanes))
            _turn_lines(tiles, lines, carried[0], inner, step, below)
        return [e.pointer(carried[0], e.i64(lanes), kind)]

    def strip(at: Val, carried: list[Val]) -> list[Val]:
        e.loop(at, body.plus(at, e.i64(step)), lanes, vector, carried)
        return [e.pointer(carried[0], e.i64(blocking.strip), kind)]

    e.loop(columns.begin, columns.end, step, strip, [panel])


def _turn_lines(
    tiles: Tiles, lines: list[Val], target: Val, inner: Run, apart: int, below: Val
) -> None:
    """Some lines of memory side by side: for each step of the inner axis an element of each.

    ``apart``: how far one step lies from the next where they are written. ``below``: how far the
    lines that are turned next lie from these; they are asked for.
    """
    body, e, type_ = tiles.body, tiles.body.e, tiles.type
    count = e.sub(inner.end, inner.begin)
    rest = e.and_(count, e.i64(body.lanes - 1))
    whole = e.sub(count, rest)

    def square(at: Val, carried: list[Val]) -> list[Val]:
        _turn(tiles, lines, at, None, carried[0], apart, below)
        return [e.pointer(carried[0], e.i64(apart * body.lanes), type_.kind)]

    (after,) = e.loop(e.i64(0), whole, body.lanes, square, [target])
    size = tiles.inner[0]
    if isinstance(size, int) and not size % body.lanes:
        return  # blocks are whole vectors but for the last, and so is that one
    with e.when(e.compare("gt", rest, e.i64(0))), body.block():
        _turn(tiles, lines, whole, rest, after, apart, below)


def pack_rows(tiles: Tiles, blocking: Blocking, panel: Val, rows: Run, inner: Run) -> None:
    """The block of the row operand, tile after tile: a tile's rows stand side by side."""
    if blocking.along_rows:
        _pack_tiles(tiles, blocking, panel, rows, inner)
    else:
        _turn_tiles(tiles, blocking, panel, rows, inner)


def _turn_tiles(tiles: Tiles, blocking: Blocking, panel: Val, rows: Run, inner: Run) -> None:
    """Rows that lie behind one another are turned in registers, a vector of each at a time.

    Vectors are stored whole: what is too much is written over later, or is behind all.
    """
    body, e, height = tiles.body, tiles.body.e, blocking.height
    pitch = e.i64(height * blocking.inner)

    def tile(row: Val, carried: list[Val]) -> list[Val]:
        with body.block():
            lines = _lines(tiles, tiles.by_rows, tiles.rows_axis, row, rows, height, inner)
            apart = body.extent(tiles.by_rows.stride(tiles.rows_axis))
            below = body.times(apart, e.i64(height))
            _turn_lines(tiles, lines, carried[0], inner, height, below)
        return [e.pointer(carried[0], pitch, tiles.type.kind)]

    e.loop(rows.begin, rows.end, height, tile, [panel])


def _lines(
    tiles: Tiles, operand: Operand, axis: int, first: Val, run: Run, count: int, inner: Run
) -> list[Val]:
    """Where lines of an operand begin; the last of the run stands for those that do not exist."""
    body, e = tiles.body, tiles.body.e
    last = e.sub(run.end, e.i64(1))
    found = []
    for q in range(count):
        at = e.smaller(body.plus(first, e.i64(q)), last)
        entries = {**tiles.outer, ~0: inner.begin, axis: at}
        found.append(body.address(operand.buffer, operand.index(body, entries)))
    return found


def _turn(
    tiles: Tiles,
    lines: list[Val],
    at: Val,
    valid: Val | None,
    target: Val,
    apart: int,
    below: Val,
) -> None:
    """One vector of each line becomes, for each of its lanes, as many neighbours as lines."""
    body, e, type_ = tiles.body, tiles.body.e, tiles.type
    vectors = []
    for line in lines:
        place = e.pointer(line, at, type_.kind)
        vectors.append(e.load_part(place, type_, valid))
        e.prefetch(e.pointer(place, below, type_.kind))
    groups = []
    for first in range(0, len(lines), body.lanes):
        group = vectors[first : first + body.lanes]
        groups.append(transposed(body, group + [group[0]] * (body.lanes - len(group))))
    for k, of_step in enumerate(zip(*groups, strict=True)):
        for number, vector in enumerate(of_step):
            place = e.i64(k * apart + number * body.lanes)
            e.store(vector, e.pointer(target, place, type_.kind))


def _pack_tiles(tiles: Tiles, blocking: Blocking, panel: Val, rows: Run, inner: Run) -> None:
    """Tiles of full height, and one of the rows that are left over."""
    e, height = tiles.body.e, blocking.height
    pitch = e.i64(height * blocking.inner)

    def tile(row: Val, carried: list[Val]) -> list[Val]:
        (target,) = carried
        with tiles.body.block():
            _pack_tile(tiles, blocking, target, row, None, inner)
        return [e.add(row, e.i64(height)), e.pointer(target, pitch, tiles.type.kind)][1:]

    full = e.sub(rows.end, e.i64(height - 1))
    (target,) = e.loop(rows.begin, full, height, tile, [panel])
    gone = _whole(tiles, rows, height)
    with e.when(e.compare("lt", gone, rows.end)), tiles.body.block():
        _pack_tile(tiles, blocking, target, gone, e.sub(rows.end, gone), inner)


def _whole(tiles: Tiles, rows: Run, height: int) -> Val:
    """Where the tiles of full height end."""
    e = tiles.body.e
    count = e.sub(rows.end, rows.begin)
    return e.add(rows.begin, e.mul(e.divide_exactly(count, height), e.i64(height)))


def _pack_tile(
    tiles: Tiles, blocking: Blocking, panel: Val, row: Val, valid: Val | None, inner: Run
) -> None:
    """``height`` neighbours for each step of the contracted axis, of which ``valid`` exist.

    Vectors are stored whole: what is too much is written over by the next step, or is behind all.
    """
    body, e, operand, type_ = tiles.body, tiles.body.e, tiles.by_rows, tiles.type
    entries = {**tiles.outer, ~0: inner.begin, tiles.rows_axis: row}
    start = body.address(operand.buffer, operand.index(body, entries))
    stride = body.extent(operand.stride(~0))

    def step(_: Val, carried: list[Val]) -> list[Val]:
        source, target = carried
        for at in range(0, blocking.height, body.lanes):
            place = e.i64(at)
            most = min(body.lanes, blocking.height - at)
            left = e.smaller(body.plus(valid, e.i64(-at)), e.i64(most)) if valid else None
            own = most if left is None else left
            x = e.load_part(e.pointer(source, place, type_.kind), type_, own)
            e.store(x, e.pointer(target, place, type_.kind))
        ahead = e.i64(blocking.height)
        return [e.pointer(source, stride, type_.kind), e.pointer(target, ahead, type_.kind)]

    e.loop(e.i64(0), e.sub(inner.end, inner.begin), 1, step, [start, panel])
