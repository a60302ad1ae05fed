"""From the traced graph to values: what only moves numbers about is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.explain.derivations.layers.recognise import recognised
from chainrule.explain.derivations.layers.values import (
    Maker,
    Value,
    constant,
    kept,
    places,
    squeezed,
)
from chainrule.explain.subject import Subject
from chainrule.ir.graph import Node
from chainrule.ops import PRIMITIVES
from chainrule.ops.apply import bind
from chainrule.ops.record import Joint

Array: TypeAlias = Any
#: What changes nothing that mathematics sees.
_SAME: Final = frozenset(("copy", "fence"))


class Reading:
    """A subject as values, in float64.

    Attributes:
        graph, data: the program and an array per input of it.
        inputs: leaf's name -> its value; input_values: all inputs in order, constants too.
        made: node -> the value that it makes, but for what only moves an older one about.
        output: the number that the function returns.
    """

    def __init__(self, subject: Subject) -> None:
        exact = _in_float64(subject)
        self.graph = exact.trace()
        self.data = [np.asarray(x) for x in self.graph.values]
        self.values: dict[Node, Value] = {}
        self.arrays: dict[Node, Any] = {}
        self.made: dict[Node, Value] = {}
        self.make = Maker()
        self.labels: list[Value] = []
        names = [*subject.leaves, *[None] * (len(self.data) - len(subject.leaves))]
        for node, array, name in zip(self.graph.inputs, self.data, names, strict=True):
            self.take_input(node, array, name is not None, name in subject.wrt)
        for node in self.graph.nodes:
            self.take(node)
        self.input_values = [self.values[node] for node in self.graph.inputs]
        found = zip(names, self.input_values, strict=True)
        self.inputs = {name: v for name, v in found if name is not None}
        self.output = self.values[self.graph.outputs[0]]

    def take_input(self, node: Node, array: Array, named: bool, live: bool) -> None:
        self.arrays[node] = array
        if not named:
            self.values[node] = constant(array)
            return
        fixed = np.asarray(array).dtype.kind != "f"
        found = Value("input", (), squeezed(array), live=live, fixed=fixed)
        self.values[node] = found
        self.labels += [found] if fixed else []

    def take(self, node: Node) -> None:
        if node in self.arrays:
            return
        operands = [self.arrays[x] for x in node.inputs]
        with np.errstate(all="ignore"):
            self.arrays[node] = PRIMITIVES[node.op].evaluate(*operands, **node.attributes)
        if not isinstance(PRIMITIVES[node.op].vjp, Joint):
            found = self.values[node] = self._value(node)
            if all(self.values.get(x) is not found for x in node.inputs):
                self.made[node] = found

    def _value(self, node: Node) -> Value:
        array = self.arrays[node]
        if not node.inputs:
            return constant(array)
        if any(x not in self.values for x in node.inputs):
            return self._joint(node)
        inputs = tuple(self.values[x] for x in node.inputs)
        same = self._known(node, inputs, array)
        return same or recognised(self._made(node, inputs, array), self.make)

    def _known(self, node: Node, inputs: tuple[Value, ...], array: Array) -> Value | None:
        """A value that is there already: the same numbers, moved at most by axes of length one."""
        if node.op in _SAME or _only_moves(node):
            return inputs[0]
        if node.op == "cast" and inputs[0].data.dtype.kind == node.type.dtype.kind == "f":
            return inputs[0]
        if all(x.op == "constant" for x in inputs):
            return constant(array)
        if all(x.fixed for x in inputs):
            return self._labels(node, squeezed(array))
        return None

    def _labels(self, node: Node, array: Array) -> Value | None:
        """The labels themselves, where counting from the end was allowed; the 0 of a guard."""
        if node.op == "cast" and array.dtype.kind == "f":
            operand = self.values[node.inputs[0]]
            return operand if operand in self.labels else None
        if node.op != "where":
            return None
        if array.dtype.kind == "f":
            return None if np.any(array) else constant(array)
        same = (v for v in self.labels if np.array_equal(v.data, array))
        return next(same, None)

    def _made(self, node: Node, inputs: tuple[Value, ...], array: Array) -> Value:
        shapes = [tuple(np.shape(self.arrays[x])) for x in node.inputs]
        attributes = _REMAPPED.get(node.op, _as_they_are)(shapes, node)
        call = _call(node, [np.asarray(self.arrays[x]) for x in node.inputs])
        return self.make(node.op, inputs, array, call, **attributes)

    def _joint(self, node: Node) -> Value:
        """One result of an operation of several, with all that it needs."""
        (token,) = node.inputs
        inputs = tuple(self.values[x] for x in token.inputs)
        arrays = [np.asarray(self.arrays[x]) for x in token.inputs]

        def call(*xs: Any) -> Any:
            raw = [_as(x, array) for x, array in zip(xs, arrays, strict=True)]
            result = bind(node.op, bind(token.op, *raw, **token.attributes), **node.attributes)
            return np.reshape(result, kept(np.shape(result)))

        at = {"of": id(token), **node.attributes}
        return self.make(token.op, inputs, self.arrays[node], call, **at)


def _in_float64(subject: Subject) -> Subject:
    """The same function at the same point, all its floating-point arguments in float64."""
    leaves = {
        name: np.asarray(x, np.float64) if x.dtype.kind == "f" else x
        for name, x in subject.leaves.items()
    }
    return replace(subject, leaves=leaves)


def _call(node: Node, arrays: list[Array]) -> Callable[..., Any]:
    def call(*xs: Any) -> Any:
        raw = [_as(x, array) for x, array in zip(xs, arrays, strict=True)]
        result = bind(node.op, *raw, **node.attributes)
        return np.reshape(result, kept(np.shape(result)))

    return call


def _as(x: Any, array: Array) -> Any:
    """x in the shape and the dtype that the program has there."""
    shaped = np.reshape(x, array.shape)
    return shaped if array.dtype.kind == "f" else np.asarray(shaped).astype(array.dtype)


def _only_moves(node: Node) -> bool:
    """Whether nothing happens but to axes of length one."""
    if node.op not in ("reshape", "broadcast", "transpose", "slice", "sum", "max", "prod"):
        return False
    shape = kept(node.inputs[0].type.shape)
    if kept(node.type.shape) != shape:
        return False
    if node.op == "transpose":
        order = places(node.inputs[0].type.shape, node.attributes["axes"])
        return order == tuple(sorted(order))
    steps: Any = node.attributes.get("steps", ())
    return all(step == 1 for step in steps)


def _as_they_are(shapes: list[Any], node: Node) -> dict[str, Any]:
    return dict(node.attributes)


def _dot_axes(shapes: list[Any], node: Node) -> dict[str, Any]:
    a, b = shapes
    of = node.attributes
    return {
        "a_axes": places(a, of["a_axes"]), "b_axes": places(b, of["b_axes"]),
        "a_batch": places(a, of["a_batch"]), "b_batch": places(b, of["b_batch"]),
    }  # fmt: skip


def _reduced_axes(shapes: list[Any], node: Node) -> dict[str, Any]:
    return {"axes": places(shapes[0], node.attributes["axes"])}


def _spread_axes(shapes: list[Any], node: Node) -> dict[str, Any]:
    shape, axes = node.attributes["shape"], node.attributes["axes"]
    return {"shape": kept(shape), "axes": places(shape, axes) if shapes[0] else ()}


def _order(shapes: list[Any], node: Node) -> dict[str, Any]:
    return {"axes": places(shapes[0], node.attributes["axes"])}


_REMAPPED: Final[dict[str, Callable[[list[Any], Node], dict[str, Any]]]] = {
    "dot": _dot_axes, "sum": _reduced_axes, "max": _reduced_axes, "prod": _reduced_axes,
    "broadcast": _spread_axes, "transpose": _order,
    "reshape": lambda shapes, node: {"shape": kept(node.attributes["shape"])},
}  # fmt: skip
