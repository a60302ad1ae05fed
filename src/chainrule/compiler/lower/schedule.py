"""Phases: nests that threads may run without waiting for one another, and barriers between them.

Every nest shares its outer axis out to the threads in the same way for the same length. Two nests
that touch one array need no barrier between them if each thread touches only its own part of it in
both. For a multi-layer network that leaves the rows of the batch forward and backward in one phase
and the gradients of the weights, with their update, in another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

from chainrule.compiler.lower.buffers import Buffer, Memory
from chainrule.compiler.lower.contraction import result_labels
from chainrule.compiler.lower.group import Nest, behind_views, storage_of
from chainrule.compiler.lower.loops import LOOPS, is_alone
from chainrule.compiler.lower.prepare import Prepared, is_general_reshape
from chainrule.compiler.lower.row_blocks import (
    CHUNKS,
    Blocks,
    blocks_of,
    together,
)
from chainrule.compiler.lower.shares import share_finely
from chainrule.compiler.lower.views import Label, references
from chainrule.compiler.passes.build import copy
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import BATCH, Size


@dataclass(frozen=True, slots=True)
class Access:
    """One array that a nest touches. ``part`` is the array's axis that is shared out, if one is."""

    slot: int
    writes: bool
    part: int | None


@dataclass(frozen=True, eq=False)
class Gather:
    """The first work of a step: copy the batch's rows next to one another."""

    inputs: tuple[Node, ...]


