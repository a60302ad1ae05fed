"""LLVM text to machine code in memory. After ``finalize`` no page of it is writable."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import llvmlite.binding as llvm

from chainrule.compiler.native.target import Target, machine

#: run(table, thread, threads); calling it releases Python's lock.
_SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True, eq=False)
class MachineCode:
    """A finalised module. It lives as long as this object."""

    run: Any
    engine: Any = field(repr=False)


def assemble(text: str, target: Target) -> MachineCode:
    """Parse, verify, generate and finalise a module that defines ``run``."""
    module = llvm.parse_assembly(text)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine(target))
    engine.finalize_object()
    return MachineCode(_SIGNATURE(engine.get_function_address("run")), engine)


def assembly(text: str, target: Target) -> str:
    """The processor's assembly for a module, to be read."""
    return str(machine(target).emit_assembly(llvm.parse_assembly(text)))
