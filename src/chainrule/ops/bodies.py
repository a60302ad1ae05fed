"""Bodies of loops and branches: graphs inside a graph, and what is asked of them.

To derive a body is to run its graph once more under another recording, inside a recording that
builds the new body. The recordings stand on floors above; each puts what it can do on the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import DTYPE_NAMES, NAMED_DTYPES, ArrayType, Shape, sized
from chainrule.ops.apply import bind, replayed
from chainrule.ops.record import PRIMITIVES, Primitive, register

Array = Any
Values = list[Array]
Mask = tuple[bool, ...]
#: The type of what stands for all results of an operation with several.
TOKEN: Final = ArrayType(np.dtype(np.bool_), ())

#: trace(fs, types) -> (graphs, what they take from around),
#: pull_back(f, values, wanted, cotangents) -> cotangents,
#: push_forward(f, values, tangents) -> (results, tangents) and
#: spread(f, size, mapped, values) -> (results, which of them have the examples in front).
_TRANSFORMS: Final[dict[str, Callable[..., Any]]] = {}


def register_transform(name: str, transform: Callable[..., Any]) -> None:
    """What an upper floor can do with a function of a list of values."""
    _TRANSFORMS[name] = transform


def transform(name: str) -> Callable[..., Any]:
    """The transform of that name."""
    return _TRANSFORMS[name]


def replay(graph: Graph, operands: Sequence[Array]) -> Values:
    """Every operation of a graph once more, on arrays or tracers; each keeps its line."""
    known: dict[Node, Array] = dict(zip(graph.inputs, operands, strict=True))
    for node in graph.nodes:
        if node not in known:
            token = replayed.set(node.where)
            try:
                known[node] = bind(node.op, *(known[x] for x in node.inputs), **node.attributes)
            finally:
                replayed.reset(token)
    return [known[node] for node in graph.outputs]


def trace_bodies(
    fs: Sequence[Callable[[Values], Values]], like: Sequence[ArrayType]
) -> tuple[list[Graph], Values]:
    """The graphs of functions of the same values, and what all of them take in front of these.

    That is what they read from around: the arrays of numbers in the operations' rules.
    """
    return transform("trace")(fs, like)  # type: ignore[no-any-return]


def trace_body(f: Callable[[Values], Values], like: Sequence[ArrayType]) -> tuple[Graph, Values]:
    """The graph of one function, and what it takes in front of its values."""
    (graph,), around = trace_bodies([f], like)
    return graph, around


def type_of(x: Array) -> ArrayType:
    """The type of an array or tracer."""
    return ArrayType(x.dtype, x.shape)


def slice_type(x: Array) -> ArrayType:
    """The type of one step's part of what a loop runs over."""
    return ArrayType(x.dtype, x.shape[1:])


def reached(graph: Graph, inputs: Sequence[bool]) -> Mask:
    """Which outputs depend on some of the marked inputs."""
    marked = {node for node, on in zip(graph.inputs, inputs, strict=True) if on}
    for node in graph.nodes:
        if any(x in marked for x in node.inputs):
            marked.add(node)
    return tuple(node in marked for node in graph.outputs)


def rounded(graph: Graph, inputs: Sequence[bool]) -> Mask:
    """Which whole outputs are made of the marked inputs: of rounded real numbers.

    Truth values are not: a comparison is constant but where it changes.
    """
    marked = {node for node, on in zip(graph.inputs, inputs, strict=True) if on}
    for node in graph.nodes:
        rules = PRIMITIVES[node.op].vjp if node.op != "input" else ()
        through = [
            x.type.dtype.kind == "f" or node.type.dtype.kind == "i"
            for k, x in enumerate(node.inputs)
            if x in marked and not (isinstance(rules, tuple) and rules[k] is None)
        ]
        if any(through) and node.type.dtype.kind != "b":
            marked.add(node)
        elif through and node.type == TOKEN:
            marked.add(node)  # results of a loop inside
    return tuple(node in marked and node.type.dtype.kind == "i" for node in graph.outputs)


def needed(graph: Graph, outputs: Sequence[bool]) -> Mask:
    """Which inputs some of the marked outputs depend on."""
    marked = {node for node, on in zip(graph.outputs, outputs, strict=True) if on}
    for node in reversed(graph.nodes):
        if node in marked:
            marked.update(node.inputs)
    return tuple(node in marked for node in graph.inputs)


def both(a: Sequence[bool], b: Sequence[bool]) -> Mask:
    """Where two masks hold."""
    return tuple(x and y for x, y in zip(a, b, strict=True))


def either(a: Sequence[bool], b: Sequence[bool]) -> Mask:
    """Where one of two masks holds."""
    return tuple(x or y for x, y in zip(a, b, strict=True))


def floats(types: Sequence[ArrayType]) -> Mask:
    """Which are floating-point: only they have derivatives."""
    return tuple(t.is_float for t in types)


def chosen(values: Sequence[Any], mask: Sequence[bool]) -> list[Any]:
    """The values that a mask marks."""
    return [x for x, on in zip(values, mask, strict=True) if on]


def placed(values: Sequence[Any], mask: Sequence[bool]) -> list[Any]:
    """The values at the marked places, None at the others: the opposite of ``chosen``."""
    rest = iter(values)
    return [next(rest) if on else None for on in mask]


def pairs(a: Sequence[Any], b: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Two lists of one length side by side."""
    return list(zip(a, b, strict=True))


def zeros(type_: ArrayType) -> Array:
    """A plain array of zeros."""
    return np.zeros(sized(type_.shape), type_.dtype)


def or_zeros(x: Array | None, type_: ArrayType) -> Array:
    """A cotangent or a tangent that is there, for one that may not be."""
    return zeros(type_) if x is None else x


def item(token: Array, index: int, type_: ArrayType) -> Array:
    """One result of an operation with several."""
    return bind("item", token, index=index, dtype=DTYPE_NAMES[type_.dtype], shape=type_.shape)


def items(token: Array, types: Sequence[ArrayType]) -> Values:
    """All results of an operation with several."""
    return [item(token, k, type_) for k, type_ in enumerate(types)]


def given(g: Mapping[int, Array], count: int) -> Values:
    """The cotangents of all results, None where there is none."""
    return [g.get(k) for k in range(count)]


def in_front(x: Array, size: int, mapped: bool) -> Array:
    """x with the examples along its first axis, repeated if it has none."""
    return x if mapped else np.broadcast_to(x, (size, *np.shape(x)))


def _item_type(token: ArrayType, *, index: int, dtype: str, shape: Shape) -> ArrayType:
    assert token == TOKEN, f"results are picked from a token, not from {token}"
    return ArrayType(NAMED_DTYPES[dtype], shape)


# fmt: off
item_ = register(Primitive(
    name="item", shape=_item_type,
    evaluate=lambda token, *, index, dtype, shape: token[index],
    vjp=(lambda g, y, token, *, index, dtype, shape: {index: g},),
    jvp=lambda tangents, y, token, *, index, dtype, shape: tangents[0][index],
    batched=lambda size, mapped, token, *, index, dtype, shape: token[index],
    lower=None,
    domain=(0.0, 0.0), source="one result of an operation with several",
))
# fmt: on
