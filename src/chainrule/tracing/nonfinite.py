"""Where the first NaN or infinity of a run was made: op, line, operands, element, example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import ArrayType
from chainrule.ops import PRIMITIVES
from chainrule.ops.bodies import replay
from chainrule.ops.scan import Scan

#: Arrays, or a tuple of them for an operation with several results.
Value = Any


@dataclass(frozen=True)
class Operand:
    """What an operation read. ``at`` is its element at the place of the report, if it has one."""

    name: str
    type: ArrayType
    low: float
    high: float
    at: float | None

    def __str__(self) -> str:
        at = "" if self.at is None else f", {self.at:.6g} at the element"
        return f"{self.name}, {self.type}: from {self.low:.6g} to {self.high:.6g}{at}"


@dataclass(frozen=True)
class Nonfinite:
    """The first value of a run that is not finite.

    Attributes:
        op: the operation that made it, ``argument`` if it was there from the beginning.
        where: ``file.py:14``, with ``(backward)`` for the derivative of what stands there.
        value: nan, inf or -inf.
        index: the element's index.
        example: its index along the first axis, None for a number.
        count: how many elements of the result are not finite.
        type: the type of the result.
        operands: what the operation read.
        steps: in which step of each loop around it.
        reaches: whether a result of the run is not finite either.
    """

    op: str
    where: str
    value: float
    index: tuple[int, ...]
    count: int
    type: ArrayType
    operands: tuple[Operand, ...] = ()
    steps: tuple[int, ...] = ()
    reaches: bool = True

    @property
    def example(self) -> int | None:
        return self.index[0] if self.index else None

    def __str__(self) -> str:
        return "\n  ".join(self._lines())

    def _lines(self) -> Iterator[str]:
        where = f" at {self.where}" if self.where else ""
        if self.op == "argument":
            yield f"first {self.value}: already in {self.where}"
        else:
            yield f"first {self.value}: {self.op}{where}"
        size = int(np.prod(self.type.shape, dtype=np.int64))  # type: ignore[arg-type]
        place = f"element {list(self.index)} of {self.type}" if self.index else f"{self.type}"
        yield f"{place}; {self.count} of {size} are not finite"
        if self.example is not None:
            yield f"example {self.example} (index along the first axis)"
        if self.steps:
            yield "step " + ", ".join(map(str, self.steps)) + " of the loop"
        for operand in self.operands:
            yield f"reads {operand}"
        if not self.reaches:
            yield "all results are finite in spite of it"


def locate(graph: Graph, values: Sequence[np.ndarray], names: Sequence[str]) -> Nonfinite | None:
    """The first value that is not finite in a run of a graph by NumPy, None if all are."""
    with np.errstate(all="ignore"):
        for node, value, name in zip(graph.inputs, values, names, strict=True):
            if not _is_finite(value):
                return _report("argument", name, node.type, np.asarray(value), ())
        return _locate(graph, values, names)


def _locate(graph: Graph, values: Sequence[Value], names: Sequence[str]) -> Nonfinite | None:
    run = _Run(graph, values, names)
    origin = run.origin()
    if origin is None:
        return None
    inside = _inside(origin, [run.known[x] for x in origin.inputs])
    found = run.report(origin) if inside is None else inside
    reaches = any(not _is_finite(run.known[x]) for x in graph.outputs)
    return replace(found, reaches=reaches)


class _Run:
    """The values of every node, and which of them are not finite on purpose."""

    def __init__(self, graph: Graph, values: Sequence[Value], names: Sequence[str]) -> None:
        self.graph = graph
        self.names = dict(zip(graph.inputs, names, strict=True))
        self.known: dict[Node, Value] = dict(zip(graph.inputs, values, strict=True))
        self.wrong: dict[Node, None] = {}
        self.meant: set[Node] = set()
        for node in graph.nodes:
            if node not in self.known:
                self.known[node] = self._value(node)
            if not _is_finite(self.known[node]):
                self._judge(node)

    def _value(self, node: Node) -> Value:
        operands = [self.known[x] for x in node.inputs]
        value = PRIMITIVES[node.op].evaluate(*operands, **node.attributes)
        return value if isinstance(value, tuple) else np.asarray(value)

    def _judge(self, node: Node) -> None:
        """An infinity that stands in the program is meant, and what only passes it on is too."""
        wrong = [x for x in node.inputs if not _is_finite(self.known[x])]
        no_nan = not _has_nan(self.known[node]) or any(_has_nan(self.known[x]) for x in wrong)
        passed_on = bool(wrong) and all(x in self.meant for x in wrong)
        if node.op == "constant" or (passed_on and no_nan):
            self.meant.add(node)
        else:
            self.wrong[node] = None

    def origin(self) -> Node | None:
        """The first node that made a result's value not finite, else the first that made any."""
        leading = self._ancestors()
        for among in (leading, set(self.known)):
            for node in self.graph.nodes:
                made_here = not any(x in self.wrong for x in node.inputs)
                if node in among and node in self.wrong and made_here:
                    return node
        meant = [x for x in self.graph.nodes if x in self.meant and x in leading]
        return meant[0] if meant else None

    def _ancestors(self) -> set[Node]:
        """The values that are not finite and lead to a result that is not, along such values."""
        waiting = [x for x in self.graph.outputs if not _is_finite(self.known[x])]
        seen = set(waiting)
        while waiting:
            for x in waiting.pop().inputs:
                if x not in seen and not _is_finite(self.known[x]):
                    seen.add(x)
                    waiting.append(x)
        return seen

    def report(self, node: Node) -> Nonfinite:
        value = self.known[node]
        if isinstance(value, tuple):
            value = next(x for x in value if not _is_finite(x))
        index = _first(value)
        operands = tuple(self._operand(x, np.shape(value), index) for x in node.inputs)
        op = "argument" if node.op == "input" else node.op
        where = self.names.get(node, node.where)
        return _report(op, where, ArrayType(value.dtype, value.shape), value, operands)

    def _operand(self, x: Node, shape: tuple[int, ...], index: tuple[int, ...]) -> Operand:
        value = self.known[x]
        name = self.names.get(x) or f"{x.op} at {x.where}" if x.where else self.names.get(x, x.op)
        if isinstance(value, tuple) or not np.size(value):
            return Operand(name, x.type, np.nan, np.nan, None)
        at = float(value[index]) if np.shape(value) == shape else None
        return Operand(name, x.type, float(np.min(value)), float(np.max(value)), at)


