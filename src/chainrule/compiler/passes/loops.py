"""Loops and branches made as short as what is read of them.

A result that nobody picks is not put out, and what is carried for it alone is not carried. What a
loop does not change is not carried either, equal operands are one, numbers stand in the body
itself, and what every step would read alike is read as a constant. The carries that reverse mode
asks for become outputs of the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chainrule.compiler.passes.build import axes_of, broadcast
from chainrule.ir.graph import Graph, Node, map_bodies, rebuild, with_inputs
from chainrule.ir.types import DTYPE_NAMES
from chainrule.ops.bodies import chosen, either, needed, pairs
from chainrule.ops.scan import Scan

#: Rounds after which nothing is left to shorten in any program met so far.
_ROUNDS: Final = 8


def shorten(graph: Graph) -> Graph:
    """Loops first, then what stands in their bodies, until nothing changes."""
    for _ in range(_ROUNDS):
        after = _once(graph)
        after = rebuild(after, lambda node, inputs: map_bodies(with_inputs(node, inputs), shorten))
        if after.outputs == graph.outputs:
            return graph
        graph = after
    return graph


def _once(graph: Graph) -> Graph:
    """Every loop of the graph itself, by the results of it that are picked."""
    used: dict[Node, set[int]] = {}
    for node in graph.nodes:
        if node.op == "item":
            used.setdefault(node.inputs[0], set()).add(_index(node))
    results: dict[Node, Mapping[int, Node]] = {}

    def change(node: Node, inputs: tuple[Node, ...]) -> Node:
        if node.op == "item":
            return (
                results[inputs[0]][_index(node)] if inputs[0] in results else _again(node, inputs)
            )
        after = with_inputs(node, inputs)
        rule = _RULES.get(node.op)
        if rule is None or node not in used:
            return after
        token, found = rule(after, used[node])
        if token is not after:
            results[token] = found
        return token

    return rebuild(graph, change)


def _again(node: Node, inputs: tuple[Node, ...]) -> Node:
    return with_inputs(node, inputs)


def _index(item: Node) -> int:
    index = item.attributes["index"]
    assert isinstance(index, int)
    return index


def item_of(token: Node, index: int, type_: Any) -> Node:
    """The node that picks one result."""
    attributes = {"index": index, "dtype": DTYPE_NAMES[type_.dtype], "shape": type_.shape}
    return Node("item", (token,), type_, attributes, token.where)


# -- operands ------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Operands:
    """The constant operands of new bodies, and what stands for the old inputs in them."""

    nodes: list[Node] = field(default_factory=list)
    inputs: list[Node] = field(default_factory=list)
    replaced: dict[Node, Node] = field(default_factory=dict)
    _known: dict[Node, Node] = field(default_factory=dict)

    def read(self, operand: Node, *inputs: Node) -> None:
        """Let the bodies' inputs be the operand."""
        self.replaced.update(dict.fromkeys(inputs, self._inside(operand)))

    def _inside(self, operand: Node) -> Node:
        """A number itself, a repetition as one in the body, else one input for all."""
        if _is_number(operand):
            return operand
        if operand.op == "broadcast":
            return with_inputs(operand, (self._inside(operand.inputs[0]),))
        if operand not in self._known:
            self._known[operand] = Node("input", (), operand.type)
            self.nodes.append(operand)
            self.inputs.append(self._known[operand])
        return self._known[operand]


def _is_number(node: Node) -> bool:
    """A number, a repeated number, a numbering: nothing that a body would have to read."""
    if node.op == "broadcast":
        node = node.inputs[0]
    return node.op in ("constant", "iota", "size")


def _substituted(
    graph: Graph, inputs: Sequence[Node], outputs: Sequence[Node], replaced: Mapping[Node, Node]
) -> Graph:
    """The graph on other inputs, with other outputs of its nodes."""
    new = {node: replaced.get(node, node) for node in graph.inputs}
    for node in Graph(graph.inputs, tuple(outputs)).nodes:
        if node not in new:
            new[node] = with_inputs(node, tuple(new[x] for x in node.inputs))
    return Graph(tuple(inputs), tuple(new[node] for node in outputs))


