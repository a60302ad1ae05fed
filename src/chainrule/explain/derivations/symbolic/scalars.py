"""A graph of small arrays, unrolled: every element of every array a number of its own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import sized
from chainrule.ops import PRIMITIVES
from chainrule.ops.contract import free_axes
from chainrule.ops.record import POINTWISE

#: More numbers than these are no formula that anybody reads.
MOST_SCALARS: Final = 400
#: Operations that only move elements: done on the elements' numbers in place of the elements.
_MOVES: Final = frozenset(
    ("broadcast", "reshape", "slice", "transpose", "concatenate", "pad", "copy", "take")
)


class TooLarge(Exception):  # noqa: N818 - it is no failure: layers are shown instead
    """More scalars than can be shown, or an operation that acts on whole arrays alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One number of the program: an input, a constant, or an operation on other numbers.

    Attributes:
        op: "input", "constant" or the name of a primitive.
        inputs: its operands.
        value: of a constant.
        name: of an input: its leaf.
        index: of an input: its place in the leaf.
    """

    op: str
    inputs: tuple[Scalar, ...] = ()
    value: Any = None
    name: str = ""
    index: tuple[int, ...] = ()


Elements: TypeAlias = Any  # an array of Scalar, dtype object


@dataclass(frozen=True, eq=False)
class Program:
    """Every number that a result is made of.

    Attributes:
        leaves: the elements of each input, by its name.
        output: the result.
        elements: of every node of the graph its scalars.
    """

    leaves: Mapping[str, Elements]
    output: Scalar
    elements: Mapping[Node, Elements]

    @property
    def order(self) -> tuple[Scalar, ...]:
        """Every number that the result needs, operands before their users."""
        return ordered(self.output)


def ordered(output: Scalar) -> tuple[Scalar, ...]:
    """What a number is made of, operands first."""
    done: dict[Scalar, None] = {}
    stack = [(output, False)]
    while stack:
        scalar, ready = stack.pop()
        if ready:
            done[scalar] = None
        elif scalar not in done:
            stack.append((scalar, True))
            stack.extend((operand, False) for operand in reversed(scalar.inputs))
    return tuple(done)


def unroll(graph: Graph, names: Sequence[str], values: Sequence[np.ndarray]) -> Program:
    """Every element of every array of the graph as a number of its own.

    Args:
        graph: its first inputs are called ``names``; others are constants.
        names: of the leaves.
        values: of all inputs: of leaves only those of whole numbers that pick elements are used.

    Raises:
        TooLarge: more than 400 numbers, or an operation that acts on whole arrays.
    """
    elements: dict[Node, Elements] = {}
    shared: dict[Any, Scalar] = {}
    known = dict(zip(graph.inputs, values, strict=True))
    for node, name in zip(graph.inputs, names, strict=False):
        elements[node] = _inputs(name, np.shape(known[node]))
    for node in graph.inputs[len(names) :]:
        elements[node] = _constants(known[node])
    count = 0
    for node in graph.nodes:
        if node not in elements:
            count += math.prod(sized(node.type.shape))
            if count > MOST_SCALARS:
                raise TooLarge(f"the function has more than {MOST_SCALARS} numbers on its way")
            made = _unrolled(node, [elements[x] for x in node.inputs], known)
            elements[node] = changed(made, lambda scalar: _one_of(scalar, shared))
    leaves = {name: elements[node] for node, name in zip(graph.inputs, names, strict=False)}
    return Program(leaves, elements[graph.outputs[0]].item(), elements)


def _one_of(scalar: Scalar, shared: dict[Any, Scalar]) -> Scalar:
    """The first scalar that is the same operation on the same operands."""
    if scalar.op == "input":
        return scalar
    if scalar.op == "constant":
        return shared.setdefault(repr(scalar.value), scalar)
    if scalar not in shared:
        operands = tuple(_one_of(x, shared) for x in scalar.inputs)
        same = scalar if operands == scalar.inputs else Scalar(scalar.op, operands)
        shared[scalar] = shared.setdefault((scalar.op, operands), same)
    return shared[scalar]


def _inputs(name: str, shape: tuple[int, ...]) -> Elements:
    return _each(shape, lambda at: Scalar("input", name=name, index=at))


def _constants(x: Any) -> Elements:
    x = np.asarray(x)
    return _each(x.shape, lambda at: Scalar("constant", value=x[at].item()))


def _each(shape: tuple[int, ...], make: Callable[[tuple[int, ...]], Scalar]) -> Elements:
    made = np.empty(shape, object)
    for at in np.ndindex(*shape):
        made[at] = make(at)
    return made


def changed(elements: Elements, change: Callable[[Scalar], Scalar]) -> Elements:
    """The array with each scalar changed."""
    return _each(elements.shape, lambda at: change(elements[at]))


def _unrolled(node: Node, operands: list[Elements], known: Mapping[Node, np.ndarray]) -> Elements:
    shape = sized(node.type.shape)
    if all(x.op == "constant" for operand in operands for x in operand.flat):
        return _constants(_value(node, operands))
    if node.op in _MOVES:
        return _moved(node, operands, known)
    if node.op in _REDUCTIONS:
        return _REDUCTIONS[node.op](node, *operands)
    if PRIMITIVES[node.op].batched == POINTWISE and node.op != "cast":
        return _each(shape, lambda at: Scalar(node.op, tuple(x[at] for x in operands)))
    if node.op == "cast":
        return operands[0]
    raise TooLarge(f"{node.op} acts on whole arrays")


def _value(node: Node, operands: list[Elements]) -> Any:
    arrays = [
        np.array([s.value for s in x.flat], n.type.dtype).reshape(x.shape)
        for x, n in zip(operands, node.inputs, strict=True)
    ]
    with np.errstate(all="ignore"):
        return PRIMITIVES[node.op].evaluate(*arrays, **node.attributes)


def _moved(node: Node, operands: list[Elements], known: Mapping[Node, np.ndarray]) -> Elements:
    """The operation on the numbers of the elements; 0 stands for what padding puts in."""
    flat: list[Scalar] = [Scalar("constant", value=0.0)]
    numbers: list[np.ndarray] = []
    for k, operand in enumerate(operands):
        if node.op == "take" and k == 1:
            numbers.append(_whole(operand, node.inputs[1], known))
            continue
        numbers.append(np.arange(len(flat), len(flat) + operand.size).reshape(operand.shape))
        flat.extend(operand.flat)
    moved = np.asarray(PRIMITIVES[node.op].evaluate(*numbers, **node.attributes))
    return _each(moved.shape, lambda at: flat[int(moved[at])])


def _whole(index: Elements, node: Node, known: Mapping[Node, np.ndarray]) -> np.ndarray:
    """Which elements are picked: numbers of the program, or of an argument that is whole."""
    if all(s.op == "constant" for s in index.flat):
        return np.array([s.value for s in index.flat], np.int64).reshape(index.shape)
    if node in known:
        return np.asarray(known[node])
    raise TooLarge("elements are picked by what is computed")


def _sum(node: Node, x: Elements) -> Elements:
    return _reduced(node, x, "add", 0.0)


def _prod(node: Node, x: Elements) -> Elements:
    return _reduced(node, x, "multiply", 1.0)


def _max(node: Node, x: Elements) -> Elements:
    return _reduced(node, x, "maximum", -math.inf)


def _reduced(node: Node, x: Elements, op: str, empty: float) -> Elements:
    axes: Any = node.attributes["axes"]
    kept = free_axes(x.ndim, axes)
    turned = x.transpose(kept + tuple(axes)).reshape(*(x.shape[k] for k in kept), -1)
    return _each(turned.shape[:-1], lambda at: chained(op, list(turned[at]), empty))


def chained(op: str, scalars: list[Scalar], empty: float) -> Scalar:
    """s₁ op s₂ op ... from the left."""
    if not scalars:
        return Scalar("constant", value=empty)
    total = scalars[0]
    for scalar in scalars[1:]:
        total = Scalar(op, (total, scalar))
    return total


def _dot(node: Node, a: Elements, b: Elements) -> Elements:
    axes: Mapping[str, Any] = node.attributes
    a_free = free_axes(a.ndim, axes["a_axes"], axes["a_batch"])
    b_free = free_axes(b.ndim, axes["b_axes"], axes["b_batch"])
    left = _grouped(a, axes["a_batch"], a_free, axes["a_axes"])
    right = _grouped(b, axes["b_batch"], b_free, axes["b_axes"])
    shape = sized(node.type.shape)
    made = [
        chained("add", [Scalar("multiply", (p, q)) for p, q in zip(u, v, strict=True)], 0.0)
        for m, n in zip(left, right, strict=True)
        for u, v in itertools.product(m, n)
    ]
    flat = np.empty(len(made), object)
    flat[:] = made
    return flat.reshape(shape)


def _grouped(x: Elements, *groups: tuple[int, ...]) -> Elements:
    sizes = [math.prod(x.shape[k] for k in group) for group in groups]
    return x.transpose(sum(map(tuple, groups), ())).reshape(sizes)


_REDUCTIONS: Final[dict[str, Callable[..., Elements]]] = {
    "sum": _sum,
    "prod": _prod,
    "max": _max,
    "dot": _dot,
}
