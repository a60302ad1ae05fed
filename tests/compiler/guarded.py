"""Run an executable on arrays with guards around them: what it writes must be its outputs alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chainrule.compiler.native.executable import Executable
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.ir.graph import Graph
from chainrule.ir.types import ArrayType, sized

#: Wider than any vector: a store that misses its array by one vector still hits the guard.
_GUARD = 128
_BYTE = 0xA5


class Guarded:
    """An array between two stretches of bytes that must stay as they are."""

    def __init__(self, type_: ArrayType, batch: int) -> None:
        shape = sized(type_.shape, batch)
        room = int(np.prod(shape, dtype=np.int64)) * type_.dtype.itemsize
        self.memory = np.full(room + 2 * _GUARD, _BYTE, np.uint8)
        self.array = self.memory[_GUARD : _GUARD + room].view(type_.dtype).reshape(shape)

    def assert_whole(self) -> None:
        room = len(self.memory) - 2 * _GUARD
        outside = np.delete(self.memory, np.s_[_GUARD : _GUARD + room])
        assert (outside == _BYTE).all(), f"written beside an array of shape {self.array.shape}"


def run_plain(
    executable: Executable, inputs: Sequence[np.ndarray], *, batch: int = 0, threads: int = 1
) -> list[np.ndarray]:
    """The outputs of an executable whose inputs and outputs are all the caller's."""
    graph = executable.plan.graph
    given = [Guarded(node.type, batch) for node in graph.inputs]
    for guarded, x in zip(given, inputs, strict=True):
        guarded.array[...] = x
    outputs = [Guarded(node.type, batch) for node in graph.outputs]
    arrays = ([g.array for g in given], [g.array for g in outputs])
    executable.run(*arrays, batch=batch, threads=threads)
    for guarded, x in zip(given, inputs, strict=True):
        assert guarded.array.tobytes() == np.asarray(x).tobytes(), "an input was written to"
    for guarded in (*given, *outputs):
        guarded.assert_whole()
    return arrays[1]


def compile_plain(graph: Graph) -> Executable:
    """A graph whose inputs and outputs are all the caller's, as machine code."""
    return compile_graph(graph, plain_roles(graph))