def _is_same(graph: Graph, other: Graph) -> bool:
    return len(graph.inputs) == len(other.inputs) and len(graph.outputs) == len(other.outputs)


# -- scan ----------------------------------------------------------------------------------------


def _short_scan(node: Node, used: set[int]) -> tuple[Node, Mapping[int, Node]]:
    scan = Scan(**node.attributes)  # type: ignore[arg-type]
    return _ShortScan(scan, node, [k in used for k in range(len(scan.types))]).run()


class _ShortScan:
    """A scan of which only some results are used."""

    def __init__(self, scan: Scan, node: Node, used: list[bool]) -> None:
        self.scan, self.node = scan, node
        self.consts, self.first, self.over = scan.parts(node.inputs)
        self.const_in, self.carry_in, self.over_in = scan.parts(scan.body.inputs)
        after, put = scan.outputs(scan.body.outputs)
        _, self.put_on, self.history_on = scan.results(used)
        self.fixed = [a is b for a, b in pairs(after, self.carry_in)]
        self.moved = [on and not fixed for on, fixed in pairs(scan.live(used), self.fixed)]
        self.outputs = [
            *chosen(after, self.moved), *chosen(put, self.put_on),
            *chosen(self.carry_in, self.history_on),
        ]  # fmt: skip
        self.operands = _Operands()
        self.shown: list[tuple[Node, Node]] = []

    def run(self) -> tuple[Node, Mapping[int, Node]]:
        self._read()
        starts = chosen(pairs(self.first, self.carry_in), self.moved)
        varying = [*starts, *self.shown]
        inputs = [*self.operands.inputs, *(inner for _, inner in varying)]
        body = _substituted(self.scan.body, inputs, self.outputs, self.operands.replaced)
        same = _is_same(body, self.scan.body) and not any(self.history_on)
        if same and not operands_changed(self.operands, self.consts):
            return self.node, {}
        new = Scan(body, len(self.operands.nodes), len(starts), self.scan.length, self.scan.reverse)
        nodes = (*self.operands.nodes, *(x for x, _ in varying))
        token = Node("scan", nodes, self.node.type, new.attributes, self.node.where)
        return token, self._results(token, new)

    def _read(self) -> None:
        """The operands that the body still needs."""
        reads = set(_read_by(self.scan.body, self.outputs))
        constant = [
            *pairs(self.consts, self.const_in),
            *chosen(pairs(self.first, self.carry_in), self.fixed),
        ]
        for x, inner in constant:
            if inner in reads:
                self.operands.read(x, inner)
        for x, inner in pairs(self.over, self.over_in):
            same = _same_for_all(x)
            if inner in reads and same is not None:
                self.operands.read(same, inner)
            elif inner in reads:
                self.shown.append((x, inner))

    def _results(self, token: Node, new: Scan) -> dict[int, Node]:
        """For each result that is used the node that it is now."""
        old = [
            *_places(self.moved, 0), *_places(self.put_on, self.scan.carries),
            *_places(self.history_on, len(self.scan.body.outputs)),
        ]  # fmt: skip
        found = {place: item_of(token, k, new.types[k]) for k, place in enumerate(old)}
        return {**found, **{k: self.first[k] for k in _places(self.fixed, 0)}}


def operands_changed(operands: _Operands, before: Sequence[Node]) -> bool:
    """Whether other values than before are read."""
    return operands.nodes != list(before)


def _places(mask: Sequence[bool], first: int) -> list[int]:
    return [first + k for k, on in enumerate(mask) if on]


def _read_by(body: Graph, outputs: Sequence[Node]) -> list[Node]:
    """The inputs that some nodes of a body depend on."""
    part = Graph(body.inputs, tuple(outputs))
    mask = needed(part, [True] * len(outputs))
    return chosen(body.inputs, mask)


