"""One graph for any number of examples.

A function is traced for two batch sizes. The graphs must be the same but for sizes, and where a
size is b in the one and b' in the other it is the batch. So a user's code may ask for ``len(x)``
or write ``np.arange(len(y))``: what it makes of the number is recognised afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from chainrule.errors import ChainruleError, TraceError
from chainrule.ir.graph import Attribute, Graph, Node
from chainrule.ir.types import BATCH, DTYPE_NAMES, ArrayType, Size, sized
from chainrule.ops import verify
from chainrule.tracing.trace import Traced, trace_types
from chainrule.tracing.tracer import Tracer

#: Two sizes that no layer has, far apart from one another, one odd and one even.
_SIZES: Final = (1061, 2202)


def trace_batch(f: Callable[[list[Tracer]], Any], types: Sequence[ArrayType]) -> Traced:
    """Trace f for types in which the batch is symbolic.

    Raises:
        TraceError: what f does depends on the number of examples in a way that one graph cannot
            follow (a condition on it, or a size made of it and another).
        ChainruleError: what f itself is refused for, with "batch" for the number of examples.
    """
    first, second = (_trace_named(f, types, size) for size in _SIZES)
    _check_constants(first.constants, second.constants)
    graph = _Unifier().unify(first.graph, second.graph)
    verify(graph)
    return Traced(graph, first.constants, first.structure)


def _trace_named(f: Callable[[list[Tracer]], Any], types: Sequence[ArrayType], size: int) -> Traced:
    """Trace for a size that stands for the batch: errors say "batch", the line is the user's."""
    try:
        return trace_types(f, [_fixed(t, size) for t in types], size)
    except ChainruleError as error:
        if not any(size in type_.shape for type_ in types):  # else it may be a layer's width
            ChainruleError.__init__(error, _named(error.message, size), _named(error.hint, size))
        raise


def _named(text: str, size: int) -> str:
    """The text with "batch" for the size and "3 * batch" for three times it; lines stay."""

    def name(number: re.Match[str]) -> str:
        times, rest = divmod(int(number[0]), size)
        return number[0] if rest or not times else "batch" if times == 1 else f"{times} * batch"

    return re.sub(r"(?<![\w.:])\d+(?!\w|\.\d)", name, text)


def _fixed(type_: ArrayType, batch: int) -> ArrayType:
    return type_.with_shape(sized(type_.shape, batch))


def _check_constants(a: Sequence[np.ndarray], b: Sequence[np.ndarray]) -> None:
    """An array from the code around must be the same array for every number of examples."""
    for x, y in zip(a, b, strict=False):
        if x.shape != y.shape:
            raise _different("a plain array's shape", x.shape, y.shape)
        if x.dtype != y.dtype or not np.array_equal(x, y, equal_nan=x.dtype.kind == "f"):
            raise TraceError(
                f"a plain array of shape {x.shape} has other values for another number of examples",
                "divide traced values by len(x) rather than plain ones, and draw random numbers "
                "outside of the function",
            )


class _Unifier:
    """Walks two graphs side by side and writes the one that both are cases of."""

    def __init__(self) -> None:
        self.new: dict[Node, Node] = {}

    def unify(self, a: Graph, b: Graph) -> Graph:
        if len(a.nodes) != len(b.nodes) or len(a.inputs) != len(b.inputs):
            raise _different("the number of operations", len(a.nodes), len(b.nodes))
        for left, right in zip(a.nodes, b.nodes, strict=True):
            self.new[left] = self._node(left, right)
        inputs = tuple(self.new[n] for n in a.inputs)
        return Graph(inputs, tuple(self.new[n] for n in a.outputs))

    def _node(self, a: Node, b: Node) -> Node:
        if a.op != b.op or len(a.inputs) != len(b.inputs):
            raise _different(f"an operation at {a.where}", a.op, b.op)
        if a.op == "constant" and repr(a.attributes) != repr(b.attributes):  # a NaN is itself
            return _size_node(a, b)
        shape = tuple(_size(x, y, a) for x, y in zip(a.type.shape, b.type.shape, strict=True))
        attributes = {key: _attribute(x, b.attributes[key], a) for key, x in a.attributes.items()}
        operands = tuple(self.new[operand] for operand in a.inputs)
        return Node(a.op, operands, a.type.with_shape(shape), attributes, a.where)


def _different(what: str, a: object, b: object) -> TraceError:
    return TraceError(
        f"{what} depends on the number of examples: {a} for {_SIZES[0]}, {b} for {_SIZES[1]}",
        "use np.mean and np.sum over the examples, and no condition on their number",
    )


def _size(x: int | Size, y: int | Size, at: Node) -> Size:
    if x == y:
        return x
    if (x, y) == _SIZES:
        return BATCH
    raise _different(f"a size of {at.op} at {at.where or 'an argument'}", x, y)


def _attribute(x: Attribute, y: Attribute, at: Node) -> Attribute:
    if isinstance(x, Graph) and isinstance(y, Graph):
        return _Unifier().unify(x, y)
    if at.op == "scan" and (x, y) == _SIZES:
        return BATCH  # as many steps as there are examples
    if isinstance(x, tuple) and isinstance(y, tuple):
        return tuple(_size(a, b, at) for a, b in zip(x, y, strict=True))
    if x == y or (x != x and y != y):
        return x
    if (x, y) == _SIZES:
        return BATCH
    raise _different(f"{at.op} at {at.where}", x, y)


def _size_node(a: Node, b: Node) -> Node:
    """Two numbers c, c' become k * batch ** p, if they are that for a whole p."""
    x, y = float(a.attributes["value"]), float(b.attributes["value"])  # type: ignore[arg-type]
    for power in (1, -1, 2, -2):
        scale, again = x / _SIZES[0] ** power, y / _SIZES[1] ** power
        if abs(scale - again) <= 1e-6 * abs(scale):
            whole = round(scale * 4) / 4
            scale = whole if abs(whole - scale) <= 1e-6 * abs(scale) else scale
            attributes = {"scale": scale, "power": power, "dtype": DTYPE_NAMES[a.type.dtype]}
            return Node("size", (), a.type, attributes, a.where)
    raise _different(f"a number at {a.where or 'a line'}", x, y)
