"""What a piece of work is called: by the layer, the parameter, the loss that it serves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.loops import LOOPS
from chainrule.compiler.lower.plan import Plan
from chainrule.compiler.lower.row_blocks import Blocks
from chainrule.compiler.lower.schedule import Gather, Work
from chainrule.compiler.lower.views import HOSTED, REDUCTIONS, is_inline, is_view
from chainrule.ir.graph import Node
from chainrule.tracing.trees import named_leaves

_BACKWARD: Final = " (backward)"
#: What a value is brought to its place by: no word about what is worked out.
_MOVES: Final = frozenset({"copy", "cast", "item", "where", "reshape"})
_MOST: Final = 4


@dataclass(frozen=True, slots=True)
class Named:
    """A piece of work in a user's words: what it is, of which kind, the line it comes from."""

    name: str
    kind: str
    where: str


@dataclass(frozen=True, eq=False)
class Names:
    """Names for the pieces of work of a step's plan.

    Attributes:
        plan: the step.
        model: the tree of the parameters.
        count: how many of the carried arrays are parameters; they come first.
        optimizer: its name.
    """

    plan: Plan
    model: Any
    count: int
    optimizer: str

    def of(self, work: Work) -> Named:
        """The name of one piece of work."""
        if isinstance(work, Gather):
            return Named("gather the batch's rows", "gather", "")
        if isinstance(work, Blocks):
            return self._blocks(work)
        return Named(self._name(work), _kind(work), self._where(work))

    def _blocks(self, work: Blocks) -> Named:
        """Nests that take turns: what the first and the last of them do."""
        first, last = self.of(work.nests[0]), self.of(work.nests[-1])
        names = " · ".join(dict.fromkeys((first.name, last.name)))
        return Named(f"{names}, block by block", "rows", first.where)

    # -- what the graph says ---------------------------------------------------------------------

    @cached_property
    def paths(self) -> list[str]:
        """The parameters' names, ``layers.0.weight``."""
        return list(named_leaves(self.model))

    @cached_property
    def parameters(self) -> dict[Node, str]:
        """The parameters as they are before the step."""
        return dict(zip(self.plan.graph.inputs[: self.count], self.paths, strict=True))

    @cached_property
    def renewed(self) -> dict[Node, str]:
        """Carried arrays as they are after the step; the optimiser's own have no name."""
        outputs = self.plan.graph.outputs
        pairs = zip(outputs, self.plan.roles.outputs, strict=True)
        states = [node for node, role in pairs if role.kind == "state"]
        names = [*self.paths, *[""] * (len(states) - self.count)]
        return dict(zip(states, names, strict=True))

    @cached_property
    def forward(self) -> frozenset[Node]:
        """All that the loss is worked out from."""
        pairs = zip(self.plan.graph.outputs, self.plan.roles.outputs, strict=True)
        losses = [node for node, role in pairs if role.kind == "scalar"][:1]
        return frozenset(_ancestors(losses))

    @cached_property
    def after_parameters(self) -> frozenset[Node]:
        """Of it what no parameter comes after: the loss itself, behind the model."""
        found: set[Node] = set()
        for node in reversed(self.plan.graph.nodes):
            readers = [user for user in self.plan.graph.users[node] if user in self.forward]
            if node in self.forward and all(
                user in found and not any(_source(x) in self.parameters for x in user.inputs)
                for user in readers
            ):
                found.add(node)
        return frozenset(found)

    # -- one name ----------------------------------------------------------------------------------

    def _name(self, nest: Nest) -> str:
        if nest.kind == "straight":
            return "the whole step, of one example"
        if all(member.op == "copy" for member in nest.members):
            return self._copied(nest)
        if nest.anchor is None and not any(member.type.rank for member in nest.members):
            return "numbers of the step"
        if nest.anchor is not None and nest.anchor.op == "dot":
            return self._product(nest, nest.anchor)
        if nest.anchor is not None and nest.anchor.op in LOOPS:
            return f"{nest.anchor.op}, all its steps{self._way(nest)}"
        return self._of_values(nest)

    def _copied(self, nest: Nest) -> str:
        sources = [self.parameters.get(_source(x)) for m in nest.members for x in m.inputs]
        names = ", ".join(dict.fromkeys(name for name in sources if name))
        return f"copy of {names or 'an array'}, laid the other way" if names else "copy"

    def _product(self, nest: Nest, dot: Node) -> str:
        origins = (self.parameters.get(_origin(x)) for x in dot.inputs)
        used = next((name for name in origins if name), "")
        if used:
            if dot not in self.forward:
                return f"{self._layer(used)} gradient of its input"
            loss = ", loss and its gradient" if self._has_loss(nest) else ""
            return f"{self._layer(used)} forward{loss}"
        if dot in self.forward:
            return "product forward"
        return self._gradient(nest, dot) or "product backward"

    def _has_loss(self, nest: Nest) -> bool:
        """Whether a last, narrow layer's product is worked out together with the loss."""
        sums = (m for m in nest.members if m.op in REDUCTIONS)
        return any(m in self.after_parameters for m in sums)

    def _gradient(self, nest: Nest, node: Node) -> str:
        """The gradient of a parameter, if the way from here to one is short."""
        nearest = self._nearest(node)
        updates = [self.renewed[root] for root in nest.roots if root in self.renewed]
        names = list(dict.fromkeys(name for name in updates if name))
        if names:
            shown = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
            return f"gradient of {shown} + {self.optimizer}"
        if nearest and node not in self.forward:
            return f"gradient of {nearest}"
        return ""

    def _nearest(self, node: Node) -> str:
        """The parameter that is renewed by this value, if no other is on a way as short."""
        seen, level = {node}, [node]
        while level:
            found = {self.renewed[x] for x in level if x in self.renewed} - {""}
            if found:
                return found.pop() if len(found) == 1 else ""
            level = [user for x in level for user in self.plan.graph.users.get(x, ())]
            level = [x for x in dict.fromkeys(level) if x not in seen]
            if any(x.op == "dot" for x in level):
                return ""
            seen.update(level)
        return ""

    def _of_values(self, nest: Nest) -> str:
        members = [m for m in nest.members if m.type.rank or m in self.forward]
        ahead = [m for m in members if m in self.forward]
        if ahead and all(m in self.after_parameters for m in ahead):
            both = any(m not in self.forward and m.type.is_float for m in members)
            return f"loss{' and its gradient' if both else ''}: {_operations(nest)}"
        if ahead:
            used = [self.parameters[x] for x in self._reads(nest) if x in self.parameters]
            layer = f"{self._layer(used[0])} forward: " if used else ""
            return f"{layer}{_operations(nest)}{'' if used else ' forward'}"
        renewed = [name for root in nest.roots if (name := self.renewed.get(root))]
        if nest.anchor is not None or not renewed:
            found = self._gradient(nest, nest.anchor or next(iter(nest.members)))
            if found:
                return found
        if renewed:
            return f"{self.optimizer} of {', '.join(dict.fromkeys(renewed))}"
        return f"{_operations(nest)} backward"

    def _reads(self, nest: Nest) -> list[Node]:
        return [_source(x) for member in nest.members for x in member.inputs]

    def _way(self, nest: Nest) -> str:
        return " forward" if any(m in self.forward for m in nest.members) else " backward"

    def _layer(self, path: str) -> str:
        """``Linear 784→128 (layers.0)`` of ``layers.0.weight``."""
        parent, _, _ = path.rpartition(".")
        leaf = named_leaves(self.model)[path]
        shape: tuple[int, ...] = np.shape(leaf)
        kind = _class_at(self.model, parent)
        if not kind:
            return f"{path} {'×'.join(map(str, shape))}".strip()
        size = f" {shape[-1]:,}→{shape[0]:,}" if len(shape) == 2 else ""
        return f"{kind}{size} ({parent})" if parent else f"{kind}{size}"

    def _where(self, nest: Nest) -> str:
        lines = Counter(m.where.removesuffix(_BACKWARD) for m in nest.members if m.where)
        return lines.most_common(1)[0][0] if lines else ""


