"""The memory that holds machine code: never writable and executable at once."""

import ctypes
import gc
import os
import re
from pathlib import Path

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.native import cache, jit
from chainrule.compiler.native.target import host
from chainrule.compiler.pipeline import compile_graph, plain_roles

MAPS = Path("/proc/self/maps")
LINE = re.compile(r"(\w+)-(\w+) (\S+)")


def rights():
    """(first, last, rights) of each piece of this process's memory."""
    found = (LINE.match(line).groups() for line in MAPS.read_text().splitlines())
    return [(int(first, 16), int(last, 16), kind) for first, last, kind in found]


def rights_at(address):
    (kind,) = [kind for first, last, kind in rights() if first <= address < last]
    return kind


def writable_code():
    return {piece for piece in rights() if "w" in piece[2] and "x" in piece[2]}


@pytest.mark.skipif(not MAPS.exists(), reason="Linux names the rights of its memory")
def test_no_memory_of_ours_is_writable_and_executable_at_once(tmp_path, monkeypatch):
    """Fresh code, and the same from the disk; the stubs of ctypes were there before."""
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path))
    host()
    before = writable_code()
    graph = cr.trace(lambda x: np.exp(x) @ x.T, np.ones((30, 40)))
    for _ in range(2):
        code = compile_graph(graph, plain_roles(graph))._code
        assert rights_at(code.engine.get_function_address("run")) == "r-xp"
        assert "x" not in rights_at(code.engine.get_global_value_address("quick_table"))
    assert writable_code() <= before


def test_a_module_without_variables_may_call_what_lies_outside():
    """Nothing of such a module but its code lies in memory."""
    text = """
        declare i32 @getpid()
        define i32 @number() {
          %1 = call i32 @getpid()
          ret i32 %1
        }"""
    signature = ctypes.CFUNCTYPE(ctypes.c_int)
    code = jit.assemble(f'target triple = "{host().triple}"\n{text}', host(), "number", signature)
    assert code.call() == os.getpid()


STATM = Path("/proc/self/statm")


@pytest.mark.skipif(not STATM.exists(), reason="Linux says how much memory is in use")
def test_programs_that_are_dropped_leave_no_memory_behind():
    """Of 60 programs of other shapes: one kept module of LLVM's alone takes some hundred kB."""

    def compiled(k):
        cr.compile(lambda x: np.tanh(x).sum(axis=0) + k)(np.ones((3 + k % 20, 2 + k)))

    def megabytes():
        gc.collect()
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    for k in range(30):
        compiled(k)
    before = megabytes()
    for k in range(30, 90):
        compiled(k)
    assert megabytes() - before < 3
