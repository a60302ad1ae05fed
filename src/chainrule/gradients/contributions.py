"""What each example of a batch contributes to a gradient, read off the graph of the gradient.

The gradient of a mean over a batch is a sum over its examples, and in the graph that sum stands in
one place: a contraction or a sum over the batch axis. For a dense layer it is Σᵢ δᵢ aᵢᵀ, and the
length of one example's part is |δᵢ| |aᵢ|: no gradient of one example is ever formed. Where a
contraction runs over other axes too (positions of a sequence or an image), the parts are formed, or
their inner products, whichever is less.
"""

from __future__ import annotations

import math
from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import InseparableError
from chainrule.gradients.coupling import (
    COUPLED,
    DATA,
    JOINT,
    TOTAL,
    UNKNOWN,
    Flow,
    Flows,
    is_linear,
    may_vary,
)
from chainrule.ir.graph import Graph, Node
from chainrule.ops import PRIMITIVES, bind
from chainrule.ops.bodies import TOKEN, items, replay, slice_type, trace_body, type_of
from chainrule.ops.contract import free_axes
from chainrule.ops.record import POINTWISE
from chainrule.ops.scan import Scan, run
from chainrule.tracing.recording import GraphRecording, GraphTracer, node_of

Array = Any
#: Other names and orders of the same elements: sums of squares are what they were.
_MOVES: Final = frozenset({"transpose", "reshape", "negative"})


def example_squares(gradients: dict[str, Array], batch: int) -> list[Array]:
    """|cᵢ|² for each example i, where gradient = Σᵢ cᵢ over a batch; of each gradient by name.

    Shapes:
        gradients: any -> (batch,) each.

    For a loss that is a mean, the gradient of one example's loss is batch · cᵢ. A gradient that
    does not depend on the examples (of a penalty) is that of each of them: cᵢ is its batch-th part.

    Raises:
        InseparableError: a gradient is no sum over the examples, or they act on one another.

    Source:
        Goodfellow 2015, Efficient Per-Example Gradient Computations, for dense layers.
    """
    walks: dict[int, _Contributions] = {}
    return [_squares_of(name, x, batch, walks) for name, x in gradients.items()]


def _squares_of(name: str, gradient: Array, batch: int, walks: dict[int, Any]) -> Array:
    if not isinstance(gradient, GraphTracer):
        return np.broadcast_to(np.sum(np.square(gradient)) / batch**2, (batch,))
    if 0 in gradient.shape:
        return np.zeros(batch, gradient.dtype)
    recording: Any = gradient.recording
    walk = walks.setdefault(id(recording), _Contributions(recording, _flows(recording, batch)))
    flow = walk.flows.of(gradient.node)
    if not flow.varies:
        return np.broadcast_to(np.sum(gradient * gradient) / batch**2, (batch,))
    squares = walk.squares(gradient.node) if flow.kind < UNKNOWN else None
    if squares is None:
        raise _inseparable(name, flow.kind == COUPLED)
    return squares


def _flows(recording: GraphRecording, batch: int) -> Flows:
    return Flows(batch, frozenset(node for node, _ in recording.constants.values()), {})


def _inseparable(name: str, is_coupled: bool) -> InseparableError:
    why = ": the examples of a batch act on one another (BatchNorm, or a mean over the batch)"
    return InseparableError(
        f"the gradients of single examples cannot be told apart in that of {name}"
        f"{why if is_coupled else ''}",
        "leave gradient_variance and noise_scale out of record=, and plan the batch "
        "with optim.StepGrowth or Doubling",
    )