def _kind(nest: Nest) -> str:
    if nest.anchor is not None and nest.anchor.op in LOOPS:
        return "loop"
    if nest.anchor is not None and nest.anchor.op in HOSTED:
        return "NumPy"
    kinds = {"dot": "product", "reduce": "sum", "rows": "rows", "check": "check", "blocks": "sum"}
    return kinds.get(nest.kind, "elementwise")


def _operations(nest: Nest) -> str:
    """The operations of a nest that say most: the rare ones before additions."""
    seen = Counter(
        node.op for node in nest.members if not is_inline(node) and node.op not in _MOVES
    )
    plain = {"add", "subtract", "multiply", "negative", "less", "less_equal", "equal", "size"}
    names = sorted(seen, key=lambda op: op in plain)
    return ", ".join(names[:_MOST]) or "moves"


def _ancestors(nodes: Iterable[Node]) -> set[Node]:
    found, waiting = set[Node](), list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(node.inputs)
    return found


def _source(node: Node) -> Node:
    """What lies behind views and reshapes."""
    while is_view(node) or node.op == "reshape":
        node = node.inputs[0]
    return node


def _origin(node: Node) -> Node:
    """What lies behind views, reshapes and copies."""
    node = _source(node)
    while node.op == "copy":
        node = _source(node.inputs[0])
    return node


def _class_at(model: Any, path: str) -> str:
    """The class of the part of a model at a path, if it is a layer of some class."""
    part = model
    for step in path.split(".") if path else ():
        part = _inner(part, step)
    plain = (Mapping, list, tuple, np.ndarray, type(None))
    return "" if isinstance(part, plain) else type(part).__name__


def _inner(part: Any, step: str) -> Any:
    if isinstance(part, Mapping):
        return part.get(step)
    if isinstance(part, Sequence) and step.isdigit() and int(step) < len(part):
        return part[int(step)]
    return getattr(part, step, None)
