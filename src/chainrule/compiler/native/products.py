"""Contractions as register tiles: rows of one operand broadcast against vectors of the other.

A tile of R rows by V vectors of the result stays in registers while the inner axis is run over;
each element is one chain of fused multiply-adds in the order of the inner axis, whatever the tile
it falls in, so that results do not depend on how the rows are shared out. What the nest computes
from the product is worked out on the tile before it is stored.

Source: Goto & van de Geijn 2008, Anatomy of High-Performance Matrix Multiplication, section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.buffers import GRANULE, Buffer, Extent, itemsize
from chainrule.compiler.lower.contraction import Loop, lane_side, operand_loops, source_loops
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.emit import NativeType, Val
from chainrule.compiler.native.loops import HIGH, LOW
from chainrule.compiler.native.memory import Entry, Index, Lanes, Near, kind_of, memory_kind
from chainrule.compiler.native.sums import neutral, store, take_sums
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.tile_sums import RowSums
from chainrule.compiler.native.values import Body
from chainrule.compiler.passes.contractions import sides
from chainrule.ir.graph import Node
from chainrule.ir.types import Shape, Size

#: Steps of the inner axis between asking for a vector and using it: a far cache's latency.
_AHEAD: Final = 16
#: Bytes of a strip that the nearest cache keeps beside the rows.
_NEAR: Final = 24 << 10


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a product in memory, and the loop that each axis of its array runs with."""

    buffer: Buffer
    loops: tuple[Loop | None, ...]

    def index(self, body: Body, entries: Mapping[Loop, Entry]) -> Index:
        """The index of an element; a loop that is not given, or none, is at 0."""
        zero = body.e.i64(0)
        return tuple(zero if k is None else entries.get(k, zero) for k in self.loops)

    def stride(self, loop: Loop) -> Extent:
        """How far apart neighbours along a loop lie: not at all where the loop repeats them."""
        return self.buffer.strides[self.loops.index(loop)] if loop in self.loops else Extent(0)


def _operand(body: Body, node: Node, side: int) -> Operand:
    source, loops = source_loops(node, side)
    return Operand(body.stored[source], loops)


def write_product(body: Body, nest: Nest, target: Target) -> None:
    """Write the tiles of a product over this thread's share of the outermost axis.

    The lanes run along the last axis of the nest's order, the rows of a tile along the last free
    axis of the other operand; all other axes are loops around the tiles.
    """
    node = nest.anchor
    assert node is not None
    side, _ = lane_side(node, nest.order)
    shared = len(sides(node)[0].shared)
    rows = [k for k in operand_loops(node)[1 - side] if k >= shared][-1]
    operands = _operand(body, node, 1 - side), _operand(body, node, side)
    inner = sides(node)[0].sizes(sides(node)[0].inner)
    outer = [k for k in nest.order[:-1] if k != rows]
    tiles = _Tiles(body, nest, operands[0], operands[1], inner, rows)
    _around(tiles, outer, lambda: _write_columns(tiles, target))


def _around(tiles: _Tiles, outer: list[int], write: Callable[[], None]) -> None:
    """Loops around the tiles, over the axes that are neither rows nor lanes."""
    if not outer:
        write()
        return
    axis, *rest = outer
    body, nest = tiles.body, tiles.nest
    low, high = (
        (LOW, HIGH) if axis == nest.order[0] else (body.e.i64(0), body.size(nest.shape[axis]))
    )

    def at(place: Val, _: list[Val]) -> list[Val]:
        tiles.outer[axis] = place
        with body.block():
            _around(tiles, rest, write)
        return []

    body.e.loop(low, high, 1, at)


def _write_columns(tiles: _Tiles, target: Target) -> None:
    columns = tiles.nest.shape[tiles.lanes_axis]
    if isinstance(columns, int):
        _static_columns(tiles, columns, target)
    else:
        _any_columns(tiles, target)


