"""Work out a value of the graph at an index: the one walker that every nest's body is made of.

An index has one entry per axis: a machine integer, a run of lanes, or a vector of positions. What
is stored is loaded there; what is not is worked out from its operands at their indices. What was
worked out once in a block is not worked out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from chainrule.compiler.lower.buffers import Buffer, Extent
from chainrule.compiler.lower.views import axes_of, is_view, starts_of, view_index
from chainrule.compiler.native.elementary import BINARY, FUNCTIONS
from chainrule.compiler.native.emit import BITS, I64, PTR, Emitter, Kind, NativeType, Val
from chainrule.compiler.passes.fold import ELEMENTWISE
from chainrule.ir.graph import Node
from chainrule.ir.types import DTYPE_NAMES, Size, sized
from chainrule.ops import PRIMITIVES

#: The longest inner reduction that is written out instead of looped over.
_UNROLLED: Final = 64


@dataclass(frozen=True, slots=True)
class Near:
    """The position ``plus`` behind ``base``: addresses of neighbours share their base."""

    base: Val
    plus: int


@dataclass(frozen=True, slots=True)
class Lanes:
    """Consecutive positions from ``base + plus``; the first ``valid`` exist (None: all do)."""

    base: Val
    valid: Val | int | None = None
    plus: int = 0


Entry = Val | Near | Lanes
Index = tuple[Entry, ...]


def kind_of(dtype: np.dtype) -> Kind:
    """The machine's element for a NumPy dtype, in a register."""
    name = DTYPE_NAMES[dtype]
    return "i1" if name == "bool" else name  # type: ignore[return-value]


def memory_kind(dtype: np.dtype) -> Kind:
    """The machine's element for a NumPy dtype, in memory: a boolean is a byte."""
    return "i8" if dtype.kind == "b" else kind_of(dtype)


