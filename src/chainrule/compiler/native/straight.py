"""A step of one example, written out: vectors in registers, examples read where they lie.

Everything but the elements of matrices is worked out first; then each element of a carried matrix
is read, worked out and written over, together with those of other arrays of its shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from chainrule.compiler.lower.buffers import Buffer, itemsize, row_major
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.straight import is_tall, long_axes
from chainrule.compiler.lower.views import LEAVES, REDUCTIONS, is_view, references, view_index
from chainrule.compiler.native.emit import PTR, NativeType, Val
from chainrule.compiler.native.gather import Written
from chainrule.compiler.native.loops import HIGH, LOW
from chainrule.compiler.native.memory import Entry, Index, Lanes, is_literal, lanes_for
from chainrule.compiler.native.narrow import fold
from chainrule.compiler.native.sums import fold_lanes, neutral, taken
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.values import Body
from chainrule.compiler.passes.build import axes_of
from chainrule.ir.graph import Node
from chainrule.ir.types import sized

#: Steps ahead of which an example is asked for: it may stand anywhere in memory.
AHEAD: Final = 8
_LINE: Final = 64
#: Reductions of at most so many elements take them one by one.
_FEW: Final = 4
#: Sums along an axis that are carried side by side, to hide the latency of an addition.
_SIDE_BY_SIDE: Final = 4


def write_straight(plan: Plan, nest: Nest, target: Target, declarations: set[str]) -> Written:
    """The function of a straight nest: the slots whose addresses it takes, and its text."""
    body = _Straight(plan, nest, target)
    body.e.declarations = declarations
    e = body.e
    with e.when(e.compare("lt", LOW, HIGH)):
        body.find_rows()
        body.work_out_vectors()
        body.write_results()
    pointers = "".join(f"ptr noalias {pointer.text}, " for pointer in body.slots.values())
    sources = "".join(f"ptr noalias %s{k}, " for k in range(len(nest.rows)))
    order = "ptr noalias %order, ptr noalias %ahead, " if nest.rows else ""
    head = f"({pointers}{sources}{order}i64 %low, i64 %high, i64 %batch) #0 {{"
    lines = [head, "entry:", *body.entry, *e.lines, "  ret void", "}"]
    return tuple(body.slots), "\n".join(lines)


class _Straight(Body):
    """The body of a step that is one block of code: what is known once is known to its end."""

    def __init__(self, plan: Plan, nest: Nest, target: Target) -> None:
        lanes = lanes_for(target.vector_bits, [node.type.dtype for node in nest.members])
        stored = {node: _exact(buffer) for node, buffer in plan.memory.of.items()}
        stored.update({node: _in_place(stored[node]) for node in nest.rows})
        super().__init__(stored, nest.members, lanes)
        self.nest = nest
        self.nodes = plan.graph.nodes
        self.rows: dict[int, Val] = {}

    # -- examples --------------------------------------------------------------------------------

    def find_rows(self) -> None:
        """The addresses of the step's example; a later one is asked for."""
        for k, node in enumerate(self.nest.rows):
            buffer = self.stored[node]
            size = math.prod(sized(node.type.shape))
            here, later = (
                self._row(Val(PTR, f"%s{k}"), Val(PTR, order), size * itemsize(buffer))
                for order in ("%order", "%ahead")
            )
            self.rows[buffer.slot] = here
            for line in range(0, size * itemsize(buffer), _LINE):
                self.e.prefetch(self.e.pointer(later, self.e.i64(line), "i8"))

    def _row(self, source: Val, order: Val, length: int) -> Val:
        number = self.e.convert(self.e.load(order, NativeType("i32")), "i64")
        return self.e.pointer(source, self.e.mul(number, self.e.i64(length)), "i8")

    def pointer(self, slot: int) -> Val:
        return self.rows[slot] if slot in self.rows else super().pointer(slot)

    # -- what is worked out ----------------------------------------------------------------------

    def work_out_vectors(self) -> None:
        """All numbers and vectors, in the order of the graph."""
        for node in self.nodes:
            if node in self.inside and len(long_axes(node)) < 2:
                for index in self._places(node):
                    self.value(node, index)
        # Matrices are read again where they are written over: there are few registers.
        kept = {key: value for key, value in self._known.items() if not _is_of_matrix(key[0])}
        self._known = kept

    def write_results(self) -> None:
        """Element by element, those of one shape together: one may need another's old value."""
        shapes = dict.fromkeys(root.type.shape for root in self.nest.roots)
        for shape in shapes:
            roots = [root for root in self.nest.roots if root.type.shape == shape]
            for index in self._places(roots[0]):
                values = [self.value(root, index) for root in roots]
                for root, value in zip(roots, values, strict=True):
                    self.store(self.stored[root], index, value)

    def _places(self, node: Node) -> Iterator[Index]:
        """The places of an array: vectors along the axis that it lies along, row after row."""
        axes, shape = _outermost_first(node), sized(node.type.shape)
        zeros: list[Entry] = [self.e.i64(0)] * len(shape)
        if not axes:
            yield tuple(zeros)
            return
        *outer, last = axes
        for k in range(shape[outer[0]] if outer else 1):
            for run in self._runs(shape[last]):
                entries = list(zeros)
                entries[last] = run
                if outer:
                    entries[outer[0]] = self.e.i64(k)
                yield tuple(entries)

    def _runs(self, size: int) -> list[Lanes]:
        """The vectors along an axis; the last one may be short."""
        return [
            Lanes(self.e.i64(at), None if at + self.lanes <= size else size - at)
            for at in range(0, size, self.lanes)
        ]

    # -- values ------------------------------------------------------------------------------------

    def _operands(self, node: Node, index: Index) -> list[tuple[Node, Index]]:
        if self._is_element(node, index):
            return [(node, self._run_around(node, index)[0])]
        return super()._operands(node, index)

    def _work_out(self, node: Node, index: Index) -> Val:
        if self._is_element(node, index):
            around, lane = self._run_around(node, index)
            return self.e.extract(self.value(node, around), lane)
        return super()._work_out(node, index)

    def _is_element(self, node: Node, index: Index) -> bool:
        """Whether one element is asked for of a vector that is worked out."""
        axes = long_axes(node)
        if len(axes) != 1 or node not in self.inside or is_view(node) or node.op in LEAVES:
            return False
        entry = index[axes[0]]
        return isinstance(entry, Val) and not entry.type.lanes and is_literal(entry)

    def _run_around(self, node: Node, index: Index) -> tuple[Index, int]:
        """The vector in which an element stands, and its lane."""
        (axis,) = long_axes(node)
        entry = index[axis]
        assert isinstance(entry, Val)
        number, lane = divmod(int(entry.text), self.lanes)
        run = self._runs(sized(node.type.shape)[axis])[number]
        return (*index[:axis], run, *index[axis + 1 :]), lane

    # -- memory ------------------------------------------------------------------------------------

    def load(self, buffer: Buffer, index: Index) -> Val:
        """A carried array's rows are read whole: behind their ends stand zeros."""
        return super().load(self._with_room(buffer, index), index)

    def store(self, buffer: Buffer, index: Index, value: Val, beside: bool = False) -> None:
        """A carried array's rows are written whole, with zeros behind their ends.

        What is written under a mask cannot be handed on to the next step's reading before it has
        reached the cache.
        """
        whole = self._with_room(buffer, index)
        last = next((entry for entry in index if isinstance(entry, Lanes)), None)
        if whole.roomy and last is not None and isinstance(last.valid, int):
            mask = self.e.first_lanes(self.lanes, self.e.i64(last.valid))
            value = self.e.select(mask, value, self.e.constant(0, value.type))
        super().store(whole, index, value)

    def _with_room(self, buffer: Buffer, index: Index) -> Buffer:
        """Rows of several vectors: a short one gains nothing by it."""
        last = next((entry for entry in index if isinstance(entry, Lanes)), None)
        is_long = last is not None and last.base.text != "0"
        return replace(buffer, roomy=buffer.owner == "state" and is_long)

    # -- sums --------------------------------------------------------------------------------------

    def combine(self, node: Node, so_far: Val, index: Index) -> Val:
        """A product into a sum by fma, also behind a view that only adds or drops unit axes."""
        (x,) = node.inputs
        if node.op == "sum" and x.op == "reshape" and x.inputs[0].op == "multiply":
            product = x.inputs[0]
            at = view_index(x, index, self.e.i64(0))
            if product.type.is_float:
                a, b = (self.value(operand, at) for operand in product.inputs)
                return self.e.fma(a, b, so_far)
        return super().combine(node, so_far, index)

    def _reduction(self, node: Node, index: Index) -> Val:
        (x,) = node.inputs
        gone, shape = axes_of(node), sized(x.type.shape)
        kept = iter(index)
        zero = self.e.i64(0)
        full: list[Entry] = [zero if k in gone else next(kept) for k in range(len(shape))]
        axes = [k for k in gone if shape[k] != 1]
        if not axes:
            return self.combine(node, self.neutral(node), tuple(full))
        run = next((k for k, entry in enumerate(full) if isinstance(entry, Lanes)), None)
        if run is None:
            return self._across(node, full, axes, shape)
        if node.op == "sum" and self._lies_along(x, axes[0]):
            return self._by_rows(node, full, axes[0], run)
        return self._along(node, full, axes[0], shape[axes[0]])

    def _across(
        self, node: Node, full: list[Entry], axes: list[int], shape: tuple[int, ...]
    ) -> Val:
        """A number: lanes along the last of the reduced axes."""
        *outer, last = axes
        if not outer and shape[last] <= _FEW:
            return self._one_by_one(node, full, last, shape[last])
        parts: list[Val] = []
        for k in range(shape[outer[0]] if outer else 1):
            for number, run in enumerate(self._runs(shape[last])):
                at = list(full)
                at[last] = run
                if outer:
                    at[outer[0]] = self.e.i64(k)
                part = number % _SIDE_BY_SIDE
                if part == len(parts):
                    parts.append(neutral(self, node))
                parts[part] = taken(self, node, parts[part], run, tuple(at))
        return fold_lanes(self, node, self._joined(node, parts))

    def _one_by_one(self, node: Node, full: list[Entry], axis: int, size: int) -> Val:
        so_far = self.neutral(node)
        for k in range(size):
            at = [*full[:axis], self.e.i64(k), *full[axis + 1 :]]
            so_far = self.combine(node, so_far, tuple(at))
        return so_far

    def _along(self, node: Node, full: list[Entry], axis: int, size: int) -> Val:
        """Lanes along a kept axis: the elements of the reduced one are taken one by one."""
        parts = [neutral(self, node)] * min(_SIDE_BY_SIDE, size)
        for k in range(size):
            at = [*full[:axis], self.e.i64(k), *full[axis + 1 :]]
            part = k % len(parts)
            parts[part] = self.e.match(self.combine(node, parts[part], tuple(at)), parts[part])[0]
        return self._joined(node, parts)

    def _by_rows(self, node: Node, full: list[Entry], axis: int, run: int) -> Val:
        """A lane for each row: rows are multiplied along their elements, and folded together."""
        lanes = full[run]
        assert isinstance(lanes, Lanes)
        count = self.lanes if lanes.valid is None else lanes.valid
        assert isinstance(count, int)
        first, size = int(lanes.base.text), sized(node.inputs[0].type.shape)[axis]
        rows = []
        for k in range(count):
            total = neutral(self, node)
            for along in self._runs(size):
                at = list(full)
                at[run], at[axis] = self.e.i64(first + k), along
                total = taken(self, node, total, along, tuple(at))
            rows.append(total)
        rows += [neutral(self, node)] * (_next_power(count) - count)
        return fold(self.e, rows)

    def _joined(self, node: Node, parts: list[Val]) -> Val:
        """Neighbours joined, then neighbours of these."""
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=False)
            rest = parts[-1:] if len(parts) % 2 else []
            parts = [*(self.join(node, a, b) for a, b in pairs), *rest]
        return parts[0]

    def _lies_along(self, x: Node, axis: int) -> bool:
        """Whether the matrix that is summed over lies in memory along this axis."""
        labels = tuple(range(x.type.rank))
        for node, found in references(x, labels, lambda y: y in self.stored or y.op in REDUCTIONS):
            if node.op == "input" and len(long_axes(node)) == 2:
                return found[_outermost_first(node)[-1]] == axis
        return False


def _outermost_first(node: Node) -> tuple[int, ...]:
    """The long axes in the order in which they lie."""
    axes = long_axes(node)
    return axes[::-1] if is_tall(node) else axes


def _exact(buffer: Buffer) -> Buffer:
    """Memory of which no lane past the end of a row is touched: nothing may gather there."""
    return replace(buffer, roomy=False)


def _in_place(buffer: Buffer) -> Buffer:
    """An example where it lies among the caller's: its elements side by side."""
    return replace(buffer, strides=row_major(buffer.type.shape, buffer.order))


def _is_of_matrix(node: object) -> bool:
    return isinstance(node, Node) and len(long_axes(node)) == 2


def _next_power(n: int) -> int:
    return 1 << (n - 1).bit_length()
