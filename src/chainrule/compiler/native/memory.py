"""Addresses, loads and stores of a nest's body; what has been worked out and where it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.compiler.lower.buffers import GRANULE, Buffer, Extent
from chainrule.compiler.native.elementary import BINARY, FUNCTIONS, OTHERS
from chainrule.compiler.native.emit import BITS, I64, PTR, Emitter, Kind, NativeType, Val
from chainrule.ir.graph import Node
from chainrule.ir.types import DTYPE_NAMES, Size


@dataclass(frozen=True, slots=True)
class Near:
    """The position ``plus`` behind ``base``: addresses of neighbours share their base."""

    base: Val
    plus: int

    def from_base(self, base: Val) -> Near:
        """The same distance behind another position."""
        return Near(base, self.plus)


@dataclass(frozen=True, slots=True)
class Lanes:
    """Consecutive positions from ``base + plus``; the first ``valid`` exist (None: all do)."""

    base: Val
    valid: Val | int | None = None
    plus: int = 0

    def from_base(self, base: Val) -> Lanes:
        """As many positions behind another one."""
        return Lanes(base, self.valid, self.plus)


Entry = Val | Near | Lanes
Index = tuple[Entry, ...]


def kind_of(dtype: np.dtype) -> Kind:
    """The machine's element for a NumPy dtype, in a register."""
    name = DTYPE_NAMES[dtype]
    return "i1" if name == "bool" else name  # type: ignore[return-value]


def memory_kind(dtype: np.dtype) -> Kind:
    """The machine's element for a NumPy dtype, in memory: a boolean is a byte."""
    return "i8" if dtype.kind == "b" else kind_of(dtype)


