"""A traced function made ready for a proof: data folded to known numbers, equal nodes made one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.explain.subject import Subject
from chainrule.ir.graph import Graph, Node, with_inputs
from chainrule.ir.types import sized
from chainrule.ops import PRIMITIVES
from chainrule.tracing.trace import TracedCall

Array: TypeAlias = np.ndarray[Any, Any]
#: What holds a value as it is: a real function sees through it.
_IDENTITIES: Final = ("stop_gradient", "copy", "fence")


@dataclass(frozen=True, eq=False)
class Program:
    """f(θ) as nodes in an order that can be run.

    Attributes:
        nodes: what depends on θ, operands before users; the variables first.
        variables: the parts of θ by name.
        known: the value of each node that does not depend on θ.
        output: the node of f.
        values: the part of θ at which the function was given, by name.
    """

    nodes: tuple[Node, ...]
    variables: Mapping[str, Node]
    known: Mapping[Node, Array]
    output: Node
    values: Mapping[str, Array]

    @cached_property
    def starts(self) -> dict[str, int]:
        """Where each part begins in θ as one vector."""
        sizes = [size_of(node) for node in self.variables.values()]
        ends = np.cumsum([0, *sizes]).tolist()
        return dict(zip(self.variables, ends, strict=False))

    @cached_property
    def size(self) -> int:
        """How many numbers θ has."""
        return sum(map(size_of, self.variables.values()))

    def split(self, theta: Array) -> dict[str, Array]:
        """θ as one vector, cut into its parts."""
        return {
            name: theta[self.starts[name] :][: size_of(node)].reshape(shape_of(node))
            for name, node in self.variables.items()
        }

    @property
    def start(self) -> Array:
        """The point at which the function was given, as one vector."""
        parts = [np.asarray(self.values[name], np.float64).ravel() for name in self.variables]
        return np.concatenate(parts) if parts else np.zeros(0)

    def coordinate(self, k: int) -> str:
        """The name of one number of θ: ``w[3]``."""
        for name, node in reversed(list(self.variables.items())):
            if k >= self.starts[name]:
                if not node.type.shape:
                    return name
                index = np.unravel_index(k - self.starts[name], shape_of(node))
                return f"{name}[{', '.join(str(int(i)) for i in index)}]"
        raise IndexError(k)

    @cached_property
    def wide(self) -> dict[Node, Any]:
        """What is known, in float64 where it is float32: f is a function of real numbers."""
        used = {x for node in self.nodes for x in node.inputs} | {self.output}
        return {node: _widened(self.known[node]) for node in used if node in self.known}

    def run(self, theta: Array) -> float:
        """f(θ) in float64."""
        parts = self.split(theta).items()
        values: dict[Node, Any] = {self.variables[name]: part for name, part in parts}
        with np.errstate(all="ignore"):
            for node in self.nodes:
                if node not in values:
                    operands = [values[x] if x in values else self.wide[x] for x in node.inputs]
                    values[node] = _run_node(node, operands)
            found = values[self.output] if self.output in values else self.wide[self.output]
            return float(found)


def _run_node(node: Node, operands: list[Any]) -> Any:
    if node.op == "cast" and node.type.is_float:
        return np.asarray(operands[0], np.float64)
    return PRIMITIVES[node.op].evaluate(*operands, **node.attributes)


def _widened(x: Any) -> Any:
    return x.astype(np.float64) if getattr(x, "dtype", None) == np.float32 else x


@dataclass(eq=False)
class _Builder:
    """Folds and shares while it walks the graph once."""

    variable: set[Node]
    known: dict[Node, Array]
    new: dict[Node, Node] = field(default_factory=dict)
    shared: dict[Any, Node] = field(default_factory=dict)
    order: list[Node] = field(default_factory=list)

    def visit(self, node: Node) -> None:
        operands = tuple(self.new[x] for x in node.inputs)
        if node.op in _IDENTITIES or _is_float_cast(node):
            self.new[node] = operands[0]
            return
        made = with_inputs(node, operands)
        if all(x in self.known for x in operands):
            self._fold(node, made, operands)
            return
        key = _key(made)
        self.new[node] = self.shared.setdefault(key, made)
        if self.new[node] is made:
            self.order.append(made)

    def _fold(self, node: Node, made: Node, operands: tuple[Node, ...]) -> None:
        with np.errstate(all="ignore"):
            value: Any = PRIMITIVES[made.op].evaluate(
                *(self.known[x] for x in operands), **made.attributes
            )
        value = value if isinstance(value, tuple) else np.asarray(value)
        key = ("known", made.type, value.tobytes()) if _is_small(value) else (id(made),)
        self.new[node] = self.shared.setdefault(key, made)
        self.known[self.new[node]] = value


def _is_small(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype != object and value.size <= 100_000


def _is_float_cast(node: Node) -> bool:
    """Rounding to another type of floats is no part of the real function."""
    return node.op == "cast" and node.type.is_float and node.inputs[0].type.is_float


def _key(node: Node) -> Any:
    if any(isinstance(v, Graph) for v in node.attributes.values()):
        return id(node)
    return (node.op, tuple(map(id, node.inputs)), tuple(sorted(map(repr, node.attributes.items()))))


def shape_of(node: Node) -> tuple[int, ...]:
    """The shape of a node's value; in a traced call no size is symbolic."""
    return sized(node.type.shape)


def size_of(node: Node) -> int:
    """How many numbers a node's value has."""
    return math.prod(shape_of(node))


def program_of(subject: Subject) -> Program:
    """The subject as a function of the real numbers in ``wrt``; all else is known.

    Constants are the floating-point numbers themselves, taken as exact.
    """
    return build(subject, subject.trace())


def build(subject: Subject, traced: TracedCall) -> Program:
    """The program of a graph whose first inputs are the subject's leaves."""
    names = list(subject.leaves)
    inputs = dict(zip(traced.inputs, traced.values, strict=True))
    variables = {
        name: node for name, node in zip(names, traced.inputs, strict=False) if name in subject.wrt
    }
    moving = set(variables.values())
    builder = _Builder(moving, {k: np.asarray(v) for k, v in inputs.items() if k not in moving})
    builder.new.update({node: node for node in traced.inputs})
    for node in traced.nodes:
        if node not in builder.new:
            builder.visit(node)
    order = (*variables.values(), *builder.order)
    values = {name: subject.leaves[name] for name in variables}
    output = builder.new[traced.outputs[0]]
    return Program(needed(order, output), variables, builder.known, output, values)


def needed(order: tuple[Node, ...], output: Node) -> tuple[Node, ...]:
    """The inputs, and of the other nodes those that the output needs."""
    wanted = {output}
    for node in reversed(order):
        if node in wanted:
            wanted.update(node.inputs)
    return tuple(node for node in order if node in wanted or node.op == "input")
