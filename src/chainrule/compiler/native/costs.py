"""What a piece of work takes: floating-point operations, and the bytes that it must touch.

Operations are those that the results need: two for each term of a product, one for each term of a
sum, and for an elementwise operation as many as the emitter writes for it (an exponential is some
twenty). An addition, a multiplication, a division and a square root are one each, a fused
multiply-add is two; comparisons, choices and whole numbers are none.

Bytes are those of each array once, as far as the work reads or writes it: what would pass if the
work remembered all that it has seen.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from chainrule.compiler.lower.buffers import Memory, itemsize
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.loops import LOOPS
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.row_blocks import Blocks
from chainrule.compiler.lower.schedule import Gather, Work
from chainrule.compiler.lower.views import BLOCK_SUM, REDUCTIONS
from chainrule.compiler.native.elementary import BINARY, FUNCTIONS, OTHERS
from chainrule.compiler.native.emit import Emitter, NativeType, Val
from chainrule.compiler.native.memory import kind_of
from chainrule.compiler.passes.contractions import sides
from chainrule.compiler.passes.fold import ELEMENTWISE
from chainrule.ir.graph import Attribute, Node
from chainrule.ir.types import Size, sized
from chainrule.ops import PRIMITIVES

#: What picks elements of its operand: no more of it is read than there are elements picked.
_PICKS: Final = frozenset({"slice", "take"})
#: Operations of one element of what runs along an axis.
_RUNS: Final = {"recurrence": 2.0, "scatter_add": 1.0}
_FLOAT: Final = re.compile(r" = f(add|sub|mul|div)\b|call \S+ @llvm\.sqrt\b")
_FUSED: Final = re.compile(r"@llvm\.fma\b")


@dataclass(frozen=True, slots=True)
class Touch:
    """An array that is read or written.

    Attributes:
        array: its slot in the program's memory; for the k-th array of which rows are gathered,
            ``-1 - k``.
        bytes: of the part that is touched, each once.
        writes: whether it is written.
    """

    array: int
    bytes: float
    writes: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """Floating-point operations, and the arrays touched."""

    flops: float
    touches: tuple[Touch, ...]

    @property
    def bytes(self) -> float:
        """Bytes read and bytes written."""
        return sum(touch.bytes for touch in self.touches)


def cost_of(plan: Plan, work: Work, batch: int) -> Cost:
    """What one piece of work takes in a step of so many examples."""
    if isinstance(work, Gather):
        return _gather(plan, work, batch)
    if isinstance(work, Blocks):
        return _blocks([cost_of(plan, nest, batch) for nest in work.nests])
    count = _Count(plan, work, batch)
    return Cost(count.flops(), tuple(count.touches()))


def _gather(plan: Plan, work: Gather, batch: int) -> Cost:
    sizes = [_elements(x.type.shape, batch) * x.type.dtype.itemsize for x in work.inputs]
    read = [Touch(-1 - k, size, False) for k, size in enumerate(sizes)]
    pairs = zip(work.inputs, sizes, strict=True)
    written = [Touch(plan.memory.of[x].slot, size, True) for x, size in pairs]
    return Cost(0.0, (*read, *written))


def _blocks(costs: Sequence[Cost]) -> Cost:
    """Nests that take their rows from one another: an array that several read comes once."""
    found: dict[tuple[int, bool], Touch] = {}
    for touch in (touch for cost in costs for touch in cost.touches):
        key = touch.array, touch.writes
        if key not in found or found[key].bytes < touch.bytes:
            found[key] = touch
    return Cost(sum(cost.flops for cost in costs), tuple(found.values()))


def _elements(shape: Iterable[Size], batch: int) -> float:
    return float(math.prod(sized(tuple(shape), batch)))


@dataclass(eq=False)
class _Count:
    """Walks from what a nest works out down to what lies in memory."""

    plan: Plan
    nest: Nest
    batch: int
    read: dict[int, float] = field(default_factory=dict)
    done: set[Node] = field(default_factory=set)

    @property
    def memory(self) -> Memory:
        return self.plan.memory

    def flops(self) -> float:
        """Operations of all members, and of what is worked out on the way to them."""
        found, waiting = 0.0, list(self.nest.members)
        while waiting:
            node = waiting.pop()
            found += self._own(node)
            waiting += self._unseen(node)
        return found

    def _unseen(self, node: Node) -> list[Node]:
        """The operands that are worked out on the way and were not met before."""
        most = self._size(node) if node.op in _PICKS else math.inf
        found = []
        for x in dict.fromkeys(node.inputs):
            if x in self.nest.members or x in self.done:
                continue
            if x in self.memory.of:
                self._note(x, most)
            else:
                self.done.add(x)
                found.append(x)
        return found

    def touches(self) -> list[Touch]:
        """What has been read on the way, and what is stored."""
        found = [Touch(slot, size, False) for slot, size in self.read.items()]
        for root in self.nest.roots:
            size = self._size(root) * root.type.dtype.itemsize
            found.append(Touch(self.memory.of[root].slot, size, True))
        return found

    def _size(self, node: Node) -> float:
        return _elements(node.type.shape, self.batch)

    def _note(self, node: Node, most: float) -> None:
        buffer = self.memory.of[node]
        size = min(self._size(node), most) * itemsize(buffer)
        self.read[buffer.slot] = max(self.read.get(buffer.slot, 0.0), size)

    # -- operations --------------------------------------------------------------------------------

    def _own(self, node: Node) -> float:
        """The operations of one value, its operands known."""
        if node.op in LOOPS:
            return self._loop(node)
        if not node.type.is_float:
            return 0.0
        if node.op == "dot":
            a, _ = sides(node)
            return 2 * self._size(node) * _elements(a.sizes(a.inner), self.batch)
        if node.op in REDUCTIONS or node.op == BLOCK_SUM:
            return self._size(node.inputs[0]) if node.op != "max" else 0.0
        if node.op in _RUNS:
            return _RUNS[node.op] * max(self._size(x) for x in (node, *node.inputs))
        if node.op in ELEMENTWISE:
            return self._size(node) * _each(node)
        return 0.0

    def _loop(self, node: Node) -> float:
        """All steps of a scan; of a branch the dearer side; of a while loop one step."""
        bodies = [
            sum(
                cost_of(body, work, self.batch).flops
                for phase in body.schedule.phases
                for work in phase
            )
            for body in self.plan.loops[node]
        ]
        if node.op != "scan":
            return max(bodies, default=0.0)
        (length,) = sized((node.attributes["length"],), self.batch)  # type: ignore[arg-type]
        return length * sum(bodies, 0.0)


def _each(node: Node) -> float:
    """Operations of one element of an elementwise operation."""
    kinds = tuple(kind_of(x.type.dtype) for x in node.inputs)
    return _written(node.op, kinds, tuple(sorted(node.attributes.items())))


@cache
def _written(op: str, kinds: tuple[str, ...], attributes: tuple[tuple[str, Attribute], ...]) -> int:
    """Counted in what the emitter writes for it."""
    e = Emitter({**FUNCTIONS, **BINARY, **OTHERS})
    operands = [Val(NativeType(kind), f"%x{k}") for k, kind in enumerate(kinds)]  # type: ignore[arg-type]
    lower = PRIMITIVES[op].lower
    assert callable(lower), op
    lower(e, *operands, **dict(attributes))
    plain = sum(bool(_FLOAT.search(line)) for line in e.lines)
    return plain + 2 * sum(bool(_FUSED.search(line)) for line in e.lines)