class _Contributions:
    """The contributions to the nodes of one graph, each worked out once."""

    def __init__(self, recording: Any, flows: Flows, known: dict[Node, Array] | None = None):
        self.recording, self.flows, self.batch = recording, flows, flows.batch
        self._found: dict[Node, Array | None] = {**(known or {})}
        self._loops: dict[Node, dict[int, Array]] = {}

    def array(self, node: Node) -> Array:
        """The node as a value to compute with."""
        return GraphTracer(self.recording, node)

    def squares(self, node: Node) -> Array | None:
        """|cᵢ|² of each example's contribution to a node."""
        while node.op in _MOVES:
            node = node.inputs[0]
        if node.op == "dot" and self.reduces(node):
            return self.product_squares(node)
        if node.op == "scatter_add" and self.scatters(node) and not node.attributes["batch"]:
            return self.scattered_squares(node)
        parts = self.of(node)
        return None if parts is None else _row_squares(parts)

    def reduces(self, node: Node) -> bool:
        """Whether a contraction or a sum runs over the batch."""
        shape, axes = node.inputs[0].type.shape, "axes" if node.op == "sum" else "a_axes"
        return any(shape[k] == self.batch for k in _axes(node, axes))

    def scatters(self, node: Node) -> bool:
        """Whether each example adds to places of its own choice: the gradient of a lookup."""
        return self.batch in node.inputs[0].type.shape and self.batch not in node.type.shape

    def of(self, node: Node) -> Array | None:
        """(batch, ...): what sums to the node over the first axis; None if nothing known does."""
        if node not in self._found:
            for each in Graph((), (node,)).nodes:  # operands first: no deep recursion
                if each not in self._found:
                    self._found[each] = self._made(each)
        return self._found[node]

    def _made(self, node: Node) -> Array | None:
        if node.type == TOKEN or not node.type.is_float or not self.flows.of(node).varies:
            return None
        if self.batch in node.type.shape or self.flows.of(node).kind >= UNKNOWN:
            return None  # still one row per example, or not a sum any longer
        if node.op == "sum" and self.reduces(node):
            return self._summed(node)
        if node.op == "dot" and self.reduces(node):
            return self._multiplied(node)
        if node.op == "scatter_add" and self.scatters(node):
            i, g = (self._front(x, self._row_axis(node.inputs[0])) for x in node.inputs)
            shared = node.attributes["batch"]
            return bind("scatter_add", i, g, **{**node.attributes, "batch": shared + 1})  # type: ignore[operator]
        if node.op == "item":
            return self._carried(node)
        return self._led_on(node) if is_linear(node) else None

    def _led_on(self, node: Node) -> Array | None:
        """From the contributions to the operands of a linear operation."""
        parts = [self._found[x] for x in node.inputs]
        kinds = [self.flows.of(x).kind for x in node.inputs]
        if any(p is None and kind >= TOTAL for p, kind in zip(parts, kinds, strict=True)):
            return None  # a sum that could not be taken apart
        varying = [k for k, part in enumerate(parts) if part is not None]
        if len(varying) > 1 and node.op not in JOINT:  # sums of data alone are numbers to it
            totals = [k for k in varying if kinds[k] != DATA]
            varying = totals or varying[:1]
            parts = [part if k in varying else None for k, part in enumerate(parts)]
        if not varying or not may_vary(node, varying):
            return None
        if len(varying) < len(parts) and node.op in JOINT:
            pairs = zip(node.inputs, parts, strict=True)
            parts = [self._shared(x) if part is None else part for x, part in pairs]
        return self._applied(node, parts)

    def _shared(self, node: Node) -> Array:
        """An equal part for each example."""
        value = self.array(node)
        part = value if node.type.dtype == bool else value / self.batch
        return np.broadcast_to(part, (self.batch, *value.shape))

    def _applied(self, node: Node, parts: list[Array | None]) -> Array:
        """The operation on each example's part, by its rule for one more axis."""
        values = [
            self.array(x) if p is None else p for x, p in zip(node.inputs, parts, strict=True)
        ]
        mapped = tuple(p is not None for p in parts)
        rule = PRIMITIVES[node.op].batched
        if rule == POINTWISE:
            whole = [
                v if m else np.broadcast_to(v, (self.batch, *v.shape))
                for v, m in zip(values, mapped, strict=True)
            ]
            return bind(node.op, *whole, **node.attributes)
        return rule(self.batch, mapped, *values, **node.attributes)

    def _row_axis(self, node: Node) -> int:
        return node.type.shape.index(self.batch)

    def _front(self, node: Node, axis: int) -> Array:
        return np.moveaxis(self.array(node), axis, 0)

    def _summed(self, node: Node) -> Array:
        x, axes = node.inputs[0], _axes(node, "axes")
        along = self._row_axis(x)
        rows = self._front(x, along)
        others = tuple(k + (k < along) for k in axes if k != along)
        return np.sum(rows, axis=others) if others else rows

    def _sides(self, node: Node) -> tuple[_Side, _Side]:
        """The operands with the batch in front, shared axes behind it."""
        at = _axes(node, "a_axes").index(self._row_axis(node.inputs[0]))
        return self._side(node, 0, "a", at), self._side(node, 1, "b", at)

    def _side(self, node: Node, k: int, name: str, at: int) -> _Side:
        inner, shared = _axes(node, f"{name}_axes"), _axes(node, f"{name}_batch")
        x = self._front(node.inputs[k], inner[at])
        return x, _others(inner, at), (0, *(i + (i < inner[at]) for i in shared))

    def _multiplied(self, node: Node) -> Array:
        (a, a_axes, a_batch), (b, b_axes, b_batch) = self._sides(node)
        return bind("dot", a, b, a_axes=a_axes, b_axes=b_axes, a_batch=a_batch, b_batch=b_batch)

    def product_squares(self, node: Node) -> Array:
        """|Σₜ δₜ aₜᵀ|² of each example, t over what is contracted beside the batch."""
        sides = self._sides(node)
        frees = [free_axes(x.ndim, inner, shared) for x, inner, shared in sides]
        n, m = (
            math.prod(x.shape[k] for k in free)
            for (x, _, _), free in zip(sides, frees, strict=True)
        )
        first, contracted, _ = sides[0]
        inner = math.prod(first.shape[k] for k in contracted)
        if contracted and inner * (n + m) > n * m:
            return _row_squares(self._multiplied(node))
        a, b = (
            _inner_products(np.transpose(x, (*shared, *inner, *free)), len(shared), len(inner))
            for (x, inner, shared), free in zip(sides, frees, strict=True)
        )
        return _row_sums(a * b)

    def scattered_squares(self, node: Node) -> Array:
        """|Σₜ gₜ at place iₜ|² of each example: the products of those pairs whose place is one."""
        i, g = (self._front(x, self._row_axis(node.inputs[0])) for x in node.inputs)
        if i.ndim == 1:
            return _row_squares(g)
        i = np.reshape(i, (self.batch, -1))
        g = np.reshape(g, (self.batch, i.shape[1], -1))
        is_same = np.equal(i[:, :, None], i[:, None, :])
        return np.sum(np.where(is_same, _inner_products(g, 1, 1), 0.0), axis=(1, 2))

    # -- loops ------------------------------------------------------------------------------------

    def _carried(self, node: Node) -> Array | None:
        """To what a loop adds up from step to step: the same loop, with a sum for each example."""
        token, index = node.inputs[0], node.attributes["index"]
        if token.op != "scan":
            return None
        if token not in self._loops:
            self._loops[token] = self._loop(token)
        return self._loops[token].get(index)  # type: ignore[arg-type]

    def _loop(self, token: Node) -> dict[int, Array]:
        """The contributions to the last carries that are sums over the examples, by number."""
        scan = Scan(**token.attributes)  # type: ignore[arg-type]
        carried = enumerate(self._carry_flows(token, scan))
        sums = [k for k, flow in carried if self._may_sum(scan, k, flow)]
        while sums and scan.length != self.batch:
            starts = [self._start(token.inputs[scan.consts + k]) for k in sums]
            found: list[Array | None] = starts
            if all(start is not None for start in starts):
                found = self._with_parts(token, scan, sums, starts)
            made = {k: x for k, x in zip(sums, found, strict=True) if x is not None}
            if len(made) == len(sums):
                return made
            sums = [*made]
        return {}

    def _carry_flows(self, token: Node, scan: Scan) -> list[Flow]:
        return self.flows.results(token)[: scan.carries]

    def _may_sum(self, scan: Scan, k: int, flow: Flow) -> bool:
        carry = scan.carry_types[k]
        is_total = flow.kind in (DATA, TOTAL) and flow.varies
        return carry.is_float and self.batch not in carry.shape and is_total

    def _start(self, first: Node) -> Array | None:
        return self.of(first) if self.flows.of(first).varies else self._shared(first)

    def _with_parts(
        self, token: Node, scan: Scan, sums: list[int], starts: list[Array | None]
    ) -> list[Array | None]:
        """The sums of each example, carried by a loop beside its own; None where there are none."""
        consts, first, over = scan.parts([self.array(x) for x in token.inputs])
        c_flows, _, x_flows = scan.parts([self.flows.of(x) for x in token.inputs])
        flows = [*c_flows, *self._carry_flows(token, scan), *x_flows]
        end = scan.consts + scan.carries
        is_sum = [True] * len(sums)

        def step(values: list[Array]) -> list[Array]:
            parts, own = values[end : end + len(sums)], values[:end] + values[end + len(sums) :]
            nodes = [x.node for x in own]
            known = {nodes[scan.consts + k]: p for k, p in zip(sums, parts, strict=True)}
            inner_flows = Flows(self.batch, frozenset(), dict(zip(nodes, flows, strict=True)))
            inner = _Contributions(own[0].recording, inner_flows, known)
            outs = replay(scan.body, own)[: scan.carries]
            found = [inner.of(node_of(inner.recording, outs[k])) for k in sums]
            is_sum[:] = [x is not None for x in found]
            return [*outs, *[p if x is None else x for p, x in zip(parts, found, strict=True)]]

        types = [type_of(x) for x in (*consts, *first, *starts)]
        body, around = trace_body(step, [*types, *map(slice_type, over)])
        carries = scan.carries + len(sums)
        more = Scan(body, len(around) + scan.consts, carries, scan.length, scan.reverse)
        results = items(run(more, [*around, *consts, *first, *starts, *over]), more.types)
        found = results[scan.carries : carries]
        return [x if on else None for x, on in zip(found, is_sum, strict=True)]


_Side: TypeAlias = tuple[Array, tuple[int, ...], tuple[int, ...]]


def _row_squares(x: Array) -> Array:
    return _row_sums(x * x)


def _row_sums(x: Array) -> Array:
    return np.sum(x, axis=tuple(range(1, x.ndim))) if x.ndim > 1 else x


def _inner_products(x: Array, shared: int, places: int) -> Array:
    """(shared..., places..., free...) -> of all pairs of places: (shared..., p..., p...)."""
    free, both = tuple(range(shared + places, x.ndim)), tuple(range(shared))
    return bind("dot", x, x, a_axes=free, b_axes=free, a_batch=both, b_batch=both)


def _axes(node: Node, name: str) -> tuple[int, ...]:
    axes = node.attributes[name]
    assert isinstance(axes, tuple)
    return axes  # type: ignore[return-value]


def _others(axes: tuple[int, ...], at: int) -> tuple[int, ...]:
    """The other contracted axes, where the one at ``at`` has been moved to the front."""
    return tuple(k + (k < axes[at]) for i, k in enumerate(axes) if i != at)
