"""The two sides of a product in memory: what gives its rows, and what gives its lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.compiler.lower.buffers import Buffer, Extent
from chainrule.compiler.lower.contraction import Loop, lane_side, operand_loops, source_loops
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.native.memory import Entry, Index, Place
from chainrule.compiler.passes.contractions import sides
from chainrule.ir.graph import Node
from chainrule.ir.types import Shape


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a product in memory, and the loop that each axis of its array runs with."""

    buffer: Buffer
    loops: tuple[Loop | None, ...]

    def index(self, body: Place, entries: Mapping[Loop, Entry]) -> Index:
        """The index of an element; a loop that is not given, or none, is at 0."""
        zero = body.e.i64(0)
        return tuple(zero if k is None else entries.get(k, zero) for k in self.loops)

    def stride(self, loop: Loop) -> Extent:
        """How far apart neighbours along a loop lie: not at all where the loop repeats them."""
        return self.buffer.strides[self.loops.index(loop)] if loop in self.loops else Extent(0)


def operands_of(nest: Nest, stored: Mapping[Node, Buffer]) -> tuple[Operand, Operand, Shape, Loop]:
    """The operand of the rows, that of the lanes, the contracted sizes, the axis of the rows.

    The lanes run along the last axis of the nest's order, the rows of a tile along the last free
    axis of the other operand.
    """
    node = nest.anchor
    assert node is not None
    side, _ = lane_side(node, nest.order)
    one = sides(node)[0]
    rows = [k for k in operand_loops(node)[1 - side] if k >= len(one.shared)][-1]
    by_rows, by_lanes = (_operand(stored, node, k) for k in (1 - side, side))
    return by_rows, by_lanes, one.sizes(one.inner), rows


def _operand(stored: Mapping[Node, Buffer], node: Node, side: int) -> Operand:
    source, loops = source_loops(node, side)
    return Operand(stored[source], loops)
