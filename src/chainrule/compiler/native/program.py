"""A plan as one LLVM module: a function for each nest, and the loop over steps that calls them.

``run(table, thread, threads)`` is what every thread executes. The table of 64-bit words holds the
addresses of all buffers and, behind them, the numbers of a run (see ``Words``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.buffers import GRANULE, Buffer
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.schedule import Gather, Key, Work, accesses, partition
from chainrule.compiler.native.emit import I64, PTR, Emitter, NativeType, Val
from chainrule.compiler.native.gather import Function, Written, write_gather
from chainrule.compiler.native.loops import write_loops
from chainrule.compiler.native.memory import lanes_for, memory_kind
from chainrule.compiler.native.products import write_product
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.transpose import is_transposition, write_transposition
from chainrule.compiler.native.values import Body
from chainrule.ir.types import BATCH

#: Words behind the buffers' addresses: numbers of the run, then the addresses of gathered arrays.
WORDS: Final = ("batch", "steps", "order", "barrier")
_SPINS: Final = 2000
#: How a processor is told that a loop waits, by the beginning of its triple.
_PAUSE: Final = {
    "x86_64": "call void @llvm.x86.sse2.pause()",
    "aarch64": 'call void asm sideeffect "yield", ""()',
    "arm64": 'call void asm sideeffect "yield", ""()',
}
_ATTRIBUTES: Final = '#0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }'


@dataclass(frozen=True, slots=True)
class Words:
    """Where in the table things stand."""

    buffers: int
    gathered: int

    def place(self, name: str) -> int:
        return self.buffers + WORDS.index(name)

    def source(self, k: int) -> int:
        """The address of the caller's rows for the k-th gathered input."""
        return self.buffers + len(WORDS) + k

    @property
    def count(self) -> int:
        return self.buffers + len(WORDS) + self.gathered


def words_of(plan: Plan) -> Words:
    """The table's layout for a plan."""
    return Words(len(plan.memory.buffers), len(gathered_buffers(plan)))


def gathered_buffers(plan: Plan) -> list[Buffer]:
    """The buffers into which rows are gathered, in the order of the inputs."""
    for phase in plan.schedule.phases:
        for work in phase:
            if isinstance(work, Gather):
                return [plan.memory.of[node] for node in work.inputs]
    return []


def write_module(plan: Plan, target: Target) -> str:
    """The LLVM text of a plan."""
    declarations: set[str] = set()
    names: dict[str, str] = {}
    functions: dict[int, Function] = {}
    for work in (work for phase in plan.schedule.phases for work in phase):
        write = write_gather if isinstance(work, Gather) else _write_nest
        slots, text = write(plan, work, target, declarations)  # type: ignore[arg-type]
        name = names.setdefault(text, f"n{len(names)}")  # nests of one shape share a function
        functions[id(work)] = Function(name, slots)
    run = _write_run(plan, functions)
    texts = [f"define internal void @{name}{text}" for text, name in names.items()]
    header = f'target triple = "{target.triple}"'
    pause = _PAUSE.get(target.triple.partition("-")[0], "")
    barrier = _BARRIER.replace("SPINS", str(_SPINS)).replace("PAUSE", pause)
    give = "SwitchToThread" if "windows" in target.triple else "sched_yield"
    barrier = barrier.replace("GIVE", give)
    parts = [header, *sorted(declarations), f"declare i32 @{give}()", *texts, run, barrier]
    return "\n\n".join([*parts, f"attributes {_ATTRIBUTES}"])


# -- one nest ----------------------------------------------------------------------------------


def _write_nest(plan: Plan, nest: Nest, target: Target, declarations: set[str]) -> Written:
    dtypes = [node.type.dtype for node in nest.members]
    body = Body(plan.memory.of, nest.members, lanes_for(target.vector_bits, dtypes))
    body.e.declarations = declarations
    if nest.kind == "dot":
        write_product(body, nest, target)
    elif is_transposition(body, nest):
        write_transposition(body, nest)
    else:
        write_loops(body, nest, _is_exact(plan, nest))
    pointers = "".join(f"ptr noalias {pointer.text}, " for pointer in body.slots.values())
    head = f"({pointers}i64 %low, i64 %high, i64 %batch) #0 {{"
    lines = [head, "entry:", *body.entry, *body.e.lines, "  ret void", "}"]
    return tuple(body.slots), "\n".join(lines)


def _is_exact(plan: Plan, nest: Nest) -> bool:
    """Whether a lane past the end of a row could touch memory that is not ours."""
    touched = {access.slot for access in accesses(plan.prepared, plan.memory, nest)}
    return any(not plan.memory.buffers[slot].roomy and plan.memory.buffers[slot].type.shape
               for slot in touched)  # fmt: skip


# -- the loop over steps -------------------------------------------------------------------------


