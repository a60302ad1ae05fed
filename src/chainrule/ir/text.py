"""Graphs as text, and back: ``parse(to_text(g))`` is ``g``.

graph(%0: f32[batch, 2], %1: f32[2]) {
  %2: f32[batch, 2] = broadcast(%1) {axes=(1,), shape=(batch, 2)}
  %3: f32[batch, 2] = add(%0, %2)
  return %3
}
"""

from __future__ import annotations

import re
from typing import Final

from chainrule.ir.graph import Attribute, Graph, Node
from chainrule.ir.types import BATCH, Batch, parse_type


def to_text(graph: Graph) -> str:
    """One line a node, in the order in which they can be run."""
    names = {node: f"%{k}" for k, node in enumerate(graph.nodes)}
    header = ", ".join(f"{names[node]}: {node.type}" for node in graph.inputs)
    lines = [f"graph({header}) {{"]
    for node in graph.nodes[len(graph.inputs) :]:
        operands = ", ".join(names[operand] for operand in node.inputs)
        attributes = _attributes_text(node)
        lines.append(f"  {names[node]}: {node.type} = {node.op}({operands}){attributes}")
    lines.append(f"  return {', '.join(names[node] for node in graph.outputs)}".rstrip())
    return "\n".join([*lines, "}"])


def _attributes_text(node: Node) -> str:
    if not node.attributes:
        return ""
    items = sorted(node.attributes.items())
    return " {" + "; ".join(f"{name}={value!r}" for name, value in items) + "}"


Graph.__str__ = to_text  # type: ignore[assignment] # the graph need not know its text


_HEADER: Final = re.compile(r"graph\((.*)\) \{$")
_LINE: Final = re.compile(r"(%\d+): (\w+\[[^\]]*\]) = (\w+)\(([^)]*)\)(?: \{(.*)\})?$")


def parse(text: str) -> Graph:
    """The graph that a text describes.

    Raises:
        ValueError: a line that is not of the form that ``to_text`` writes.
    """
    first, *body = [line.strip() for line in text.strip().splitlines()] or [""]
    header = _HEADER.match(first)
    if header is None or len(body) < 2 or body[-1] != "}" or not body[-2].startswith("return"):
        raise ValueError(f"not a graph: it begins {first!r} and ends {body[-2:]!r}")
    nodes: dict[str, Node] = {}
    inputs = re.findall(r"(%\d+): (\w+\[[^\]]*\])", header.group(1))
    for name, type_text in inputs:
        nodes[name] = Node("input", (), parse_type(type_text))
    for line in body[:-2]:
        name, node = _parse_line(line, nodes)
        nodes[name] = node
    outputs = [_known(name, nodes) for name in _names(body[-2].removeprefix("return"))]
    return Graph(tuple(nodes[name] for name, _ in inputs), tuple(outputs))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _known(name: str, nodes: dict[str, Node]) -> Node:
    if name not in nodes:
        raise ValueError(f"{name} is used before it is defined")
    return nodes[name]


def _parse_line(line: str, nodes: dict[str, Node]) -> tuple[str, Node]:
    match = _LINE.match(line)
    if match is None:
        raise ValueError(f"not a node: {line!r}")
    name, type_text, op, operands, attributes = match.groups()
    if name in nodes:
        raise ValueError(f"{name} is defined twice: {line!r}")
    pairs = [item.partition("=") for item in (attributes or "").split("; ") if item]
    values = {key: _parse_attribute(value) for key, _, value in pairs}
    inputs = tuple(_known(operand, nodes) for operand in _names(operands))
    return name, Node(op, inputs, parse_type(type_text), values)


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
