"""A product as its loops see it: which axis of each operand runs with which loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from chainrule.compiler.lower.views import Label, Terms, terms_of
from chainrule.compiler.passes.contractions import Side, sides
from chainrule.ir.graph import Node

#: A loop of a product: axis r of the result by r, the k-th contracted axis by ~k (which is < 0).
Loop = int
#: The most columns of a narrow product, and the shortest axis that it contracts.
_COLUMNS: Final = 4
_DEEP: Final = 8


def operand_loops(dot: Node) -> tuple[tuple[Loop, ...], tuple[Loop, ...]]:
    """For each operand, the loop that each of its axes runs with."""
    a, b = sides(dot)
    shared = len(a.shared)
    return _loops(a, shared), _loops(b, shared + len(a.free))


def _loops(side: Side, first_free: int) -> tuple[Loop, ...]:
    of = {axis: k for k, axis in enumerate(side.shared)}
    of.update({axis: ~k for k, axis in enumerate(side.inner)})
    of.update({axis: first_free + k for k, axis in enumerate(side.free)})
    return tuple(of[k] for k in range(side.node.type.rank))


def source_loops(dot: Node, side: int) -> tuple[Node, tuple[Terms, ...]]:
    """The stored value that an operand looks at, and each of its axes in terms of the loops."""
    loops = operand_loops(dot)[side]
    source, terms = terms_of(dot.inputs[side])
    return source, tuple(tuple((loops[k], n) for k, n in own) for own in terms)


def single_loops(terms: tuple[Terms, ...]) -> tuple[Loop | None, ...]:
    """The loop that gives each axis by itself; None where several do, or none."""
    return tuple(own[0][0] if len(own) == 1 and own[0][1] == 1 else None for own in terms)


def result_labels(dot: Node, side: int) -> tuple[Node, tuple[Label, ...]]:
    """The same, with the axes of the result as labels."""
    source, terms = source_loops(dot, side)
    return source, tuple(k if k is not None and k >= 0 else None for k in single_loops(terms))


def lane_side(dot: Node, order: tuple[int, ...]) -> tuple[int, int]:
    """(operand, axis of it) along which the lanes of a product run."""
    first, second = operand_loops(dot)
    last = order[-1]
    shared = len(sides(dot)[0].shared)
    assert last >= shared, "the lanes of a product run along a free axis"
    return (1, second.index(last)) if last in second else (0, first.index(last))


def rows_axes(dot: Node, order: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of a product's result that are free in the operand of the rows."""
    side, _ = lane_side(dot, order)
    shared = len(sides(dot)[0].shared)
    return tuple(k for k in operand_loops(dot)[1 - side] if k >= shared)


def is_narrow(dot: Node, orders: Mapping[Node, tuple[int, ...]]) -> bool:
    """Whether a product has so few columns that its lanes run along the contracted axis instead.

    A vector that runs along two columns does an eighth of what it could. Both operands must be
    contiguous along the contracted axis; ``orders`` are the layouts that are not row-major.
    """
    if dot.type.rank != 2 or dot in orders or not dot.type.is_float:
        return False
    columns = dot.type.shape[1]
    return (
        isinstance(columns, int)
        and 1 < columns <= _COLUMNS
        and all(_runs_inwards(dot, side, orders) for side in (0, 1))
    )


def _runs_inwards(dot: Node, side: int, orders: Mapping[Node, tuple[int, ...]]) -> bool:
    """Whether an operand is a matrix whose rows lie along the contracted axis."""
    source, terms = source_loops(dot, side)
    loops = single_loops(terms)
    if source.type.rank != 2 or source.type.dtype != dot.type.dtype or {*loops} != {~0, side}:
        return False
    last = orders.get(source, (0, 1))[-1]
    inner = source.type.shape[last]
    return loops[last] == ~0 and isinstance(inner, int) and inner >= _DEEP