def _report(
    op: str, where: str, type_: ArrayType, value: np.ndarray, operands: tuple[Operand, ...]
) -> Nonfinite:
    index = _first(value)
    count = int(np.sum(~np.isfinite(value)))
    return Nonfinite(op, where, float(value[index]), index, count, type_, operands)


def _is_finite(value: Value) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_finite, value))
    return np.asarray(value).dtype.kind != "f" or bool(np.isfinite(value).all())


def _has_nan(value: Value) -> bool:
    if isinstance(value, tuple):
        return any(map(_has_nan, value))
    return np.asarray(value).dtype.kind == "f" and bool(np.isnan(value).any())


def _first(value: np.ndarray) -> tuple[int, ...]:
    """The index of the first element that is not finite."""
    return tuple(int(k) for k in np.argwhere(~np.isfinite(value))[0])


# -- inside of loops and branches --------------------------------------------------------------


def _inside(node: Node, operands: list[Value]) -> Nonfinite | None:
    """The place in the body of a loop or branch, if the node has one."""
    if node.op == "scan":
        return _in_scan(Scan(**node.attributes), operands)  # type: ignore[arg-type]
    if node.op == "cond":
        body = node.attributes["if_true" if operands[0] else "if_false"]
        return _in_body(body, operands[1:])  # type: ignore[arg-type]
    if node.op == "while_loop":
        return _in_while(node, operands)
    return None


def _in_body(body: Graph, values: Sequence[Value]) -> Nonfinite | None:
    return _locate(body, values, [f"input {k} of the body" for k in range(len(values))])


def _in_scan(scan: Scan, operands: list[Value]) -> Nonfinite | None:
    consts, carries, over = scan.parts(operands)
    steps = range(scan.length)
    for k in reversed(steps) if scan.reverse else steps:
        values = [*consts, *carries, *(x[k] for x in over)]
        after = replay(scan.body, values)
        if not all(map(_is_finite, after)):
            found = _in_body(scan.body, values)
            return found and replace(found, steps=(k, *found.steps))
        carries = after[: scan.carries]
    return None


def _in_while(node: Node, operands: list[Value]) -> Nonfinite | None:
    consts: Any = node.attributes["consts"]
    condition: Any = node.attributes["condition"]
    body: Any = node.attributes["body"]
    fixed, carries, k = operands[:consts], operands[consts:], 0
    while replay(condition, [*fixed, *carries])[0]:
        after = replay(body, [*fixed, *carries])
        if not all(map(_is_finite, after)):
            found = _in_body(body, [*fixed, *carries])
            return found and replace(found, steps=(k, *found.steps))
        carries, k = after, k + 1
    return None
