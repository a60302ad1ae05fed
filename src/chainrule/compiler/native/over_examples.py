"""Products over examples: the gradients of a convolution's kernels.

Such a product is small, and what it contracts is all images: a tile that ran over all of them would
read them from far, once for each tile. So all tiles take one example after the other, and lay their
sums aside in between. Each element is the same chain of multiply-adds as without.

Where the kernels have few elements for each channel that comes out, one tile holds them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from chainrule.compiler.lower.shares import flat_rows
from chainrule.compiler.native.emit import Val
from chainrule.compiler.native.memory import Entry, Index, Lanes, Near
from chainrule.compiler.native.tiles import Tiles
from chainrule.ir.types import BATCH, sized

#: The most bytes of sums that are laid aside, on the thread's own stack.
_ASIDE: Final = 64 << 10
#: The fewest steps of one example, and the fewest examples, for which it pays.
_STEPS: Final = 32
_EXAMPLES: Final = 4


class FlatTiles(Tiles):
    """One tile whose rows run over several short axes."""

    def places(self, number: int) -> dict[int, int]:
        """The position on each of those axes of a row."""
        found: dict[int, int] = {}
        for axis in reversed(flat_rows(self.nest)):
            (size,) = sized((self.nest.shape[axis],))
            number, found[axis] = divmod(number, size)
        return found

    def index(self, at: Entry, lane: Lanes) -> Index:
        """The place of one row and run of lanes in the domain."""
        assert isinstance(at, Near)
        rows = {axis: self.body.e.i64(k) for axis, k in self.places(at.plus).items()}
        entries = {**self.outer, **rows, self.lanes_axis: lane}
        return tuple(entries[k] for k in range(len(self.nest.shape)))

    def _scalar(self, at: Val, q: int) -> Val:
        body, offset = self.body, self.body.e.i64(0)
        for axis, k in self.places(q).items():
            stride = body.extent(self.by_rows.stride(axis))
            offset = body.plus(offset, body.times(stride, body.e.i64(k)))
        return body.load_from(self.by_rows.buffer, at, offset)

    def _over_heights(self, most: int, write: Callable[[Val, int], None]) -> None:
        sizes = [self.nest.shape[axis] for axis in flat_rows(self.nest)]
        with self.body.block():
            write(self.body.e.i64(0), math.prod(sized(tuple(sizes))))


class TilesByExample(Tiles):
    """Tiles that take one example at a time while there is one, and are finished after the last."""

    example: Val | None = None

    def tile(self, row: Val, height: int, column: Val, width: int, valid: Val | int | None) -> None:
        """Add one example to a tile's sums; without one, work out and store what follows."""
        e, columns = self.body.e, self.columns(column, width, valid)
        places = [self._place(row, q, lane) for q in range(height) for lane in columns]
        sums = [e.load(place, self.type) for place in places]
        if self.example is None:
            self.finish_tile(row, height, columns, sums)
            return
        sums = self._contract(1, {~0: self.example}, sums, row, height, columns)
        for value, place in zip(sums, places, strict=True):
            e.store(value, place)

    @property
    def _row_length(self) -> int:
        """Elements of a row of sums: whole vectors."""
        (columns,) = sized((self.nest.shape[self.lanes_axis],))
        return -(-columns // self.body.lanes) * self.body.lanes

    @property
    def _aside(self) -> Val:
        count = math.prod(sized(self.nest.shape[:-1])) * self._row_length // self.body.lanes
        return self.body.once("aside", lambda: self.body.e.room(self.type, count))

    def _place(self, row: Val, q: int, lane: Lanes) -> Val:
        """Where a vector of sums is laid aside."""
        body, line = self.body, self.body.e.i64(0)
        for axis, size in enumerate(self.nest.shape[:-1]):
            at = row if axis == self.rows_axis else body.positions(self.outer[axis])
            line = body.plus(body.times(line, body.size(size)), at)
        at = body.plus(body.times(line, body.e.i64(self._row_length)), lane.base)
        ahead = body.e.i64(q * self._row_length + lane.plus)
        begin = body.e.pointer(self._aside, at, self.type.kind)
        return body.e.pointer(begin, ahead, self.type.kind)

    def write(self, around: Callable[[], None]) -> None:
        """All examples, each with all tiles; then what follows."""
        e, count = self.body.e, self.body.size(self.inner[0])
        vectors = math.prod(sized(self.nest.shape[:-1])) * self._row_length

        def zero(at: Val, _: list[Val]) -> list[Val]:
            place = e.pointer(self._aside, at, self.type.kind)
            e.store(e.constant(0, self.type), place)
            return []

        def take(at: Val, _: list[Val]) -> list[Val]:
            self.example = at
            with self.body.block():
                around()
            return []

        e.loop(e.i64(0), e.i64(vectors), self.body.lanes, zero)
        e.loop(e.i64(0), count, 1, take)
        self.example = None
        around()


def sums_by_example(tiles: Tiles) -> bool:
    """Whether a product is one over examples whose sums are few and whose tiles are several."""
    nest, inner = tiles.nest, tiles.inner
    if len(inner) < 2 or BATCH in nest.shape or BATCH in inner[1:] or flat_rows(nest):
        return False
    rank = len(nest.shape)
    natural = nest.order == tuple(range(rank)) and tiles.rows_axis == rank - 2
    many = inner[0] is BATCH or sized(inner[:1])[0] >= _EXAMPLES
    size = math.prod(sized(nest.shape)) * (tiles.anchor.type.dtype.itemsize)
    return natural and many and size <= _ASIDE and math.prod(sized(inner[1:])) >= _STEPS
