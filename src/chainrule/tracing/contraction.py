"""Sums of products: matrix products and all their kin, on the one primitive ``dot``.

A contraction is said with labels, one per axis: labels that both operands and the result have are
shared axes, those that only the operands have are summed over.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import numpy as np

from chainrule.errors import ShapeError
from chainrule.ops import bind
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.tracer import cast

Array = Any
Labels = tuple[Hashable, ...]


def common(*arrays: Any) -> list[Array]:
    """The arrays in the dtype that NumPy promotes them to."""
    arrays = tuple(map(as_array, arrays))
    dtype = np.result_type(*(x.dtype for x in arrays))
    return [cast(x, dtype) for x in arrays]


def contract(a: Array, a_labels: Labels, b: Array, b_labels: Labels, out: Labels) -> Array:
    """The products of a and b, summed over the labels that ``out`` has not; axes as in ``out``.

    Sizes are equal where labels are, or one of them is 1. No operand has a label twice.
    """
    a, b = common(a, b)
    a, a_labels = _without_units(a, a_labels, dict(zip(b_labels, b.shape, strict=True)))
    b, b_labels = _without_units(b, b_labels, dict(zip(a_labels, a.shape, strict=True)))
    a, a_labels = _lone_summed(a, a_labels, {*b_labels, *out})
    b, b_labels = _lone_summed(b, b_labels, {*a_labels, *out})
    inner = tuple(k for k in a_labels if k in b_labels and k not in out)
    free = [k for k in (*a_labels, *b_labels) if (k in a_labels) != (k in b_labels)]
    only_shared = not free and any(k in a_labels for k in out)
    if a.dtype.kind != "f" or not inner or only_shared:
        return _sum_of_products(a, a_labels, b, b_labels, out, inner)
    return _dot(a, a_labels, b, b_labels, out, inner)


def _without_units(x: Array, labels: Labels, other: dict[Hashable, int]) -> tuple[Array, Labels]:
    """x without axes of size one along which the other operand is longer: it repeats there."""
    gone = [k for k, n in enumerate(x.shape) if n == 1 and other.get(labels[k], 1) != 1]
    if not gone:
        return x, labels
    return np.squeeze(x, tuple(gone)), tuple(s for k, s in enumerate(labels) if k not in gone)


def _lone_summed(x: Array, labels: Labels, needed: set[Hashable]) -> tuple[Array, Labels]:
    """x summed over the labels that nobody else has."""
    gone = tuple(k for k, label in enumerate(labels) if label not in needed)
    return summed(x, gone), tuple(label for label in labels if label in needed)


def summed(x: Array, axes: tuple[int, ...]) -> Array:
    """x summed over some axes in its own dtype; of booleans, whether any of them holds."""
    if not axes:
        return x
    if x.dtype.kind == "b":
        return np.not_equal(np.sum(x, axis=axes), 0)
    return np.sum(x, axis=axes, dtype=x.dtype)


def _dot(
    a: Array, a_labels: Labels, b: Array, b_labels: Labels, out: Labels, inner: Labels
) -> Array:
    """By the primitive, the way round that needs no move after it, if one does."""
    shared = tuple(k for k in out if k in a_labels and k in b_labels)
    a_free, b_free = ([k for k in x if k not in (*shared, *inner)] for x in (a_labels, b_labels))
    if (*shared, *a_free, *b_free) != out == (*shared, *b_free, *a_free):
        a, a_labels, a_free, b, b_labels, b_free = b, b_labels, b_free, a, a_labels, a_free
    product = bind(
        "dot", a, b,
        a_axes=_places(a_labels, inner), b_axes=_places(b_labels, inner),
        a_batch=_places(a_labels, shared), b_batch=_places(b_labels, shared),
    )  # fmt: skip
    return ordered(product, (*shared, *a_free, *b_free), out)


def _places(labels: Labels, wanted: Iterable[Hashable]) -> tuple[int, ...]:
    return tuple(labels.index(k) for k in wanted)


def ordered(x: Array, labels: Labels, out: Labels) -> Array:
    """x with its axes in the order of ``out``."""
    return x if labels == out else np.transpose(x, _places(labels, out))


def _sum_of_products(
    a: Array, a_labels: Labels, b: Array, b_labels: Labels, out: Labels, inner: Labels
) -> Array:
    """Element by element: whole numbers, truth values, and products that sum over nothing."""
    every = out + inner
    product = _spread(a, a_labels, every) * _spread(b, b_labels, every)
    return summed(product, tuple(range(len(out), len(every))))


def _spread(x: Array, labels: Labels, every: Labels) -> Array:
    """x with an axis for every label, of size one where it has none of its own."""
    x = ordered(x, labels, tuple(k for k in every if k in labels))
    missing = tuple(k for k, label in enumerate(every) if label not in labels)
    return np.expand_dims(x, missing) if missing else x


def broadcast_labels(rank: int) -> Labels:
    """Labels of the axes before a matrix: equal for axes that NumPy would lay on one another."""
    return tuple(range(-rank, 0))


def check_same(op: str, where: str, a: Array, b: Array, n: int, m: int, hint: str = "") -> None:
    """Sizes that are summed over together must be equal.

    Raises:
        ShapeError: naming both operands.
    """
    if n != m:
        raise ShapeError(
            f"{op} at {where}: inner sizes differ: {described(a)} and {described(b)}: "
            f"{n} is not {m}",
            hint,
        )


def check_broadcast(op: str, where: str, a: Array, b: Array, left: Any, right: Any) -> None:
    """The stacks of two operands must broadcast.

    Raises:
        ShapeError: naming both operands.
    """
    try:
        np.broadcast_shapes(left, right)
    except ValueError:
        raise ShapeError(
            f"{op} at {where}: the stacks of {described(a)} and {described(b)} do not broadcast: "
            f"{tuple(left)} and {tuple(right)}",
            "from the last axis on, sizes must be equal or one of them 1",
        ) from None
