"""Bodies of loops and branches: a graph of a function that may read what lies around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.ir.graph import Graph, Node
from chainrule.ir.types import ArrayType
from chainrule.ops import bind
from chainrule.ops.apply import branch
from chainrule.ops.bodies import chosen, floats, items, placed, register_transform
from chainrule.tracing.recording import GraphRecording, GraphTracer, node_of
from chainrule.tracing.tracer import Tracer


class BodyRecording(GraphRecording):
    """A graph inside another recording, whose values it may read.

    They become hidden inputs, as plain arrays do.
    """

    __slots__ = ()

    def outside(self, x: Tracer) -> Node:
        if x.recording.level > self.level:
            return super().outside(x)
        if id(x) not in self.constants:
            self.constants[id(x)] = (Node("input", (), ArrayType(x.dtype, x.shape)), x)
        return self.constants[id(x)][0]


@dataclass(frozen=True, eq=False)
class Body:
    """The inputs and outputs of a body, and the values around it that it reads."""

    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    captured: dict[int, tuple[Node, Any]]

    @property
    def values(self) -> list[Any]:
        return [value for _, value in self.captured.values()]

    @property
    def types(self) -> list[ArrayType]:
        return [node.type for node in self.outputs]

    def graph(self, around: dict[int, tuple[Node, Any]] | None = None) -> Graph:
        """The graph of (what lies around, inputs); ``around`` may hold more than is read."""
        hidden = [
            self.captured[key][0] if key in self.captured else Node("input", (), node.type)
            for key, (node, _) in (self.captured if around is None else around).items()
        ]
        return Graph((*hidden, *self.inputs), self.outputs)


def trace_body(
    f: Callable[[list[Any]], Sequence[Any]],
    types: Sequence[ArrayType],
    around: Sequence[Any] = (),
    is_branch: bool = False,
) -> Body:
    """Call f on one stand-in per type; ``around`` are the values that it is to be given.

    What f does to values from around it alone is done once, before a loop. A branch may not be
    taken, so that there it is part of the body.
    """
    recording = BodyRecording(_batch(around))
    inputs = tuple(Node("input", (), type_) for type_ in types)
    token = branch.set(recording if is_branch else branch.get())
    try:
        found = f([GraphTracer(recording, node) for node in inputs])
    finally:
        branch.reset(token)
    outputs = tuple(node_of(recording, x) for x in found)
    return Body(inputs, outputs, recording.constants)


def with_backward(xs: Sequence[Any], ys: Sequence[Any], pull: Callable[..., Any]) -> list[Any]:
    """Results of a body's operations that keep the user's own backward pass.

    ``pull`` takes a cotangent per result (None for one that has none) and gives one per argument.
    What is None is no value.
    """
    there, args = [y for y in ys if y is not None], [x for x in xs if x is not None]
    types = [ArrayType(y.dtype, np.shape(y)) for y in there]
    real = floats(types)

    def back(gs: list[Any]) -> list[Any]:
        each = iter(placed(gs, real))
        owed = pull([None if y is None else next(each) for y in ys])
        return [t for t, x in zip(owed, xs, strict=True) if _is_real(x)]

    body = trace_body(back, chosen(types, real), there)
    token = bind(
        "custom", *there, *args, *body.values,
        back=body.graph(), results=len(there), arguments=len(args),
    )  # fmt: skip
    found = iter(items(token, types))
    return [None if y is None else next(found) for y in ys]


def _is_real(x: Any) -> bool:
    return x is not None and (x if isinstance(x, Tracer) else np.asarray(x)).dtype.kind == "f"


def graph_behind(x: Any) -> GraphRecording | None:
    """The graph whose node stands behind a value, if one does."""
    while isinstance(x, Tracer):
        if isinstance(x, GraphTracer):
            return x.recording  # type: ignore[return-value]
        x = getattr(x, "value", None)
    return None


def _batch(around: Sequence[Any]) -> int | None:
    found = [recording.batch for recording in map(graph_behind, around) if recording is not None]
    return found[0] if found else None


def _trace(fs: Sequence[Any], types: Sequence[ArrayType]) -> tuple[list[Graph], list[Any]]:
    bodies = [trace_body(f, types) for f in fs]
    around = {key: found for body in bodies for key, found in body.captured.items()}
    return [body.graph(around) for body in bodies], [value for _, value in around.values()]


register_transform("trace", _trace)