class Place:
    """Where the body of one nest's function stands while it is written: its arrays and indices."""

    def __init__(
        self, stored: Mapping[Node, Buffer], inside: Mapping[Node, object], lanes: int
    ) -> None:
        self.e = Emitter({**FUNCTIONS, **BINARY, **OTHERS})
        self.lanes = lanes
        self.stored = stored
        self.inside = inside
        self.slots: dict[int, Val] = {}
        self.batch = Val(I64, "%batch")
        self.entry: list[str] = []
        self._own_slots = {stored[node].slot for node in inside if node in stored}
        self._known: dict[Any, Val] = {}
        self._at_entry: dict[Any, Val] = {}

    # -- what has been worked out --------------------------------------------------------------

    @contextmanager
    def block(self) -> Iterator[None]:
        """What is worked out inside is forgotten afterwards: it may not have been run."""
        before = dict(self._known)
        yield
        self._known = before

    def know(self, node: Node, index: Index, value: Val) -> None:
        """Give the value of a node at an index, as an anchor's loop has found it."""
        self._known[node, index] = value

    def once(self, key: Any, write: Callable[[], Val]) -> Val:
        """A value that is the same everywhere, worked out where the function begins."""
        if key not in self._at_entry:
            lines, self.e.lines = self.e.lines, self.entry
            self._at_entry[key] = write()
            self.e.lines = lines
        return self._at_entry[key]

    # -- sizes and addresses -------------------------------------------------------------------

    def pointer(self, slot: int) -> Val:
        return self.slots.setdefault(slot, Val(PTR, f"%p{len(self.slots)}"))

    def size(self, size: Size) -> Val:
        return self.e.i64(size) if isinstance(size, int) else self.batch

    def extent(self, extent: Extent) -> Val:
        """``scale * batch ** power`` as a machine integer."""
        if extent.power == 0:
            return self.e.i64(extent.scale)

        def write() -> Val:
            value = self.e.i64(extent.scale)
            for _ in range(extent.power):
                value = self.times(value, self.batch)
            return value

        return self.once(extent, write)

    def times(self, x: Val, y: Val) -> Val:
        """x * y, done now where both are literals."""
        if is_literal(x) and is_literal(y):
            return self.e.i64(int(x.text) * int(y.text))
        if "1" in (x.text, y.text):
            return y if x.text == "1" else x
        return self.e.mul(x, y)

    def plus(self, x: Val, y: Val) -> Val:
        """x + y, done now where both are literals."""
        if is_literal(x) and is_literal(y):
            return self.e.i64(int(x.text) + int(y.text))
        if "0" in (x.text, y.text):
            return y if x.text == "0" else x
        return self.e.add(x, y)

    def positions(self, entry: Entry) -> Val:
        """An index entry as integers, one per lane if it has lanes."""
        if isinstance(entry, Val):
            return entry
        base = self.plus(entry.base, self.e.i64(entry.plus))
        if isinstance(entry, Near):
            return base
        lanes = NativeType("i64", self.lanes)
        return self.e.add(self.e.splat(base, self.lanes), self.e.iota(lanes))

    def shifted(self, entry: Entry, by: int) -> Entry:
        """The entry ``by`` positions further on."""
        if isinstance(entry, Lanes | Near):
            return replace(entry, plus=entry.plus + by)
        if is_literal(entry):
            return self.e.i64(int(entry.text) + by)
        return self.e.add(entry, self.e.i64(by)) if entry.type.lanes else Near(entry, by)

    # -- memory ----------------------------------------------------------------------------------

    def address(self, buffer: Buffer, index: Index) -> Val:
        """The address of an element, lanes left out of account but for where they begin."""
        kind, steps, known = memory_kind(buffer.type.dtype), [], 0
        for axis, (entry, extent) in enumerate(zip(index, buffer.strides, strict=True)):
            if buffer.strip and axis == buffer.order[-1]:
                steps.append((self._column(buffer, entry), Extent(1)))
                continue
            if isinstance(entry, Val) and entry.type.lanes:
                continue
            base, plus = (entry, 0) if isinstance(entry, Val) else (entry.base, entry.plus)
            if is_literal(base):
                base, plus = self.e.i64(0), plus + int(base.text)
            if extent.power and plus:
                base, plus = self.plus(base, self.e.i64(plus)), 0
            known += plus * extent.scale
            if base.text != "0":
                steps.append((base, extent))
        near = self._near(buffer.slot, kind, tuple(steps))
        return self.e.pointer(near, self.e.i64(known), kind) if known else near

    def _column(self, buffer: Buffer, entry: Entry) -> Val:
        """How far behind the first column of a matrix in strips another one begins."""
        assert not isinstance(entry, Val) or not entry.type.lanes, "strips are read in runs"
        base, plus = (entry, 0) if isinstance(entry, Val) else (entry.base, entry.plus)
        if is_literal(base):
            strip, rest = divmod(int(base.text) + plus, GRANULE)
            return self.e.i64(strip * buffer.strip + rest)
        key = ("column", buffer.strip, base, plus)
        if key not in self._known:
            at, column = self.plus(base, self.e.i64(plus)), self.e.i64(0)
            if not isinstance(entry, Lanes) or self.lanes % GRANULE:
                column = self.e.and_(at, self.e.i64(GRANULE - 1))
                at = self.e.sub(at, column)
            place = self.times(at, self.e.i64(buffer.strip // GRANULE))
            self._known[key] = self.plus(place, column)
        return self._known[key]

    def beyond(self, buffer: Buffer, lane: Lanes, stride: Val) -> Val:
        """How far behind a run's base it begins, along an axis of this stride."""
        if not buffer.strip:
            return self.times(stride, self.e.i64(lane.plus))
        if 2 * self.lanes < GRANULE:
            first = self._column(buffer, replace(lane, plus=0))
            return self.e.sub(self._column(buffer, lane), first)
        strip, column = divmod(lane.plus, GRANULE)  # products begin at an even number of vectors
        return self.e.i64(strip * buffer.strip + column)

    def _near(self, slot: int, kind: Kind, steps: tuple[tuple[Val, Extent], ...]) -> Val:
        """The address that neighbours share, worked out once in a block."""
        if not steps:
            return self.pointer(slot)
        key = ("address", slot, steps)
        if key not in self._known:
            offset = self.e.i64(0)
            for base, extent in steps:
                offset = self.plus(offset, self.times(base, self.extent(extent)))
            self._known[key] = self.e.pointer(self.pointer(slot), offset, kind)
        return self._known[key]

    def load(self, buffer: Buffer, index: Index) -> Val:
        """The stored elements at an index."""
        kind = memory_kind(buffer.type.dtype)
        if not index and buffer.slot not in self._own_slots:
            value = self.once(buffer.slot, lambda: self._load_one(buffer, index))
            return self._from_memory(buffer, value)
        if sum(map(has_lanes, index)) > 1:
            return self._from_memory(buffer, self._load_across(buffer, index))
        lanes, stride = self._lanes(buffer, index)
        if lanes is None:
            return self._from_memory(buffer, self._load_one(buffer, index))
        type_, valid = NativeType(kind, self.lanes), self._valid(buffer, lanes)
        if isinstance(lanes, Lanes) and stride.text == "1":
            value = self.e.load_part(self.address(buffer, index), type_, valid)
        else:
            value = self.e.gather(self._addresses(buffer, index, lanes, stride), type_, valid)
        return self._from_memory(buffer, value)

    def _load_one(self, buffer: Buffer, index: Index) -> Val:
        kind = memory_kind(buffer.type.dtype)
        return self.e.load(self.address(buffer, index), NativeType(kind))

    def _load_across(self, buffer: Buffer, index: Index) -> Val:
        """Lanes that run along several axes at once, as on a diagonal."""
        steps = self.e.constant(0, NativeType("i64", self.lanes))
        valid: Val | int | None = None
        for entry, extent in zip(index, buffer.strides, strict=True):
            if has_lanes(entry):
                assert not isinstance(entry, Near)
                valid = self._valid(buffer, entry) if valid is None else valid
                steps = self.e.add(steps, self.times(self.positions(entry), self.extent(extent)))
        outer = tuple(self.positions(k) if has_lanes(k) else k for k in index)
        kind = memory_kind(buffer.type.dtype)
        places = self.e.pointers(self.address(buffer, outer), steps, kind)
        return self.e.gather(places, NativeType(kind, self.lanes), valid)

    def _lanes(self, buffer: Buffer, index: Index) -> tuple[Lanes | Val | None, Val]:
        """The entry that has lanes, if one has, and its stride."""
        found = [(k, x) for k, x in zip(index, buffer.strides, strict=True) if has_lanes(k)]
        assert len(found) <= 1, "an index has lanes on two axes"
        if not found:
            return None, self.e.i64(1)
        entry, extent = found[0]
        assert not isinstance(entry, Near)
        return entry, self.extent(extent)

    def _valid(self, buffer: Buffer, lanes: Lanes | Val) -> Val | int | None:
        return None if buffer.roomy or isinstance(lanes, Val) else lanes.valid

    def load_from(self, buffer: Buffer, base: Val, offset: Val) -> Val:
        """The element ``offset`` elements behind an address."""
        kind = memory_kind(buffer.type.dtype)
        return self.e.load(self.e.pointer(base, offset, kind), NativeType(kind))

    def store(self, buffer: Buffer, index: Index, value: Val, beside: bool = False) -> None:
        """Write a value to its place; ``beside`` it, in the same row, stand others to be kept."""
        kind = memory_kind(buffer.type.dtype)
        value = self.e.convert(value, kind) if value.type.kind == "i1" else value
        assert value.type.kind == kind, (buffer, value)
        lanes, stride = self._lanes(buffer, index)
        if lanes is None:
            assert not value.type.lanes, "a vector is stored at one place"
            self.e.store(value, self.address(buffer, index))
            return
        value = self.e.splat(value, self.lanes)
        valid = lanes.valid if beside and isinstance(lanes, Lanes) else self._valid(buffer, lanes)
        if isinstance(lanes, Lanes) and stride.text == "1":
            self.e.store_part(value, self.address(buffer, index), valid)
        else:
            self.e.scatter(value, self._addresses(buffer, index, lanes, stride), valid)

    def _addresses(self, buffer: Buffer, index: Index, lanes: Lanes | Val, stride: Val) -> Val:
        """One address per lane."""
        numbers = lanes if isinstance(lanes, Val) else self.e.iota(NativeType("i64", self.lanes))
        steps = self.e.mul(numbers, self.e.splat(stride, self.lanes))
        return self.e.pointers(self.address(buffer, index), steps, memory_kind(buffer.type.dtype))

    def _from_memory(self, buffer: Buffer, value: Val) -> Val:
        return self.e.convert(value, "i1") if buffer.type.dtype.kind == "b" else value


def has_lanes(entry: Entry) -> bool:
    """Whether an index entry stands for a position per lane."""
    return isinstance(entry, Lanes) or (isinstance(entry, Val) and entry.type.lanes > 0)


def is_literal(x: Val) -> bool:
    """Whether a value is a number in the text, known while it is written."""
    return not x.text.startswith("%")


def lanes_for(target_bits: int, dtypes: list[np.dtype]) -> int:
    """Elements per vector, by the narrowest floating type that a nest computes with."""
    floats = [dtype.itemsize * 8 for dtype in dtypes if dtype.kind == "f"]
    return target_bits // (min(floats) if floats else BITS["i64"])
