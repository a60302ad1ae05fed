"""Loops and branches: each is a function that runs the phases of its body's plan.

``loop(table, thread, threads, before, batch, operands..., results...)`` gives back how often the
barrier has been passed. Every thread enters it and waits at its barriers; a loop that is not worth
sharing is entered by the first thread alone, which waits for nobody. The addresses of what the
loop's caller owns come as arguments, those of the body's own scratch stand in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chainrule.compiler.lower.buffers import Buffer, Extent, itemsize
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.loops import LOOPS, is_alone, number
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.row_blocks import Blocks
from chainrule.compiler.lower.schedule import Gather, Work, partition
from chainrule.compiler.native.emit import I64, PTR, Emitter, NativeType, Val
from chainrule.compiler.native.gather import Function
from chainrule.compiler.native.memory import memory_kind
from chainrule.compiler.native.row_blocks import write_blocks
from chainrule.compiler.native.shares import Share, alone, shares_of
from chainrule.ir.graph import Node
from chainrule.ir.types import Size

TABLE, THREAD, THREADS, BATCH_ARGUMENT = (
    Val(PTR, "%table"), Val(I64, "%thread"), Val(I64, "%threads"), Val(I64, "%batch"),
)  # fmt: skip
_HEAD: Final = "ptr %table, i64 %thread, i64 %threads, i64 %before, i64 %batch"
_FIRST: Final = Val(I64, "%before")


@dataclass(frozen=True, slots=True)
class Panels:
    """Memory for packed blocks: the works that need it, its word, and each thread's bytes."""

    works: frozenset[int]
    place: int
    bytes: int


@dataclass(frozen=True, eq=False)
class Calls:
    """The functions of a module by the work they do, and where in the table things stand."""

    functions: Mapping[int, Function]
    loops: Mapping[int, str]
    barrier: int
    regions: Mapping[int, int]
    extras: Mapping[int, int]
    panels: Panels

    def word(self, e: Emitter, place: int, type_: NativeType) -> Val:
        """A word of the table."""
        return e.load(e.pointer(TABLE, e.i64(place), "i64"), type_)


def _no_stamp() -> None:
    """Write nothing."""


def is_loop(work: object) -> bool:
    """Whether a piece of work is a loop or a branch with a plan of its own."""
    return isinstance(work, Nest) and work.anchor is not None and work.anchor.op in LOOPS


