"""Nodes that the passes build."""

from __future__ import annotations

from chainrule.ir.graph import Node
from chainrule.ir.types import Shape


def reshape(x: Node, shape: Shape) -> Node:
    """x in another shape; chains of reshapes become one, and one that changes nothing none."""
    if x.op == "reshape":
        x = x.inputs[0]
    if x.type.shape == shape:
        return x
    if x.op == "broadcast" and not x.inputs[0].type.shape:
        return broadcast(x.inputs[0], shape, ())
    return Node("reshape", (x,), x.type.with_shape(shape), {"shape": shape}, x.where)


def broadcast(x: Node, shape: Shape, axes: tuple[int, ...]) -> Node:
    """x spread over a shape, its own axes at ``axes``."""
    if x.type.shape == shape:
        return x
    return Node(
        "broadcast", (x,), x.type.with_shape(shape), {"shape": shape, "axes": axes}, x.where
    )


def transpose(x: Node, axes: tuple[int, ...]) -> Node:
    """x with its axes in another order."""
    shape = tuple(x.type.shape[a] for a in axes)
    return Node("transpose", (x,), x.type.with_shape(shape), {"axes": axes}, x.where)


def axes_of(node: Node, name: str = "axes") -> tuple[int, ...]:
    """An attribute that is a tuple of axes."""
    axes = node.attributes[name]
    assert isinstance(axes, tuple)
    return axes  # type: ignore[return-value]


def copy(x: Node) -> Node:
    """A node that stores x once more."""
    return Node("copy", (x,), x.type, where=x.where)
