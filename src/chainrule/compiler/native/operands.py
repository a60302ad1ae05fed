"""The two sides of a product in memory: what gives its rows, and what gives its lanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chainrule.compiler.lower.buffers import Buffer, Extent
from chainrule.compiler.lower.contraction import (
    Loop,
    lane_side,
    rows_axes,
    single_loops,
    source_loops,
)
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.views import Terms
from chainrule.compiler.native.emit import Val
from chainrule.compiler.native.memory import Entry, Index, Place
from chainrule.compiler.passes.contractions import sides
from chainrule.ir.graph import Node
from chainrule.ir.types import Shape


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a product in memory, and each axis of its array in terms of the loops."""

    buffer: Buffer
    terms: tuple[Terms, ...]

    @property
    def loops(self) -> tuple[Loop | None, ...]:
        """The loop that each axis runs with; None where several add up, or none runs."""
        return single_loops(self.terms)

    def index(self, body: Place, entries: Mapping[Loop, Entry]) -> Index:
        """The index of an element; a loop that is not given is at 0."""
        zero = body.e.i64(0)
        given = {k: entries.get(k, zero) for own in self.terms for k, _ in own}
        singles = zip(self.terms, self.loops, strict=True)
        return tuple(
            _sum(body, own, given) if single is None else given[single] for own, single in singles
        )

    def stride(self, loop: Loop) -> Extent:
        """How far apart neighbours along a loop lie: not at all where the loop repeats them."""
        found = [
            Extent(extent.scale * factor, extent.power)
            for own, extent in zip(self.terms, self.buffer.strides, strict=True)
            for k, factor in own
            if k == loop
        ]
        assert len(found) <= 1, "a loop runs along two axes of one operand"
        return found[0] if found else Extent(0)


def _sum(body: Place, terms: Terms, entries: Mapping[Loop, Entry]) -> Val:
    """A window's place: what several loops add up to."""
    total = body.e.i64(0)
    for loop, factor in terms:
        at = body.times(body.positions(entries[loop]), body.e.i64(factor))
        total = body.plus(total, at)
    return total


def operands_of(nest: Nest, stored: Mapping[Node, Buffer]) -> tuple[Operand, Operand, Shape, Loop]:
    """The operand of the rows, that of the lanes, the contracted sizes, the axis of the rows.

    The lanes run along the last axis of the nest's order, the rows of a tile along the last free
    axis of the other operand.
    """
    node = nest.anchor
    assert node is not None
    side, _ = lane_side(node, nest.order)
    one = sides(node)[0]
    rows = rows_axes(node, nest.order)[-1]
    by_rows, by_lanes = (_operand(stored, node, k) for k in (1 - side, side))
    return by_rows, by_lanes, one.sizes(one.inner), rows


def _operand(stored: Mapping[Node, Buffer], node: Node, side: int) -> Operand:
    source, terms = source_loops(node, side)
    return Operand(stored[source], terms)
