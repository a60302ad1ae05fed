"""Contractions as register tiles: rows of one operand broadcast against vectors of the other.

A tile of R rows by V vectors of the result stays in registers while the inner axis is run over;
each element is one chain of fused multiply-adds in the order of the inner axis, whatever the tile
it falls in, so that results do not depend on how the rows are shared out. What the nest computes
from the product is worked out on the tile before it is stored.

Source: Goto & van de Geijn 2008, Anatomy of High-Performance Matrix Multiplication, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.buffers import GRANULE, Buffer, itemsize
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.views import Label, source_of
from chainrule.compiler.native.emit import NativeType, Val
from chainrule.compiler.native.loops import HIGH, LOW, store
from chainrule.compiler.native.memory import Entry, Index, Lanes, Near, kind_of, memory_kind
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.values import Body
from chainrule.ir.graph import Node
from chainrule.ir.types import Size

#: Steps of the inner axis between asking for a vector and using it: a far cache's latency.
_AHEAD: Final = 16
#: Bytes of a strip that the nearest cache keeps beside the rows.
_NEAR: Final = 24 << 10


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a product in memory: which axis of its array is the outer, which the inner."""

    buffer: Buffer
    outer: int
    inner: int

    def index(self, body: Body, outer: Entry, inner: Entry) -> Index:
        """The index of an element; axes of size one are at 0."""
        zero = body.e.i64(0)
        rank = self.buffer.type.rank
        return tuple(
            outer if k == self.outer else inner if k == self.inner else zero for k in range(rank)
        )


def _operand(body: Body, node: Node, name: str, side: int) -> Operand:
    inner = node.attributes[name]
    source, labels = source_of(node.inputs[side])
    assert isinstance(inner, int)
    return Operand(body.stored[source], _place(labels, 1 - inner), _place(labels, inner))


def _place(labels: tuple[Label, ...], axis: int) -> int:
    return labels.index(axis)


def write_product(body: Body, nest: Nest, target: Target) -> None:
    """Write the tiles of a product over this thread's share of its outer axis."""
    node = nest.anchor
    assert node is not None and len(nest.order) == 2
    first = _operand(body, node, "a_axis", 0)
    second = _operand(body, node, "b_axis", 1)
    by_rows, by_lanes = (first, second) if nest.order == (0, 1) else (second, first)
    inner = node.inputs[0].type.shape[node.attributes["a_axis"]]  # type: ignore[index]
    tiles = _Tiles(body, nest, by_rows, by_lanes, inner)
    columns = nest.shape[nest.order[1]]
    if isinstance(columns, int):
        _static_columns(tiles, columns, target)
    else:
        _any_columns(tiles, target)


