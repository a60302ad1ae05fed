"""What each example of a batch contributes to a gradient, read off the graph of the gradient.

The gradient of a mean over a batch is a sum over its examples, and in the graph that sum stands in
one place: a contraction or a sum over the batch axis. For a dense layer it is Σᵢ δᵢ aᵢᵀ, and the
length of one example's part is |δᵢ| |aᵢ|: no gradient of one example is ever formed. Where a
contraction runs over other axes too (positions of a sequence or an image), the parts are formed, or
their inner products, whichever is less.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from chainrule.ir.graph import Node
from chainrule.ops import PRIMITIVES, bind
from chainrule.ops.contract import free_axes
from chainrule.ops.record import LINEAR, POINTWISE
from chainrule.tracing.recording import GraphRecording, GraphTracer

Array = Any
#: Linear in all their operands together: what does not vary is shared equally by the examples.
_JOINT: Final = frozenset({"add", "subtract", "concatenate", "where"})
#: Linear element by element in one operand or more.
_LINEAR: Final = _JOINT | {"negative", "multiply", "divide", "cast"}
#: Other names and orders of the same elements: sums of squares are what they were.
_MOVES: Final = frozenset({"transpose", "reshape", "negative"})


def example_squares(gradient: GraphTracer, batch: int) -> Array | None:
    """|cᵢ|² for each example i, where gradient = Σᵢ cᵢ over a batch; None where it is no such sum.

    Shapes:
        gradient: any -> (batch,).

    For a loss that is a mean, the gradient of one example's loss is batch · cᵢ.

    Source:
        Goodfellow 2015, Efficient Per-Example Gradient Computations, for dense layers.
    """
    recording: Any = gradient.recording
    node = gradient.node
    while node.op in _MOVES:
        node = node.inputs[0]
    contributions = _Contributions(recording, batch)
    if node.op == "dot" and contributions.reduces(node):
        return contributions.product_squares(node)
    if node.op == "scatter_add" and contributions.scatters(node):
        return contributions.scattered_squares(node)
    parts = contributions.of(node)
    if parts is None:
        return None
    return np.sum(parts * parts, axis=tuple(range(1, parts.ndim)))


class _Contributions:
    """The contributions to the nodes of one graph, each worked out once."""

    def __init__(self, recording: GraphRecording, batch: int) -> None:
        self.recording, self.batch = recording, batch
        self._found: dict[Node, Array | None] = {}

    def array(self, node: Node) -> Array:
        """The node as a value to compute with."""
        return GraphTracer(self.recording, node)

    def reduces(self, node: Node) -> bool:
        """Whether a contraction or a sum runs over the batch."""
        shape, axes = node.inputs[0].type.shape, "axes" if node.op == "sum" else "a_axes"
        taken: Any = node.attributes[axes]
        return any(shape[k] == self.batch for k in taken)

    def scatters(self, node: Node) -> bool:
        """Whether each example adds to places of its own choice: the gradient of a lookup."""
        places = node.inputs[0].type.shape
        return not node.attributes["batch"] and places[:1] == (self.batch,)

    def of(self, node: Node) -> Array | None:
        """(batch, ...): what sums to the node over the first axis; None if nothing known does."""
        if node not in self._found:
            self._found[node] = self._made(node)
        return self._found[node]

    def _made(self, node: Node) -> Array | None:
        if node.op == "sum" and self.reduces(node):
            return self._summed(node)
        if node.op == "dot" and self.reduces(node):
            return self._multiplied(node)
        if node.op == "scatter_add" and self.scatters(node):
            i, g = map(self.array, node.inputs)
            return bind("scatter_add", i, g, **{**node.attributes, "batch": 1})
        if node.type.shape[:1] == (self.batch,) or not _is_linear(node):
            return None  # still one row per example, or not a sum any longer
        parts = [self.of(x) for x in node.inputs]
        varying = [k for k, part in enumerate(parts) if part is not None]
        if not varying or not _may_vary(node, varying):
            return None
        if len(varying) < len(parts) and node.op in _JOINT:
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

    def _summed(self, node: Node) -> Array:
        x, axes = node.inputs[0], _axes(node, "axes")
        along = next(k for k in axes if x.type.shape[k] == self.batch)
        rows = np.moveaxis(self.array(x), along, 0)
        others = tuple(k + (k < along) for k in axes if k != along)
        return np.sum(rows, axis=others) if others else rows

    def _sides(self, node: Node) -> tuple[Array, Array, tuple[int, ...], tuple[int, ...]]:
        """The operands with the batch in front, and what is contracted beside it, in order."""
        a_axes, b_axes = _axes(node, "a_axes"), _axes(node, "b_axes")
        at = next(k for k, i in enumerate(a_axes) if node.inputs[0].type.shape[i] == self.batch)
        a = np.moveaxis(self.array(node.inputs[0]), a_axes[at], 0)
        b = np.moveaxis(self.array(node.inputs[1]), b_axes[at], 0)
        return a, b, _others(a_axes, at), _others(b_axes, at)

    def _multiplied(self, node: Node) -> Array | None:
        if node.attributes["a_batch"]:
            return None
        a, b, a_axes, b_axes = self._sides(node)
        return bind("dot", a, b, a_axes=a_axes, b_axes=b_axes, a_batch=(0,), b_batch=(0,))

    def product_squares(self, node: Node) -> Array | None:
        """|Σₜ δₜ aₜᵀ|² of each example, t over what is contracted beside the batch."""
        if node.attributes["a_batch"]:
            return None
        a, b, a_axes, b_axes = self._sides(node)
        if not a_axes:
            return _row_squares(a) * _row_squares(b)
        a_free, b_free = free_axes(a.ndim, (0, *a_axes)), free_axes(b.ndim, (0, *b_axes))
        n, m = math.prod(a.shape[k] for k in a_free), math.prod(b.shape[k] for k in b_free)
        inner = math.prod(a.shape[k] for k in a_axes)
        if inner * (n + m) > n * m:
            parts = bind("dot", a, b, a_axes=a_axes, b_axes=b_axes, a_batch=(0,), b_batch=(0,))
            return _row_squares(parts)
        a, b = np.transpose(a, (0, *a_axes, *a_free)), np.transpose(b, (0, *b_axes, *b_free))
        products = [_inner_products(x, len(a_axes)) for x in (a, b)]
        both = products[0] * products[1]
        return np.sum(both, axis=tuple(range(1, both.ndim)))

    def scattered_squares(self, node: Node) -> Array:
        """|Σₜ gₜ at place iₜ|² of each example: the products of those pairs whose place is one."""
        i, g = map(self.array, node.inputs)
        if i.ndim == 1:
            return _row_squares(g)
        i = np.reshape(i, (self.batch, -1))
        g = np.reshape(g, (self.batch, i.shape[1], -1))
        is_same = np.equal(i[:, :, None], i[:, None, :])
        return np.sum(np.where(is_same, _inner_products(g, 1), 0.0), axis=(1, 2))


def _row_squares(x: Array) -> Array:
    return np.sum(x * x, axis=tuple(range(1, x.ndim))) if x.ndim > 1 else x * x


def _inner_products(x: Array, places: int) -> Array:
    """(batch, places..., free...) -> the products of all pairs of places: (batch, p..., p...)."""
    free = tuple(range(1 + places, x.ndim))
    return bind("dot", x, x, a_axes=free, b_axes=free, a_batch=(0,), b_batch=(0,))


def _axes(node: Node, name: str) -> tuple[int, ...]:
    axes = node.attributes[name]
    assert isinstance(axes, tuple)
    return axes  # type: ignore[return-value]


def _others(axes: tuple[int, ...], at: int) -> tuple[int, ...]:
    """The other contracted axes, where the one at ``at`` has been moved to the front."""
    return tuple(k + (k < axes[at]) for i, k in enumerate(axes) if i != at)


def _is_linear(node: Node) -> bool:
    record = PRIMITIVES.get(node.op)
    return record is not None and (record.jvp == LINEAR or node.op in _LINEAR)


def _may_vary(node: Node, varying: list[int]) -> bool:
    """Whether the operation is linear in the operands that are sums over examples."""
    if node.op == "where":
        return 0 not in varying
    if node.op in _JOINT:
        return True
    return len(varying) == 1 and (node.op != "divide" or varying == [0])
