"""Where each stored value lies: its slot, its strides, who owns the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from chainrule.compiler.lower.group import Nest, storage_of
from chainrule.compiler.lower.loops import LOOPS
from chainrule.compiler.lower.prepare import Prepared, is_general_reshape
from chainrule.compiler.lower.strips import in_strips
from chainrule.compiler.lower.sums import Order
from chainrule.ir.graph import Node
from chainrule.ir.types import ArrayType, Shape, Size, sized

#: Rows are shared out to threads, and lengthened in memory, in multiples of this many.
GRANULE: Final = 16
#: A row of this many bytes, or a multiple, would make a column fall into few sets of the cache.
_BAD_ROW: Final = 1024
Owner = Literal["caller", "state", "work"]


@dataclass(frozen=True, slots=True)
class Extent:
    """``scale * batch ** power``: a number of elements."""

    scale: int
    power: int = 0

    def at(self, batch: int) -> int:
        """The number for one batch."""
        return int(self.scale * batch**self.power)

    @property
    def is_one(self) -> bool:
        """Whether neighbours stand side by side."""
        return (self.scale, self.power) == (1, 0)

    def times(self, size: Size) -> Extent:
        if isinstance(size, int):
            return Extent(self.scale * size, self.power)
        return Extent(self.scale, self.power + 1)


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array in memory. ``slot`` is its place in the table of pointers.

    ``roomy`` memory is ours: reading or writing a whole vector past the end of a row is harmless.
    ``strip``: a matrix in strips of GRANULE columns has so many elements from one to the next; then
    the strides are those inside a strip. 0: its rows lie whole.
    """

    slot: int
    type: ArrayType
    order: Order
    strides: tuple[Extent, ...]
    owner: Owner
    roomy: bool
    strip: int = 0

    def elements(self, batch: int) -> int:
        """How many elements to allocate, room for whole vectors at the ends included."""
        if not self.type.shape:
            return GRANULE
        if self.strip:
            return -(-sized(self.type.shape)[self.order[-1]] // GRANULE) * self.strip
        outer = self.order[0]
        (count,) = sized((self.type.shape[outer],), batch)
        rows = -(-count // GRANULE) * GRANULE
        return rows * self.strides[outer].at(batch) + GRANULE


def row_major(shape: Shape, order: Order, first: int | None = None) -> tuple[Extent, ...]:
    """Strides for axes in ``order``; ``first`` is the length given to the contiguous axis."""
    strides = [Extent(1)] * len(shape)
    step = Extent(1)
    for position, axis in enumerate(reversed(order)):
        strides[axis] = step
        step = step.times(first if position == 0 and first is not None else shape[axis])
    return tuple(strides)


def _roomy_row(type_: ArrayType, order: Order) -> int | None:
    """The length of a row of ours: whole vectors, and not one that the cache dislikes."""
    size = type_.shape[order[-1]] if type_.rank > 1 else None
    if not isinstance(size, int):
        return None
    row = -(-size // GRANULE) * GRANULE
    return row + GRANULE if row * type_.dtype.itemsize % _BAD_ROW == 0 else row


class Memory:
    """The buffers of a program, in the order of their slots."""

    def __init__(self) -> None:
        self.buffers: list[Buffer] = []
        self.of: dict[Node, Buffer] = {}

    def add(self, node: Node, owner: Owner, order: Order, roomy: bool) -> Buffer:
        """A new buffer for the value of a node."""
        type_ = node.type
        # Rows as long as the batch lie close together: past the end of one the next begins.
        roomy = roomy and (type_.rank < 2 or isinstance(type_.shape[order[-1]], int))
        first = _roomy_row(type_, order) if roomy else None
        strides = row_major(type_.shape, order, first)
        made = Buffer(len(self.buffers), type_, order, strides, owner, roomy)
        self.buffers.append(made)
        self.of[node] = made
        return made

    def add_in_strips(self, node: Node, owner: Owner, order: Order) -> None:
        """A new buffer for a matrix in strips; one row more keeps strips off each other's sets."""
        outer = order[0]
        rows = -(-sized(node.type.shape)[outer] // GRANULE) * GRANULE + 1
        strides = [Extent(1)] * 2
        strides[outer] = Extent(GRANULE)
        made = Buffer(
            len(self.buffers), node.type, order, tuple(strides), owner, True, rows * GRANULE
        )
        self.buffers.append(made)
        self.of[node] = made

    def reshaped(self, node: Node) -> None:
        """A general reshape: the same memory, read in another shape."""
        base = self.of[storage_of(node)]
        order = tuple(range(node.type.rank))
        strides = row_major(node.type.shape, order)
        self.of[node] = Buffer(base.slot, node.type, order, strides, base.owner, False)


def assign(prepared: Prepared, nests: list[Nest], in_place: dict[Node, Node]) -> Memory:
    """A buffer for every input, every stored value and every reshape of one.

    ``in_place`` maps a stored value to the carried input whose memory it takes.
    """
    memory, strips = Memory(), in_strips(prepared)
    graph, roles = prepared.graph, prepared.roles
    kinds = {n: r.kind for n, r in zip(graph.outputs, roles.outputs, strict=True)}
    flat = {storage_of(n) for n in graph.nodes if is_general_reshape(n)}
    flat.update(storage_of(x) for n in graph.nodes if n.op in LOOPS for x in n.inputs)
    for node, role in zip(graph.inputs, roles.inputs, strict=True):
        owner: Owner = {"state": "state", "rows": "work"}.get(role, "caller")  # type: ignore[assignment]
        if node in strips:
            memory.add_in_strips(node, owner, prepared.order(node))
            continue
        # An example is gathered as one piece: only at its end may there be room.
        whole = node in flat or (role == "rows" and node.type.rank > 2)
        memory.add(node, owner, prepared.order(node), roomy=owner != "caller" and not whole)
    for nest in nests:
        for root in nest.roots:
            if root in in_place:
                memory.of[root] = memory.of[in_place[root]]
            elif root in strips:
                memory.add_in_strips(root, "work", prepared.order(root))
            elif kinds.get(root) in ("array", "scalar", "slice"):
                memory.add(root, "caller", prepared.order(root), roomy=False)
            else:
                roomy = root not in flat and root.op != "item"
                memory.add(root, "work", prepared.order(root), roomy)
    for node in graph.nodes:
        if is_general_reshape(node):
            memory.reshaped(node)
    return memory


def itemsize(buffer: Buffer) -> int:
    """Bytes of one element."""
    return int(np.dtype(buffer.type.dtype).itemsize)
