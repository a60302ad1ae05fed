"""What must be known of a program to run it, beside its code: kept on disk as JSON.

Where the addresses of arrays stand in the table, how carried arrays lie, how much memory a batch
takes, how much work it is. All of it follows from the plan; with it the plan need not be made.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Final

from chainrule.compiler.lower.buffers import Buffer, Extent
from chainrule.compiler.lower.loops import Effort, effort_of, factors_of
from chainrule.compiler.lower.plan import Plan, Scratch, all_plans
from chainrule.compiler.native.program import (
    Words,
    checks,
    gathered_buffers,
    hosted,
    panel_bytes,
    words_of,
)
from chainrule.compiler.native.target import Target
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import BATCH, Batch, Size, parse_type

_BATCH: Final = "batch"


@dataclass(frozen=True, slots=True)
class Interface:
    """What a caller of native code knows of it.

    Attributes:
        words: where in the table things stand.
        slots: of the caller's inputs and outputs, in order.
        state: the carried arrays, in the order of the inputs.
        scratch: the memory of the plan and of the plans of the loops in it.
        checks: for each check of places their number, and the user's line.
        gathered: the positions of the inputs that are gathered and read.
        panel_bytes: what each thread needs for packed blocks.
        work: multiplications, additions and stored elements of a step, where it has no loops.
        looping: the graph, where it has.
        hosts: each operation that NumPy does, and the arrays that it reads and writes.
    """

    words: Words
    slots: tuple[int, ...]
    state: tuple[Buffer, ...]
    scratch: tuple[Scratch, ...]
    checks: tuple[tuple[Size, str], ...]
    gathered: tuple[int, ...]
    panel_bytes: int
    work: tuple[Extent, ...]
    looping: Graph | None = None
    hosts: tuple[tuple[Node, tuple[Buffer, ...]], ...] = ()

    def effort(self, batch: int) -> Effort:
        """Operations of one step, and those of them that threads can share."""
        if self.looping is not None:
            return effort_of(self.looping, batch)
        total = float(sum(extent.at(batch) for extent in self.work))
        return Effort(total, total)

    @property
    def is_text(self) -> bool:
        """Whether all of it can be written as JSON: no graph and no call of NumPy is in it."""
        return self.looping is None and not self.hosts


def interface_of(plan: Plan, target: Target) -> Interface:
    """What the callers of a plan's code must know."""
    work = _work_of(plan.graph)
    return Interface(
        words_of(plan),
        tuple(_caller_slots(plan)),
        tuple(plan.state_buffers()),
        tuple(each.scratch for each in all_plans(plan)),
        tuple(_check(nest.anchor) for nest in checks(plan)),
        tuple(gathered_inputs(plan)),
        panel_bytes(plan, target),
        work or (),
        plan.graph if work is None else None,
        tuple(_host_arrays(plan)),
    )


def _work_of(graph: Graph) -> tuple[Extent, ...] | None:
    """What ``effort_of`` counts, as a sum of powers of the batch; None if there are loops."""
    scales: dict[int, int] = {}
    for node in graph.nodes:
        if any(isinstance(value, Graph) for value in node.attributes.values()):
            return None
        count = Extent(1)
        for size in factors_of(node):
            count = count.times(size)
        scales[count.power] = scales.get(count.power, 0) + count.scale
    return tuple(Extent(scale, power) for power, scale in sorted(scales.items()))


def _check(node: Node | None) -> tuple[Size, str]:
    assert node is not None
    size = node.attributes["size"]
    assert isinstance(size, int | Batch)
    return size, node.where


def _caller_slots(plan: Plan) -> list[int]:
    """Where the addresses of the caller's inputs and outputs stand, in order."""
    graph, roles = plan.graph, plan.roles
    inputs = zip(graph.inputs, roles.inputs, strict=True)
    outputs = zip(graph.outputs, roles.outputs, strict=True)
    owned = [node for node, role in inputs if role in ("array", "scalar")]
    owned += [node for node, role in outputs if role.kind != "state"]
    return [plan.memory.of[node].slot for node in owned]


def _host_arrays(plan: Plan) -> list[tuple[Node, tuple[Buffer, ...]]]:
    """Each operation that NumPy does, and the arrays that it reads and writes."""
    memory = {root: each.memory for each in all_plans(plan) for root in each.memory.of}
    nodes = [nest.anchor for nest in hosted(plan) if nest.anchor]
    return [(node, tuple(memory[node].of[x] for x in (*node.inputs, node))) for node in nodes]


def gathered_inputs(plan: Plan) -> list[int]:
    """The positions of the inputs that are gathered and read."""
    slots = {buffer.slot for buffer in gathered_buffers(plan)}
    return [k for k, node in enumerate(plan.graph.inputs) if plan.memory.of[node].slot in slots]


# -- as text ---------------------------------------------------------------------------------------


def to_json(interface: Interface, code: str) -> bytes:
    """An interface as text, with the name under which its code is kept."""
    assert interface.is_text, "a program that calls Python is not kept"
    record = {
        "code": code,
        "words": asdict(interface.words),
        "slots": interface.slots,
        "state": [_buffer_record(buffer) for buffer in interface.state],
        "scratch": [
            [[_buffer_record(buffer), life] for buffer, life in scratch.buffers]
            for scratch in interface.scratch
        ],
        "checks": [[_size_record(size), where] for size, where in interface.checks],
        "gathered": interface.gathered,
        "panel_bytes": interface.panel_bytes,
        "work": [[extent.scale, extent.power] for extent in interface.work],
    }
    return json.dumps(record, separators=(",", ":")).encode()


def from_json(text: bytes) -> tuple[Interface, str]:
    """The inverse of ``to_json``."""
    record = json.loads(text)
    words = record["words"]
    found = Interface(
        Words(**{**words, "inner": tuple(words["inner"])}),
        tuple(record["slots"]),
        tuple(_buffer(each) for each in record["state"]),
        tuple(
            Scratch(tuple((_buffer(each), (first, last)) for each, (first, last) in scratch))
            for scratch in record["scratch"]
        ),
        tuple((BATCH if size == _BATCH else size, where) for size, where in record["checks"]),
        tuple(record["gathered"]),
        record["panel_bytes"],
        tuple(Extent(scale, power) for scale, power in record["work"]),
    )
    return found, record["code"]


def _size_record(size: Size) -> int | str:
    return size if isinstance(size, int) else _BATCH


def _buffer_record(buffer: Buffer) -> list[Any]:
    strides = [[extent.scale, extent.power] for extent in buffer.strides]
    return [
        buffer.slot, str(buffer.type), buffer.order, strides, buffer.owner, buffer.roomy,
        buffer.strip,
    ]  # fmt: skip


def _buffer(record: list[Any]) -> Buffer:
    slot, type_, order, strides, owner, roomy, strip = record
    extents = tuple(Extent(scale, power) for scale, power in strides)
    return Buffer(slot, parse_type(type_), tuple(order), extents, owner, roomy, strip)