@dataclass(eq=False)
class Steps:
    """Writes the phases of a plan into a function."""

    e: Emitter
    plan: Plan
    calls: Calls
    batch: Val
    ahead: list[Val] = field(default_factory=list)

    def __post_init__(self) -> None:
        works = [work for phase in self.plan.schedule.phases for work in phase]
        self.shares: dict[object, Share] = shares_of(self.e, self.plan.schedule, self.batch)
        self.barrier = self.calls.word(self.e, self.calls.barrier, PTR)
        self.extras = {
            id(work): self.calls.word(self.e, self.calls.extras[id(work)], PTR)
            for work in works
            if id(work) in self.calls.extras
        }
        packed = [work for work in works if id(work) in self.calls.panels.works]
        if packed:
            self.extras.update(dict.fromkeys(map(id, packed), self._panels()))

    def _panels(self) -> Val:
        """This thread's memory for packed blocks."""
        panels = self.calls.panels
        first = self.calls.word(self.e, panels.place, PTR)
        return self.e.pointer(first, self.e.mul(THREAD, self.e.i64(panels.bytes)), "i8")

    def phases(
        self, pointers: list[Val], gathered: list[Val], passed: Val,
        stamp: Callable[[], None] | None = None,
    ) -> Val:  # fmt: skip
        """One step; how often the barrier has been passed then. ``stamp`` notes the time."""
        stamp = stamp or _no_stamp
        stamp()
        for phase in self.plan.schedule.phases:
            for work in phase:
                if is_loop(work):
                    assert isinstance(work, Nest)
                    passed = self._enter(work, pointers, passed)
                else:
                    takes = isinstance(work, Gather) or (isinstance(work, Nest) and work.rows)
                    self._call(work, pointers, [*gathered, *self.ahead] if takes else [])
                stamp()
            if not any(isinstance(work, Nest) and work.kind == "straight" for work in phase):
                passed = self.wait(passed)
            stamp()
        return passed

    def wait(self, passed: Val) -> Val:
        """All threads meet."""
        text = f"call i64 @barrier({self.barrier.typed}, {passed.typed}, {THREADS.typed})"
        return self.e.define(I64, text)

    def _call(self, work: Work, pointers: list[Val], gathered: list[Val]) -> None:
        share = self._share(work)
        if isinstance(work, Blocks):
            write_blocks(self.e, self.plan.memory, work, share, pointers, self._run)
        else:
            self._run(pointers, work, share, gathered)

    def _run(
        self, pointers: Sequence[Val], work: Nest | Gather, share: Share,
        gathered: Sequence[Val] = (),
    ) -> None:  # fmt: skip
        """Call the function of a nest for a part of the axis that it shares out."""
        function = self.calls.functions[id(work)]
        extra = [self.extras[id(work)]] if id(work) in self.extras else []
        arguments = [pointers[slot] for slot in function.slots]
        text = ", ".join(x.typed for x in [*arguments, *gathered, *share, self.batch, *extra])
        self.e.line(f"  call void @{function.name}({text})")

    def _share(self, work: Work) -> Share:
        """This thread's part of a piece of work."""
        if isinstance(work, Nest) and work.alone:
            return alone(self.e, work.shape[work.order[0]], self.batch)
        return self.shares[partition(work)]

    def _enter(self, nest: Nest, pointers: list[Val], passed: Val) -> Val:
        """Call a loop: all threads, or the first alone."""
        assert nest.anchor is not None
        e, of = self.e, self.plan.memory.of
        places = [pointers[of[x].slot] for x in (*nest.anchor.inputs, *nest.roots)]
        name = self.calls.loops[id(nest)]
        if not is_alone(nest.anchor):
            arguments = [TABLE, THREAD, THREADS, passed, self.batch, *places]
            return e.define(I64, f"call i64 @{name}({', '.join(x.typed for x in arguments)})")
        with e.when(e.compare("eq", THREAD, e.i64(0))):
            arguments = [TABLE, e.i64(0), e.i64(1), e.i64(0), self.batch, *places]
            e.define(I64, f"call i64 @{name}({', '.join(x.typed for x in arguments)})")
        return passed


def write_loop(plan: Plan, nest: Nest, calls: Calls) -> str:
    """The text of a loop's function, from its arguments on."""
    node = nest.anchor
    assert node is not None
    return _Loop(plan, nest, node, calls).write()


