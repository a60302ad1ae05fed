"""A plan as one LLVM module: a function for each nest, and the loop over steps that calls them.

``run(table, thread, threads)`` is what every thread executes. The table of 64-bit words holds the
addresses of all buffers and, behind them, the numbers of a run (see ``Words``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.buffers import Buffer
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.plan import Plan, all_plans
from chainrule.compiler.lower.row_blocks import Blocks
from chainrule.compiler.lower.schedule import Gather, Work, accesses
from chainrule.compiler.lower.views import HOSTED
from chainrule.compiler.native.blocking import Blocking, blocking_of
from chainrule.compiler.native.clock import stamps, ticks_text
from chainrule.compiler.native.control import (
    MEMCPY,
    THREAD,
    Calls,
    Panels,
    Steps,
    is_loop,
    write_loop,
)
from chainrule.compiler.native.emit import I64, PTR, Emitter, Val
from chainrule.compiler.native.gather import Function, Written, write_gather
from chainrule.compiler.native.host import write_host
from chainrule.compiler.native.kernels import write_check, write_kernel
from chainrule.compiler.native.loops import write_loops
from chainrule.compiler.native.memory import lanes_for, memory_kind
from chainrule.compiler.native.narrow import write_narrow
from chainrule.compiler.native.products import write_product
from chainrule.compiler.native.row_blocks import MEMSET, write_block_sum
from chainrule.compiler.native.straight import AHEAD, write_straight
from chainrule.compiler.native.target import Target
from chainrule.compiler.native.transpose import is_transposition, write_transposition
from chainrule.compiler.native.values import Body

#: Words behind the buffers' addresses: numbers of the run, then the addresses of gathered arrays.
WORDS: Final = ("batch", "steps", "order", "barrier", "fault", "panels", "stamps")
#: Looks at the barrier, some 10 µs, before a waiting thread lets others have its processor.
_SPINS: Final = 300
#: How a processor is told that a loop waits, by the beginning of its triple.
_PAUSE: Final = {
    "x86_64": "call void @llvm.x86.sse2.pause()",
    "aarch64": "call void @llvm.aarch64.hint(i32 1)",
    "arm64": "call void @llvm.aarch64.hint(i32 1)",
}
#: Of every function: vectors as wide as the target's.
ATTRIBUTES: Final = '#0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }'


@dataclass(frozen=True, slots=True)
class Words:
    """Where in the table things stand."""

    buffers: int
    gathered: int
    hosted: int
    inner: tuple[int, ...]

    def place(self, name: str) -> int:
        return self.buffers + WORDS.index(name)

    def source(self, k: int) -> int:
        """The address of the caller's rows for the k-th gathered input."""
        return self.buffers + len(WORDS) + k

    def host(self, k: int) -> int:
        """The address of the function for the k-th operation that NumPy does."""
        return self.source(self.gathered) + k

    def region(self, k: int) -> int:
        """The addresses of the buffers of the k-th plan of a loop's body."""
        return self.host(self.hosted) + sum(self.inner[:k])

    @property
    def count(self) -> int:
        return self.region(len(self.inner))


def words_of(plan: Plan) -> Words:
    """The table's layout for a plan."""
    inner = tuple(len(body.memory.buffers) for body in all_plans(plan)[1:])
    return Words(len(plan.memory.buffers), len(gathered_buffers(plan)), len(hosted(plan)), inner)


def gathered_buffers(plan: Plan) -> list[Buffer]:
    """The buffers of the rows that a step takes, in the order of the inputs."""
    for phase in plan.schedule.phases:
        for work in phase:
            if isinstance(work, Blocks):
                continue
            nodes = work.inputs if isinstance(work, Gather) else work.rows
            if nodes:
                return [plan.memory.of[node] for node in nodes]
    return []


def _works(plan: Plan) -> list[tuple[Plan, Nest | Gather]]:
    """Every nest with the plan it belongs to, those in loops and in blocks included."""
    return [
        (each, part)
        for each in all_plans(plan)
        for phase in each.schedule.phases
        for work in phase
        for part in (work.nests if isinstance(work, Blocks) else (work,))
    ]


def _nests(plan: Plan) -> list[Nest]:
    return [work for _, work in _works(plan) if isinstance(work, Nest)]


