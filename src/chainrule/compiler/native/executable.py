"""A program that can be run: machine code, its table of addresses, the arrays it works in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.compiler.lower.buffers import GRANULE, Buffer, itemsize
from chainrule.compiler.lower.loops import effort_of
from chainrule.compiler.lower.plan import Plan, all_plans
from chainrule.compiler.native.host import HostCall
from chainrule.compiler.native.jit import assemble
from chainrule.compiler.native.program import (
    checks,
    gathered_buffers,
    hosted,
    panel_bytes,
    words_of,
    write_module,
)
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.threads import run_together
from chainrule.ir.graph import Node
from chainrule.ir.types import sized
from chainrule.ops.index import outside_error

_LINE = 64


def aligned(count: int) -> np.ndarray:
    """So many bytes of zeros that begin at a cache line."""
    raw = np.zeros(count + _LINE, np.uint8)
    skip = -raw.ctypes.data % _LINE
    return raw[skip : skip + count]


class Executable:
    """The native form of a plan. One run at a time: ``lock`` is held while it lasts."""

    def __init__(self, plan: Plan, target: Target, clocked: bool = False) -> None:
        self.plan = plan
        self.target = target
        self.text = write_module(plan, target, clocked)
        self._code = assemble(self.text, target)
        self._words = words_of(plan)
        self._table = np.zeros(self._words.count, np.int64)
        self._barrier = aligned(_LINE)
        self._scratch = aligned(0)
        self._panel_bytes = panel_bytes(plan, target)
        self._panels = aligned(0)
        self._batch = -1
        self._kept: dict[int, Any] = {}
        self.lock = threading.Lock()
        self._fault = aligned(_LINE).view(np.int64)
        self._hosts = [HostCall(node, buffers) for node, buffers in _host_arrays(plan)]
        for k, host in enumerate(self._hosts):
            self._table[self._words.host(k)] = host.address
        self._slots = _caller_slots(plan)
        self._places = self._table.data
        self._table_address = self._table.ctypes.data
        self._may_fail = bool(self._hosts or checks(plan))
        for buffer in plan.state_buffers():
            memory = aligned(buffer.elements(1) * itemsize(buffer))
            self._point(buffer.slot, memory)

    def _point(self, place: int, array: np.ndarray) -> None:
        self._table[place] = array.ctypes.data
        self._kept[place] = array

    # -- carried arrays --------------------------------------------------------------------------

    def set_state(self, arrays: Sequence[np.ndarray]) -> None:
        """Copy the caller's arrays into ours."""
        for buffer, array in zip(self.plan.state_buffers(), arrays, strict=True):
            for view, part in state_views(buffer, self._kept[buffer.slot]):
                view[...] = array[part]

    def get_state(self) -> list[np.ndarray]:
        """Copies of our arrays, row-major."""
        return [self._copied(buffer) for buffer in self.plan.state_buffers()]

    def _copied(self, buffer: Buffer) -> np.ndarray:
        array = np.empty(sized(buffer.type.shape), buffer.type.dtype)
        for view, part in state_views(buffer, self._kept[buffer.slot]):
            array[part] = view
        return array

    # -- running -----------------------------------------------------------------------------------

    def run(
        self,
        inputs: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
        *,
        batch: int = 0,
        steps: int = 1,
        order: np.ndarray | None = None,
        rows: Sequence[np.ndarray] = (),
        threads: int = 1,
    ) -> None:
        """Run ``steps`` steps.

        Args:
            inputs: row-major arrays for the inputs that are arrays or numbers per step, in order.
            outputs: row-major arrays to fill for the outputs that are arrays or records.
            batch: rows of a step.
            steps: how many steps.
            order: int32 row numbers, ``steps * batch`` of them, for gathered inputs.
            rows: row-major arrays of which the gathered inputs are rows.
            threads: how many threads share the work.
        """
        with self.lock:
            self._fill(inputs, outputs, batch, steps, order, rows)
            self._make_panels(threads)
            try:
                run_together(self._code.call, self._table.ctypes.data, threads)
            finally:  # the caller's arrays are the caller's to keep alive
                self._kept = {b.slot: self._kept[b.slot] for b in self.plan.state_buffers()}
            self._raise_what_went_wrong(batch)

    def run_at(self, addresses: Sequence[int], threads: int) -> None:
        """A step like the one before, on arrays at these addresses: inputs, then outputs.

        To be called with ``lock`` taken.
        """
        for slot, address in zip(self._slots, addresses, strict=True):
            self._places[slot] = address
        if threads > 1:
            self._barrier[:] = 0
        run_together(self._code.call, self._table_address, threads)
        if self._may_fail:
            self._raise_what_went_wrong(0)

    def fixed(
        self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]
    ) -> Callable[[], None]:
        """One step on these very arrays, on one thread, as quickly as it can be called.

        For small programs: Python's lock is held. To be called with ``lock`` taken.
        """
        with self.lock:
            self._fill(inputs, outputs, 0, 1, None, ())
            self._make_panels(1)
            table = self._table.copy()
        call = self._code.prepare_quick(table.ctypes.data)
        call.kept = (self, table, inputs, outputs)  # the native code knows their addresses only
        if not self._may_fail:
            return call  # type: ignore[no-any-return]

        def run() -> None:
            call()
            self._raise_what_went_wrong(0)

        return run

    def _fill(
        self, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], batch: int, steps: int,
        order: np.ndarray | None, rows: Sequence[np.ndarray],
    ) -> None:  # fmt: skip
        """Write the addresses and the numbers of a run into the table."""
        self._make_room(batch)
        words = self._words
        for slot, array in zip(self._slots, [*inputs, *outputs], strict=True):
            self._point(slot, array)
        for k, array in enumerate(rows):
            self._point(words.source(k), array)
        if order is not None:
            self._point(words.place("order"), order)
        self._barrier[:] = 0
        self._point(words.place("barrier"), self._barrier)
        self._point(words.place("fault"), self._fault)
        self._table[words.place("batch")] = batch
        self._table[words.place("steps")] = steps

    def _raise_what_went_wrong(self, batch: int) -> None:
        """Native code notes what is wrong and goes on; it is an error when it has ended."""
        number, place = (int(n) for n in self._fault[:2])
        self._fault[:] = 0
        errors = [host.error for host in self._hosts if host.error]
        for host in self._hosts:
            host.error = None
        if number:
            check = checks(self.plan)[number - 1].anchor
            assert check is not None
            (size,) = sized((check.attributes["size"],), batch)  # type: ignore[arg-type]
            raise outside_error(place - size if place < 0 else place, size, check.where)
        if errors:
            raise errors[0]

    def _make_panels(self, threads: int) -> None:
        """Memory in which each thread packs its blocks."""
        if threads * self._panel_bytes > len(self._panels):
            self._panels = aligned(threads * self._panel_bytes)
            self._table[self._words.place("panels")] = self._panels.ctypes.data

    def _make_room(self, batch: int) -> None:
        """Lay the scratch buffers out for this batch."""
        if batch == self._batch:
            return
        places: dict[int, int] = {}
        total = 0
        for k, plan in enumerate(all_plans(self.plan)):
            offsets, size = plan.offsets(batch)
            first = self._words.region(k - 1) if k else 0
            places.update({first + slot: total + offset for slot, offset in offsets.items()})
            total += size
        if total > len(self._scratch):
            self._scratch = aligned(total)
        for place, offset in places.items():
            self._table[place] = self._scratch.ctypes.data + offset
        self._batch = batch