class Body:
    """The body of one nest's function, while it is being written."""

    def __init__(
        self, stored: Mapping[Node, Buffer], inside: Mapping[Node, object], lanes: int
    ) -> None:
        self.e = Emitter({**FUNCTIONS, **BINARY})
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
        return self.slots.setdefault(slot, Val(PTR, f"%p{slot}"))

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
        if _is_literal(x) and _is_literal(y):
            return self.e.i64(int(x.text) * int(y.text))
        if "1" in (x.text, y.text):
            return y if x.text == "1" else x
        return self.e.mul(x, y)

    def plus(self, x: Val, y: Val) -> Val:
        """x + y, done now where both are literals."""
        if _is_literal(x) and _is_literal(y):
            return self.e.i64(int(x.text) + int(y.text))
        if "0" in (x.text, y.text):
            return y if x.text == "0" else x
        return self.e.add(x, y)

    # -- values ----------------------------------------------------------------------------------

    def value(self, node: Node, index: Index) -> Val:
        """The value of a node at an index: a scalar, or a vector where the index has lanes."""
        # Operands first on a stack of our own: Python's would not hold a chain of some hundred.
        waiting = [(node, index)]
        while waiting:
            key = waiting[-1]
            missing = [x for x in self._operands(*key) if x not in self._known]
            if missing and key not in self._known:
                waiting += reversed(missing)
                continue
            if key not in self._known:
                self._known[key] = self._work_out(*key)
            waiting.pop()
        return self._known[node, index]

    def _operands(self, node: Node, index: Index) -> list[tuple[Node, Index]]:
        """What working a value out takes first, where that is known without writing a line."""
        if node in self.stored and node not in self.inside:
            return []
        if node.op in ELEMENTWISE:
            return [(x, index) for x in node.inputs]
        if is_view(node) and node.op not in ("slice", "pad"):
            return [(node.inputs[0], view_index(node, index, self.e.i64(0)))]
        return []

    def _work_out(self, node: Node, index: Index) -> Val:
        if node in self.stored and node not in self.inside:
            return self.load(self.stored[node], index)
        if node.op in ("constant", "size", "iota"):
            return self._leaf(node, index)
        if node.op == "slice":
            return self.value(node.inputs[0], self._shifted(node, index))
        if node.op == "pad":
            return self._padded(node, index)
        if is_view(node):
            zero = self.e.i64(0)
            return self.value(node.inputs[0], view_index(node, index, zero))
        if node.op in ("sum", "max"):
            return self._reduction(node, index)
        operands = [self.value(x, index) for x in node.inputs]
        lower = PRIMITIVES[node.op].lower
        assert lower is not None, f"{node.op} reached the emission unstored"
        return lower(self.e, *operands, **node.attributes)  # type: ignore[no-any-return]

    def _leaf(self, node: Node, index: Index) -> Val:
        type_ = NativeType(kind_of(node.type.dtype))
        if node.op == "constant":
            return self.e.constant(node.attributes["value"], type_)  # type: ignore[arg-type]
        if node.op == "size":
            return self.once(node, lambda: self._size(node, type_))
        axis = node.attributes["axis"]
        assert isinstance(axis, int)
        return self.e.convert(self.positions(index[axis]), type_.kind)

    def _size(self, node: Node, type_: NativeType) -> Val:
        """scale * batch ** power, in double precision and then rounded."""
        f64 = NativeType("f64")
        b = self.e.convert(self.batch, "f64")
        power = node.attributes["power"]
        value = self.e.constant(node.attributes["scale"], f64)  # type: ignore[arg-type]
        assert isinstance(power, int)
        for _ in range(abs(power)):
            value = self.e.mul(value, b) if power > 0 else self.e.div(value, b)
        return self.e.convert(value, type_.kind)

    # -- indices ---------------------------------------------------------------------------------

    def positions(self, entry: Entry) -> Val:
        """An index entry as integers, one per lane if it has lanes."""
        if isinstance(entry, Val):
            return entry
        base = self.plus(entry.base, self.e.i64(entry.plus))
        if isinstance(entry, Near):
            return base
        lanes = NativeType("i64", self.lanes)
        return self.e.add(self.e.splat(base, self.lanes), self.e.iota(lanes))

    def _shifted(self, node: Node, index: Index) -> Index:
        return tuple(map(self.shifted, index, starts_of(node)))

    def shifted(self, entry: Entry, by: int) -> Entry:
        """The entry ``by`` positions further on."""
        if isinstance(entry, Lanes | Near):
            return replace(entry, plus=entry.plus + by)
        return self.e.add(entry, self.e.i64(by)) if entry.type.lanes else Near(entry, by)

    def _padded(self, node: Node, index: Index) -> Val:
        """Zero outside, inside the operand; an index outside is moved to the nearest inside."""
        (x,), e = node.inputs, self.e
        inside: Val | None = None
        moved: list[Entry] = []
        for entry, start, n, m in zip(
            index, starts_of(node), x.type.shape, node.type.shape, strict=True
        ):
            if n == m:
                moved.append(entry)
                continue
            at = e.sub(self.positions(entry), e.i64(start))
            last, zero = e.i64(sized((n,))[0] - 1), e.i64(0)
            within = e.and_(e.compare("ge", at, zero), e.compare("le", at, last))
            inside = within if inside is None else e.and_(inside, within)
            moved.append(e.larger(e.smaller(at, last), zero))
        value = self.value(x, tuple(moved))
        zero = e.constant(0, NativeType(value.type.kind))
        return value if inside is None else e.select(inside, value, zero)

    # -- reductions inside a body ----------------------------------------------------------------

    def neutral(self, node: Node) -> Val:
        """What a reduction begins with."""
        kind = kind_of(node.type.dtype)
        if node.op == "sum":
            return self.e.constant(0, NativeType(kind))
        lowest = {"f32": -np.inf, "f64": -np.inf, "i64": -(2**63), "i32": -(2**31), "i1": 0}[kind]
        return self.e.constant(lowest, NativeType(kind))

    def combine(self, node: Node, so_far: Val, index: Index) -> Val:
        """Take the operand at ``index`` into a sum or maximum; a product into a sum by fma."""
        (x,) = node.inputs
        if node.op == "sum" and x.op == "multiply" and not self._is_loaded(x) and x.type.is_float:
            a, b = (self.value(operand, index) for operand in x.inputs)
            return self.e.fma(a, b, so_far)
        return self.join(node, so_far, self.value(x, index))

    def _is_loaded(self, node: Node) -> bool:
        return node in self.stored and node not in self.inside

    def join(self, node: Node, a: Val, b: Val) -> Val:
        """Two partial results of a reduction into one."""
        return self.e.add(a, b) if node.op == "sum" else self.e.larger(a, b)

    def _reduction(self, node: Node, index: Index) -> Val:
        """A reduction worked out where it is needed, over axes written out or looped over."""
        (x,) = node.inputs
        gone = axes_of(node)
        lanes = self.lanes if any(has_lanes(k) for k in index) else 0
        start = self.neutral(node)
        start = self.e.splat(start, lanes) if lanes else start
        kept = iter(index)
        full: list[Entry | None] = [None if k in gone else next(kept) for k in range(x.type.rank)]
        return self._reduce_axes(node, full, list(gone), start)

    def _reduce_axes(self, node: Node, full: list[Any], axes: list[int], so_far: Val) -> Val:
        if not axes:
            return self.e.match(self.combine(node, so_far, tuple(full)), so_far)[0]
        axis, *rest = axes
        size = node.inputs[0].type.shape[axis]

        def at(position: Val, value: Val) -> Val:
            return self._reduce_axes(node, [*full[:axis], position, *full[axis + 1 :]], rest, value)

        if isinstance(size, int) and size <= _UNROLLED:
            for k in range(size):
                so_far = at(self.e.i64(k), so_far)
            return so_far

        def body(position: Val, carried: list[Val]) -> list[Val]:
            with self.block():
                return [at(position, carried[0])]

        return self.e.loop(self.e.i64(0), self.size(size), 1, body, [so_far])[0]

    # -- memory ----------------------------------------------------------------------------------

    def address(self, buffer: Buffer, index: Index) -> Val:
        """The address of an element, lanes left out of account but for where they begin."""
        kind, steps, known = memory_kind(buffer.type.dtype), [], 0
        for entry, extent in zip(index, buffer.strides, strict=True):
            if isinstance(entry, Val) and entry.type.lanes:
                continue
            base, plus = (entry, 0) if isinstance(entry, Val) else (entry.base, entry.plus)
            if _is_literal(base):
                base, plus = self.e.i64(0), plus + int(base.text)
            if extent.power and plus:
                base, plus = self.plus(base, self.e.i64(plus)), 0
            known += plus * extent.scale
            if base.text != "0":
                steps.append((base, extent))
        near = self._near(buffer.slot, kind, tuple(steps))
        return self.e.pointer(near, self.e.i64(known), kind) if known else near

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

    def store(self, buffer: Buffer, index: Index, value: Val) -> None:
        """Write a value to its place."""
        kind = memory_kind(buffer.type.dtype)
        value = self.e.convert(value, kind) if value.type.kind == "i1" else value
        assert value.type.kind == kind, (buffer, value)
        lanes, stride = self._lanes(buffer, index)
        if lanes is None:
            assert not value.type.lanes, "a vector is stored at one place"
            self.e.store(value, self.address(buffer, index))
            return
        value = self.e.splat(value, self.lanes)
        valid = self._valid(buffer, lanes)
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


def _is_literal(x: Val) -> bool:
    return not x.text.startswith("%")


def lanes_for(target_bits: int, dtypes: list[np.dtype]) -> int:
    """Elements per vector, by the narrowest floating type that a nest computes with."""
    floats = [dtype.itemsize * 8 for dtype in dtypes if dtype.kind == "f"]
    return target_bits // (min(floats) if floats else BITS["i64"])
