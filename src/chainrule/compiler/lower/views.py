"""Moves that cost nothing: an index into a view becomes an index into what it looks at.

An index is a tuple with one entry per axis. The entries may be anything (labels of loop axes here,
machine values in the emission); a view only picks, drops and adds entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from chainrule.compiler.lower.loops import LOOPS
from chainrule.compiler.passes.build import axes_of
from chainrule.compiler.passes.fold import ELEMENTWISE, is_unit_reshape
from chainrule.ir.graph import Node
from chainrule.ops.record import HOST, PRIMITIVES

T = TypeVar("T")
LEAVES: Final = frozenset({"constant", "size", "iota"})
REDUCTIONS: Final = frozenset({"sum", "max", "prod"})
#: A sum along the first axis, chunk by chunk (see ``row_blocks``).
BLOCK_SUM: Final = "block_sum"
#: What one element of a loop computes by itself.
MAPPED: Final = ELEMENTWISE | {"take"}
#: What runs along an axis, each element behind the one before.
RUNNING: Final = frozenset({"recurrence", "cumlogsumexp", "argcummax"})
#: What the first thread does alone, through all of its operands.
ALONE: Final = frozenset({"scatter_add", "last_of"})
#: What lies behind one another in memory.
JOINED: Final = "concatenate"
#: What NumPy does, called from the native code.
HOSTED: Final = frozenset(name for name, p in PRIMITIVES.items() if p.lower == HOST)
#: What has a loop of its own that nothing else joins.
KERNELS: Final = RUNNING | ALONE | HOSTED | LOOPS | {JOINED}
#: An axis of a loop by its number, or None for an index that no single axis of the loop gives.
Label = int | None


#: What a product reads where it lies, besides reshapes that only add or drop axes of size one.
WINDOWED: Final = frozenset({"transpose", "broadcast", "shear"})


def starts_of(node: Node) -> tuple[int, ...]:
    """The places at which a slice or a padding begins."""
    return axes_of(node, "starts")


def shared_axes(node: Node) -> int:
    """How many first axes belong to examples that have places of their own."""
    count = node.attributes.get("batch", 0)
    assert isinstance(count, int)
    return count


_VIEWS: Final = frozenset({"broadcast", "transpose", "slice", "pad", "shear", "unshear"})


def is_view(node: Node) -> bool:
    """Whether a node only renames the elements of its operand."""
    return node.op in _VIEWS or (node.op == "reshape" and is_unit_reshape(node))


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
        same = zip(node.inputs[0].type.shape, node.type.shape, starts_of(node), labels, strict=True)
        return tuple(label if n == m and start == 0 else None for n, m, start, label in same)
    if node.op in ("shear", "unshear"):
        return tuple(None if k == node.attributes["axis"] else x for k, x in enumerate(labels))
    return view_index(node, labels, None)


#: A position along an axis as a sum of positions times factors.
Terms = tuple[tuple[int, int], ...]


def terms_of(node: Node) -> tuple[Node, tuple[Terms, ...]]:
    """What a chain of moves and windows looks at, and each of its axes in terms of the node's."""
    terms: tuple[Terms, ...] = tuple(((k, 1),) for k in range(node.type.rank))
    while node.op in WINDOWED or (node.op == "reshape" and is_unit_reshape(node)):
        terms = _sheared(node, terms) if node.op == "shear" else view_index(node, terms, ())
        node = node.inputs[0]
    return node, terms


def _sheared(node: Node, terms: tuple[Terms, ...]) -> tuple[Terms, ...]:
    axis, along, stride, dilation = (
        node.attributes[k] for k in ("axis", "along", "stride", "dilation")
    )
    assert isinstance(axis, int) and isinstance(along, int)
    assert isinstance(stride, int) and isinstance(dilation, int)
    pairs = ((terms[axis], stride), (terms[along], dilation))
    line = tuple((k, n * factor) for own, factor in pairs for k, n in own)
    return (*terms[:axis], line, *terms[axis + 1 :])


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
    if node.op in REDUCTIONS:
        return [(node.inputs[0], reduced_labels(node, labels))]
    if node.op == BLOCK_SUM:  # a chunk is rows of its own
        return [(node.inputs[0], labels)]
    if node.op == "take":
        x, i = node.inputs
        shared = labels[: shared_axes(node)]
        return [(i, labels[: i.type.rank]), (x, (*shared, None, *labels[i.type.rank :]))]
    if node.op in RUNNING or node.op == "check":
        return [(operand, labels) for operand in node.inputs]
    if node.op == JOINED:
        axis = node.attributes["axis"]
        own = tuple(None if k == axis else x for k, x in enumerate(labels))
        return [(operand, own) for operand in node.inputs]
    if node.op in KERNELS:
        return [(operand, (None,) * operand.type.rank) for operand in node.inputs]
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
