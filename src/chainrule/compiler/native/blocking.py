"""Which products are worked through in packed blocks, and how large the blocks are.

A panel of the lane operand (``inner`` x ``columns``) stays in the second cache while the tiles of
the row operand pass, each of which meets all strips of the panel from the first. Sizes decide how
fast a product is and nothing else: each element is the same chain of multiply-adds in blocks of
any size.

Source: Goto & van de Geijn 2008, Anatomy of High-Performance Matrix Multiplication, section 4;
Low et al. 2016, Analytical Modeling Is Enough for High-Performance BLIS.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.buffers import GRANULE, Buffer, itemsize
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.memory import lanes_for
from chainrule.compiler.native.operands import Operand, operands_of
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.tiles import tile_rows
from chainrule.ir.graph import Node
from chainrule.ir.types import Shape, Size

#: Vectors of a strip.
WIDTH: Final = 2
#: Bytes of unfinished sums, and of packed rows that several panels meet.
_ASIDE: Final = 4 << 20
_KEPT: Final = 4 << 20
#: Rows below which packing pays for large operands only, and from which on it always does; the
#: batch that is reckoned with.
_FEW: Final = 48
_MANY: Final = 384
USUAL_BATCH: Final = 128
#: Strips of columns that use a tile of rows often enough for it to be packed.
_STRIPS: Final = 3
#: Rows a multiple of so many bytes apart fall into few sets of the first cache.
_BAD_ROW: Final = 1024
_LINE: Final = 64
#: Shares of the first cache for a tile's rows, of the second for a panel and for packed rows.
_TILE: Final = 1 / 4
_PANEL: Final = 5 / 8
_BLOCK: Final = 1 / 8


@dataclass(frozen=True, slots=True)
class Blocking:
    """Sizes of a product's blocks, in elements, and where in a thread's panels they lie.

    ``rows``: of a packed block of the row operand; 0: it is read where it lies. ``inner``: steps of
    the contracted axis in all blocks. ``columns``: of a packed panel of the lane operand, whole
    strips. ``height``: rows of a tile; they stand side by side in a packed block. ``along_rows``:
    so they do in memory already. ``across``: the lane operand's vectors lie the other way and are
    turned as they are packed. ``keeps``: packed rows stay for all panels. ``aside``: how many rows
    have room for unfinished sums, ``sums_stride`` apart; 0: the result itself has it.
    """

    rows: int
    inner: int
    columns: int
    height: int
    lanes: int
    size: int
    along_rows: bool
    across: bool
    split: bool
    keeps: bool
    aside: int
    sums_stride: int

    @property
    def at_once(self) -> int:
        """How many rows are worked through before the next; 0: all."""
        bounds = [self.rows] if self.keeps else []
        return min([*bounds, *([self.aside] if self.aside else [])], default=0)

    @property
    def panel(self) -> int:
        """Where the packed panel begins, behind the block of the row operand."""
        used = self.rows * self.inner + self.height * self.lanes if self.rows else 0
        return used // self.lanes * self.lanes

    @property
    def strip(self) -> int:
        """From one strip of the panel to the next; not a distance at which caches fall over."""
        return (self.inner + 1) * WIDTH * self.lanes

    @property
    def sums(self) -> int:
        """Where unfinished sums are laid aside."""
        return self.panel + self.columns // (WIDTH * self.lanes) * self.strip

    @property
    def bytes(self) -> int:
        """What a thread needs for all of them."""
        end = self.sums + self.aside * self.sums_stride
        return -(-end * self.size // _LINE) * _LINE


def blocking_of(nest: Nest, stored: Mapping[Node, Buffer], target: Target) -> Blocking | None:
    """The blocks of a product; None where its tiles read the operands where they lie."""
    if nest.kind != "dot":
        return None
    by_rows, by_lanes, inner, rows = operands_of(nest, stored)
    if by_lanes.buffer.strip or len(inner) != 1 or not _is_plain(nest, by_rows, by_lanes, rows):
        return None
    columns = nest.shape[nest.order[-1]]
    assert isinstance(columns, int)
    shape = nest.shape[rows], columns, inner[0]
    size, along_rows = itemsize(by_lanes.buffer), not by_rows.stride(~0).is_one
    across = not by_lanes.stride(nest.order[-1]).is_one
    if not across and not _is_worth_it(*shape, by_lanes, target):
        return None
    lanes = lanes_for(target.vector_bits, [node.type.dtype for node in nest.members])
    packs = _packs_rows(by_rows, rows, shape, lanes, target)
    aside = not _is_direct(nest, stored)
    return _sizes(
        shape, lanes, size, target, along_rows=along_rows, across=across, packs=packs, aside=aside
    )


def rows_at_once(rows: Size, by_lanes: Buffer, inner: Shape, target: Target) -> int:
    """Rows of a batch that meet all strips of a matrix before the next rows do; 0: all of them."""
    if not by_lanes.strip or isinstance(rows, int) or not isinstance(inner[0], int):
        return 0
    step = 4 * tile_rows(WIDTH, target.registers)
    return max(1, target.far * 3 // 8 // (inner[0] * itemsize(by_lanes)) // step) * step


def _is_plain(nest: Nest, by_rows: Operand, by_lanes: Operand, rows: int) -> bool:
    """Whether the operands are matrices of one type, contiguous where they are packed."""
    types = {by_rows.buffer.type.dtype, by_lanes.buffer.type.dtype, nest.anchor.type.dtype}  # type: ignore[union-attr]
    if len(types) > 1 or not isinstance(nest.shape[nest.order[-1]], int):
        return False
    sides = ((by_rows, rows), (by_lanes, nest.order[-1]))
    plain = all(side.stride(free).is_one or side.stride(~0).is_one for side, free in sides)
    return plain and next(iter(types)).kind == "f"


def _is_worth_it(rows: Size, columns: int, inner: Size, by_lanes: Operand, target: Target) -> bool:
    """Whether packing the lane operand costs less than reading it where it lies does.

    Packing reads and writes it once more, for each tile of rows to read it in one stream. Many
    rows make that cheap. Else what the second cache keeps is read where it lies, unless its rows
    fall into few sets of the first; and what few rows read once or twice, unless it comes from
    memory. The length of a batch is taken as 128, but a batch of few rows must not be slow either.
    """
    size, inner = itemsize(by_lanes.buffer), inner if isinstance(inner, int) else USUAL_BATCH
    whole = inner * columns * size
    if not isinstance(rows, int):
        return whole >= target.far // 2
    if rows < _FEW:
        return whole > (4 if rows <= tile_rows(WIDTH, target.registers) else 1) * target.far
    if columns <= 2 * WIDTH * target.lanes(8 * size):
        return False
    apart = by_lanes.stride(~0)
    falls = not apart.power and apart.scale * size % _BAD_ROW == 0 and whole > target.near
    return rows >= _MANY or falls or whole >= target.far * 3 // 8


def _packs_rows(
    by_rows: Operand, axis: int, shape: tuple[Size, int, Size], lanes: int, target: Target
) -> bool:
    """Whether the tiles' rows are packed too, and not read where they lie.

    What the first cache keeps is not. Rows one behind another are packed where they would fall
    into few sets of that cache, if enough strips use them; rows side by side, of which each step
    reads a piece, where they take half of the second cache or as many steps as a batch has rows.
    """
    rows, columns, inner = shape
    size = itemsize(by_rows.buffer)
    m, k = (n if isinstance(n, int) else USUAL_BATCH for n in (rows, inner))
    if 2 * m * k * size <= target.near:
        return False
    if not by_rows.stride(~0).is_one:
        return not isinstance(inner, int) or m * k * size >= target.far // 2
    apart = by_rows.stride(axis)
    falls = not apart.power and apart.scale * size % _BAD_ROW == 0
    return falls and columns > _STRIPS * WIDTH * lanes


def _sizes(
    shape: tuple[Size, int, Size], lanes: int, size: int, target: Target, *, along_rows: bool,
    across: bool, packs: bool, aside: bool,
) -> Blocking:  # fmt: skip
    """A tile's rows take a part of the first cache, a panel most of the second."""
    rows, columns, inner = shape
    height, strip = tile_rows(WIDTH, target.registers), WIDTH * lanes
    deep = max(lanes, int(target.near * _TILE) // (height * size) // lanes * lanes)
    split = not isinstance(inner, int) or inner > deep
    deep = _even(inner, deep, lanes) if isinstance(inner, int) else deep
    wide = _even(columns, max(strip, int(target.far * _PANEL) // (max(deep, 1) * size)), strip)
    keeps, tall = packs and columns > wide, 0
    if packs:
        most = _KEPT if keeps else int(target.far * _BLOCK)
        tall = max(height, most // (max(deep, 1) * size) // height * height)
        tall = min(tall, -(-rows // height) * height) if isinstance(rows, int) else tall
    kept, apart = 0, -(-columns // strip) * strip + GRANULE
    if split and aside:
        kept = max(height, _ASIDE // (apart * size) // height * height)
        kept = min(kept, -(-rows // height) * height) if isinstance(rows, int) else kept
    return Blocking(
        tall, deep, wide, height, lanes, size, along_rows, across, split, keeps, kept, apart
    )


def _even(size: int, most: int, unit: int) -> int:
    """A size in parts of at most so many, all nearly as long, in whole units."""
    parts = max(1, math.ceil(size / most))
    return math.ceil(size / (parts * unit)) * unit


def _is_direct(nest: Nest, stored: Mapping[Node, Buffer]) -> bool:
    """Whether unfinished sums may stand where the result will: nobody reads an old value there."""
    anchor = nest.anchor
    assert anchor is not None
    buffer = stored.get(anchor)
    if anchor not in nest.roots or buffer is None or buffer.owner == "state":
        return False
    return buffer.strides[nest.order[-1]].is_one