def _same_for_all(x: Node) -> Node | None:
    """What every step gets, if each gets the same: a value repeated along the first axis."""
    if x.op != "broadcast" or 0 in axes_of(x):
        return None
    return broadcast(x.inputs[0], x.type.shape[1:], tuple(a - 1 for a in axes_of(x)))


# -- while_loop ----------------------------------------------------------------------------------


def _short_while(node: Node, used: set[int]) -> tuple[Node, Mapping[int, Node]]:
    condition, body, count = (node.attributes[k] for k in ("condition", "body", "consts"))
    assert isinstance(condition, Graph) and isinstance(body, Graph) and isinstance(count, int)
    first = node.inputs[count:]
    fixed = [a is b for a, b in zip(body.outputs, body.inputs[count:], strict=True)]
    live = either([k in used for k in range(len(first))], needed(condition, [True])[count:])
    while True:
        more = either(live, needed(body, live)[count:])
        if more == live:
            break
        live = more
    moved = [on and not f for on, f in zip(live, fixed, strict=True)]
    operands = _Operands()
    outputs = chosen(body.outputs, moved)
    reads = {*_read_by(body, outputs), *_read_by(condition, condition.outputs)}
    constant = [*range(count), *(count + k for k in _places(fixed, 0))]
    for k in constant:
        if body.inputs[k] in reads or condition.inputs[k] in reads:
            operands.read(node.inputs[k], body.inputs[k], condition.inputs[k])
    kept = [count + k for k in _places(moved, 0)]
    inputs = [*operands.inputs, *(body.inputs[k] for k in kept)]
    if len(inputs) == len(node.inputs) and not operands_changed(operands, node.inputs[:count]):
        return node, {}
    test_in = [*operands.inputs, *(condition.inputs[k] for k in kept)]
    token = Node(
        "while_loop", (*operands.nodes, *(node.inputs[k] for k in kept)), node.type,
        {
            "body": _substituted(body, inputs, outputs, operands.replaced),
            "condition": _substituted(condition, test_in, condition.outputs, operands.replaced),
            "consts": len(operands.nodes),
        },
        node.where,
    )  # fmt: skip
    found = {k: first[k] for k in _places(fixed, 0)}
    for new, k in enumerate(_places(moved, 0)):
        found[k] = item_of(token, new, first[k].type)
    return token, found


# -- cond ----------------------------------------------------------------------------------------


def _short_cond(node: Node, used: set[int]) -> tuple[Node, Mapping[int, Node]]:
    yes, no = node.attributes["if_true"], node.attributes["if_false"]
    assert isinstance(yes, Graph) and isinstance(no, Graph)
    kept = sorted(used)
    outputs = [[body.outputs[k] for k in kept] for body in (yes, no)]
    reads = {*_read_by(yes, outputs[0]), *_read_by(no, outputs[1])}
    operands = _Operands()
    for x, a, b in zip(node.inputs[1:], yes.inputs, no.inputs, strict=True):
        if a in reads or b in reads:
            operands.read(x, a, b)
    if len(kept) == len(yes.outputs) and not operands_changed(operands, node.inputs[1:]):
        return node, {}
    bodies = [
        _substituted(body, operands.inputs, out, operands.replaced)
        for body, out in zip((yes, no), outputs, strict=True)
    ]
    token = Node(
        "cond", (node.inputs[0], *operands.nodes), node.type,
        {"if_true": bodies[0], "if_false": bodies[1]}, node.where,
    )  # fmt: skip
    return token, {k: item_of(token, new, yes.outputs[k].type) for new, k in enumerate(kept)}


def _no_custom(node: Node, used: set[int]) -> tuple[Node, Mapping[int, Node]]:
    """Nothing derives a graph that is compiled: the results are what they are."""
    return Node("input", (), node.type), dict(enumerate(node.inputs))


_Rule = Callable[[Node, set[int]], tuple[Node, Mapping[int, Node]]]
_RULES: Final[dict[str, _Rule]] = {
    "scan": _short_scan,
    "while_loop": _short_while,
    "cond": _short_cond,
    "custom": _no_custom,
}
