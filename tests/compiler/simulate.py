"""A plan run element by element in Python, by threads that take their turns in the worst order.

Nothing of the compiler's own reasoning about indices is used: an element's operands are found by
walking the graph with numbers. Memory is one array of bytes with the plan's offsets, poisoned
before each step, so that a value that is read too early, overwritten too early or laid over
another shows in the results; and what two threads touch between two barriers is compared.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import numpy as np

from chainrule.compiler.lower.buffers import GRANULE, Buffer, itemsize
from chainrule.compiler.lower.contraction import operand_loops
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.schedule import Gather, Work
from chainrule.compiler.lower.views import shared_axes
from chainrule.compiler.passes.contractions import sides
from chainrule.ir.graph import Node
from chainrule.ir.types import BATCH, Size, sized
from chainrule.ops import PRIMITIVES

Place = tuple[int, ...]
_POISON = 0xFF  # as bytes of a float: NaN


@dataclass
class Touched:
    """The addresses that one thread reads and writes in one phase."""

    reads: set[tuple[str, int]] = field(default_factory=set)
    writes: set[tuple[str, int]] = field(default_factory=set)


class Simulation:
    """Memory of a plan for one batch size and number of threads."""

    def __init__(self, plan: Plan, batch: int, threads: int) -> None:
        self.plan, self.batch, self.threads = plan, batch, threads
        self.offsets, total = plan.offsets(batch)
        self.arenas: dict[str, np.ndarray] = {"work": np.full(total, _POISON, np.uint8)}
        for buffer in plan.memory.buffers:
            if buffer.owner != "work":
                room = buffer.elements(batch) * itemsize(buffer)
                self.arenas[f"slot {buffer.slot}"] = np.full(room, _POISON, np.uint8)
        self.touched = Touched()
        self.step = 0

    # -- memory ----------------------------------------------------------------------------------

    def _address(self, buffer: Buffer, index: Place) -> tuple[str, int]:
        strides = [s.at(self.batch) for s in buffer.strides]
        strip = 0
        if buffer.strip:
            inner = buffer.order[-1]
            strip, column = divmod(index[inner], GRANULE)
            index = (*index[:inner], column, *index[inner + 1 :])
        element = strip * buffer.strip + sum(k * s for k, s in zip(index, strides, strict=True))
        assert 0 <= element < max(buffer.elements(self.batch), 1), (buffer, index)
        if buffer.owner == "work":
            return "work", self.offsets[buffer.slot] + element * itemsize(buffer)
        return f"slot {buffer.slot}", element * itemsize(buffer)

    def _cell(self, buffer: Buffer, index: Place) -> np.ndarray:
        arena, begin = self._address(buffer, index)
        memory = self.arenas[arena][begin : begin + itemsize(buffer)]
        return memory.view(buffer.type.dtype)

    def put(self, node: Node, array: np.ndarray) -> None:
        """Write the value of an input or a carried array before the start."""
        for index in np.ndindex(array.shape):
            self._cell(self.plan.memory.of[node], index)[0] = array[index]

    def get(self, node: Node) -> np.ndarray:
        buffer = self.plan.memory.of[node]
        result = np.empty(sized(buffer.type.shape, self.batch), buffer.type.dtype)
        for index in np.ndindex(result.shape):
            result[index] = self._cell(buffer, index)[0]
        return result

    def load(self, node: Node, index: Place) -> Any:
        buffer = self.plan.memory.of[node]
        self.touched.reads.add(self._address(buffer, index))
        return self._cell(buffer, index)[0]

    def store(self, node: Node, index: Place, value: Any, lanes: int, whole: bool = True) -> None:
        """Write an element, and behind the last lane's what a ``whole`` vector may spoil."""
        buffer = self.plan.memory.of[node]
        self.touched.writes.add(self._address(buffer, index))
        self._cell(buffer, index)[0] = value
        if (
            buffer.roomy
            and whole
            and index
            and index[lanes] == sized(buffer.type.shape, self.batch)[lanes] - 1
        ):
            for k in range(index[lanes] + 1, -(-(index[lanes] + 1) // GRANULE) * GRANULE):
                beyond = (*index[:lanes], k, *index[lanes + 1 :])
                self.touched.writes.add(self._address(buffer, beyond))
                self._cell(buffer, beyond).view(np.uint8)[:] = _POISON

    # -- values ----------------------------------------------------------------------------------

    def value(self, node: Node, index: Place, nest: Nest, known: dict[Any, Any]) -> Any:
        key = (node, index)
        if key not in known:
            known[key] = self._work_out(node, index, nest, known)
        return known[key]

    def _work_out(self, node: Node, index: Place, nest: Nest, known: dict[Any, Any]) -> Any:
        if node in self.plan.memory.of and node not in nest.members:
            return self.load(node, index)
        record = PRIMITIVES.get(node.op)
        if node.op == "constant":
            return record.evaluate(**node.attributes)[()]  # type: ignore[union-attr]
        if node.op == "size":
            scale, power = node.attributes["scale"], node.attributes["power"]
            return node.type.dtype.type(scale * float(self.batch) ** power)  # type: ignore[operator]
        if node.op == "iota":
            return node.type.dtype.type(index[node.attributes["axis"]])  # type: ignore[index]
        if node.op in ("sum", "max", "prod", "dot"):
            return self._reduced(node, index, nest, known)
        if node.op == "take":
            return self._taken(node, index, nest, known)
        if record is not None and not callable(record.lower):
            inside = self._behind(node, index)
            if inside is None:
                return node.type.dtype.type(0)
            return self.value(node.inputs[0], inside, nest, known)
        operands = [np.asarray(self.value(x, index, nest, known)) for x in node.inputs]
        return np.asarray(record.evaluate(*operands, **node.attributes))[()]  # type: ignore[union-attr]

    def _taken(self, node: Node, index: Place, nest: Nest, known: dict[Any, Any]) -> Any:
        (x, i), shared = node.inputs, shared_axes(node)
        place = int(self.value(i, index[: i.type.rank], nest, known))
        at = (*index[:shared], place, *index[i.type.rank :])
        return self.value(x, at, nest, known)

    def _behind(self, node: Node, index: Place) -> Place | None:
        """The index into the operand of a move; None where padding begins."""
        (x,), a = node.inputs, dict(node.attributes)
        if node.op == "broadcast":
            return tuple(index[k] for k in a["axes"])
        if node.op == "transpose":
            return tuple(index[a["axes"].index(k)] for k in range(len(index)))
        if node.op == "slice":
            whole = sized(x.type.shape, self.batch)
            lines = zip(index, a["starts"], a["steps"], whole, strict=True)
            return tuple((start % n) + k * step for k, start, step, n in lines)
        shape = sized(x.type.shape, self.batch)
        if node.op == "pad":
            whole = sized(node.type.shape, self.batch)
            lines = zip(index, a["starts"], a["steps"], whole, strict=True)
            moved = [divmod(k - start % n, step) for k, start, step, n in lines]
            inside = all(r == 0 and 0 <= k < n for (k, r), n in zip(moved, shape, strict=True))
            return tuple(k for k, _ in moved) if inside else None
        if node.op in ("shear", "unshear"):
            axis, along, stride, dilation = (a[n] for n in ("axis", "along", "stride", "dilation"))
            if node.op == "shear":
                at, rest = index[axis] * stride + index[along] * dilation, 0
            else:
                at, rest = divmod(index[axis] - index[along] * dilation, stride)
            inside = rest == 0 and 0 <= at < shape[axis]
            return (*index[:axis], at, *index[axis + 1 :]) if inside else None
        assert node.op == "reshape", node.op
        flat = np.ravel_multi_index(index, sized(node.type.shape, self.batch)) if index else 0
        return tuple(int(k) for k in np.unravel_index(int(flat), shape)) if shape else ()

    def _reduced(self, node: Node, index: Place, nest: Nest, known: dict[Any, Any]) -> Any:
        if node.op == "dot":
            loops, (left, _) = operand_loops(node), sides(node)
            spans = [range(n) for n in sized(left.sizes(left.inner), self.batch)]
            total = node.type.dtype.type(0)
            for inner in itertools.product(*spans):
                factors = [
                    self.value(x, tuple(index[k] if k >= 0 else inner[~k] for k in of), nest, known)
                    for x, of in zip(node.inputs, loops, strict=True)
                ]
                total += factors[0] * factors[1]
            return total
        (x,), axes = node.inputs, node.attributes["axes"]
        assert isinstance(axes, tuple)
        shape, kept = sized(x.type.shape, self.batch), iter(index)
        spans = [range(n) if k in axes else (next(kept),) for k, n in enumerate(shape)]
        found = [self.value(x, place, nest, known) for place in itertools.product(*spans)]
        whole = np.array(found, x.type.dtype)
        return PRIMITIVES[node.op].evaluate(whole, axes=(0,))

    # -- running ---------------------------------------------------------------------------------

    def _share(self, nest: Nest, thread: int) -> range:
        """A thread's part of a nest's outer axis."""
        key = nest.shape[nest.order[0]]
        if nest.alone:
            return range(0 if thread else sized((key,), self.batch)[0])
        return self._share_of(key, thread)

    def _share_of(self, key: Size, thread: int) -> range:
        """Whole granules, or single rows, as evenly as they go."""
        (length,) = sized((key,), self.batch)
        granule = 1 if key in self.plan.schedule.fine else GRANULE
        size = math.ceil(math.ceil(length / granule) / self.threads) * granule
        return range(min(thread * size, length), min((thread + 1) * size, length))

    def _domain(self, nest: Nest, thread: int) -> Iterator[Place]:
        if nest.kind == "rows":
            for k in self._share(nest, thread):
                yield (k,)
            return
        if not nest.shape:
            if thread == 0:
                yield ()
            return
        sizes = sized(nest.shape, self.batch)
        rest = nest.order[1:]
        for outer in self._share(nest, thread):
            for inner in itertools.product(*(range(sizes[k]) for k in rest)):
                place = dict(zip(nest.order, (outer, *inner), strict=True))
                yield tuple(place[k] for k in range(len(sizes)))

    def run_nest(self, nest: Nest, thread: int) -> None:
        lanes = 0 if nest.kind == "rows" or not nest.order else nest.order[-1]
        for places in self._together(nest, thread):
            known: dict[Any, Any] = {}
            wanted = [
                (root, index)
                for place in places
                for root in nest.roots
                for index in self._indices(root, place, nest)
            ]
            found = [self.value(root, index, nest, known) for root, index in wanted]
            for (root, index), value in zip(wanted, found, strict=True):
                self.store(root, index, value, lanes, whole=root not in nest.sums)

    def _together(self, nest: Nest, thread: int) -> Iterator[list[Place]]:
        """The places that are worked out before any is stored: one, or a row where sums are."""
        if not nest.sums:
            yield from ([place] for place in self._domain(nest, thread))
            return
        of_row = itemgetter(*nest.order[:-1])
        for _, row in itertools.groupby(self._domain(nest, thread), of_row):
            yield list(row)

    def run_kernel(self, nest: Nest, thread: int) -> None:
        """A whole line, or all of it, at once: by the thread whose share it is."""
        node = nest.anchor
        assert node is not None
        first, span = -1, range(0)
        if nest.shares:
            first = nest.order[0]
            span = self._share(nest, thread)
        if len(span) == 0 and (nest.shares or thread):
            return
        known: dict[Any, Any] = {}
        operands = [self._whole(x, first, span, nest, known) for x in node.inputs]
        if nest.kind == "check":
            return
        attributes = {k: self.batch if v is BATCH else v for k, v in node.attributes.items()}
        result = PRIMITIVES[node.op].evaluate(*operands, **attributes)
        for index in np.ndindex(result.shape):
            moved = tuple(k + span.start if a == first else k for a, k in enumerate(index))
            self.store(node, moved, result[index], len(index) - 1)

    def _whole(
        self, x: Node, first: int, span: range, nest: Nest, known: dict[Any, Any]
    ) -> np.ndarray:
        """An operand, or this thread's share of it along an axis."""
        shape = sized(x.type.shape, self.batch)
        spans = [span if k == first else range(n) for k, n in enumerate(shape)]
        found = [self.value(x, place, nest, known) for place in itertools.product(*spans)]
        return np.array(found, x.type.dtype).reshape([len(s) for s in spans])

    def _indices(self, root: Node, place: Place, nest: Nest) -> Iterator[Place]:
        if root in nest.sums:
            if place[nest.order[-1]] == 0:
                yield tuple(place[k] for k in nest.axes_of(root))
            return
        if nest.kind != "rows" or root.type.rank == 1:
            yield place
            return
        for column in range(sized(root.type.shape, self.batch)[1]):
            yield (*place, column)

    def gather(
        self, work: Gather, thread: int, rows: Sequence[np.ndarray], order: np.ndarray
    ) -> None:
        for k in self._share_of(BATCH, thread):
            for node, source in zip(work.inputs, rows, strict=True):
                row = source[order[self.step * self.batch + k]]
                for index in np.ndindex(row.shape):
                    buffer = self.plan.memory.of[node]
                    self.touched.writes.add(self._address(buffer, (k, *index)))
                    self._cell(buffer, (k, *index))[0] = row[index]

    def run_step(
        self, turns: Sequence[int], rows: Sequence[np.ndarray] = (), order: Any = None
    ) -> None:
        """One step; in each phase the threads take their turns in this order, each to its end."""
        self.arenas["work"][:] = _POISON
        with np.errstate(all="ignore"):
            for phase in self.plan.schedule.phases:
                touched = {}
                for thread in turns:
                    touched[thread] = self.touched = Touched()
                    for work in phase:
                        self._run(work, thread, rows, order)
                _assert_apart(touched, phase)
        self.step += 1

    def _run(self, work: Work, thread: int, rows: Sequence[np.ndarray], order: Any) -> None:
        if isinstance(work, Gather):
            self.gather(work, thread, rows, order)
        elif isinstance(work, Nest) and work.kind in ("kernel", "check"):
            self.run_kernel(work, thread)
        else:
            self.run_nest(work, thread)


def _assert_apart(touched: dict[int, Touched], phase: tuple[Work, ...]) -> None:
    """Between two barriers no thread writes what another reads or writes."""
    for a, b in itertools.permutations(touched, 2):
        both = touched[a].writes & (touched[b].reads | touched[b].writes)
        assert not both, (
            f"threads {a} and {b} meet at {sorted(both)[:3]} in {list(map(str, phase))}"
        )


def assert_lives_apart(plan: Plan, batch: int) -> None:
    """No two scratch buffers that are needed in one phase share a byte."""
    offsets, total = plan.offsets(batch)
    spans = {
        slot: (offsets[slot], offsets[slot] + plan.memory.buffers[slot].elements(batch)
               * itemsize(plan.memory.buffers[slot]))
        for slot in offsets
    }  # fmt: skip
    for a, b in itertools.combinations(spans, 2):
        together = max(plan.lives[a][0], plan.lives[b][0]) <= min(
            plan.lives[a][1], plan.lives[b][1]
        )
        overlap = max(spans[a][0], spans[b][0]) < min(spans[a][1], spans[b][1])
        assert not (together and overlap), (plan.lives[a], plan.lives[b], spans[a], spans[b])
    assert all(low >= 0 and high <= total for low, high in spans.values())


def simulate(
    plan: Plan, inputs: Sequence[np.ndarray], batch: int, threads: int
) -> list[np.ndarray]:
    """The outputs of a plan whose inputs and outputs are all the caller's, last thread first."""
    assert_lives_apart(plan, batch)
    simulation = Simulation(plan, batch, threads)
    for node, array in zip(plan.graph.inputs, inputs, strict=True):
        simulation.put(node, array)
    simulation.run_step(range(threads)[::-1])
    return [simulation.get(node) for node in plan.graph.outputs]
