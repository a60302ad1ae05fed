"""Moves that cost nothing: an index into a view becomes an index into what it looks at.

An index is a tuple with one entry per axis. The entries may be anything (labels of loop axes here,
machine values in the emission); a view only picks, drops and adds entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from chainrule.compiler.passes.fold import ELEMENTWISE, is_unit_reshape
from chainrule.ir.graph import Node

T = TypeVar("T")
LEAVES: Final = frozenset({"constant", "size", "iota"})
#: An axis of a loop by its number, or None for an index that no single axis of the loop gives.
Label = int | None


def axes_of(node: Node) -> tuple[int, ...]:
    """The axes attribute, as numbers."""
    axes = node.attributes["axes"]
    assert isinstance(axes, tuple)
    return tuple(a for a in axes if isinstance(a, int))


def starts_of(node: Node) -> tuple[int, ...]:
    """The starts attribute, as numbers."""
    starts = node.attributes["starts"]
    assert isinstance(starts, tuple)
    return tuple(a for a in starts if isinstance(a, int))


def is_view(node: Node) -> bool:
    """Whether a node only renames the elements of its operand."""
    return node.op in ("broadcast", "transpose", "slice", "pad") or (
        node.op == "reshape" and is_unit_reshape(node)
    )


def is_inline(node: Node) -> bool:
    """Whether a node is never stored: views and leaves are worked out wherever they are read."""
    return node.op in LEAVES or is_view(node)


def view_index(node: Node, index: tuple[T, ...], zero: T) -> tuple[T, ...]:
    """The index into the operand of a broadcast, transpose or unit reshape."""
    (x,) = node.inputs
    if node.op == "broadcast":
        return tuple(index[a] for a in axes_of(node))
    if node.op == "transpose":
        moved = dict(zip(axes_of(node), index, strict=True))
        return tuple(moved[k] for k in range(len(index)))
    assert node.op == "reshape", node.op
    kept = iter([k for k, n in zip(index, node.type.shape, strict=True) if n != 1])
    return tuple(zero if n == 1 else next(kept) for n in x.type.shape)


def operand_labels(node: Node, labels: tuple[Label, ...]) -> tuple[Label, ...]:
    """The labels of the operand of a view; an axis that is shifted loses its label."""
    if node.op in ("slice", "pad"):
        same = zip(node.inputs[0].type.shape, node.type.shape, labels, strict=True)
        return tuple(label if n == m else None for n, m, label in same)
    return view_index(node, labels, None)


def references(
    node: Node, labels: tuple[Label, ...], stored: Callable[[Node], bool]
) -> Iterator[tuple[Node, tuple[Label, ...]]]:
    """The stored values that computing ``node`` at an index reads, and at which index.

    Each pair once: a value that many share is walked through once, or a chain of values each
    read twice would be walked through exponentially often.
    """
    waiting, seen = [(node, labels)], {(node, labels)}
    while waiting:
        node, labels = waiting.pop()
        if stored(node):
            yield node, labels
            continue
        for reference in reversed(_operands(node, labels)):
            if reference not in seen:
                seen.add(reference)
                waiting.append(reference)


def _operands(node: Node, labels: tuple[Label, ...]) -> list[tuple[Node, tuple[Label, ...]]]:
    """What computing a value that is not stored reads, one step down."""
    if node.op in ELEMENTWISE:
        return [(operand, labels) for operand in node.inputs]
    if is_view(node):
        return [(node.inputs[0], operand_labels(node, labels))]
    if node.op in ("sum", "max"):
        return [(node.inputs[0], reduced_labels(node, labels))]
    assert node.op in LEAVES, f"{node.op} must be stored before it is read"
    return []


def reduced_labels(node: Node, labels: tuple[Label, ...]) -> tuple[Label, ...]:
    """The labels of a reduction's operand: kept axes keep theirs."""
    kept, gone = iter(labels), axes_of(node)
    return tuple(None if k in gone else next(kept) for k in range(node.inputs[0].type.rank))


def source_of(node: Node) -> tuple[Node, tuple[Label, ...]]:
    """What a chain of views looks at, and for each of its axes the axis of ``node`` there."""
    labels: tuple[Label, ...] = tuple(range(node.type.rank))
    while is_view(node):
        labels, node = operand_labels(node, labels), node.inputs[0]
    return node, labels
