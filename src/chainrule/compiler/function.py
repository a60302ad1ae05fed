"""``compile``: a NumPy function as machine code, specialised to the shapes it is called with."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.threads import choose
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.compiler.quick import (
    UNFIT,
    Quick,
    Quicks,
    Straight,
    is_flat,
    is_native,
    is_small,
    signature,
)
from chainrule.ir.types import ArrayType, sized
from chainrule.tracing.trace import array_type, trace_types
from chainrule.tracing.tracer import Tracer
from chainrule.tracing.trees import flatten, unflatten


@dataclass(frozen=True, eq=False)
class _Compiled:
    executable: Executable
    constants: tuple[np.ndarray, ...]
    structure: Any
    threads: int

    def __call__(self, leaves: list[np.ndarray]) -> Any:
        outputs = [
            np.empty(sized(node.type.shape), node.type.dtype)
            for node in self.executable.graph.outputs
        ]
        self.executable.run([*leaves, *self.constants], outputs, threads=self.threads)
        return unflatten(self.structure, [y if y.shape else y[()] for y in outputs])

    def shortened(self) -> Quick | Straight:
        """The way to call it again with arguments of the same types."""
        if self.threads == 1 and is_small(self.executable, self.constants):
            return Quick(self.executable, self.constants, self.structure)
        return Straight(self.executable, self.constants, self.structure, self.threads)


def compile(f: Callable[..., Any], *, threads: int | None = None) -> Callable[..., Any]:
    """A function that does what f does, as one native program per signature.

    The first call with new shapes, dtypes or tree structure traces and compiles; later calls run
    machine code. Python control flow in f is followed once, while it is traced.

    Args:
        f: NumPy code from trees of arrays to a tree of arrays. Arguments of dtype float32,
            float64, int32, int64, bool and plain numbers.
        threads: how many share the work; None lets the amount of work decide. The results are
            the same bits for any number.

    Raises:
        TraceError: f does something that a graph cannot hold (the line is named).
        DTypeError: an argument has another element type.

    Example:
        >>> step = compile(lambda w, x: w - 0.1 * (w * x - 1.0) * x)
        >>> step(2.0, 3.0)
        np.float64(0.5)
    """
    cache: dict[Any, _Compiled] = {}
    quicks: Quicks = {}

    @functools.wraps(f)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        quick = quicks.get(signature(args)) if not kwargs else None
        if quick is not None:
            try:
                return quick(args)
            except UNFIT:  # the long way makes it fit, or says of which argument, and what is wrong
                pass
        leaves, structure = flatten((args, kwargs))
        if any(isinstance(leaf, Tracer) for leaf in leaves):
            return f(*args, **kwargs)  # under another transform: be traced through
        arrays = [_plain(leaf) for leaf in leaves]
        types = tuple(array_type(x) for x in arrays)
        key = (structure, types)
        if key not in cache:
            cache[key] = _build(f, structure, types, threads)
        found = cache[key](arrays)
        if quick is None and not kwargs and is_flat(args) and is_native(args):
            quicks[signature(args)] = cache[key].shortened()
        return found

    return compiled


def _plain(x: Any) -> np.ndarray:
    """A row-major array in the machine's byte order, without a copy where it is one already."""
    array = np.asarray(x)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])


def _build(
    f: Callable[..., Any], structure: Any, types: tuple[ArrayType, ...], threads: int | None
) -> _Compiled:
    def on_leaves(leaves: list[Tracer]) -> Any:
        args, kwargs = unflatten(structure, leaves)
        return f(*args, **kwargs)

    traced = trace_types(on_leaves, types)
    executable = compile_graph(traced.graph, plain_roles(traced.graph))
    constants = tuple(np.array(_plain(x)) for x in traced.constants)  # as they are now
    count = choose(threads, executable.shareable(0))
    return _Compiled(executable, constants, traced.structure, count)
