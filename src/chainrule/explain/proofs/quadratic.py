"""Quadratic functions: their constant Hessian, and whether it is positive semidefinite, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np

from chainrule.explain.proofs.composition import Composition
from chainrule.explain.proofs.forms import EPS, Forms
from chainrule.explain.proofs.liveness import MOVES
from chainrule.explain.proofs.precise import UnknownOperationError, cost, exact_value
from chainrule.explain.proofs.program import Array, Program
from chainrule.ir.graph import Node

Matrix = list[list[Fraction]]
#: Rational operations that are done at most: about a microsecond each.
_EXACT: Final = 400_000
_LARGEST: Final = 1500


@dataclass(frozen=True, eq=False)
class Definiteness:
    """What is proved of a symmetric matrix H.

    Attributes:
        semidefinite: vᵀ H v >= 0 for all v; None: not decided.
        rank: of H, where it was found exactly.
        least: a lower bound of the least eigenvalue.
        witness: v with vᵀ H v < 0.
        how: the proof, in words.
    """

    semidefinite: bool | None
    rank: int | None
    least: float
    witness: Array | None
    how: str


def degree(program: Program) -> int | None:
    """The degree of f as a polynomial in θ, at most; None if it is not seen to be one."""
    found: dict[Node, int] = {}
    for node in program.nodes:
        if node in program.known:
            continue
        degrees = [found.get(x, 0 if x in program.known else -1) for x in node.inputs]
        value = _degree(node, degrees)
        if value is None or -1 in degrees:
            return None
        found[node] = value
    return found.get(program.output, 0)


def _degree(node: Node, degrees: list[int]) -> int | None:
    if node.op == "input":
        return 1
    if node.op in ("add", "subtract", "negative", "sum", *MOVES):
        return max(degrees)
    if node.op in ("multiply", "dot"):
        return sum(degrees)
    if node.op == "divide" and degrees[1] == 0:
        return degrees[0]
    if node.op == "take" and degrees[1] == 0:
        return degrees[0]
    return None


def exact_hessian(program: Program) -> Matrix | None:
    """The Hessian of a polynomial of degree <= 2, by differences of exact values.

    H[i][j] is f(eᵢ + eⱼ) - f(eᵢ) - f(eⱼ) + f(0). None if f is no such polynomial or too large.
    """
    n = program.size
    if (degree(program) or 9) > 2 or cost(program) * (n + 1) * (n + 2) / 2 > _EXACT:
        return None
    try:
        return _by_differences(program, n)
    except UnknownOperationError:
        return None


def _by_differences(program: Program, n: int) -> Matrix:
    unit = np.eye(n)
    at_zero = exact_value(program, np.zeros(n))
    at = [exact_value(program, unit[i]) for i in range(n)]

    def entry(i: int, j: int) -> Fraction:
        return exact_value(program, unit[i] + unit[j]) - at[i] - at[j] + at_zero

    half = [[entry(i, j) for j in range(i + 1)] for i in range(n)]
    return [[half[max(i, j)][min(i, j)] for j in range(n)] for i in range(n)]


def definiteness(H: Matrix) -> Definiteness:
    """By elimination in rational numbers (LDLᵀ): a negative pivot is a witness."""
    n = len(H)
    A = [row[:] for row in H]
    T = [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]  # A is T H Tᵀ throughout
    left, rank = list(range(n)), 0
    while left:
        negative = next((k for k in left if A[k][k] < 0), None)
        if negative is not None:
            return _indefinite(T[negative])
        pivot = next((k for k in left if A[k][k] > 0), None)
        if pivot is None:
            return _flat(H, A, T, left, rank)
        left.remove(pivot)
        rank += 1
        _eliminate(A, T, pivot, left)
    return _semidefinite(H, rank)


def _eliminate(A: Matrix, T: Matrix, pivot: int, left: list[int]) -> None:
    for j in left:
        factor = A[j][pivot] / A[pivot][pivot]
        if factor:
            for k in left:
                A[j][k] -= factor * A[pivot][k]
            T[j] = [a - factor * b for a, b in zip(T[j], T[pivot], strict=True)]


def _flat(H: Matrix, A: Matrix, T: Matrix, left: list[int], rank: int) -> Definiteness:
    """What is left has zeros on its diagonal: it is 0, or not semidefinite."""
    for i in left:
        for j in left:
            if A[i][j]:
                sign = 1 if A[i][j] < 0 else -1
                return _indefinite([a + sign * b for a, b in zip(T[i], T[j], strict=True)])
    return _semidefinite(H, rank)


def _indefinite(v: list[Fraction]) -> Definiteness:
    size = max(abs(x) for x in v)
    witness = np.array([float(x / size) for x in v])
    how = "the Hessian is constant, and elimination in rational numbers meets a negative pivot"
    return Definiteness(False, None, -np.inf, witness, how)


def _semidefinite(H: Matrix, rank: int) -> Definiteness:
    n = len(H)
    matrix = np.array([[float(x) for x in row] for row in H]).reshape(n, n)
    least = _least(matrix, np.zeros_like(matrix)) if rank == n and n else 0.0
    kind = "positive definite" if rank == n else f"positive semidefinite of rank {rank}"
    how = f"f is quadratic; its constant Hessian ({n}×{n}) is {kind}: LDLᵀ in rational numbers"
    return Definiteness(True, rank, max(least, 0.0), None, how)


def _least(matrix: Array, radius: Array) -> float:
    """A lower bound of the least eigenvalue (Weyl), with the rounding of LAPACK's."""
    n = len(matrix)
    found = np.linalg.eigvalsh(matrix)
    slack = 20 * n * EPS * float(np.abs(matrix).sum(axis=1).max(initial=0))
    return float(found[0] - slack - radius.sum(axis=1).max(initial=0))