def hosted(plan: Plan) -> list[Nest]:
    """The nests that NumPy does, in order."""
    return [nest for nest in _nests(plan) if nest.anchor and nest.anchor.op in HOSTED]


def checks(plan: Plan) -> list[Nest]:
    """The nests that check places; the k-th notes k + 1."""
    return [nest for nest in _nests(plan) if nest.kind == "check"]


def _blockings(plan: Plan, target: Target) -> dict[int, Blocking]:
    """The products that are worked through in packed blocks, by their nests' ids."""
    pairs = [(work, each.memory.of) for each, work in _works(plan) if isinstance(work, Nest)]
    found = {id(nest): blocking_of(nest, stored, target) for nest, stored in pairs}
    return {key: blocking for key, blocking in found.items() if blocking}


def panel_bytes(plan: Plan, target: Target) -> int:
    """What each thread needs for packed blocks."""
    return _most_bytes(_blockings(plan, target))


def _most_bytes(blockings: dict[int, Blocking]) -> int:
    return max((blocking.bytes for blocking in blockings.values()), default=0)


def write_module(plan: Plan, target: Target, clocked: bool = False) -> str:
    """The LLVM text of a plan; ``clocked``: with a reading of the clock after each work."""
    declarations: set[str] = set()
    names: dict[str, str] = {}
    functions: dict[int, Function] = {}
    numbers = {id(nest): k for k, nest in enumerate(checks(plan), 1)}
    loops = [(each, work) for each, work in _works(plan) if is_loop(work)]
    for each, work in _works(plan):
        if is_loop(work):
            continue
        if isinstance(work, Gather):
            slots, text = write_gather(each, work, target, declarations)
        else:
            slots, text = _write_nest(each, work, target, declarations, numbers.get(id(work), 0))
        name = names.setdefault(text, f"n{len(names)}")  # nests of one shape share a function
        functions[id(work)] = Function(name, slots)
    calls = _calls(
        plan, target, functions, {id(work): f"loop{k}" for k, (_, work) in enumerate(loops)}
    )
    run = _write_run(plan, calls, clocked)
    texts = [f"define internal void @{name}{text}" for text, name in names.items()]
    for each, work in loops:
        text = write_loop(each, work, calls)  # type: ignore[arg-type]
        texts.append(f"define internal i64 @{calls.loops[id(work)]}{text}")
    if loops:
        declarations.add(MEMCPY)
    if any(isinstance(work, Nest) and work.kind == "blocks" for _, work in _works(plan)):
        declarations.add(MEMSET)
    if clocked:
        texts.append(ticks_text(target))
    header = f'target triple = "{target.triple}"'
    parts = [header, *sorted(declarations), *texts, run, _QUICK, barrier_text(target)]
    return "\n\n".join([*parts, f"attributes {ATTRIBUTES}"])


def barrier_text(target: Target) -> str:
    """The LLVM text of ``@barrier(count, before, threads)`` for a processor."""
    pause = _PAUSE.get(target.triple.partition("-")[0], "")
    give = "SwitchToThread" if "windows" in target.triple else "sched_yield"
    text = _BARRIER.replace("SPINS", str(_SPINS)).replace("PAUSE", pause).replace("GIVE", give)
    return f"declare i32 @{give}()\n{text}"


# -- one nest ----------------------------------------------------------------------------------


def _write_nest(
    plan: Plan, nest: Nest, target: Target, declarations: set[str], number: int
) -> Written:
    if nest.kind == "straight":
        return write_straight(plan, nest, target, declarations)
    dtypes = [node.type.dtype for node in nest.members]
    body = Body(plan.memory.of, nest.members, lanes_for(target.vector_bits, dtypes))
    body.e.declarations = declarations
    extra = ""
    if nest.kind == "dot":
        is_packed = write_product(body, nest, target)
        extra = ", ptr noalias %panels" if is_packed else ""
    elif nest.kind == "blocks":
        write_block_sum(body, nest)
    elif nest.kind == "check":
        extra = ", ptr %fault"
        write_check(body, nest, number)
    elif nest.kind == "kernel" and nest.anchor and nest.anchor.op in HOSTED:
        extra = ", ptr %host"
        write_host(body, nest)
    elif nest.kind == "kernel":
        write_kernel(body, nest)
    elif nest.kind == "rows" and nest.anchor:
        write_narrow(body, nest, _is_exact(plan, nest))
    elif is_transposition(body, nest):
        write_transposition(body, nest)
    else:
        write_loops(body, nest, _is_exact(plan, nest))
    pointers = "".join(f"ptr noalias {pointer.text}, " for pointer in body.slots.values())
    head = f"({pointers}i64 %low, i64 %high, i64 %batch{extra}) #0 {{"
    lines = [head, "entry:", *body.entry, *body.e.lines, "  ret void", "}"]
    return tuple(body.slots), "\n".join(lines)


