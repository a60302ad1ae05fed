"""LLVM text to machine code in memory. Once it is final no page of it is writable."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass, field
from typing import Any

import llvmlite.binding as llvm

from chainrule.compiler.native import cache
from chainrule.compiler.native.target import Target, machine

#: run(table, thread, threads); calling it releases Python's lock.
RUN = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


#: Nothing to convert and no lock to give away: the shortest way from Python into native code.
QUICK = ctypes.PYFUNCTYPE(None)


#: llvmlite's: whoever is in LLVM holds it. A child forked meanwhile could never compile, so a fork
#: waits for the end of a compilation.
_LLVM: Any = getattr(getattr(llvm.ffi, "lib", None), "_lock", None)

if _LLVM is not None and hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LLVM.__enter__,
        after_in_parent=lambda: _LLVM.__exit__(None, None, None),
        after_in_child=lambda: _LLVM.__exit__(None, None, None),
    )


@dataclass(frozen=True, eq=False)
class MachineCode:
    """One function of a finished module. The code lives as long as this object.

    ``key`` is the name under which it is kept on the disk.
    """

    call: Any
    key: str
    engine: Any = field(repr=False)

    def prepare_quick(self, table: int) -> Any:
        """A call without arguments on this table, on one thread, that keeps Python's lock."""
        place = ctypes.c_void_p.from_address(self.engine.get_global_value_address("quick_table"))
        place.value = table
        return QUICK(self.engine.get_function_address("quick"))


def assemble(text: str, target: Target, name: str = "run", signature: Any = RUN) -> MachineCode:
    """The code of a module, from the disk or made now; ``name`` is the function to call."""
    key = cache.key_of(text, target)
    code = cache.read(key)
    if code is None:
        code = _generated(text, target)
        cache.write(key, code)
    engine = _loaded(code, target)
    return MachineCode(signature(engine.get_function_address(name)), key, engine)


def find(key: str, target: Target) -> MachineCode | None:
    """Code as it was kept under this name, ready to be called."""
    code = cache.read(key)
    if code is None:
        return None
    engine = _loaded(code, target)
    return MachineCode(RUN(engine.get_function_address("run")), key, engine)


def _generated(text: str, target: Target) -> bytes:
    """Parse, verify and generate. What LLVM knew of the module is forgotten with its context."""
    module = llvm.parse_assembly(text, llvm.create_context())
    module.verify()
    return bytes(machine(target).emit_object(module))


def _loaded(code: bytes, target: Target) -> Any:
    """Code put in place."""
    module = llvm.parse_assembly(f'target triple = "{target.triple}"')
    engine = llvm.create_mcjit_compiler(module, machine(target))
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def assembly(text: str, target: Target) -> str:
    """The processor's assembly for a module, to be read."""
    return str(machine(target).emit_assembly(llvm.parse_assembly(text)))
