"""A program of its own: the table of operations on arrays with forbidden pages on either side.

Values that are read beside an array and then thrown away show in no result. Here they end the
process. Run by ``test_memory.py`` as ``python -m tests.compiler.fenced``; prints "done".
"""

from __future__ import annotations

import ctypes
import mmap

import numpy as np

from chainrule.compiler.native.executable import Executable
from chainrule.ir.types import sized
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.guarded import compile_plain
from tests.ops.cases import RECORDS, cases, graph_of

_PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_kept: list[mmap.mmap] = []


def fenced(x: np.ndarray, at_end: bool) -> np.ndarray:
    """A copy of x that ends, or begins, where a page begins, or ends, that nobody may touch."""
    room = -(-max(x.nbytes, 1) // _PAGE) * _PAGE
    memory = mmap.mmap(-1, room + 2 * _PAGE)
    _kept.append(memory)
    whole = np.frombuffer(memory, np.uint8)
    for place in (0, _PAGE + room):
        assert _libc.mprotect(whole.ctypes.data + place, _PAGE, 0) == 0
    first = _PAGE + (room - x.nbytes if at_end else 0)
    copied = whole[first : first + x.nbytes].view(x.dtype).reshape(x.shape)
    copied[...] = x
    return copied


def run_fenced(executable: Executable, inputs: list[np.ndarray], batch: int = 0) -> None:
    graph = executable.plan.graph
    for at_end in (True, False):
        for threads in (1, 2):
            given = [fenced(x, at_end) for x in inputs]
            empty = [np.zeros(sized(n.type.shape, batch), n.type.dtype) for n in graph.outputs]
            executable.run(given, [fenced(y, at_end) for y in empty], batch=batch, threads=threads)


def products() -> None:
    """Every side of a product may be the caller's, of any size."""
    rng = np.random.default_rng(0)
    for rows, inner, columns in ((1, 1, 1), (13, 7, 19), (33, 40, 70)):
        for dtype in (np.float32, np.float64):
            a = rng.normal(size=(rows, inner)).astype(dtype)
            b = rng.normal(size=(inner, columns)).astype(dtype)
            arrays = [a, np.ascontiguousarray(a.T), b, np.ascontiguousarray(b.T)]
            graph = trace_types(
                lambda xs: [
                    xs[0] @ xs[2],
                    xs[1].T @ xs[2],
                    xs[0] @ xs[3].T,
                    np.tanh(xs[3] @ xs[1]),
                ],
                [array_type(x) for x in arrays],
            ).graph
            run_fenced(compile_plain(graph), arrays)


def table() -> None:
    """All that move, reduce and multiply; elementwise ones touch memory alike, so a few of them."""
    rng = np.random.default_rng(0)
    for record in RECORDS:
        if callable(record.lower) and record.name not in ("add", "less", "where", "cast"):
            continue
        found = [*cases(record)]
        executable = compile_plain(graph_of(found))
        for batch in (1, 17):
            inputs = [x for case in found for x in case.operands(rng, batch)]
            run_fenced(executable, inputs, batch)
            _kept.clear()


def main() -> None:
    table()
    products()
    print("done")  # noqa: T201 - what the test waits for


if __name__ == "__main__":
    main()
