"""What is linear: sums, moves of elements, products with known numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from chainrule.explain.proofs.forms import Forms, collected, product, stacked
from chainrule.explain.proofs.liveness import MOVES
from chainrule.explain.proofs.program import size_of
from chainrule.explain.proofs.workspace import Array, Value, Workspace
from chainrule.ir.graph import Node
from chainrule.ops import PRIMITIVES

#: Products of a known matrix with parts of θ that are written out, one by one.
_WRITTEN: Final = 40_000
#: Of nonlinear functions, which must be.
_WRITTEN_NONLINEAR: Final = 3_000_000
_BASIS: Final = 256


def moved(w: Workspace, node: Node, *operands: Value) -> Forms:
    """Elements in other places: the operation itself, done on their numbers."""
    parts = stacked([x.forms for x in operands])
    offset, numbers = 1, []
    for x in operands:
        numbers.append(x.numbers() + offset)
        offset += x.size
    index = np.asarray(PRIMITIVES[node.op].evaluate(*numbers, **node.attributes))
    return parts.take(index.ravel() - 1)


def taken(w: Workspace, node: Node, x: Value, i: Value) -> Forms | None:
    """Elements read at known places."""
    if i.known is None:
        return None
    index = PRIMITIVES["take"].evaluate(x.numbers(), i.known, **node.attributes)
    return x.forms.take(np.asarray(index).ravel())


def summed(w: Workspace, node: Node, x: Value) -> Forms:
    """Sums over axes."""
    axes: Any = node.attributes["axes"]
    group = groups_of(x, axes)
    size = size_of(node)
    order = np.argsort(group, kind="stable")
    return x.forms.take(order).summed(group[order], size)


def groups_of(x: Value, axes: tuple[int, ...]) -> Array:
    """For each element the number of the result that it is reduced into."""
    kept = [1 if k in axes else n for k, n in enumerate(x.shape)]
    number = np.arange(int(np.prod(kept, dtype=np.int64))).reshape(kept)
    return np.broadcast_to(number, x.shape).ravel()


def dot(w: Workspace, node: Node, a: Value, b: Value) -> Forms | None:
    """A product with a known matrix; of two unknown ones see ``products``."""
    if a.known is None and b.known is None:
        return None
    left, right, inner = pairs(node, a, b)
    known, other = (a, b) if a.known is not None else (b, a)
    known_at, other_at = (left, right) if known is a else (right, left)
    size = size_of(node)
    expand = _expansion(known.known, known_at, other.forms, other_at, inner)
    affine = w.atoms.affine(other.forms)
    weight = size * inner * max(1.0, float(np.mean(other.forms.count)) if other.size else 1.0)
    if affine.all() and weight > _WRITTEN:
        found = w.atoms.new("linear", np.ones(size, bool), np.ones(size, bool), where=node.where,
                            law="an affine map of θ")  # fmt: skip
        w.atoms.expand[len(w.atoms.blocks) - 1] = expand
        return found
    if weight > _WRITTEN_NONLINEAR:
        return None
    return expand(np.arange(size))


def pairs(node: Node, a: Value, b: Value) -> tuple[Array, Array, int]:
    """For each result the numbers of the factors of a and of b: (results, inner) each, lazily.

    Returned as index arrays that broadcast: left (batch, rows, 1, inner), right (batch, 1,
    columns, inner).
    """
    at: Any = node.attributes
    a_free = [k for k in range(len(a.shape)) if k not in (*at["a_axes"], *at["a_batch"])]
    b_free = [k for k in range(len(b.shape)) if k not in (*at["b_axes"], *at["b_batch"])]
    batch = int(np.prod([a.shape[k] for k in at["a_batch"]], dtype=np.int64))
    inner = int(np.prod([a.shape[k] for k in at["a_axes"]], dtype=np.int64))
    rows = int(np.prod([a.shape[k] for k in a_free], dtype=np.int64))
    columns = int(np.prod([b.shape[k] for k in b_free], dtype=np.int64))
    left = a.numbers().transpose((*at["a_batch"], *a_free, *at["a_axes"]))
    right = b.numbers().transpose((*at["b_batch"], *b_free, *at["b_axes"]))
    return left.reshape(batch, rows, 1, inner), right.reshape(batch, 1, columns, inner), inner


def _expansion(known: Any, known_at: Array, forms: Forms, other_at: Array,
               inner: int) -> Callable[[Array], Forms]:  # fmt: skip
    """Some results of a product with a known matrix, written out."""
    shape = np.broadcast_shapes(known_at.shape, other_at.shape)[:3]
    numbers = np.asarray(known, np.float64).ravel()

    def expand(results: Array) -> Forms:
        place = np.unravel_index(results, shape)
        left = known_at[_inside(place, known_at.shape)]
        right = other_at[_inside(place, other_at.shape)]
        factor = numbers[left].ravel()
        picked = forms.take(right.ravel())
        group = np.repeat(np.arange(len(results)), inner)
        return picked.scaled(factor).summed(group, len(results))

    return expand


def _inside(place: tuple[Array, ...], shape: tuple[int, ...]) -> tuple[Array, ...]:
    """The place in an array in which some axes have one element for all."""
    return tuple(p if n > 1 else np.zeros_like(p) for p, n in zip(place, shape, strict=False))


def scaled_by_known(w: Workspace, node: Node, a: Value, b: Value) -> Forms | None:
    """A product one factor of which is known."""
    if b.known is not None:
        return a.forms.scaled(b.forms.constant)
    if a.known is not None:
        return b.forms.scaled(a.forms.constant)
    return None


def by_basis(operand: int) -> Callable[..., Forms | None]:
    """An operation linear in one operand when the others are known: its matrix by columns."""

    def rule(w: Workspace, node: Node, *operands: Value) -> Forms | None:
        x = operands[operand]
        others = [v.known for v in operands]
        size = size_of(node)
        if any(v is None for k, v in enumerate(others) if k != operand) or x.size > _BASIS:
            return None
        columns = []
        for k in range(x.size):
            unit = np.zeros(x.size)
            unit[k] = 1
            others[operand] = unit.reshape(x.shape)
            columns.append(np.ravel(PRIMITIVES[node.op].evaluate(*others, **node.attributes)))
        matrix = np.stack(columns, 1)
        if not np.isfinite(matrix).all():
            return None
        row, column = np.nonzero(matrix)
        return mapped(matrix[row, column], row, x.forms.take(column), size)

    return rule


def mapped(factor: Array, row: Array, forms: Forms, size: int) -> Forms:
    """Σ factor · form into rows, one form per factor."""
    value, lost = product(forms.value, factor[forms.row])
    error = lost + forms.error * np.abs(factor[forms.row]) * (1 + 2.0**-52)
    terms = forms.constant * factor
    constant = np.bincount(row, terms, size)
    doubt = np.bincount(row, np.abs(terms) * (len(terms) + 2) * 2.0**-52, size)
    return collected(constant, row[forms.row], forms.atom, value, error, doubt)


RULES: Final[Mapping[str, Callable[..., Forms | None]]] = {
    **dict.fromkeys(MOVES, moved),
    "take": taken,
    "sum": summed,
    "dot": dot,
    "add": lambda w, node, a, b: a.forms.plus(b.forms),
    "subtract": lambda w, node, a, b: a.forms.plus(b.forms, -1.0),
    "negative": lambda w, node, a: a.forms.scaled(-1.0),
    "recurrence": by_basis(1),
    "scatter_add": by_basis(1),
    "solve": by_basis(1),
    "solve_triangular": by_basis(1),
}
