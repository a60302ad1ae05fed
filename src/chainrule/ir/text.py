"""Graphs as text, and back: ``parse(to_text(g))`` is ``g``.

graph(%0: f32[batch, 2], %1: f32[2]) {
  %2: f32[batch, 2] = broadcast(%1) {axes=(1,); shape=(batch, 2)}
  %3: f32[batch, 2] = add(%0, %2)
  return %3
}

A body stands behind the other attributes, as a graph of its own with names of its own:

  %2: bool[] = scan(%0, %1) {carries=1; length=10} body=graph(%0: f64[], %1: f64[]) {
    %2: f64[] = add(%0, %1)
    return %2
  }
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chainrule.ir.graph import Attribute, Graph, Node, loop_error
from chainrule.ir.types import BATCH, Batch, parse_type


def to_text(graph: Graph) -> str:
    """One line a node, in the order in which they can be run."""
    return "\n".join(_lines(graph))


def _lines(graph: Graph) -> list[str]:
    names = {node: f"%{k}" for k, node in enumerate(graph.nodes)}
    header = ", ".join(f"{names[node]}: {node.type}" for node in graph.inputs)
    lines = [f"graph({header}) {{"]
    for node in graph.nodes[len(graph.inputs) :]:
        operands = ", ".join(names[operand] for operand in node.inputs)
        line = f"{names[node]}: {node.type} = {node.op}({operands}){_attributes_text(node)}"
        lines += ["  " + part for part in _with_bodies(line, node)]
    lines.append(f"  return {', '.join(names[node] for node in graph.outputs)}".rstrip())
    return [*lines, "}"]


def _attributes_text(node: Node) -> str:
    items = sorted((k, v) for k, v in node.attributes.items() if not isinstance(v, Graph))
    return " {" + "; ".join(f"{name}={value!r}" for name, value in items) + "}" if items else ""


def _with_bodies(line: str, node: Node) -> list[str]:
    lines = [line]
    for name, value in sorted(node.attributes.items()):
        if isinstance(value, Graph):
            first, *rest = _lines(value)
            lines[-1:] = [f"{lines[-1]} {name}={first}", *rest]
    return lines


Graph.__str__ = to_text  # type: ignore[assignment] # the graph need not know its text


_HEADER: Final = re.compile(r"graph\((.*)\) \{$")
_LINE: Final = re.compile(r"(%\d+): (\w+\[[^\]]*\]) = (\w+)\(([^)]*)\)(?: \{(.*?)\})?( \w+=.*)?$")
_BODY: Final = re.compile(r" (\w+)=(graph\(.*\) \{)$")


def parse(text: str) -> Graph:
    """The graph that a text describes.

    Raises:
        GraphError: nodes that depend on one another; the loop is printed.
        ValueError: a line that is not of the form that ``to_text`` writes.
    """
    lines = [line.strip() for line in text.strip().splitlines()] or [""]
    graph, rest = _parse_graph(lines)
    if rest != ["}"]:
        raise _not_a_graph(lines)
    return graph


def _not_a_graph(lines: list[str]) -> ValueError:
    return ValueError(f"not a graph: it begins {lines[0]!r} and ends {lines[1:][-2:]!r}")


@dataclass(frozen=True, slots=True)
class _Line:
    """A node as it is written."""

    text: str
    name: str
    type: str
    op: str
    operands: list[str]
    attributes: dict[str, Attribute]


def _parse_graph(lines: list[str]) -> tuple[Graph, list[str]]:
    """The graph that the first line begins, and the lines from the one on that closes it."""
    header, rest, found = _HEADER.match(lines[0]), lines[1:], list[_Line]()
    if header is None:
        raise _not_a_graph(lines)
    while rest and not rest[0].startswith(("return", "}")):
        line, rest = _parse_line(rest)
        found.append(line)
    if len(rest) < 2 or not rest[0].startswith("return") or not rest[1].startswith("}"):
        raise _not_a_graph(lines)
    inputs = re.findall(r"(%\d+): (\w+\[[^\]]*\])", header.group(1))
    nodes = {name: Node("input", (), parse_type(type_text)) for name, type_text in inputs}
    _refuse_twice([name for name, _ in inputs], found)
    _refuse_loops(found)
    for line in found:
        _define(line, nodes)
    outputs = tuple(_known(name, nodes) for name in _names(rest[0].removeprefix("return")))
    return Graph(tuple(nodes[name] for name, _ in inputs), outputs), rest[1:]


def _parse_line(lines: list[str]) -> tuple[_Line, list[str]]:
    """One node, with its bodies, and the lines behind it."""
    match = _LINE.match(lines[0])
    if match is None:
        raise ValueError(f"not a node: {lines[0]!r}")
    name, type_text, op, operands, attributes, tail = match.groups()
    pairs = [item.partition("=") for item in (attributes or "").split("; ") if item]
    values = {key: _parse_attribute(value) for key, _, value in pairs}
    text, rest, tail = lines[0], lines[1:], tail or ""
    while tail:
        body = _BODY.match(tail)
        if body is None:
            raise ValueError(f"not a node: {text!r}")
        values[body.group(1)], (closing, *rest) = _parse_graph([body.group(2), *rest])
        tail = closing.removeprefix("}")
    return _Line(text, name, type_text, op, _names(operands), values), rest


def _define(line: _Line, nodes: dict[str, Node]) -> None:
    inputs = tuple(_known(operand, nodes) for operand in line.operands)
    nodes[line.name] = Node(line.op, inputs, parse_type(line.type), line.attributes)


def _refuse_twice(inputs: list[str], lines: list[_Line]) -> None:
    seen = set(inputs)
    for line in lines:
        if line.name in seen:
            raise ValueError(f"{line.name} is defined twice: {line.text!r}")
        seen.add(line.name)


def _refuse_loops(lines: list[_Line]) -> None:
    """Follow each name to those it needs; one that comes back to itself is a loop."""
    needs = {line.name: line.operands for line in lines}
    done: set[str] = set()
    for start in needs:
        path, waiting = dict[str, None](), [(start, False)]
        while waiting:
            name, left = waiting.pop()
            if left:
                done.add(name)
                del path[name]
            elif name in path:
                raise loop_error(list(path)[list(path).index(name) :])
            elif name in needs and name not in done:
                path[name] = None
                waiting.append((name, True))
                waiting += [(operand, False) for operand in needs[name]]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _known(name: str, nodes: dict[str, Node]) -> Node:
    if name not in nodes:
        raise ValueError(f"{name} is used before it is defined")
    return nodes[name]


def _parse_attribute(text: str) -> Attribute:
    text = text.strip()
    if not text:
        raise ValueError("an attribute without a value")
    if text.startswith("("):
        items = [_parse_size(item) for item in text[1:-1].split(",") if item.strip()]
        return tuple(items)
    if text[0] in "'\"":
        return text[1:-1]
    if text in ("True", "False"):
        return text == "True"
    if text == "batch":
        return BATCH
    try:
        return int(text)
    except ValueError:
        return float(text)


def _parse_size(text: str) -> int | Batch:
    return BATCH if text.strip() == "batch" else int(text)