def _is_exact(plan: Plan, nest: Nest) -> bool:
    """Whether a lane past the end of a row could touch memory that is not ours."""
    touched = {access.slot for access in accesses(plan.prepared, plan.memory, nest)}
    return any(not plan.memory.buffers[slot].roomy and plan.memory.buffers[slot].type.shape
               for slot in touched)  # fmt: skip


# -- the loop over steps -------------------------------------------------------------------------


def _calls(
    plan: Plan, target: Target, functions: dict[int, Function], loops: dict[int, str]
) -> Calls:
    words, inner = words_of(plan), all_plans(plan)[1:]
    extras = {id(nest): words.place("fault") for nest in checks(plan)}
    extras.update({id(nest): words.host(k) for k, nest in enumerate(hosted(plan))})
    regions = {id(body): words.region(k) for k, body in enumerate(inner)}
    blockings = _blockings(plan, target)
    panels = Panels(frozenset(blockings), words.place("panels"), _most_bytes(blockings))
    return Calls(functions, loops, words.place("barrier"), regions, extras, panels)


def laps(plan: Plan) -> list[Work | None]:
    """What ends at each reading of the clock but a step's first: a work, or a barrier (None)."""
    return [lap for phase in plan.schedule.phases for lap in (*phase, None)]


def _write_run(plan: Plan, calls: Calls, clocked: bool) -> str:
    e, words = Emitter(), words_of(plan)
    pointers = [calls.word(e, buffer.slot, PTR) for buffer in plan.memory.buffers]
    sources = [calls.word(e, words.source(k), PTR) for k in range(words.gathered)]
    batch, count = (calls.word(e, words.place(name), I64) for name in ("batch", "steps"))
    order = calls.word(e, words.place("order"), PTR)
    steps = Steps(e, plan, calls, batch)
    per_step = _per_step_slots(plan)
    first = calls.word(e, words.place("stamps"), PTR) if clocked else None
    straight = any(nest.kind == "straight" for nest in _nests(plan))

    def step(at: Val, carried: list[Val]) -> list[Val]:
        here = list(pointers)
        for slot in per_step:
            here[slot] = e.pointer(
                pointers[slot], at, memory_kind(plan.memory.buffers[slot].type.dtype)
            )
        rows = e.pointer(order, e.mul(at, batch), "i32")
        steps.ahead = _ahead(e, order, at, count) if straight else []
        stamp = stamps(e, first, THREAD, count, at, 1 + len(laps(plan))) if first else None
        return [steps.phases(here, [*sources, rows], carried[0], stamp)]

    e.loop(e.i64(0), count, 1, step, [e.i64(0)])
    head = "define void @run(ptr %table, i64 %thread, i64 %threads) #0 {"
    return "\n".join([head, "entry:", *e.lines, "  ret void", "}"])


def _ahead(e: Emitter, order: Val, at: Val, count: Val) -> list[Val]:
    """Where the order names the example of a later step of a batch of one."""
    later = e.smaller(e.add(at, e.i64(AHEAD)), e.sub(count, e.i64(1)))
    return [e.pointer(order, later, "i32")]


def _per_step_slots(plan: Plan) -> list[int]:
    """Slots of which each step has an element of its own: rates that come in, records that go."""
    inputs = zip(plan.graph.inputs, plan.roles.inputs, strict=True)
    outputs = zip(plan.graph.outputs, plan.roles.outputs, strict=True)
    nodes = [n for n, role in inputs if role == "scalar"]
    nodes += [n for n, role in outputs if role.kind == "scalar"]
    return [plan.memory.of[node].slot for node in nodes]


#: One thread, on a table that is set once.
_QUICK: Final = """
@quick_table = global ptr null
define void @quick() #0 {
  %table = load ptr, ptr @quick_table
  call void @run(ptr %table, i64 0, i64 1)
  ret void
}
"""

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