class _Loop:
    """The function of one loop of a plan."""

    def __init__(self, plan: Plan, nest: Nest, node: Node, calls: Calls) -> None:
        self.e = Emitter()
        self.node = node
        self.calls = calls
        self.plans = plan.loops[node]
        count = len(node.inputs)
        names = [Val(PTR, f"%a{k}") for k in range(count + len(nest.roots))]
        self.operands, self.results = names[:count], names[count:]
        self.buffers = [plan.memory.of[root] for root in nest.roots]

    def write(self) -> str:
        passed = {"scan": self._scan, "repeat": self._repeat, "cond": self._cond}[self.node.op]()
        places = "".join(f", {x.typed}" for x in [*self.operands, *self.results])
        lines = ["entry:", *self.e.lines, f"  ret {passed.typed}", "}"]
        return "\n".join([f"({_HEAD}{places}) #0 {{", *lines])

    # -- what a body reads and writes ------------------------------------------------------------

    def _scratch(self, plan: Plan) -> list[Val]:
        """The addresses of a body's buffers; those that its caller owns are set afterwards."""
        region = self.calls.regions[id(plan)]
        inside = set(plan.lives)
        return [
            self.calls.word(self.e, region + buffer.slot, PTR)
            if buffer.slot in inside
            else Val(PTR, "null")
            for buffer in plan.memory.buffers
        ]

    def _start(self) -> Val:
        """Put the first values where the loop carries its values."""
        e, consts = self.e, number(self.node, "consts")
        carries = number(self.node, "carries")
        with e.when(e.compare("eq", THREAD, e.i64(0))):
            for k in range(carries):
                self._copy(self.buffers[k], self.operands[consts + k], self.results[k])
        steps = Steps(e, self.plans[0], self.calls, BATCH_ARGUMENT)
        self.steps, self.pointers = steps, self._scratch(self.plans[0])
        graph, of = self.plans[0].graph, self.plans[0].memory.of
        for x, place in zip(graph.inputs[:consts], self.operands, strict=False):
            self.pointers[of[x].slot] = place
        for k in range(carries):
            self.pointers[of[graph.inputs[consts + k]].slot] = self.results[k]
        return steps.wait(_FIRST)

    def _copy(self, buffer: Buffer, source: Val, target: Val) -> None:
        count = self._extent(_elements(buffer.type.shape, itemsize(buffer)))
        self.e.declarations.add(MEMCPY)
        self.e.line(
            f"  call void @llvm.memcpy.p0.p0.i64({target.typed}, {source.typed}, {count.typed}, "
            "i1 false)"
        )

    def _extent(self, extent: Extent) -> Val:
        value = self.e.i64(extent.scale)
        for _ in range(extent.power):
            value = self.e.mul(value, BATCH_ARGUMENT)
        return value

    # -- scan --------------------------------------------------------------------------------------

    def _scan(self) -> Val:
        e, node = self.e, self.node
        first = self._start()
        length = node.attributes["length"]
        last = e.i64(length) if isinstance(length, int) else BATCH_ARGUMENT
        graph = self.plans[0].graph
        consts, carries = number(node, "consts"), number(node, "carries")
        sliced = [
            *zip(graph.inputs[consts + carries :], self.operands[consts + carries :], strict=True),
            *zip(graph.outputs[carries:], self.results[carries:], strict=True),
        ]

        def step(at: Val, carried: list[Val]) -> list[Val]:
            if node.attributes["reverse"]:
                at = e.sub(e.sub(last, e.i64(1)), at)
            here = list(self.pointers)
            for x, place in sliced:
                buffer = self.plans[0].memory.of[x]
                size = self._extent(_elements(buffer.type.shape, 1))
                here[buffer.slot] = e.pointer(
                    place, e.mul(at, size), memory_kind(buffer.type.dtype)
                )
            return [self.steps.phases(here, [], carried[0])]

        return e.loop(e.i64(0), last, 1, step, [first])[0]

    # -- repeat ------------------------------------------------------------------------------------

    def _repeat(self) -> Val:
        """While what is carried last holds. A barrier stands between reading and writing it."""
        e, first = self.e, self._start()
        head, inside, after = e.fresh("head"), e.fresh("body"), e.fresh("end")
        before = e.block
        e.jump(head)
        e.start(head)
        passed = Val(I64, f"%{e.fresh('c')}")
        place = len(e.lines)
        still = e.load(self.results[-1], NativeType("i8"))
        met = self.steps.wait(passed)
        e.branch(e.compare("ne", still, e.constant(0, still.type)), inside, after)
        e.start(inside)
        result = self.steps.phases(self.pointers, [], met)
        e.lines[place:place] = [
            f"  {passed.text} = phi i64 [ {first.text}, %{before} ], [ {result.text}, %{e.block} ]"
        ]
        e.jump(head)
        e.start(after)
        return met

    # -- cond --------------------------------------------------------------------------------------

    def _cond(self) -> Val:
        e = self.e
        truth = e.load(self.operands[0], NativeType("i8"))
        yes, no, after = e.fresh("yes"), e.fresh("no"), e.fresh("end")
        e.branch(e.compare("ne", truth, e.constant(0, truth.type)), yes, no)
        ends = []
        for label, plan in zip((yes, no), self.plans, strict=True):
            e.start(label)
            passed = self._branch(plan)
            ends.append(f"[ {passed.text}, %{e.block} ]")
            e.jump(after)
        e.start(after)
        return e.define(I64, f"phi i64 {', '.join(ends)}")

    def _branch(self, plan: Plan) -> Val:
        pointers, of = self._scratch(plan), plan.memory.of
        for x, place in zip(plan.graph.inputs, self.operands[1:], strict=True):
            pointers[of[x].slot] = place
        for x, place in zip(plan.graph.outputs, self.results, strict=True):
            pointers[of[x].slot] = place
        return Steps(self.e, plan, self.calls, BATCH_ARGUMENT).phases(pointers, [], _FIRST)


MEMCPY: Final = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"


def _elements(shape: tuple[Size, ...], each: int) -> Extent:
    """How many elements, times the bytes of each."""
    count = Extent(each)
    for size in shape:
        count = count.times(size)
    return count
