"""A tree taken apart by labels of its leaves, and put together again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.errors import ShapeError
from chainrule.tracing.trees import Tree, named_leaves, with_leaves


def parted(tree: Tree, labels: Sequence[int], count: int) -> list[dict[str, Any]]:
    """For each label 0 ... count - 1 the leaves that bear it, by their dotted names.

    Raises:
        ShapeError: not one label per leaf.
    """
    leaves = named_leaves(tree)
    if len(leaves) != len(labels):
        raise ShapeError(f"trees differ: one has {len(leaves)} leaves, the other {len(labels)}")
    parts: list[dict[str, Any]] = [{} for _ in range(count)]
    for (name, leaf), label in zip(leaves.items(), labels, strict=True):
        parts[label][name] = leaf
    return parts


def joined(tree: Tree, parts: Sequence[dict[str, Any]]) -> Tree:
    """A tree like ``tree`` with the leaves of the parts."""
    return with_leaves(tree, {name: leaf for part in parts for name, leaf in part.items()})
