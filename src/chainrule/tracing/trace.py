"""Run a function on stand-ins: get its graph, for fixed sizes or for any number of examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import DTypeError
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import DTYPE_NAMES, ArrayType
from chainrule.tracing import (  # noqa: F401 - they fill the protocols
    arranging,
    assigning,
    creation,
    cumulative,
    einsum,
    elementwise,
    functions,
    gathering,
    indexing,
    joining,
    linalg,
    methods,
    namespace,
    norms,
    ordering,
    polynomials,
    products,
    reducing,
    refused,
    shaping,
    special,
    statistics,
    ufunc_methods,
    ufuncs,
    windows,
)
from chainrule.tracing.foreign import call
from chainrule.tracing.nonfinite import Nonfinite, locate
from chainrule.tracing.recording import GraphRecording, GraphTracer, node_of
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import flatten, paths, unflatten


@dataclass(frozen=True, eq=False)
class Traced:
    """A function's graph, the arrays it takes from the code around it, its result's structure.

    The graph's inputs are the leaves of the arguments and behind them ``constants``.
    """

    graph: Graph
    constants: tuple[np.ndarray, ...]
    structure: Any


def array_type(x: Any) -> ArrayType:
    """The type of an array or a number; a plain float is f64, a plain integer i64.

    Raises:
        DTypeError: an element type that graphs do not hold.
    """
    x = x if isinstance(x, np.ndarray | np.generic) else np.asarray(x)
    dtype = x.dtype.newbyteorder("=")
    if dtype not in DTYPE_NAMES:
        raise DTypeError(
            f"an argument of dtype {x.dtype}; expected float32, float64, int32, int64 or bool",
            "convert it with .astype(np.float32)",
        )
    return ArrayType(dtype, x.shape)


def trace_types(
    f: Callable[[list[Tracer]], Any], types: Sequence[ArrayType], batch: int | None = None
) -> Traced:
    """Call f on one stand-in per type; ``f`` may return any tree of values.

    ``batch`` is the size that stands for any number of examples, if one does.
    """
    recording = GraphRecording(batch)
    inputs = [Node("input", (), type_) for type_ in types]
    result = call(f, [GraphTracer(recording, node) for node in inputs])
    leaves, structure = flatten(result)
    outputs = tuple(node_of(recording, leaf) for leaf in leaves)
    kept = recording.constants.values()
    graph = Graph((*inputs, *(node for node, _ in kept)), outputs)
    return Traced(graph, tuple(array for _, array in kept), structure)


@dataclass(frozen=True, eq=False, repr=False)
class TracedCall(Graph):
    """The graph of a function and the arguments that it was traced with."""

    values: tuple[np.ndarray, ...]
    names: tuple[str, ...]

    def first_nonfinite(self) -> Nonfinite | None:
        """The first NaN or infinity of a run with these arguments; None if all is finite.

        The graph is run by NumPy, node by node, into the loops as well. Of a function from
        ``grad`` both directions are looked at: what the line of an operation gives back is marked
        ``(backward)``. What is reported is where the NaN or infinity of a result comes from; if
        all results are finite, the first on the way.

        Example:
            >>> print(trace(lambda x: np.sum(np.log(x)), np.array([1.0, 0.0])).first_nonfinite())
            first -inf: log at ...
              element [1] of f64[2]; 1 of 2 are not finite
              example 1 (index along the first axis)
              reads argument 0, f64[2]: from 0 to 1, 0 at the element
        """
        return locate(self, self.values, self.names)


def trace(f: Callable[..., Any], *args: Any) -> TracedCall:
    """The graph of ``f(*args)`` for the shapes of these arguments, printed as text by ``print``.

    Its ``nodes``, ``inputs`` and ``outputs`` are those of the graph; ``first_nonfinite()`` says
    where the first NaN or infinity comes from.

    Example:
        >>> print(trace(lambda w, x, b: w * x + b, 2.0, 3.0, 1.0))
        graph(%0: f64[], %1: f64[], %2: f64[]) {
          %3: f64[] = multiply(%0, %1)
          %4: f64[] = add(%3, %2)
          return %4
        }
    """
    leaves, structure = flatten(args)
    types = [array_type(leaf) for leaf in leaves]
    traced = trace_types(lambda xs: f(*unflatten(structure, xs)), types)
    names = [f"argument {name}" for name in paths(args)] if leaves else []
    values = [np.asarray(x, t.dtype) for x, t in zip(leaves, types, strict=True)]
    around = ["a plain array of the code around"] * len(traced.constants)
    return TracedCall(
        traced.graph.inputs,
        traced.graph.outputs,
        (*values, *traced.constants),
        (*names, *around),
    )
