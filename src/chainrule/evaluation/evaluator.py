"""A function of the parameters and whole arrays of examples, compiled once, run in blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.compiler.lower.roles import InputRole, OutputRole, Roles
from chainrule.compiler.native.threads import choose
from chainrule.compiler.pipeline import compile_graph
from chainrule.evaluation.examples import Examples
from chainrule.ir.types import sized
from chainrule.tracing.batch import trace_batch
from chainrule.tracing.trace import array_type

#: Rows at a time: enough to share among threads, few enough to stay in the caches.
BLOCK: Final = 4096


class Evaluator:
    """``f(leaves of the parameters, leaves of the examples)`` -> one array."""

    def __init__(
        self,
        f: Callable[[list[Any], list[Any]], Any],
        params: list[np.ndarray],
        examples: Examples,
        threads: int | None,
    ) -> None:
        count = len(params)
        types = [array_type(p) for p in params]
        traced = trace_batch(lambda xs: f(xs[:count], xs[count:]), [*types, *examples.types])
        self._constants = [np.ascontiguousarray(c) for c in traced.constants]
        arrays = len(examples.arrays) + len(self._constants)
        roles: list[InputRole] = ["state"] * count
        roles += ["array"] * arrays
        outputs = (OutputRole("array"),) * len(traced.graph.outputs)
        self._executable = compile_graph(traced.graph, Roles(tuple(roles), outputs))
        self._type = traced.graph.outputs[0].type
        block = min(BLOCK, examples.rows)
        self.threads = choose(threads, self._executable.operations(block))

    def blocks(self, params: list[np.ndarray], examples: Examples) -> list[tuple[int, np.ndarray]]:
        """(rows, result) for each block of the examples, in order."""
        self._executable.set_state(params)
        found = []
        for first in range(0, examples.rows, BLOCK):
            rows = min(BLOCK, examples.rows - first)
            shape = sized(self._type.shape, rows)
            result = np.empty(shape, self._type.dtype)
            inputs = [*examples.block(first, first + rows), *self._constants]
            self._executable.run(inputs, [result], batch=rows, threads=self.threads)
            found.append((rows, result))
        return found

    def mean(self, params: list[np.ndarray], examples: Examples) -> float:
        """The mean over all rows of what f gives: each block's mean, or its total and weight."""
        found = self.blocks(params, examples)
        if found[0][1].shape == (2,):
            total, weight = (sum(float(value[k]) for _, value in found) for k in (0, 1))
            return total / weight if weight else 0.0
        return float(sum(rows * float(value) for rows, value in found) / examples.rows)
