"""Products of vectors and matrices: the one contraction of the graphs in the forms of algebra."""

from __future__ import annotations

from typing import TypeAlias

from chainrule.explain.notation import (
    Expr,
    Index,
    Number,
    Ones,
    SumOver,
    Symbol,
    Total,
    hadamard,
    matmul,
    multiply,
    transpose,
)

Axes: TypeAlias = tuple[int, ...]
Side: TypeAlias = tuple[Expr, int, Axes]


def contract(a: Side, b: Side) -> Expr | None:
    """The sum over paired axes; the free axes of a come first, those of b behind.

    Each side is (formula, rank, contracted axes). None for what matrices cannot say.
    """
    (left, m, a_axes), (right, n, b_axes) = a, b
    match m, n, len(a_axes):
        case (0, _, _) | (_, 0, _):
            return multiply(left, right)
        case 1, 1, 0:
            return matmul(left, transpose(right))
        case 1, 1, 1:
            return matmul(transpose(left), right)
        case 2, 1, 1:
            return matmul(_rows(left, a_axes[0] == 1), right)
        case 1, 2, 1:
            return matmul(_rows(right, b_axes[0] == 1), left)
        case 2, 2, 1:
            return matmul(_rows(left, a_axes[0] == 1), _rows(right, b_axes[0] == 0))
        case _, 2, 1 if m > 2 and a_axes == (m - 1,):  # each matrix of a stack
            return matmul(left, _rows(right, b_axes[0] == 0))
        case 2, 2, 2:
            turned = (a_axes[0] < a_axes[1]) != (b_axes[0] < b_axes[1])
            return Total(hadamard(left, transpose(right) if turned else right), ("i", "j"))
    return None


def sum_over_stack(left: Expr, right: Expr, stack: tuple[int, ...]) -> Expr:
    """Σₛ leftₛᵀ rightₛ over all matrices of two stacks."""
    letters = [Symbol(letter) for letter in "stuv"[: len(stack)]]
    at = tuple(letters)
    behind = right if isinstance(right, Ones) else Index(right, at)
    total = matmul(transpose(Index(left, at)), behind)
    for letter, size in zip(reversed(letters), reversed(stack), strict=True):
        total = SumOver(letter, Number(1), Number(size), total)
    return total


def _rows(matrix: Expr, is_so: bool) -> Expr:
    return matrix if is_so else transpose(matrix)


def back_to_left(g: tuple[Expr, int], a: Side, b: Side) -> Expr | None:
    """The cotangent of the left side, its axes in their own order."""
    _, rank, axes = a
    right, n, b_axes = b
    free = tuple(k for k in range(n) if k not in b_axes)
    first = rank - len(axes)
    behind = tuple(range(first, first + len(free)))
    if rank == 2 and axes == (0,):  # the contracted axis comes first in it
        return contract((right, n, free), (*g, behind))
    if rank == n == len(axes) == 2:
        turned = (axes[0] < axes[1]) != (b_axes[0] < b_axes[1])
        return multiply(g[0], transpose(right) if turned else right)
    return contract((*g, behind), (right, n, free))


def back_to_right(g: tuple[Expr, int], a: Side, b: Side) -> Expr | None:
    """The cotangent of the right side, its axes in their own order."""
    left, m, a_axes = a
    _, rank, axes = b
    free = tuple(k for k in range(m) if k not in a_axes)
    before = tuple(range(len(free)))
    if rank == 2 and axes == (1,):  # the contracted axis comes last in it
        return contract((*g, before), (left, m, free))
    if rank == m == len(axes) == 2:
        turned = (axes[0] < axes[1]) != (a_axes[0] < a_axes[1])
        return multiply(g[0], transpose(left) if turned else left)
    return contract((left, m, free), (*g, before))
