"""A program that can be run: machine code, its table of addresses, the arrays it works in."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.compiler.lower.buffers import Buffer, itemsize
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.native.jit import assemble
from chainrule.compiler.native.program import gathered_buffers, words_of, write_module
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.threads import run_together
from chainrule.ir.types import sized

_LINE = 64


def aligned(count: int) -> np.ndarray:
    """So many bytes of zeros that begin at a cache line."""
    raw = np.zeros(count + _LINE, np.uint8)
    skip = -raw.ctypes.data % _LINE
    return raw[skip : skip + count]


class Executable:
    """The native form of a plan. One run at a time."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self.plan = plan
        self.text = write_module(plan, target)
        self._code = assemble(self.text, target)
        self._words = words_of(plan)
        self._table = np.zeros(self._words.count, np.int64)
        self._barrier = aligned(_LINE)
        self._scratch = aligned(0)
        self._batch = -1
        self._kept: dict[int, Any] = {}
        self._lock = threading.Lock()
        for buffer in plan.state_buffers():
            memory = aligned(buffer.elements(1) * itemsize(buffer))
            self._point(buffer.slot, memory)

    def _point(self, place: int, array: np.ndarray) -> None:
        self._table[place] = array.ctypes.data
        self._kept[place] = array

    # -- carried arrays --------------------------------------------------------------------------

    def _state_view(self, buffer: Buffer) -> np.ndarray:
        """The carried array in our memory, with its axes in the caller's order."""
        strides = [extent.at(0) * itemsize(buffer) for extent in buffer.strides]
        memory = self._kept[buffer.slot]
        return np.ndarray(sized(buffer.type.shape), buffer.type.dtype, memory, 0, strides)

    def set_state(self, arrays: Sequence[np.ndarray]) -> None:
        """Copy the caller's arrays into ours."""
        for buffer, array in zip(self.plan.state_buffers(), arrays, strict=True):
            self._state_view(buffer)[...] = array

    def get_state(self) -> list[np.ndarray]:
        """Copies of our arrays, row-major."""
        return [np.array(self._state_view(b), order="C") for b in self.plan.state_buffers()]

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
        with self._lock:
            self._make_room(batch)
            graph, roles, words = self.plan.graph, self.plan.roles, self._words
            owned = [
                n
                for n, r in zip(graph.inputs, roles.inputs, strict=True)
                if r in ("array", "scalar")
            ]
            given = [
                n for n, r in zip(graph.outputs, roles.outputs, strict=True) if r.kind != "state"
            ]
            for node, array in [
                *zip(owned, inputs, strict=True),
                *zip(given, outputs, strict=True),
            ]:
                self._point(self.plan.memory.of[node].slot, array)
            for k, array in enumerate(rows):
                self._point(words.source(k), array)
            if order is not None:
                self._point(words.place("order"), order)
            self._barrier[:] = 0
            self._point(words.place("barrier"), self._barrier)
            self._table[words.place("batch")] = batch
            self._table[words.place("steps")] = steps
            try:
                run_together(self._code.call, self._table.ctypes.data, threads)
            finally:  # the caller's arrays are the caller's to keep alive
                self._kept = {b.slot: self._kept[b.slot] for b in self.plan.state_buffers()}

    def _make_room(self, batch: int) -> None:
        """Lay the scratch buffers out for this batch."""
        if batch == self._batch:
            return
        offsets, total = self.plan.offsets(batch)
        if total > len(self._scratch):
            self._scratch = aligned(total)
        for slot, offset in offsets.items():
            self._table[slot] = self._scratch.ctypes.data + offset
        self._batch = batch


def gathered_inputs(plan: Plan) -> list[int]:
    """The positions of the inputs that are gathered and read."""
    slots = {buffer.slot for buffer in gathered_buffers(plan)}
    return [k for k, node in enumerate(plan.graph.inputs) if plan.memory.of[node].slot in slots]


def operations(plan: Plan, batch: int) -> float:
    """Multiplications and additions of one step, products and stored elements counted."""
    total = 0.0
    for node in plan.graph.nodes:
        elements = float(math.prod(sized(node.type.shape, batch)))
        if node.op == "dot":
            inner = node.inputs[0].type.shape[node.attributes["a_axis"]]  # type: ignore[index]
            total += 2 * elements * sized((inner,), batch)[0]
        elif node.op != "input":
            total += elements
    return total
