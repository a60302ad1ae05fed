"""Contractions as register tiles: rows of one operand broadcast against vectors of the other.

A tile of R rows by V vectors of the result stays in registers while the inner axis is run over;
each element is one chain of fused multiply-adds in the order of the inner axis, whatever the tile
it falls in, so that results do not depend on how the rows are shared out. What the nest computes
from the product is worked out on the tile before it is stored.

Source: Goto & van de Geijn 2008, Anatomy of High-Performance Matrix Multiplication, section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Final

from chainrule.compiler.lower.buffers import itemsize
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.shares import flat_rows
from chainrule.compiler.native.blocking import USUAL_BATCH, blocking_of, rows_at_once
from chainrule.compiler.native.blocks import Blocks
from chainrule.compiler.native.emit import Val
from chainrule.compiler.native.loops import HIGH, LOW
from chainrule.compiler.native.operands import operands_of
from chainrule.compiler.native.over_examples import FlatTiles, TilesByExample, sums_by_example
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.tiles import Strips, Tiles
from chainrule.compiler.native.values import Body
from chainrule.ir.types import Size

#: Rows that are few, and the widest strip of theirs, in vectors.
_FEW: Final = 8
_WIDEST: Final = 8


def write_product(body: Body, nest: Nest, target: Target) -> bool:
    """Write the tiles of a product over this thread's share of the outermost axis.

    Returns whether it is worked through in packed blocks, for which it needs a thread's panels.

    The lanes run along the last axis of the nest's order, the rows of a tile along the last free
    axis of the other operand; all other axes are loops around the tiles.
    """
    by_rows, by_lanes, inner, rows = operands_of(nest, body.stored)
    flat = flat_rows(nest)
    outer = [k for k in nest.order[:-1] if k != rows and k not in flat]
    tiles = (FlatTiles if flat else Tiles)(body, nest, by_rows, by_lanes, inner, rows)
    blocking = blocking_of(nest, body.stored, target)
    if blocking:
        _around(tiles, outer, Blocks(tiles, blocking).write)
    elif sums_by_example(tiles):
        over = TilesByExample(body, nest, by_rows, by_lanes, inner, rows)
        over.write(lambda: _around(over, outer, lambda: _write_columns(over, target)))
    else:
        _around(tiles, outer, lambda: _in_parts(tiles, target))
    return blocking is not None


def _around(tiles: Tiles, outer: list[int], write: Callable[[], None]) -> None:
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


def _in_parts(tiles: Tiles, target: Target) -> None:
    """As many rows at a time as the second cache keeps while all strips pass by."""
    rows = tiles.nest.shape[tiles.rows_axis]
    most = rows_at_once(rows, tiles.by_lanes.buffer, tiles.inner, target)
    if not most:
        _write_columns(tiles, target)
        return
    e, (low, high) = tiles.body.e, tiles.range

    def part(at: Val, _: list[Val]) -> list[Val]:
        with tiles.body.block():
            tiles.part = at, e.smaller(e.add(at, e.i64(most)), high)
            _write_columns(tiles, target)
        return []

    e.loop(low, high, most, part)
    tiles.part = None


def _write_columns(tiles: Tiles, target: Target) -> None:
    columns = tiles.nest.shape[tiles.lanes_axis]
    if isinstance(columns, int):
        _static_columns(tiles, columns, target)
    else:
        _any_columns(tiles, target)


def _static_columns(tiles: Tiles, columns: int, target: Target) -> None:
    """Split a known number of columns into strips, and run over them or the rows first."""
    lanes, rows = tiles.body.lanes, tiles.nest.shape[tiles.rows_axis]
    strips = _strips(columns, lanes, _width(rows, -(-columns // lanes), target.registers))
    if _is_kept(tiles, columns, target):
        tiles.row_by_row(strips, target)
        return
    for each in strips:
        tiles.strip_by_strip(each, target)


def _width(rows: Size, vectors: int, registers: int) -> int:
    """Vectors of a strip: two or three; of few rows as many as the registers hold sums of."""
    if isinstance(rows, int) and 0 < rows <= _FEW:
        return min(vectors, _WIDEST, max(2, (registers - 1) // (rows + 1)))
    return vectors if vectors <= 3 else 2


def _strips(columns: int, lanes: int, width: int) -> list[Strips]:
    """Strips of one width, behind them one of what is left."""
    step = max(1, width * lanes)
    whole = columns // step * step
    found = [Strips(0, whole, width)] if whole else []
    if columns > whole:
        rest = -(-(columns - whole) // lanes)
        found.append(Strips(whole, whole + rest * lanes, rest, columns % lanes or None))
    return found


def _is_kept(tiles: Tiles, columns: int, target: Target) -> bool:
    """Whether the second cache keeps the lane operand while the rows pass."""
    inner = prod(n if isinstance(n, int) else USUAL_BATCH for n in tiles.inner)
    vectors = -(-columns // tiles.body.lanes)
    return vectors > 3 and inner * columns * itemsize(tiles.by_lanes.buffer) <= target.far // 2


def _any_columns(tiles: Tiles, target: Target) -> None:
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