def _write_run(plan: Plan, functions: dict[int, Function]) -> str:
    e, words = Emitter(), words_of(plan)

    def word(place: int, type_: NativeType) -> Val:
        return e.load(e.pointer(Val(PTR, "%table"), e.i64(place), "i64"), type_)

    pointers = [word(buffer.slot, PTR) for buffer in plan.memory.buffers]
    sources = [word(words.source(k), PTR) for k in range(words.gathered)]
    batch, steps = word(words.place("batch"), I64), word(words.place("steps"), I64)
    order, barrier = word(words.place("order"), PTR), word(words.place("barrier"), PTR)
    shares = {
        key: _share(e, key, batch)
        for key in dict.fromkeys(partition(w) for phase in plan.schedule.phases for w in phase)
    }
    per_step = _per_step_slots(plan)

    def step(at: Val, carried: list[Val]) -> list[Val]:
        here = list(pointers)
        for slot in per_step:
            here[slot] = e.pointer(
                pointers[slot], at, memory_kind(plan.memory.buffers[slot].type.dtype)
            )
        rows = e.pointer(order, e.mul(at, batch), "i32")
        target = carried[0]
        for phase in plan.schedule.phases:
            for work in phase:
                _call(e, functions[id(work)], work, here, sources, rows, shares, batch)
            target = e.define(
                I64, f"call i64 @barrier({barrier.typed}, {target.typed}, i64 %threads)"
            )
        return [target]

    e.loop(e.i64(0), steps, 1, step, [e.i64(0)])
    head = "define void @run(ptr %table, i64 %thread, i64 %threads) #0 {"
    return "\n".join([head, "entry:", *e.lines, "  ret void", "}"])


def _per_step_slots(plan: Plan) -> list[int]:
    """Slots of which each step has an element of its own: rates that come in, records that go."""
    inputs = zip(plan.graph.inputs, plan.roles.inputs, strict=True)
    outputs = zip(plan.graph.outputs, plan.roles.outputs, strict=True)
    nodes = [n for n, role in inputs if role == "scalar"]
    nodes += [n for n, role in outputs if role.kind == "scalar"]
    return [plan.memory.of[node].slot for node in nodes]


def _share(e: Emitter, key: Key, batch: Val) -> tuple[Val, Val]:
    """This thread's part of an axis: whole granules, the same for every nest over that length."""
    if key == "one":
        first = e.compare("eq", Val(I64, "%thread"), e.i64(0))
        return e.i64(0), e.convert(first, "i64")
    length = batch if key is BATCH else e.i64(key)  # type: ignore[arg-type]
    granules = _ceil_div(e, length, e.i64(GRANULE))
    size = e.mul(_ceil_div(e, granules, Val(I64, "%threads")), e.i64(GRANULE))
    low = e.smaller(e.mul(Val(I64, "%thread"), size), length)
    return low, e.smaller(e.add(low, size), length)


def _ceil_div(e: Emitter, x: Val, y: Val) -> Val:
    up = e.sub(e.add(x, y), e.i64(1))
    return e.define(I64, f"udiv i64 {up.text}, {y.text}")


def _call(
    e: Emitter, function: Function, work: Work, pointers: list[Val], sources: list[Val], rows: Val,
    shares: dict[Key, tuple[Val, Val]], batch: Val,
) -> None:  # fmt: skip
    low, high = shares[partition(work)]
    arguments = [pointers[slot] for slot in function.slots]
    if isinstance(work, Gather):
        arguments += [*sources, rows]
    text = ", ".join(x.typed for x in [*arguments, low, high, batch])
    e.line(f"  call void @{function.name}({text})")


#: A counting barrier: nobody goes on before all have come as often as I have. It spins, since a
#: step lasts microseconds, and gives the processor away when the wait is long.
_BARRIER: Final = """
define internal i64 @barrier(ptr %count, i64 %before, i64 %threads) #0 {
entry:
  %alone = icmp eq i64 %threads, 1
  br i1 %alone, label %done, label %arrive
arrive:
  %goal = add i64 %before, %threads
  %old = atomicrmw add ptr %count, i64 1 acq_rel
  br label %wait
wait:
  %spins = phi i64 [ 0, %arrive ], [ %next, %give ], [ %next, %spin ]
  %seen = load atomic i64, ptr %count acquire, align 8
  %enough = icmp sge i64 %seen, %goal
  br i1 %enough, label %done, label %again
again:
  %next = add i64 %spins, 1
  %long = icmp ugt i64 %spins, SPINS
  br i1 %long, label %give, label %spin
give:
  %r = call i32 @GIVE()
  br label %wait
spin:
  PAUSE
  br label %wait
done:
  %result = phi i64 [ %before, %entry ], [ %goal, %wait ]
  ret i64 %result
}
"""