# -- a quadratic part beside convex ones -----------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Term:
    """value · a b, of two affine rows by θ."""

    a: Forms
    b: Forms
    value: float
    error: float


@dataclass(frozen=True, eq=False)
class Split:
    """f as a quadratic part, of Hessian ``hessian`` ± ``radius``, and the rest of its atoms.

    Attributes:
        rest_convex: whether each of the rest is convex with its sign.
    """

    hessian: Array
    radius: Array
    rest_convex: bool
    has_products: bool
    terms: tuple[Term, ...]


def split(c: Composition) -> Split | None:
    """The squares and products of affine functions in f, by θ; None if too large."""
    n, form = c.program.size, c.form
    if n > _LARGEST or form.row.size > 50_000:
        return None
    hessian, radius = np.zeros((n, n)), np.zeros((n, n))
    terms, products, fine = [], False, True
    for atom, value, error in zip(form.atom, form.value, form.error, strict=True):
        pair = _pair(c, int(atom))
        if pair is None:
            up, low = c.atoms.convex[atom], c.atoms.concave[atom]
            fine = fine and bool((up and low) or (up if value > error else low and -value > error))
            continue
        block, _ = c.atoms.of(int(atom))
        products = products or block.kind == "product"
        terms.append(Term(*pair, float(value), float(error)))
        _add(hessian, radius, pair, float(value), float(error))
    return Split(hessian, radius, fine, products, tuple(terms))


def _pair(c: Composition, atom: int) -> tuple[Forms, Forms] | None:
    """The two affine factors of a square or a product, by θ."""
    block, i = c.atoms.of(atom)
    is_square = block.kind == "power" and block.parameter == 2
    if not is_square and block.kind != "product":
        return None
    rows = [argument.take(np.array([i])) for argument in block.arguments]
    if not all(c.atoms.affine(row)[0] for row in rows):
        return None
    opened = [c.atoms.by_theta(row) for row in rows]
    return opened[0], opened[-1]


def _add(H: Array, R: Array, pair: tuple[Forms, Forms], value: float, error: float) -> None:
    """value (a bᵀ + b aᵀ) and a bound of its error, added up."""
    a, b = pair
    outer = value * np.multiply.outer(a.value, b.value)
    size = np.multiply.outer(np.abs(a.value), np.abs(b.value))
    spread = np.multiply.outer(a.error, np.abs(b.value)) + np.multiply.outer(
        np.abs(a.value) + a.error, b.error
    )
    slack = abs(value) * (spread + 4 * EPS * size) + error * (size + spread)
    H[np.ix_(a.atom, b.atom)] += outer
    H[np.ix_(b.atom, a.atom)] += outer.T
    R[np.ix_(a.atom, b.atom)] += slack + 2 * EPS * np.abs(H[np.ix_(a.atom, b.atom)])
    R[np.ix_(b.atom, a.atom)] += slack.T + 2 * EPS * np.abs(H[np.ix_(b.atom, a.atom)])


def least_eigenvalue(found: Split) -> float:
    """A lower bound of the least eigenvalue of the quadratic part's Hessian."""
    return _least(found.hessian, found.radius)


def judged(found: Split) -> Definiteness:
    """The quadratic part's Hessian: exactly where its entries are, else by its eigenvalues."""
    n = len(found.hessian)
    least = _least(found.hessian, found.radius)
    if least > 0:
        how = f"the Hessian of the quadratic part has all eigenvalues above {least:.3g} (Weyl)"
        return Definiteness(True, n, least, None, how)
    if n <= 40:
        exact = _exact_entries(found)
        if exact is not None:
            return definiteness(exact)
    values, vectors = np.linalg.eigh(found.hessian)
    witness = vectors[:, 0] if values[0] < 0 else None
    return Definiteness(None, None, least, witness, "its least eigenvalue is 0 to rounding")


def _exact_entries(found: Split) -> Matrix | None:
    """The Hessian in rational numbers, where no rounding is in its terms.

    One factor that all of them share may be rounded: it is left out, for only its sign counts.
    """
    n = len(found.hessian)
    shared = {(term.value, term.error) for term in found.terms}
    by_one = len(shared) == 1 and min(v - e for v, e in shared) > 0
    exact = all(not (t.a.error.any() or t.b.error.any()) for t in found.terms)
    work = sum(t.a.atom.size * t.b.atom.size for t in found.terms)
    if not exact or work > _EXACT or not (by_one or all(not e for _, e in shared)):
        return None
    H = [[Fraction(0)] * n for _ in range(n)]
    for term in found.terms:
        factor = Fraction(1) if by_one else Fraction(term.value)
        for i, x in zip(term.a.atom.tolist(), term.a.value.tolist(), strict=True):
            for j, y in zip(term.b.atom.tolist(), term.b.value.tolist(), strict=True):
                entry = factor * Fraction(x) * Fraction(y)
                H[i][j] += entry
                H[j][i] += entry
    return H