def state_views(
    buffer: Buffer, memory: np.ndarray
) -> Iterator[tuple[np.ndarray, tuple[slice, ...]]]:
    """A carried array in our memory, with its axes in the caller's order, in one part or strips."""
    shape, dtype = sized(buffer.type.shape), buffer.type.dtype
    strides = [extent.at(0) * itemsize(buffer) for extent in buffer.strides]
    if not buffer.strip:
        yield np.ndarray(shape, dtype, memory, 0, strides), (slice(None),) * len(shape)
        return
    inner = buffer.order[-1]
    for begin in range(0, shape[inner], GRANULE):
        place = begin // GRANULE * buffer.strip * itemsize(buffer)
        part = [slice(None)] * 2
        part[inner] = slice(begin, min(begin + GRANULE, shape[inner]))
        sizes = list(shape)
        sizes[inner] = part[inner].stop - begin
        yield np.ndarray(sizes, dtype, memory, place, strides), tuple(part)


def _caller_slots(plan: Plan) -> list[int]:
    """Where the addresses of the caller's inputs and outputs stand, in order."""
    graph, roles = plan.graph, plan.roles
    inputs = zip(graph.inputs, roles.inputs, strict=True)
    outputs = zip(graph.outputs, roles.outputs, strict=True)
    owned = [node for node, role in inputs if role in ("array", "scalar")]
    owned += [node for node, role in outputs if role.kind != "state"]
    return [plan.memory.of[node].slot for node in owned]


def _host_arrays(plan: Plan) -> list[tuple[Node, list[Buffer]]]:
    """Each operation that NumPy does, and the arrays that it reads and writes."""
    memory = {root: each.memory for each in all_plans(plan) for root in each.memory.of}
    nodes = [nest.anchor for nest in hosted(plan) if nest.anchor]
    return [(node, [memory[node].of[x] for x in (*node.inputs, node)]) for node in nodes]


def gathered_inputs(plan: Plan) -> list[int]:
    """The positions of the inputs that are gathered and read."""
    slots = {buffer.slot for buffer in gathered_buffers(plan)}
    return [k for k, node in enumerate(plan.graph.inputs) if plan.memory.of[node].slot in slots]


def operations(plan: Plan, batch: int) -> float:
    """Multiplications and additions of one step, products and stored elements counted."""
    return effort_of(plan.graph, batch).total


def shareable(plan: Plan, batch: int) -> float:
    """Those of them that threads can share: short steps of a loop are done by one."""
    return effort_of(plan.graph, batch).shared
