"""LLVM text to machine code in memory. Once it is final no page of it is writable."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from typing import Any

import llvmlite.binding as llvm

from chainrule.compiler.native.target import Target, machine

#: run(table, thread, threads); calling it releases Python's lock.
RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True, eq=False)
class MachineCode:
    """One function of a finished module. The code lives as long as this object."""

    call: Any
    engine: Any = field(repr=False)


def assemble(text: str, target: Target, name: str = "run", signature: Any = RUN) -> MachineCode:
    """Parse, verify, generate and finish a module; ``name`` is the function to call."""
    module = llvm.parse_assembly(text)
    module.verify()
    engine = llvm.create_mcjit_compiler(module, machine(target))
    engine.finalize_object()
    return MachineCode(signature(engine.get_function_address(name)), engine)


def assembly(text: str, target: Target) -> str:
    """The processor's assembly for a module, to be read."""
    return str(machine(target).emit_assembly(llvm.parse_assembly(text)))
