"""Run a function on stand-ins: get its graph, for fixed sizes or for any number of examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.errors import DTypeError
from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import DTYPE_NAMES, ArrayType
from chainrule.tracing import functions, shaping, ufuncs  # noqa: F401 - they fill the protocols
from chainrule.tracing.tracer import Recording, Tracer, _node
from chainrule.tracing.trees import flatten, unflatten


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


def trace_types(f: Callable[[list[Tracer]], Any], types: Sequence[ArrayType]) -> Traced:
    """Call f on one stand-in per type; ``f`` may return any tree of values."""
    recording = Recording(eager=False)
    inputs = [Node("input", (), type_) for type_ in types]
    result = f([Tracer(recording, node) for node in inputs])
    leaves, structure = flatten(result)
    outputs = tuple(_node(recording, leaf) for leaf in leaves)
    kept = recording.constants.values()
    graph = Graph((*inputs, *(node for node, _ in kept)), outputs)
    return Traced(graph, tuple(array for _, array in kept), structure)


def trace(f: Callable[..., Any], *args: Any) -> Graph:
    """The graph of ``f(*args)`` for the shapes of these arguments, printed as text by ``print``.

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
    return trace_types(lambda xs: f(*unflatten(structure, xs)), types).graph
