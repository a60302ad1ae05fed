"""Copy the rows that the order of examples names next to one another, before a step uses them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from chainrule.compiler.lower.buffers import Buffer, itemsize
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.schedule import Gather
from chainrule.compiler.native.emit import I64, PTR, Emitter, NativeType, Val
from chainrule.compiler.native.target import Target
from chainrule.ir.types import sized

_LOW, _HIGH, _ORDER = Val(I64, "%low"), Val(I64, "%high"), Val(PTR, "%order")
#: Rows stand anywhere in memory: this many ahead are asked for, a cache line at a time.
_AHEAD: Final = 3
_LINE: Final = 64


@dataclass(frozen=True, slots=True)
class Function:
    """A nest's function, by name, and the slots whose addresses it takes."""

    name: str
    slots: tuple[int, ...]


#: The slots whose addresses a function takes, and its text from the parameters on.
Written = tuple[tuple[int, ...], str]


def write_gather(plan: Plan, work: Gather, target: Target, declarations: set[str]) -> Written:
    """The function that gathers one thread's share of a step's rows."""
    e = Emitter(declarations=declarations)
    buffers = [plan.memory.of[node] for node in work.inputs]

    def row(at: Val, _: list[Val]) -> list[Val]:
        number = _row_number(e, at)
        ahead = _row_number(e, e.smaller(e.add(at, e.i64(_AHEAD)), e.sub(_HIGH, e.i64(1))))
        for k, buffer in enumerate(buffers):
            _copy_row(e, buffer, k, (number, ahead), at, target)
        return []

    e.loop(_LOW, _HIGH, 1, row)
    sources = "".join(f"ptr noalias %s{k}, " for k in range(len(buffers)))
    slots = tuple(buffer.slot for buffer in buffers)
    pointers = "".join(f"ptr noalias %p{slot}, " for slot in slots)
    head = f"({pointers}{sources}ptr noalias %order, i64 %low, i64 %high, i64 %batch) #0 {{"
    return slots, "\n".join([head, "entry:", *e.lines, "  ret void", "}"])


def _row_number(e: Emitter, at: Val) -> Val:
    return e.convert(e.load(e.pointer(_ORDER, at, "i32"), NativeType("i32")), "i64")


def _copy_row(
    e: Emitter, buffer: Buffer, k: int, numbers: tuple[Val, Val], at: Val, target: Target
) -> None:
    """One row of known length, in blocks of vectors and a rest; a later row is asked for."""
    length = itemsize(buffer) * math.prod(sized(buffer.type.shape[1:]))
    stride = buffer.strides[0].scale * itemsize(buffer)
    source, later = (
        e.pointer(Val(PTR, f"%s{k}"), e.mul(number, e.i64(length)), "i8") for number in numbers
    )
    place = e.pointer(Val(PTR, f"%p{buffer.slot}"), e.mul(at, e.i64(stride)), "i8")
    block = target.vector_bits  # bytes: eight vectors
    whole = length // block * block

    def move(offset: Val, _: list[Val]) -> list[Val]:
        _move(e, place, source, later, offset, block)
        return []

    if whole:
        e.loop(e.i64(0), e.i64(whole), block, move)
    if length > whole:
        _move(e, place, source, later, e.i64(whole), length - whole)


def _move(e: Emitter, place: Val, source: Val, later: Val, offset: Val, count: int) -> None:
    e.declarations.add("declare void @llvm.memcpy.inline.p0.p0.i64(ptr, ptr, i64, i1)")
    begin = e.pointer(later, offset, "i8")
    for line in range(0, count, _LINE):
        e.prefetch(e.pointer(begin, e.i64(line), "i8"))
    to, of = e.pointer(place, offset, "i8"), e.pointer(source, offset, "i8")
    e.line(
        f"  call void @llvm.memcpy.inline.p0.p0.i64({to.typed}, {of.typed}, i64 {count}, i1 false)"
    )