def _static_columns(tiles: _Tiles, columns: int, target: Target) -> None:
    """Split a known number of columns into strips of two or three vectors."""
    lanes = tiles.body.lanes
    vectors = -(-columns // lanes)
    at = 0
    for width, count in _strips(vectors):
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
    e, lanes, end = body.e, body.lanes, body.size(tiles.nest.shape[tiles.nest.order[1]])
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
        return [rows]
    heights = [most, *(h for h in (4, 1) if h < most)]
    if isinstance(rows, int) and all(n % 4 == 0 for n in (rows, most)):
        heights.remove(1) if 1 in heights else None
    return heights


class _Tiles:
    def __init__(
        self, body: Body, nest: Nest, by_rows: Operand, by_lanes: Operand, inner: Size
    ) -> None:
        self.body = body
        self.nest = nest
        self.by_rows = by_rows
        self.by_lanes = by_lanes
        self.inner = inner
        assert nest.anchor is not None
        self.anchor = nest.anchor
        self.type = NativeType(kind_of(nest.anchor.type.dtype), body.lanes)

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
        heights = _heights(self.nest.shape[self.nest.order[0]], tile_rows(width, target.registers))
        low = LOW
        for height in heights:
            end = e.sub(HIGH, e.i64(height - 1))

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
        if self._is_long:
            self._finish_by_rows(row, height, columns, sums)
            return
        for q in range(height):
            self._finish(Near(row, q), columns, sums[q * width : (q + 1) * width])

    def _ask_for_old(self, row: Val, height: int, columns: list[Lanes]) -> None:
        """What is written over is read first: ask for it before the inner loop, not after."""
        for root in self.nest.roots:
            buffer = self.body.stored[root]
            if buffer.owner != "state":
                continue
            for q in range(height):
                for lane in columns:
                    index = self._index(Near(row, q), lane)
                    self.body.e.prefetch(self.body.address(buffer, index), write=True)

    def _index(self, at: Entry, lane: Lanes) -> Index:
        """The place of one row and run of lanes in the domain."""
        return (at, lane) if self.nest.order == (0, 1) else (lane, at)

    @property
    def _is_long(self) -> bool:
        """Whether what follows the product is too much code to be written for each vector."""
        return any(member.op in self.body.e.functions for member in self.nest.members)

    def _finish_by_rows(self, row: Val, height: int, columns: list[Lanes], sums: list[Val]) -> None:
        """Lay the tile into memory, and work out what follows in a loop over its rows."""
        e, body, width = self.body.e, self.body, len(columns)
        kind, lanes = self.type.kind, body.lanes
        tile = body.once(("tile", len(sums)), lambda: e.room(self.type, len(sums)))
        for k, value in enumerate(sums):
            e.store(value, e.pointer(tile, e.i64(k * lanes), kind))

        def finish(q: Val, _: list[Val]) -> list[Val]:
            with body.block():
                begin = e.pointer(tile, e.mul(q, e.i64(width * lanes)), kind)
                places = [e.pointer(begin, e.i64(k * lanes), kind) for k in range(width)]
                self._finish(e.add(row, q), columns, [e.load(x, self.type) for x in places])
            return []

        e.loop(e.i64(0), e.i64(height), 1, finish)

    def _finish(self, at: Entry, columns: list[Lanes], sums: list[Val]) -> None:
        """Work out and store what follows from one row of the tile."""
        for lane, value in zip(columns, sums, strict=True):
            index = self._index(at, lane)
            self.body.know(self.anchor, index, value)
            store(self.body, self.nest, index)

    def _sums(self, row: Val, height: int, columns: list[Lanes]) -> list[Val]:
        body, e = self.body, self.body.e
        rows, lanes = self.by_rows, self.by_lanes
        start = [e.constant(0, self.type)] * (height * len(columns))
        start += [
            body.address(rows.buffer, rows.index(body, row, e.i64(0))),
            body.address(lanes.buffer, lanes.index(body, columns[0], e.i64(0))),
        ]

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
            return [*out, self._next(rows, row_at), self._next(lanes, lane_at)]

        return e.loop(e.i64(0), body.size(self.inner), 1, step, start)[:-2]

    def _is_far(self, width: int) -> bool:
        """Whether the strip of the lane operand is too large to be in the nearest cache."""
        if not isinstance(self.inner, int) or self.by_lanes.buffer.order[-1] != self.by_lanes.outer:
            return False
        return self.inner * width * self.body.lanes * itemsize(self.by_lanes.buffer) > _NEAR

    def _ask_ahead(self, at: Val, columns: list[Lanes]) -> None:
        """Ask for the vectors some steps of the inner axis ahead."""
        buffer, e = self.by_lanes.buffer, self.body.e
        stride = buffer.strides[self.by_lanes.inner].scale
        for lane in columns:
            place = e.i64(_AHEAD * stride + lane.plus)
            e.prefetch(e.pointer(at, place, memory_kind(buffer.type.dtype)))

    def _next(self, operand: Operand, at: Val) -> Val:
        """The address one further along the inner axis."""
        stride = self.body.extent(operand.buffer.strides[operand.inner])
        return self.body.e.pointer(at, stride, memory_kind(operand.buffer.type.dtype))

    def _vector(self, at: Val, lane: Lanes) -> Val:
        """A vector of the strip at ``at``, which is where its first vector begins."""
        operand, body = self.by_lanes, self.body
        stride = body.extent(operand.buffer.strides[operand.outer])
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
        stride = body.extent(buffer.strides[self.by_rows.outer])
        return body.load_from(buffer, at, body.times(stride, body.e.i64(q)))
