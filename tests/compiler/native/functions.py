"""Native functions of numbers, compiled alone, and the distance of floats: for tests."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.compiler.native.elementary import BINARY, FUNCTIONS, OTHERS
from chainrule.compiler.native.emit import I64, PTR, Emitter, Kind, NativeType, Val
from chainrule.compiler.native.jit import MachineCode, assemble
from chainrule.compiler.native.target import host

Array = NDArray[Any]

DTYPES: dict[Kind, type[np.floating[Any]]] = {"f32": np.float32, "f64": np.float64}
WHOLE: dict[Kind, type[np.integer[Any]]] = {"i32": np.int32, "i64": np.int64}
STEP = int(os.environ.get("CHAINRULE_F32_STEP", "2003"))


# -- the functions, compiled -------------------------------------------------------------------


class Native:
    """``f(x)`` or ``f(x, y)`` for arrays of one length, in vectors of ``lanes``."""

    def __init__(
        self, name: str, kind: Kind, lanes: int, widest: int = 512, **numbers: int
    ) -> None:
        self.dtype, self.step = {**DTYPES, **WHOLE}[kind], max(lanes, 1)
        self.arity = 1 if name in FUNCTIONS or numbers else 2
        signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (self.arity + 1), ctypes.c_int64)
        function = partial({**FUNCTIONS, **BINARY, **OTHERS}[name], **numbers)
        text = loop_text(function, self.arity, NativeType(kind, lanes))
        self.code: MachineCode = assemble(text, host(widest), "f", signature)

    def __call__(self, *operands: Array) -> Array:
        count = operands[0].size
        padded = [np.ones(-(-count // self.step) * self.step, self.dtype) for _ in operands]
        for room, x in zip(padded, operands, strict=True):
            room[:count] = x
        result = np.empty_like(padded[0])
        self.code.call(*(a.ctypes.data for a in (*padded, result)), result.size)
        return result[:count]


def loop_text(function: Callable[..., Val], arity: int, type_: NativeType) -> str:
    """An LLVM module: f(x..., result, n) sets result[i] = function(x[i], ...) for i < n."""
    e = Emitter()
    e.start("entry")
    names = ["%x", "%y"][:arity]

    def body(i: Val, carried: list[Val]) -> list[Val]:
        operands = [e.load(e.pointer(Val(PTR, name), i, type_.kind), type_) for name in names]
        e.store(function(e, *operands), e.pointer(Val(PTR, "%result"), i, type_.kind))
        return carried

    e.loop(e.i64(0), Val(I64, "%n"), type_.lanes or 1, body)
    parameters = ", ".join(f"ptr {name}" for name in [*names, "%result"])
    head = f"define void @f({parameters}, i64 %n) {{"
    return "\n".join([*sorted(e.declarations), head, *e.lines, "  ret void", "}"])


@cache
def native(name: str, kind: Kind, **numbers: int) -> Native:
    """A function in vectors of the machine's own width."""
    return Native(name, kind, host().lanes(32 if kind in ("f32", "i32") else 64), **numbers)


# -- measures ----------------------------------------------------------------------------------


def rank(x: Array) -> Array:
    """The number of floats from 0 to x, so that neighbours differ by 1 and -0 is 0."""
    bits = x.view(np.int32 if x.dtype == np.float32 else np.int64)
    lowest = np.iinfo(bits.dtype).min
    return np.where(bits < 0, (lowest - bits), bits).astype(np.int64)


def distance(got: Array, expected: Array) -> Array:
    """Floats between two arrays of one dtype; a NaN is far from all but a NaN."""
    far = np.iinfo(np.int64).max
    apart = np.abs(rank(got) - rank(expected))
    apart = np.where(np.sign(got) * np.sign(expected) < 0, far, apart)
    lone = np.isnan(got) != np.isnan(expected)
    return np.where(np.isnan(got) & np.isnan(expected), 0, np.where(lone, far, apart))


def assert_within(limit: int, got: Array, expected: Array, *operands: Array) -> None:
    apart = distance(got, expected)
    worst = int(apart.argmax())
    where = ", ".join(repr(x[worst]) for x in operands)
    assert apart[worst] <= limit, (
        f"{apart[worst]} floats off at ({where}): {got[worst]!r}, not {expected[worst]!r}"
    )
