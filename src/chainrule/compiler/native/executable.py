"""A program that can be run: machine code, its table of addresses, the arrays it works in."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import numpy as np

from chainrule.compiler.lower.buffers import GRANULE, Buffer, itemsize
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.roles import Roles
from chainrule.compiler.native import kept
from chainrule.compiler.native.host import HostCall
from chainrule.compiler.native.interface import Interface, interface_of
from chainrule.compiler.native.jit import MachineCode, assemble
from chainrule.compiler.native.program import write_module
from chainrule.compiler.native.source import Unchanged
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.threads import run_together
from chainrule.ir.graph import Graph
from chainrule.ir.types import sized
from chainrule.ops.index import outside_error

#: Says of each program whether it was found or made, at the level DEBUG.
LOG: Final = logging.getLogger("chainrule.compiler")
_LINE = 64
#: Batch sizes whose layout of scratch memory is kept.
_LAYOUTS: Final = 16


def aligned(count: int) -> np.ndarray:
    """So many bytes of zeros that begin at a cache line."""
    raw = np.zeros(count + _LINE, np.uint8)
    skip = -raw.ctypes.data % _LINE
    return raw[skip : skip + count]


T = TypeVar("T")


class _Once(Generic[T]):
    """``functools.cached_property`` without its lock.

    Before Python 3.12 all objects share it: a child forked while a thread compiled waited for ever.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(self, owner: Any, kind: Any = None) -> T:
        made = owner.__dict__[self._make.__name__] = self._make(owner)
        return made


@dataclass(frozen=True, eq=False)
class Program:
    """What is to be compiled. Its plan and its text are made when somebody asks for them.

    ``planned`` makes the plan of a graph, by the compiler as it was read, ``compiler``.
    ``clocked``: with readings of the clock between nests.
    """

    graph: Graph
    roles: Roles
    target: Target
    planned: Callable[[Graph, Roles], Plan]
    compiler: Unchanged
    clocked: bool = False

    @_Once
    def plan(self) -> Plan:
        """Nests in phases, and where everything lies."""
        return self.planned(self.graph, self.roles)

    @_Once
    def text(self) -> str:
        """The module as LLVM text."""
        return write_module(self.plan, self.target, self.clocked)

    def assemble(self) -> tuple[Interface, MachineCode]:
        """The program as it was kept on the disk, or made now."""
        key = self._key()
        found = kept.read(key, self.target) if key else None
        if found is not None:
            LOG.debug("a program of %d nodes: found on disk", len(self.graph.nodes))
            return found
        made = interface_of(self.plan, self.target), assemble(self.text, self.target)
        if key:
            kept.write(key, *made)
        LOG.debug("a program of %d nodes: compiled", len(self.graph.nodes))
        return made

    def _key(self) -> str | None:
        if self.clocked:
            return None
        return kept.key_of(self.graph, self.roles, self.target, self.compiler)


#: Programs whose locks a child process must open.
_locks: Final[weakref.WeakSet[Executable]] = weakref.WeakSet()


def _open_locks() -> None:
    """After a fork: the thread of the parent that was running a program is not in the child."""
    for executable in _locks:
        executable.lock._at_fork_reinit()  # type: ignore[attr-defined] # as threading's own do


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_locks)


