"""A plan: nests in phases, buffers, and where the scratch ones lie. The end of the lowering."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chainrule.compiler.lower.buffers import Buffer, Memory, assign, itemsize
from chainrule.compiler.lower.group import cut
from chainrule.compiler.lower.loops import LOOPS, bodies
from chainrule.compiler.lower.prepare import Prepared, prepare
from chainrule.compiler.lower.roles import Roles
from chainrule.compiler.lower.row_blocks import split_row_sums
from chainrule.compiler.lower.schedule import (
    Gather,
    Schedule,
    Work,
    in_blocks,
    order,
    schedule,
    slots_by_phase,
)
from chainrule.ir.graph import Graph, Node

_LINE = 64


@dataclass(frozen=True, slots=True)
class Scratch:
    """Buffers, each with the first and the last phase in which it is needed."""

    buffers: tuple[tuple[Buffer, tuple[int, int]], ...]

    def offsets(self, batch: int) -> tuple[dict[int, int], int]:
        """Byte offsets of the buffers by slot for one batch, and the bytes of them all.

        Buffers that no phase needs at the same time share memory. First fit by size.
        """
        placed: list[tuple[int, int, tuple[int, int]]] = []
        offsets: dict[int, int] = {}
        sized = [(_bytes(buffer, batch), buffer.slot, life) for buffer, life in self.buffers]
        for size, slot, life in sorted(sized, key=lambda each: (-each[0], each[1])):
            offset = _first_fit(placed, size, life)
            placed.append((offset, size, life))
            offsets[slot] = offset
        return offsets, max((a + n for a, n, _ in placed), default=0)


def _bytes(buffer: Buffer, batch: int) -> int:
    size = buffer.elements(batch) * itemsize(buffer)
    return -(-size // _LINE) * _LINE


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that the emission needs to know, and nothing of the machine."""

    prepared: Prepared
    memory: Memory
    schedule: Schedule
    lives: dict[int, tuple[int, int]]
    loops: dict[Node, tuple[Plan, ...]]

    @property
    def graph(self) -> Graph:
        return self.prepared.graph

    @property
    def roles(self) -> Roles:
        return self.prepared.roles

    def state_buffers(self) -> list[Buffer]:
        """The buffers of the carried inputs, in the order of the inputs."""
        pairs = zip(self.graph.inputs, self.roles.inputs, strict=True)
        return [self.memory.of[node] for node, role in pairs if role == "state"]

    @cached_property
    def scratch(self) -> Scratch:
        """The buffers that are ours alone for a while."""
        return Scratch(
            tuple((self.memory.buffers[slot], life) for slot, life in self.lives.items())
        )

    def offsets(self, batch: int) -> tuple[dict[int, int], int]:
        """Byte offsets of the scratch buffers for one batch, and the bytes of them all."""
        return self.scratch.offsets(batch)

    def __str__(self) -> str:
        lines = []
        for number, phase in enumerate(self.schedule.phases):
            lines.append(f"phase {number}")
            lines += [f"  {_describe(work)}" for work in phase]
        return "\n".join(lines)


def _describe(work: Work) -> str:
    if isinstance(work, Gather):
        return "gather " + ", ".join(str(node.type) for node in work.inputs)
    return str(work)


def _first_fit(
    placed: list[tuple[int, int, tuple[int, int]]], size: int, life: tuple[int, int]
) -> int:
    """The lowest offset at which no buffer alive at the same time lies."""
    offset = 0
    for begin, length, other in sorted(placed):
        alive = life[0] <= other[1] and other[0] <= life[1]
        if alive and begin < offset + size and offset < begin + length:
            offset = begin + length
    return offset


def make_plan(graph: Graph, roles: Roles) -> Plan:
    """Prepare, cut, order, assign memory, schedule, and see how long each buffer lives."""
    prepared = split_row_sums(prepare(graph, roles))
    ordering = order(prepared, cut(prepared))
    memory = assign(prepared, ordering.nests, ordering.in_place)
    works, after = in_blocks(prepared, memory, ordering)
    gathered = _gathered(prepared)
    if gathered:
        # Every other piece of work waits for the rows: simple, and the copy is short.
        works.insert(0, Gather(gathered))
        after = {0: set(), **{k + 1: {0, *(p + 1 for p in before)} for k, before in after.items()}}
    phases = schedule(prepared, memory, works, after)
    return Plan(prepared, memory, phases, _lives(phases, prepared, memory), _loops(prepared))


def _loops(prepared: Prepared) -> dict[Node, tuple[Plan, ...]]:
    """A plan for each body of each loop."""
    return {
        node: tuple(make_plan(body, roles) for body, roles in bodies(node))
        for node in prepared.graph.nodes
        if node.op in LOOPS
    }


def all_plans(plan: Plan) -> list[Plan]:
    """A plan and those of the loops in it, to any depth."""
    inner = [body for found in plan.loops.values() for body in found]
    return [plan, *(each for body in inner for each in all_plans(body))]


def _gathered(prepared: Prepared) -> tuple[Node, ...]:
    pairs = zip(prepared.graph.inputs, prepared.roles.inputs, strict=True)
    return tuple(node for node, role in pairs if role == "rows" and prepared.graph.users[node])


def _lives(phases: Schedule, prepared: Prepared, memory: Memory) -> dict[int, tuple[int, int]]:
    """First and last phase of each scratch buffer."""
    lives: dict[int, tuple[int, int]] = {}
    for number, slots in enumerate(slots_by_phase(phases, prepared, memory)):
        for slot in slots:
            if memory.buffers[slot].owner == "work":
                lives[slot] = (lives.get(slot, (number, number))[0], number)
    return lives