Work = Nest | Gather | Blocks
Key = Size | Literal["one", "all"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The phases of one step, in order; a barrier stands behind each.

    ``fine``: the lengths of which threads share out single rows.
    """

    phases: tuple[tuple[Work, ...], ...]
    fine: frozenset[Size]


def partition(work: Work) -> Key:
    """The length that a nest shares out, or "one" if the first thread does it all.

    A loop whose body threads share is entered by "all" of them.
    """
    if isinstance(work, Gather):
        return BATCH
    if isinstance(work, Blocks):
        return CHUNKS
    if work.anchor is not None and work.anchor.op in LOOPS:
        return "one" if is_alone(work.anchor) else "all"
    return work.shape[work.order[0]] if work.shares else "one"


# -- what a nest touches -----------------------------------------------------------------------


def reads(
    prepared: Prepared, nest: Nest, known: dict[Node, object]
) -> list[tuple[Node, tuple[Label, ...]]]:
    """The stored values that a nest loads, with the domain's axes as labels of their index."""
    found: list[tuple[Node, tuple[Label, ...]]] = []
    for member in nest.members:

        def stored(x: Node, member: Node = member) -> bool:
            return x is not member and (x in known or x in nest.members)

        if member.op == "dot":
            found += [result_labels(member, side) for side in (0, 1)]
            continue
        value = member.inputs[0] if member in nest.sums else member  # at the index at hand
        labels: tuple[Label, ...] = tuple(range(value.type.rank))
        found += [r for r in references(value, labels, stored) if r[0] not in nest.members]
    return found


def _part(labels: tuple[Label, ...], axis: int) -> int | None:
    return labels.index(axis) if axis in labels else None


def accesses(prepared: Prepared, memory: Memory, work: Work) -> list[Access]:
    """Every array that a piece of work touches."""
    if isinstance(work, Gather):
        return [Access(memory.of[node].slot, True, 0) for node in work.inputs]
    if isinstance(work, Blocks):  # its rows are shared out in another way than any other nest's
        found = [access for nest in work.nests for access in accesses(prepared, memory, nest)]
        return [replace(access, part=None) for access in found]
    axis = work.order[0] if work.order else -1
    found = []
    for node, labels in reads(prepared, work, dict.fromkeys(memory.of)):
        part = _part(labels, axis) if work.shares else None
        if is_general_reshape(node) and not _keeps_examples(node, part):
            part = None
        found.append(Access(memory.of[node].slot, False, part))
    for root in work.roots:
        own = _part(work.axes_of(root), axis) if work.shares else None
        found.append(Access(memory.of[root].slot, True, own))
    return found


def _keeps_examples(node: Node, part: int | None) -> bool:
    """Whether the first axis of a reshape is that of the memory it looks at."""
    return part == 0 and node.type.shape[:1] == storage_of(node).type.shape[:1]


def _conflict(a: list[Access], a_key: Key, b: list[Access], b_key: Key) -> bool:
    """Whether one thread's share of a might meet another thread's share of b."""
    if a_key == "one" and b_key == "one":
        return False
    for x in a:
        for y in b:
            if x.slot == y.slot and (x.writes or y.writes):
                if a_key != b_key or x.part is None or x.part != y.part:
                    return True
    return False


def in_blocks(
    prepared: Prepared, memory: Memory, ordering: Ordering
) -> tuple[list[Work], dict[int, set[int]]]:
    """The nests, those that go through the same rows by turns as one piece of work each."""
    nests = ordering.nests
    groups = [
        part
        for group in together(nests, ordering.after)
        for part in _parted(prepared, memory, nests, group)
    ]
    groups += [[k] for k in range(len(nests)) if not any(k in group for group in groups)]
    groups.sort(key=min)
    place = {k: number for number, group in enumerate(groups) for k in group}
    works: list[Work] = []
    after: dict[int, set[int]] = {}
    for number, group in enumerate(groups):
        members = [nests[k] for k in group]
        works.append(blocks_of(members) if members[-1].kind == "blocks" else members[0])
        after[number] = {place[p] for k in group for p in ordering.after[k]} - {number}
    return works, after


def _parted(
    prepared: Prepared, memory: Memory, nests: list[Nest], group: list[int]
) -> list[list[int]]:
    """The group, or its sums alone where a nest in it touches rows of another's."""
    touched = [accesses(prepared, memory, nests[k]) for k in group]
    pairs = combinations(touched, 2)
    if not any(_conflict(a, BATCH, b, BATCH) for a, b in pairs):
        return [group]
    return [[k] for k in group]


# -- order ---------------------------------------------------------------------------------------


def schedule(
    prepared: Prepared, memory: Memory, works: list[Work], after: dict[int, set[int]]
) -> Schedule:
    """Fill each phase with all that fits into it. ``after[k]``: what must stand before work k."""
    fine = share_finely(work for work in works if isinstance(work, Nest))
    touched = [accesses(prepared, memory, work) for work in works]
    keys = [partition(work) for work in works]
    waiting, done = list(range(len(works))), set[int]()
    phases: list[tuple[Work, ...]] = []
    while waiting:
        phase: list[int] = []
        for k in waiting:
            ready = after[k] <= done | set(phase)
            if ready and not any(
                _conflict(touched[k], keys[k], touched[p], keys[p]) for p in phase
            ):
                phase.append(k)
        assert phase, "the nests wait for one another in a circle"
        phases.append(tuple(works[k] for k in phase))
        done.update(phase)
        waiting = [k for k in waiting if k not in done]
    return Schedule(tuple(phases), fine)


@dataclass(eq=False)
class Ordering:
    """Which nest must stand before which: results before readers, readers before overwriting."""

    prepared: Prepared
    nests: list[Nest]
    after: dict[int, set[int]]
    in_place: dict[Node, Node]


def order(prepared: Prepared, nests: list[Nest]) -> Ordering:
    """Dependencies, with carried values written over their old ones wherever that is sound.

    Where it is not (an old value is still needed after the new one is known), the new value gets
    memory of its own and is copied over the old one at the end of the step.
    """
    nests = list(nests)
    roots = {root: k for k, nest in enumerate(nests) for root in nest.roots}
    after = _dependencies(prepared, nests, roots)
    in_place: dict[Node, Node] = {}
    outputs = zip(prepared.graph.outputs, prepared.roles.outputs, strict=True)
    for output, role in outputs:
        if role.kind != "state":
            continue
        old = prepared.graph.inputs[role.state]
        if not _take_place(prepared, nests, after, roots[output], old, output):
            output = _copy_back(prepared, nests, after, output, old, roots)
        in_place[output] = old
    return Ordering(prepared, nests, after, in_place)


def _dependencies(
    prepared: Prepared, nests: list[Nest], roots: dict[Node, int]
) -> dict[int, set[int]]:
    known: dict[Node, object] = {**dict.fromkeys(roots), **dict.fromkeys(prepared.graph.inputs)}
    known.update(dict.fromkeys(n for n in prepared.graph.nodes if is_general_reshape(n)))
    after: dict[int, set[int]] = {}
    for k, nest in enumerate(nests):
        found = {storage_of(node) for node, _ in reads(prepared, nest, known)}
        after[k] = {roots[node] for node in found if node in roots} - {k}
    return after


def _readers(prepared: Prepared, nests: list[Nest], old: Node) -> dict[int, bool]:
    """The nests that read an input: whether each reads only the element it is computing."""
    known: dict[Node, object] = {n: None for nest in nests for n in nest.roots}
    known.update(dict.fromkeys(prepared.graph.inputs))
    known.update(dict.fromkeys(n for n in prepared.graph.nodes if is_general_reshape(n)))
    found: dict[int, bool] = {}
    for k, nest in enumerate(nests):
        for node, labels in reads(prepared, nest, known):
            if node is old or (is_general_reshape(node) and storage_of(node) is old):
                own = node is old and labels == tuple(range(len(nest.shape)))
                found[k] = found.get(k, True) and own
    return found


def _reaches(after: dict[int, set[int]], start: int, goal: int) -> bool:
    """Whether ``goal`` must stand before ``start``."""
    stack, seen = [start], set[int]()
    while stack:
        k = stack.pop()
        if k == goal:
            return True
        if k not in seen:
            seen.add(k)
            stack.extend(after[k])
    return False


def _take_place(
    prepared: Prepared,
    nests: list[Nest],
    after: dict[int, set[int]],
    writer: int,
    old: Node,
    new: Node,
) -> bool:
    """Let the writer follow every reader of the old value, if that closes no circle."""
    readers = _readers(prepared, nests, old)
    if not readers.pop(writer, True) or prepared.order(old) != prepared.order(new):
        return False
    alone = nests[writer].kind == "rows" or new.op == "item"
    if alone or any(_reaches(after, reader, writer) for reader in readers):
        return False
    after[writer] |= set(readers)
    return True


def _copy_back(
    prepared: Prepared, nests: list[Nest], after: dict[int, set[int]], new: Node, old: Node,
    roots: dict[Node, int],
) -> Node:  # fmt: skip
    """A nest at the end of the step that copies the new value over the old one."""
    moved = copy(new)
    order = prepared.order(old)
    if old in prepared.orders:
        prepared.orders[moved] = order
    nest = Nest("map", new.type.shape, order, None, {moved: None}, [moved])
    after[len(nests)] = {roots[new], *_readers(prepared, nests, old)}
    nests.append(nest)
    return moved


def slots_by_phase(schedule: Schedule, prepared: Prepared, memory: Memory) -> list[set[int]]:
    """The slots that each phase touches: what a memory plan needs to know."""
    return [
        {access.slot for work in phase for access in accesses(prepared, memory, work)}
        for phase in schedule.phases
    ]


def unused(graph: Graph, memory: Memory) -> list[Buffer]:
    """Buffers of inputs that nothing reads."""
    return [memory.of[n] for n in graph.inputs if not graph.users[n] and n not in graph.outputs]


__all__ = [
    "Access", "Gather", "Ordering", "Schedule", "Work", "accesses", "behind_views", "order",
    "partition", "reads", "schedule", "slots_by_phase", "unused",
]  # fmt: skip
