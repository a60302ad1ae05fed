"""Elements of labels, by their pattern."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.explain.derivations.layers.values import Maker, Value


def picked(v: Value, make: Maker) -> Value | None:
    """Σⱼ where(j = y, xⱼ, 0): the element of the label."""
    (x,) = v.inputs
    if x.op == "where" and v.attributes["axes"] == (x.rank - 1,):
        mask, chosen, other = x.inputs
        label = _label_of(mask) if other.number == 0 else None
        return None if label is None else make("pick", (chosen, label), v.data)
    return None


def _label_of(mask: Value) -> Value | None:
    """The labels that a one-hot mask is made of."""
    if not mask.fixed or mask.data.dtype.kind != "b" or not mask.rank:
        return None
    if not np.all(np.sum(mask.data, axis=-1) == 1):
        return None
    return _label_equal(mask, np.argmax(mask.data, axis=-1))


def _label_equal(made: Value, classes: Any) -> Value | None:
    for leaf in leaves_of(made):
        if leaf.shape == np.shape(classes) and np.array_equal(leaf.data, classes):
            return leaf
    return None


def leaves_of(value: Value) -> Iterator[Value]:
    """The inputs that a value is made of."""
    waiting, seen = [value], {id(value)}
    while waiting:
        now = waiting.pop()
        if now.op == "input":
            yield now
        for x in now.inputs:
            if id(x) not in seen:
                seen.add(id(x))
                waiting.append(x)


def taken(v: Value, make: Maker) -> Value | None:
    """x[y] of a vector, and x[0 ... n - 1, y] of a matrix, which is taken from one long vector."""
    x, at = v.inputs
    if not at.fixed or at.data.dtype.kind not in "iu":
        return None
    if x.rank == 1 and at.rank == 0 and x.op != "reshape":
        label = _label_equal(at, at.data)
        return None if label is None else make("pick", (x, label), v.data)
    if x.op == "reshape" and x.inputs[0].rank == 2 and at.rank == 1:
        rows, columns = x.inputs[0].shape
        classes = at.data - np.arange(rows) * columns if len(at.data) == rows else at.data
        label = _label_equal(at, classes)
        return None if label is None else make("pick", (x.inputs[0], label), v.data)
    return None
