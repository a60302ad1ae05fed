"""A product worked through in packed blocks, so that its tiles read from near caches only.

A panel of the lane operand is packed for a block of the contracted axis and as many columns as the
second cache keeps. Row after row of tiles then meets all its strips: a tile's rows, packed or
where they lie, stay in the first cache, the strips stream from the second, and the result is
written along its rows. Where the contracted axis has several blocks a tile begins with what the
blocks before have summed and, but for the last block, lays its sums aside: the chain of
multiply-adds of an element is the same as without blocks, bit for bit. What follows the product is
worked out on the tiles of the last block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from chainrule.compiler.native.blocking import WIDTH, Blocking
from chainrule.compiler.native.emit import PTR, Kind, Val
from chainrule.compiler.native.memory import Lanes, Near
from chainrule.compiler.native.panels import Run, pack_panel, pack_rows
from chainrule.compiler.native.tiles import Tiles, heights_of

PANELS: Final = Val(PTR, "%panels")
#: Steps of the contracted axis between asking for a vector of the panel and using it.
_AHEAD: Final = 8


@dataclass(frozen=True, slots=True)
class Block:
    """What is at hand: rows, columns, the run of the contracted axis; all rows laid aside.

    ``is_first`` and ``is_last`` say where the run stands; None: it is the whole axis.
    """

    all_rows: Run
    columns: Run
    inner: Run
    is_first: Val | None = None
    is_last: Val | None = None


class Blocks:
    """Writes the blocks of one product."""

    def __init__(self, tiles: Tiles, blocking: Blocking) -> None:
        self.tiles = tiles
        self.body = tiles.body
        self.blocking = blocking

    def write(self) -> None:
        """This thread's rows: all at once, or as many as there is room for."""
        low, high = self.tiles.range
        if not self.blocking.at_once:
            self._over_inner(Run(low, high))
            return
        self._runs(low, high, self.blocking.at_once, self._over_inner)

    def _runs(self, low: Val, high: Val, size: int, write: Callable[[Run], None]) -> None:
        """Runs of an axis, all but the last of one size."""
        e = self.body.e

        def run(at: Val, _: list[Val]) -> list[Val]:
            end = e.smaller(self.body.plus(at, e.i64(size)), high)
            with self.body.block():
                write(Run(at, end))
            return []

        e.loop(low, high, size, run)

    def _over_inner(self, rows: Run) -> None:
        """Blocks of the contracted axis; an empty one is one block too: there is what follows."""
        e, zero = self.body.e, self.body.e.i64(0)
        size, count = self.body.size(self.tiles.inner[0]), self._count
        if not self.blocking.split:
            self._over_columns(Block(rows, Run(zero, count), Run(zero, size)))
            return

        def block(at: Val, _: list[Val]) -> list[Val]:
            end = e.smaller(e.add(at, e.i64(self.blocking.inner)), size)
            first, last = e.compare("eq", at, zero), e.compare("eq", end, size)
            with self.body.block():
                self._over_columns(Block(rows, Run(zero, count), Run(at, end), first, last))
            return []

        e.loop(zero, e.larger(size, e.i64(1)), self.blocking.inner, block)

    @property
    def _count(self) -> Val:
        count = self.tiles.nest.shape[self.tiles.lanes_axis]
        assert isinstance(count, int)
        return self.body.e.i64(count)

    def _over_columns(self, block: Block) -> None:
        """Panel after panel; rows that several panels meet are packed before the first."""
        if self.blocking.keeps:
            pack_rows(self.tiles, self.blocking, PANELS, block.all_rows, block.inner)
        begin, end = block.columns.begin, block.columns.end
        if int(end.text) <= self.blocking.columns:
            self._over_rows(block)
        else:
            size = self.blocking.columns
            self._runs(begin, end, size, lambda run: self._over_rows(replace(block, columns=run)))

    def _over_rows(self, block: Block) -> None:
        """Pack the panel, then block by block the rows, unless they are or need not be."""
        rows = block.all_rows
        panel = self.body.e.pointer(PANELS, self.body.e.i64(self.blocking.panel), self._kind)
        with self.body.block():
            pack_panel(self.tiles, self.blocking, panel, block.columns, block.inner)
        if self.blocking.keeps or not self.blocking.rows:
            self._rows(block, rows, panel)
            return

        def part(run: Run) -> None:
            pack_rows(self.tiles, self.blocking, PANELS, run, block.inner)
            self._rows(block, run, panel)

        self._runs(rows.begin, rows.end, self.blocking.rows, part)

    @property
    def _kind(self) -> Kind:
        return self.tiles.type.kind

    def _rows(self, block: Block, rows: Run, panel: Val) -> None:
        """The rows in tiles of falling heights, each with all strips of the panel."""
        body, e = self.body, self.body.e
        low, high = rows.begin, rows.end
        after: Val | None = None  # where the tiles of full height end
        heights = heights_of(self.tiles.nest.shape[self.tiles.rows_axis], self.blocking.height)
        for height in heights:
            end = body.plus(high, e.i64(1 - height))

            def tile(
                row: Val, _: list[Val], height: int = height, after: Val | None = after
            ) -> list[Val]:
                with body.block():
                    start = self._first_of(block, rows, row, after)
                    self._strips(block, row, height, start, panel)
                return [e.add(row, e.i64(height))]

            (low,) = e.loop(low, end, height, tile, [low])
            after = after or low

    def _first_of(self, block: Block, rows: Run, row: Val, after: Val | None) -> Val:
        """Where a row begins: where it lies, or in the packed block.

        There the rows that are left over lie ``after`` the full tiles.
        """
        e, tiles = self.body.e, self.tiles
        if not self.blocking.rows:
            entries = {**tiles.outer, ~0: block.inner.begin, tiles.rows_axis: row}
            operand = tiles.by_rows
            return self.body.address(operand.buffer, operand.index(self.body, entries))
        place = e.mul(e.sub(after or row, rows.begin), e.i64(self.blocking.inner))
        place = e.add(place, e.sub(row, after)) if after else place
        return e.pointer(PANELS, place, self._kind)

    def _strips(self, block: Block, row: Val, height: int, start: Val, panel: Val) -> None:
        """Strips of full width; behind the last panel's perhaps one that is cut."""
        e, step = self.body.e, WIDTH * self.blocking.lanes
        count = self.tiles.nest.shape[self.tiles.lanes_axis]
        assert isinstance(count, int)

        def strip(at: Val, carried: list[Val]) -> list[Val]:
            with self.body.block():
                columns = self.tiles.columns(at, WIDTH, None)
                self._tile(block, row, height, start, carried[0], columns)
            return [e.pointer(carried[0], e.i64(self.blocking.strip), self._kind)]

        whole = self.body.plus(block.columns.end, e.i64(1 - step))
        (panel,) = e.loop(block.columns.begin, whole, step, strip, [panel])
        if not count % step:
            return
        rest, begin = count % step, e.i64(count // step * step)
        width, valid = -(-rest // self.blocking.lanes), rest % self.blocking.lanes or None
        with e.when(e.compare("eq", block.columns.end, e.i64(count))), self.body.block():
            columns = self.tiles.columns(begin, width, valid)
            self._tile(block, row, height, start, panel, columns)

    def _tile(
        self, block: Block, row: Val, height: int, start: Val, panel: Val, columns: list[Lanes]
    ) -> None:
        """Go on with the sums of the blocks before, then finish them or lay them aside."""
        e, tiles = self.body.e, self.tiles
        if block.is_last is None or block.is_first is None:
            tiles.ask_for_old(row, height, columns)
            sums = [e.constant(0, tiles.type)] * (height * len(columns))
            sums = self._sums(block, sums, height, start, panel, columns)
            tiles.finish_tile(row, height, columns, sums)
            return
        aside = self._aside(block, row, height, columns)
        for place, _ in aside:  # the next strip begins with what was laid aside beside it
            ahead = e.i64(WIDTH * self.blocking.lanes)
            e.prefetch(e.pointer(place, ahead, self._kind), write=True)
        with e.when(block.is_last), self.body.block():
            tiles.ask_for_old(row, height, columns)
        sums = self._begin(block, row, height, columns, aside)
        sums = self._sums(block, sums, height, start, panel, columns)
        last, more, after = (e.fresh(x) for x in ("last", "more", "after"))
        e.branch(block.is_last, last, more)
        e.start(more)
        for x, (place, lane) in zip(sums, aside, strict=True):
            e.store_part(x, place, lane.valid)
        e.jump(after)
        e.start(last)
        with self.body.block():
            tiles.finish_tile(row, height, columns, sums)
        e.jump(after)
        e.start(after)

    def _begin(
        self, block: Block, row: Val, height: int, columns: list[Lanes],
        aside: list[tuple[Val, Lanes]],
    ) -> list[Val]:  # fmt: skip
        """Zeros in the first block, else what was laid aside."""
        e, type_ = self.body.e, self.tiles.type
        assert block.is_first is not None
        again, begin = e.fresh("again"), e.fresh("begin")
        before = e.block
        e.branch(block.is_first, begin, again)
        e.start(again)
        loaded = [e.load_part(place, type_, lane.valid) for place, lane in aside]
        e.jump(begin)
        e.start(begin)
        zero = e.constant(0, type_).text
        return [
            e.define(type_, f"phi {type_.text} [ {zero}, %{before} ], [ {x.text}, %{again} ]")
            for x in loaded
        ]

    def _aside(
        self, block: Block, row: Val, height: int, columns: list[Lanes]
    ) -> list[tuple[Val, Lanes]]:
        """Where the sums of a tile are laid aside: with the result, or in memory of the thread."""
        e, blocking, tiles = self.body.e, self.blocking, self.tiles
        if not blocking.aside:
            buffer = self.body.stored[tiles.anchor]
            rows = [[tiles.index(Near(row, q), lane) for lane in columns] for q in range(height)]
            return [
                (
                    self.body.address(buffer, index),
                    replace(lane, valid=None) if buffer.roomy else lane,
                )
                for row_of in rows
                for index, lane in zip(row_of, columns, strict=True)
            ]
        place = e.mul(e.sub(row, block.all_rows.begin), e.i64(blocking.sums_stride))
        place = e.add(place, columns[0].base)
        begin = e.pointer(PANELS, e.add(place, e.i64(blocking.sums)), self._kind)
        return [
            (
                e.pointer(begin, e.i64(q * blocking.sums_stride + lane.plus), self._kind),
                replace(lane, valid=None),
            )
            for q in range(height)
            for lane in columns
        ]

    def _sums(
        self, block: Block, sums: list[Val], height: int, start: Val, panel: Val,
        columns: list[Lanes],
    ) -> list[Val]:  # fmt: skip
        """Run over the block's part of the contracted axis."""
        body, e, blocking, type_ = self.body, self.body.e, self.blocking, self.tiles.type
        width, rows = len(columns), self.tiles.by_rows
        below, further = e.i64(1), e.i64(blocking.height)
        if not blocking.rows:
            below = body.extent(rows.stride(self.tiles.rows_axis))
            further = body.extent(rows.stride(~0))

        def step(_: Val, carried: list[Val]) -> list[Val]:
            *sums, row_at, lane_at = carried
            vectors = [
                e.load(e.pointer(lane_at, e.i64(lane.plus), type_.kind), type_) for lane in columns
            ]
            out = []
            for lane in columns:
                ahead = e.i64(lane.plus + _AHEAD * WIDTH * blocking.lanes)
                e.prefetch(e.pointer(lane_at, ahead, type_.kind))
            for q in range(height):
                x = body.load_from(rows.buffer, row_at, body.times(below, e.i64(q)))
                out += [e.fma(x, v, sums[q * width + k]) for k, v in enumerate(vectors)]
            ahead = e.i64(WIDTH * blocking.lanes)
            return [
                *out,
                e.pointer(row_at, further, type_.kind),
                e.pointer(lane_at, ahead, type_.kind),
            ]

        count = e.sub(block.inner.end, block.inner.begin)
        return e.loop(e.i64(0), count, 1, step, [*sums, start, panel])[:-2]
