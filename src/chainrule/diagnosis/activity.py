"""Units that never answer, and units that are always at an end of their range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.diagnosis.finding import Finding
from chainrule.diagnosis.patterns import Kind, activations, nearest_leaf
from chainrule.evaluation.objective import BlockMeans, Leaves, Objective
from chainrule.ir.graph import Graph, Node
from chainrule.losses import Loss
from chainrule.tracing.recording import GraphTracer
from chainrule.tracing.trees import flatten, unflatten

#: Beyond this a tanh, and within what is left of this from its ends a sigmoid, is saturated.
_END: Final = 0.99


@dataclass(frozen=True)
class Activity:
    """One activation of the model over the rows.

    Attributes:
        layer: the layer before it, by the path of its weight in the tree: ``layers.0``.
        kind: "relu", "tanh" or "sigmoid".
        units: outputs per example; channels of a convolution, features of a sequence.
        dead: units of a ReLU that are 0 for every row (and place in the row).
        saturated: units of a tanh or sigmoid that are at an end of their range, |tanh| > 0.99 or
            a sigmoid outside of 0.01 ... 0.99, for more than half of the rows.
        where: the line of the user's code that called it.
    """

    layer: str
    kind: Kind
    units: int
    dead: int
    saturated: int
    where: str

    @property
    def lost(self) -> float:
        """The share of the units that are dead or saturated."""
        return (self.dead + self.saturated) / max(self.units, 1)


@dataclass(frozen=True)
class _Found:
    kind: Kind
    layer: str
    weight_rank: int
    shape: tuple[int, ...]
    where: str


class Forward:
    """The forward pass of a model as a graph: its activations and the order of its leaves.

    Args:
        loss: a ``losses.Loss``, whose model is called with the first of the data; or a function
            ``loss(params, *data)``, which is followed whole.
        objective: the loss over the rows.

    Attributes:
        order: leaves of the model by the order in which the pass reads them; those that it does
            not read are missing.
    """

    def __init__(self, loss: Any, objective: Objective) -> None:
        self._loss, self._objective = loss, objective
        self.order: list[int] = []
        self._found: list[_Found] = []
        self._means = BlockMeans(
            self._terms, objective.leaves, [], objective.examples, objective.threads
        )

    def activity(self, leaves: Leaves) -> tuple[Activity, ...]:
        """Counts over all rows for each activation, in the order of the pass."""
        shares = self._means.means(list(leaves), self._objective.examples)
        return tuple(
            _counted(found, share) for found, share in zip(self._found, shares, strict=False)
        )

    def _terms(self, leaves: list[Any], v: list[Any], data: list[Any]) -> list[Any]:
        """Means over the rows of what is to be counted; behind them, a number that is not read."""
        output = self._output(leaves, data)
        inputs = [x.node for x in (*leaves, *data)]
        recording = leaves[0].recording
        nodes = [x.node for x in flatten(output)[0] if isinstance(x, GraphTracer)]
        graph = Graph(tuple(inputs), tuple(nodes))
        names = dict(zip(inputs, self._objective.names, strict=False))
        self.order = _reading_order(graph, inputs[: len(leaves)])
        self._found, rows = [], data[0].shape[0]
        counted = []
        for node, kind in activations(graph):
            shape = node.type.shape
            if len(shape) < 2 or shape[0] != rows:
                continue
            found = self._describe(node, kind, names, inputs)
            self._found.append(found)
            counted.append(_lost(GraphTracer(recording, node), found))
        return [None, *counted, np.mean(np.zeros(rows) + 1.0)]

    def _output(self, leaves: list[Any], data: list[Any]) -> Any:
        model = unflatten(self._objective.structure, leaves)
        arguments = self._objective.examples.tree(data)
        if isinstance(self._loss, Loss) and callable(model):
            return model(arguments[0])
        return self._loss(model, *arguments)

    def _describe(
        self, node: Node, kind: Kind, names: dict[Node, str], inputs: Sequence[Node]
    ) -> _Found:
        leaves = {x: names[x] for x in inputs if x in names}
        leaf = nearest_leaf(node, leaves) or nearest_leaf(node, leaves, 0) or "the input"
        rank = next((len(x.type.shape) for x, name in leaves.items() if name == leaf), 2)
        layer, _, last = leaf.rpartition(".")
        sizes = tuple(n for n in node.type.shape[1:] if isinstance(n, int))
        return _Found(kind, layer if layer and last else leaf, rank, sizes, node.where)


def _lost(y: Any, found: _Found) -> Any:
    """The share of the rows in which each number is 0, or at an end of the activation's range."""
    if found.kind == "relu":
        lost = y <= 0
    elif found.kind == "tanh":
        lost = np.abs(y) > _END
    else:
        lost = np.abs(2 * y - 1) > 2 * _END - 1
    return np.mean(np.where(lost, 1.0, 0.0), axis=0)


def _counted(found: _Found, share: np.ndarray) -> Activity:
    """Units are the numbers of a row; of images their channels, of sequences their features."""
    axis = 0 if found.weight_rank >= 3 else share.ndim - 1
    others = tuple(k for k in range(share.ndim) if k != axis)
    units = np.mean(share, axis=others)
    is_relu = found.kind == "relu"
    dead = int(np.sum(units >= 1 - 1e-12)) if is_relu else 0
    saturated = 0 if is_relu else int(np.sum(units > 0.5))
    return Activity(found.layer, found.kind, len(units), dead, saturated, found.where)


def _reading_order(graph: Graph, leaves: Sequence[Node]) -> list[int]:
    """Leaves by the first operation on the way to the output that reads them with the data."""
    place = {node: k for k, node in enumerate(graph.nodes)}
    first = {k: min((place[u] for u in graph.users[x]), default=-1) for k, x in enumerate(leaves)}
    return sorted((k for k, at in first.items() if at >= 0), key=lambda k: first[k])


def judge_activity(found: Sequence[Activity]) -> tuple[Finding, ...]:
    """A layer that has lost half of its units is a warning, one that has lost all is serious.

    A tenth is a note: some units are 0 for all rows in many a good network.
    """
    worst = sorted(found, key=lambda a: a.lost, reverse=True)
    dead = [a for a in worst if a.dead]
    saturated = [a for a in worst if a.saturated]
    return (*_judged("dead units", dead), *_judged("saturated units", saturated))


def _judged(kind: str, layers: Sequence[Activity]) -> tuple[Finding, ...]:
    if not layers or layers[0].lost < 0.1:
        return ()
    worst = layers[0]
    numbers = {f"{a.layer} {a.kind}": a.lost for a in layers}
    parts = [
        f"{a.dead or a.saturated} of {a.units} after {a.layer}" for a in layers if a.lost >= 0.1
    ]
    if kind == "dead units":
        what = f"0 for every row: the ReLUs of {', '.join(parts)}; no gradient reaches them"
        advice = "a lower learning rate and new first weights, or nn.leaky_relu"
    else:
        what = f"at an end of their range for most rows: {', '.join(parts)} ({worst.kind})"
        advice = "smaller first weights, standardised inputs, or nn.relu"
    severity = "serious" if worst.lost == 1 else "warning" if worst.lost >= 0.5 else "note"
    return (Finding(severity, kind, what, numbers, advice),)  # type: ignore[arg-type]
