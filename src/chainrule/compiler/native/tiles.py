"""Tiles of a product: rows of one operand broadcast against vectors of the other, in registers.

Each element is one chain of fused multiply-adds in the order of the inner axis, whatever the tile
it falls in. What the nest computes from the product is worked out on the tile before it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.buffers import GRANULE, itemsize
from chainrule.compiler.lower.contraction import Loop
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.emit import NativeType, Val
from chainrule.compiler.native.loops import HIGH, LOW
from chainrule.compiler.native.memory import Entry, Index, Lanes, Near, kind_of, memory_kind
from chainrule.compiler.native.operands import Operand
from chainrule.compiler.native.sums import neutral, store, take_sums
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.tile_sums import RowSums
from chainrule.compiler.native.values import Body
from chainrule.ir.graph import Node
from chainrule.ir.types import Shape, Size

#: Multiply-adds between asking for a vector and using it: a far cache's latency.
_AHEAD: Final = 384
#: Bytes of a strip that the nearest cache keeps beside the rows.
_NEAR: Final = 24 << 10


def tile_rows(width: int, registers: int) -> int:
    """Rows of a tile ``width`` vectors wide: what the registers hold beside the operands."""
    most = {1: 16, 2: 12, 3: 8}.get(width, registers)
    return max(1, min(most, (registers - width - 1) // width))


def heights_of(rows: Size, most: int) -> list[int]:
    """The heights of tiles to write: the tallest, and what serves the rows that are left.

    A thread's share ends at a multiple of 16 or with the rows: by fours there is one rest.
    """
    if isinstance(rows, int) and rows <= min(most, GRANULE):
        return [rows] if rows else []
    if isinstance(rows, int) and not most % 4:
        return [h for h in dict.fromkeys((most, 4, rows % 4)) if h]
    return [most, *(h for h in (4, 1) if h < most)]


def even_heights(rows: int, most: int) -> list[int]:
    """The heights of tiles for all rows of an axis, as equal as they can be."""
    if not rows:
        return []
    height = -(-rows // -(-rows // most))
    rest = rows % height
    return [height, rest] if rest else [height]


@dataclass(frozen=True, slots=True)
class Strips:
    """Strips of one width, side by side; ``valid`` lanes of the last vector exist (None: all)."""

    begin: int
    end: int
    width: int
    valid: int | None = None


class Tiles:
    """The tiles of one product, of any height, in strips of a few vectors."""

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
        self.part: tuple[Val, Val] | None = None
        assert nest.anchor is not None
        self.anchor = nest.anchor
        self.type = NativeType(kind_of(nest.anchor.type.dtype), body.lanes)

    @property
    def range(self) -> tuple[Val, Val]:
        """The rows at hand: this thread's share, or all if another axis is shared out."""
        if self.part:
            return self.part
        if self.rows_axis == self.nest.order[0]:
            return LOW, HIGH
        return self.body.e.i64(0), self.body.size(self.nest.shape[self.rows_axis])

    def strip_by_strip(self, strips: Strips, target: Target) -> None:
        """Each strip with all rows."""
        self._over(strips, lambda at: self.rows(at, strips.width, strips.valid, target))

    def row_by_row(self, strips: list[Strips], target: Target) -> None:
        """Each tile's rows with all strips: the result is written along its rows."""
        height = tile_rows(max(each.width for each in strips), target.registers)

        def tiles(row: Val, height: int) -> None:
            for each in strips:
                self._over(
                    each,
                    lambda at, each=each: self.tile(row, height, at, each.width, each.valid),  # type: ignore[misc]
                )

        self._over_heights(height, tiles)

    def rows(self, column: Val, width: int, valid: Val | int | None, target: Target) -> None:
        """All rows of one strip."""
        height = tile_rows(width, target.registers)
        self._over_heights(height, lambda row, h: self.tile(row, h, column, width, valid))

    def _over(self, strips: Strips, write: Callable[[Val], None]) -> None:
        e, step = self.body.e, strips.width * self.body.lanes

        def strip(at: Val, _: list[Val]) -> list[Val]:
            with self.body.block():
                write(at)
            return []

        if strips.end - strips.begin == step:
            write(e.i64(strips.begin))
        else:
            e.loop(e.i64(strips.begin), e.i64(strips.end), step, strip)

    def _over_heights(self, most: int, write: Callable[[Val, int], None]) -> None:
        """This thread's rows in tiles of falling heights."""
        e = self.body.e
        low, high = self.range
        rows, shared = self.nest.shape[self.rows_axis], self.rows_axis == self.nest.order[0]
        even = isinstance(rows, int) and not shared
        for height in even_heights(rows, most) if even else heights_of(rows, most):  # type: ignore[arg-type]
            end = self.body.plus(high, e.i64(1 - height))

            def tile(row: Val, _: list[Val], height: int = height) -> list[Val]:
                with self.body.block():
                    write(row, height)
                return [e.add(row, e.i64(height))]

            (low,) = e.loop(low, end, height, tile, [low])

    def tile(self, row: Val, height: int, column: Val, width: int, valid: Val | int | None) -> None:
        """One tile: run over the inner axis, then work out and store what follows."""
        columns = self.columns(column, width, valid)
        self.ask_for_old(row, height, columns)
        self.finish_tile(row, height, columns, self._sums(row, height, columns))

    def columns(self, begin: Val, width: int, valid: Val | int | None) -> list[Lanes]:
        """The runs of lanes of a strip, of which the last may be cut."""
        last, lanes = width - 1, self.body.lanes
        return [Lanes(begin, valid if k == last else None, k * lanes) for k in range(width)]

    def finish_tile(self, row: Val, height: int, columns: list[Lanes], sums: list[Val]) -> None:
        """Work out and store what follows from the sums of a tile."""
        totals, width = RowSums(self.body, self.nest), len(columns)
        if self._is_long:
            self._finish_by_rows(row, height, columns, sums, totals)
        else:
            for q in range(height):
                totals.add(self._finish(Near(row, q), columns, sums[q * width : (q + 1) * width]))
        totals.store(row, self.outer, self.rows_axis, columns[0].base)

    def ask_for_old(self, row: Val, height: int, columns: list[Lanes]) -> None:
        """What is written over is read first: ask for it before the inner loop, not after."""
        for root in self.nest.roots:
            buffer = self.body.stored[root]
            if root in self.nest.sums or buffer.owner != "state":
                continue
            for q in range(height):
                for lane in columns:
                    index = self.index(Near(row, q), lane)
                    self.body.e.prefetch(self.body.address(buffer, index), write=True)

    def index(self, at: Entry, lane: Lanes) -> Index:
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
            index = self.index(at, lane)
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
        stride = body.extent(lanes.stride(self.lanes_axis))
        places = [body.beyond(lanes.buffer, lane, stride) for lane in columns]

        def step(_: Val, carried: list[Val]) -> list[Val]:
            *sums, row_at, lane_at = carried
            vectors = [
                self._vector(lane_at, place, stride, lane.valid)
                for place, lane in zip(places, columns, strict=True)
            ]
            if far:
                self._ask_ahead(lane_at, places, height)
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

    def _ask_ahead(self, at: Val, places: list[Val], height: int) -> None:
        """Ask for the vectors some steps of the inner axis ahead: more where a step is short."""
        body, kind = self.body, memory_kind(self.by_lanes.buffer.type.dtype)
        steps = max(1, _AHEAD // (height * len(places)))
        ahead = self.by_lanes.stride(~(len(self.inner) - 1)).scale * steps
        for place in places:
            body.e.prefetch(body.e.pointer(at, body.plus(place, body.e.i64(ahead)), kind))

    def _next(self, operand: Operand, at: Val, loop: Loop) -> Val:
        """The address one further along a contracted axis."""
        stride = self.body.extent(operand.stride(loop))
        return self.body.e.pointer(at, stride, memory_kind(operand.buffer.type.dtype))

    def _vector(self, at: Val, place: Val, stride: Val, valid: Val | int | None) -> Val:
        """A vector of the strip at ``at``, which is where its first vector begins."""
        body, buffer = self.body, self.by_lanes.buffer
        kind = memory_kind(buffer.type.dtype)
        begin = body.e.pointer(at, place, kind)
        valid = None if buffer.roomy else valid
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