class Executable:
    """The native form of a program. One run at a time: ``lock`` is held while it lasts."""

    def __init__(self, program: Program, made: tuple[Interface, MachineCode] | None = None) -> None:
        self.program = program
        self.interface, self._code = made or program.assemble()
        self._words = self.interface.words
        self._table = np.zeros(self._words.count, np.int64)
        self._barrier = aligned(_LINE)
        self._scratch = aligned(0)
        self._panels = aligned(0)
        self._batch = -1
        self._layouts: dict[int, tuple[np.ndarray, np.ndarray, int]] = {}
        self._kept: dict[int, Any] = {}
        self.lock = threading.Lock()
        _locks.add(self)
        self._fault = aligned(_LINE).view(np.int64)
        self._hosts = [HostCall(node, buffers) for node, buffers in self.interface.hosts]
        for k, host in enumerate(self._hosts):
            self._table[self._words.host(k)] = host.address
        self._places = self._table.data
        self._table_address = self._table.ctypes.data
        self._may_fail = bool(self._hosts or self.interface.checks)
        for buffer in self.interface.state:
            memory = aligned(buffer.elements(1) * itemsize(buffer))
            self._point(buffer.slot, memory)

    def twin(self) -> Executable:
        """The same machine code with a table, arrays and a lock of its own."""
        return Executable(self.program, (self.interface, self._code))

    @property
    def graph(self) -> Graph:
        """What was compiled."""
        return self.program.graph

    @property
    def plan(self) -> Plan:
        """Nests in phases: worked out anew where the program was found on the disk."""
        return self.program.plan

    @property
    def text(self) -> str:
        """The module as LLVM text, to be read."""
        return self.program.text

    @property
    def gathered(self) -> tuple[int, ...]:
        """The positions of the inputs that are gathered and read."""
        return self.interface.gathered

    def operations(self, batch: int) -> float:
        """Multiplications and additions of one step, products and stored elements counted."""
        return self.interface.effort(batch).total

    def shareable(self, batch: int) -> float:
        """Those of them that threads can share: short steps of a loop are done by one."""
        return self.interface.effort(batch).shared

    def _point(self, place: int, array: np.ndarray) -> None:
        self._table[place] = array.ctypes.data
        self._kept[place] = array

    # -- carried arrays --------------------------------------------------------------------------

    def set_state(self, arrays: Sequence[np.ndarray]) -> None:
        """Copy the caller's arrays into ours."""
        for buffer, array in zip(self.interface.state, arrays, strict=True):
            for view, part in state_views(buffer, self._kept[buffer.slot]):
                view[...] = array[part]

    def get_state(self) -> list[np.ndarray]:
        """Copies of our arrays, row-major."""
        return [self._copied(buffer) for buffer in self.interface.state]

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
                self._kept = {b.slot: self._kept[b.slot] for b in self.interface.state}
            self._raise_what_went_wrong(batch)

    def run_at(self, addresses: Sequence[int], threads: int) -> None:
        """A step like the one before, on arrays at these addresses: inputs, then outputs.

        To be called with ``lock`` taken.
        """
        for slot, address in zip(self.interface.slots, addresses, strict=True):
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
        for slot, array in zip(self.interface.slots, [*inputs, *outputs], strict=True):
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
            limit, where = self.interface.checks[number - 1]
            (size,) = sized((limit,), batch)
            raise outside_error(place - size if place < 0 else place, size, where)
        if errors:
            raise errors[0]

    def _make_panels(self, threads: int) -> None:
        """Memory in which each thread packs its blocks."""
        if threads * self.interface.panel_bytes > len(self._panels):
            self._panels = aligned(threads * self.interface.panel_bytes)
            self._table[self._words.place("panels")] = self._panels.ctypes.data

    def _make_room(self, batch: int) -> None:
        """Lay the scratch buffers out for this batch."""
        if batch == self._batch:
            return
        places, offsets, total = self._layout(batch)
        if total > len(self._scratch):
            self._scratch = aligned(total)
        self._table[places] = self._scratch.ctypes.data + offsets
        self._batch = batch

    def _layout(self, batch: int) -> tuple[np.ndarray, np.ndarray, int]:
        """The scratch buffers' places in the table, their offsets in bytes, and the bytes of all.

        Kept for a few batch sizes: an epoch whose last batch is smaller changes it twice.
        """
        known = self._layouts.get(batch)
        if known is not None:
            return known
        places: dict[int, int] = {}
        total = 0
        for k, scratch in enumerate(self.interface.scratch):
            offsets, size = scratch.offsets(batch)
            first = self._words.region(k - 1) if k else 0
            places.update({first + slot: total + offset for slot, offset in offsets.items()})
            total += size
        if len(self._layouts) >= _LAYOUTS:
            self._layouts.clear()
        found = np.array([*places], np.intp), np.array([*places.values()], np.int64), total
        self._layouts[batch] = found
        return found


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