def _static_columns(tiles: _Tiles, columns: int, target: Target) -> None:
    """Split a known number of columns into strips of two or three vectors."""
    lanes = tiles.body.lanes
    vectors = -(-columns // lanes)
    at = 0
    for width, count in _strips(vectors) if vectors else ():
        end = at + width * count * lanes
        short = end - columns if end > columns else 0
        if short and count > 1:  # the last strip alone is cut
            tiles.strips(at, end - width * lanes, width, 0, target)
            at = end - width * lanes
        tiles.strips(at, end, width, short, target)
        at = end


def _strips(vectors: int) -> list[tuple[int, int]]:
    """(width, how many): all of two vectors, an odd one in a strip of three."""
    if vectors <= 3:
        return [(vectors, 1)]
    if vectors % 2:
        return [(2, (vectors - 3) // 2), (3, 1)] if vectors > 3 else [(3, 1)]
    return [(2, vectors // 2)]


def _any_columns(tiles: _Tiles, target: Target) -> None:
    """Columns of unknown number: strips of one vector, the last one perhaps cut."""
    body = tiles.body
    e, lanes, end = body.e, body.lanes, body.size(tiles.nest.shape[tiles.lanes_axis])
    rest = e.and_(end, e.i64(lanes - 1))
    whole = e.sub(end, rest)

    def strip(at: Val, _: list[Val]) -> list[Val]:
        tiles.rows(at, 1, None, target)
        return []

    e.loop(e.i64(0), whole, lanes, strip)
    with e.when(e.compare("gt", rest, e.i64(0))):
        tiles.rows(whole, 1, rest, target)


def tile_rows(width: int, registers: int) -> int:
    """Rows of a tile ``width`` vectors wide: what the registers hold beside the operands."""
    most = {1: 16, 2: 12, 3: 8}[width]
    return max(1, min(most, (registers - width - 1) // width))


def _heights(rows: Size, most: int) -> list[int]:
    """The heights of tiles to write: the tallest, and what serves the rows that are left."""
    if isinstance(rows, int) and rows <= min(most, GRANULE):
        return [rows] if rows else []
    heights = [most, *(h for h in (4, 1) if h < most)]
    if isinstance(rows, int) and all(n % 4 == 0 for n in (rows, most)):
        heights.remove(1) if 1 in heights else None
    return heights


class _Tiles:
    def __init__(
        self, body: Body, nest: Nest, by_rows: Operand, by_lanes: Operand, inner: Shape, rows: int
    ) -> None:
        self.body = body
        self.nest = nest
        self.by_rows = by_rows
        self.by_lanes = by_lanes
        self.inner = inner
        self.rows_axis = rows
        self.lanes_axis = nest.order[-1]
        self.outer: dict[Loop, Entry] = {}
        assert nest.anchor is not None
        self.anchor = nest.anchor
        self.type = NativeType(kind_of(nest.anchor.type.dtype), body.lanes)

    @property
    def _range(self) -> tuple[Val, Val]:
        """The rows of this thread: its share, or all if another axis is shared out."""
        if self.rows_axis == self.nest.order[0]:
            return LOW, HIGH
        return self.body.e.i64(0), self.body.size(self.nest.shape[self.rows_axis])

    def strips(self, begin: int, end: int, width: int, short: int, target: Target) -> None:
        """Strips of ``width`` vectors from ``begin`` to ``end``, ``short`` lanes too many."""
        e, lanes = self.body.e, self.body.lanes
        valid = lanes - short if short else None
        if end - begin == width * lanes:
            self.rows(e.i64(begin), width, valid, target)
        elif end > begin:

            def strip(at: Val, _: list[Val]) -> list[Val]:
                self.rows(at, width, None, target)
                return []

            e.loop(e.i64(begin), e.i64(end), width * lanes, strip)

    def rows(self, column: Val, width: int, valid: Val | int | None, target: Target) -> None:
        """All rows of one strip, in tiles of falling heights."""
        e = self.body.e
        heights = _heights(self.nest.shape[self.rows_axis], tile_rows(width, target.registers))
        low, high = self._range
        for height in heights:
            end = self.body.plus(high, e.i64(1 - height))

            def tile(row: Val, _: list[Val], height: int = height) -> list[Val]:
                with self.body.block():
                    self.tile(row, height, column, width, valid)
                return [e.add(row, e.i64(height))]

            (low,) = e.loop(low, end, height, tile, [low])

    def tile(self, row: Val, height: int, column: Val, width: int, valid: Val | int | None) -> None:
        """One tile: run over the inner axis, then work out and store what follows."""
        lanes = self.body.lanes
        columns = [
            Lanes(column, valid if k == width - 1 else None, k * lanes) for k in range(width)
        ]
        self._ask_for_old(row, height, columns)
        sums = self._sums(row, height, columns)
        totals = RowSums(self.body, self.nest)
        if self._is_long:
            self._finish_by_rows(row, height, columns, sums, totals)
        else:
            for q in range(height):
                totals.add(self._finish(Near(row, q), columns, sums[q * width : (q + 1) * width]))
        totals.store(row, self.outer, self.rows_axis, column)

    def _ask_for_old(self, row: Val, height: int, columns: list[Lanes]) -> None:
        """What is written over is read first: ask for it before the inner loop, not after."""
        for root in self.nest.roots:
            buffer = self.body.stored[root]
            if root in self.nest.sums or buffer.owner != "state":
                continue
            for q in range(height):
                for lane in columns:
                    index = self._index(Near(row, q), lane)
                    self.body.e.prefetch(self.body.address(buffer, index), write=True)

    def _index(self, at: Entry, lane: Lanes) -> Index:
        """The place of one row and run of lanes in the domain."""
        entries = {**self.outer, self.rows_axis: at, self.lanes_axis: lane}
        return tuple(entries[k] for k in range(len(self.nest.shape)))

    @property
    def _is_long(self) -> bool:
        """Whether what follows the product is too much code to be written for each vector."""
        return any(member.op in self.body.e.functions for member in self.nest.members)

    def _finish_by_rows(
        self, row: Val, height: int, columns: list[Lanes], sums: list[Val], totals: RowSums
    ) -> None:
        """Lay the tile into memory, and work out what follows in a loop over its rows."""
        e, body, width = self.body.e, self.body, len(columns)
        kind, lanes = self.type.kind, body.lanes
        tile = body.once(("tile", len(sums)), lambda: e.room(self.type, len(sums)))
        for k, value in enumerate(sums):
            e.store(value, e.pointer(tile, e.i64(k * lanes), kind))
        kept = [self._room_for_rows(node, height) for node in self.nest.sums]

        def finish(q: Val, _: list[Val]) -> list[Val]:
            with body.block():
                begin = e.pointer(tile, e.mul(q, e.i64(width * lanes)), kind)
                places = [e.pointer(begin, e.i64(k * lanes), kind) for k in range(width)]
                loaded = [e.load(x, self.type) for x in places]
                found = self._finish(e.add(row, q), columns, loaded)
                for value, room in zip(found, kept, strict=True):
                    e.store(value, e.pointer(room, e.mul(q, e.i64(lanes)), value.type.kind))
            return []

        e.loop(e.i64(0), e.i64(height), 1, finish)
        for q in range(height):
            totals.add(
                [
                    self._row_in(room, node, q)
                    for node, room in zip(self.nest.sums, kept, strict=True)
                ]
            )

    def _room_for_rows(self, node: Node, height: int) -> Val:
        """Memory for a sum's vector of each row of a tile."""
        type_ = NativeType(kind_of(node.type.dtype), self.body.lanes)
        return self.body.once(("rows", node, height), lambda: self.body.e.room(type_, height))

    def _row_in(self, room: Val, node: Node, q: int) -> Val:
        e, type_ = self.body.e, NativeType(kind_of(node.type.dtype), self.body.lanes)
        return e.load(e.pointer(room, e.i64(q * self.body.lanes), type_.kind), type_)

    def _finish(self, at: Entry, columns: list[Lanes], sums: list[Val]) -> list[Val]:
        """Work out, add up and store what follows from one row of the tile."""
        found = [neutral(self.body, node) for node in self.nest.sums]
        for lane, value in zip(columns, sums, strict=True):
            index = self._index(at, lane)
            self.body.know(self.anchor, index, value)
            found = take_sums(self.body, self.nest, lane, index, found)
            store(self.body, self.nest, index)
        return found

    def _sums(self, row: Val, height: int, columns: list[Lanes]) -> list[Val]:
        """Loops over the contracted axes, the last one innermost, carrying the tile."""
        start = [self.body.e.constant(0, self.type)] * (height * len(columns))
        return self._contract(0, {}, start, row, height, columns)

    def _contract(
        self, k: int, inner: dict[Loop, Entry], sums: list[Val], row: Val, height: int,
        columns: list[Lanes],
    ) -> list[Val]:  # fmt: skip
        if k >= len(self.inner) - 1:
            return self._innermost(inner, sums, row, height, columns)

        def at(place: Val, carried: list[Val]) -> list[Val]:
            with self.body.block():
                places = {**inner, ~k: place}
                return self._contract(k + 1, places, carried, row, height, columns)

        return self.body.e.loop(self.body.e.i64(0), self.body.size(self.inner[k]), 1, at, sums)

    def _innermost(
        self, inner: dict[Loop, Entry], sums: list[Val], row: Val, height: int,
        columns: list[Lanes],
    ) -> list[Val]:  # fmt: skip
        body, e = self.body, self.body.e
        rows, lanes = self.by_rows, self.by_lanes
        row_at = {**self.outer, **inner, self.rows_axis: row}
        lane_at = {**self.outer, **inner, self.lanes_axis: columns[0]}
        start = [
            *sums,
            body.address(rows.buffer, rows.index(body, row_at)),
            body.address(lanes.buffer, lanes.index(body, lane_at)),
        ]
        last = len(self.inner) - 1
        far = self._is_far(len(columns))

        def step(_: Val, carried: list[Val]) -> list[Val]:
            *sums, row_at, lane_at = carried
            vectors = [self._vector(lane_at, lane) for lane in columns]
            if far:
                self._ask_ahead(lane_at, columns)
            out = []
            for q in range(height):
                x = self._scalar(row_at, q)
                out += [e.fma(x, v, sums[q * len(columns) + k]) for k, v in enumerate(vectors)]
            return [*out, self._next(rows, row_at, ~last), self._next(lanes, lane_at, ~last)]

        return e.loop(e.i64(0), body.size(self.inner[last]), 1, step, start)[:-2]

    def _is_far(self, width: int) -> bool:
        """Whether the strip of the lane operand is too large to be in the nearest cache."""
        size, buffer = self.inner[-1], self.by_lanes.buffer
        if len(self.inner) > 1 or not isinstance(size, int):
            return False
        if self.by_lanes.loops[buffer.order[-1]] != self.lanes_axis:
            return False
        return size * width * self.body.lanes * itemsize(buffer) > _NEAR

    def _ask_ahead(self, at: Val, columns: list[Lanes]) -> None:
        """Ask for the vectors some steps of the inner axis ahead."""
        buffer, e = self.by_lanes.buffer, self.body.e
        stride = self.by_lanes.stride(~(len(self.inner) - 1)).scale
        for lane in columns:
            place = e.i64(_AHEAD * stride + lane.plus)
            e.prefetch(e.pointer(at, place, memory_kind(buffer.type.dtype)))

    def _next(self, operand: Operand, at: Val, loop: Loop) -> Val:
        """The address one further along a contracted axis."""
        stride = self.body.extent(operand.stride(loop))
        return self.body.e.pointer(at, stride, memory_kind(operand.buffer.type.dtype))

    def _vector(self, at: Val, lane: Lanes) -> Val:
        """A vector of the strip at ``at``, which is where its first vector begins."""
        operand, body = self.by_lanes, self.body
        stride = body.extent(operand.stride(self.lanes_axis))
        kind = memory_kind(operand.buffer.type.dtype)
        begin = body.e.pointer(at, body.times(stride, body.e.i64(lane.plus)), kind)
        valid = None if operand.buffer.roomy else lane.valid
        if stride.text == "1":
            return body.e.load_part(begin, self.type, valid)
        steps = body.e.mul(
            body.e.iota(NativeType("i64", body.lanes)), body.e.splat(stride, body.lanes)
        )
        return body.e.gather(body.e.pointers(begin, steps, kind), self.type, valid)

    def _scalar(self, at: Val, q: int) -> Val:
        """The element q rows below ``at``."""
        buffer, body = self.by_rows.buffer, self.body
        stride = body.extent(self.by_rows.stride(self.rows_axis))
        return body.load_from(buffer, at, body.times(stride, body.e.i64(q)))
