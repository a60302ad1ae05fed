"""A proof of convexity, by whichever way it was found, and what it says beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.explain.proofs.composition import Composition
from chainrule.explain.proofs.hessian import Witness
from chainrule.explain.proofs.minimum import (
    UNDECIDED,
    Minimum,
    has_full_rank,
    minimum_of,
    minimum_of_quadratic,
)
from chainrule.explain.proofs.program import Array, Program
from chainrule.explain.proofs.quadratic import (
    Definiteness,
    definiteness,
    degree,
    exact_hessian,
    judged,
    least_eigenvalue,
    split,
)
from chainrule.explain.proofs.ridges import ridges

_SUM: Final = "f is a sum of these with coefficients of the right sign, and so convex (B&V 3.2.1)"


@dataclass(frozen=True, eq=False)
class Proof:
    """Whether f was proved convex, and the rest of what is known.

    Attributes:
        convex: whether it was.
        curvature: "affine", "strongly convex", "strictly convex", "convex"; "" without a proof.
        modulus: of strong convexity.
        steps: the proof in order; without one, where composition stops.
        witness: a direction in which a quadratic f bends down.
    """

    convex: bool
    curvature: str
    modulus: float | None
    method: str
    steps: tuple[str, ...]
    minimum: Minimum = UNDECIDED
    witness: Array | None = None

    @staticmethod
    def by_hessian(c: Composition, w: Witness) -> Proof:
        """By interval arithmetic over boxes that cover the domain."""
        boxes = "one box" if w.boxes == 1 else f"{w.boxes} boxes that cover it"
        step = (
            f"the Hessian is positive semidefinite over the domain: interval arithmetic over"
            f" {boxes}, λ_min ≥ {w.least:.6g}"
        )
        curvature, modulus = ("strongly convex", w.least) if w.least > 0 else ("convex", None)
        minimum = _with_modulus(c, modulus, _of_compact(c))
        return Proof(True, curvature, modulus, "interval Hessian", (step,), minimum)


def short_of(c: Composition) -> Proof:
    """No proof: where composition stops."""
    domains = [
        f"{d.text} at {d.where}: the domain is not seen to be convex"
        for d in c.domains
        if not d.is_convex
    ]
    return Proof(False, "", None, "", (*domains, *c.obstacles()))


def proof_by_composition(c: Composition) -> Proof:
    """Composition, and how strictly f bends."""
    if c.concave:
        step = "f is affine in θ: a sum of parts of θ with known coefficients"
        return Proof(True, "affine", None, "composition", (*c.steps, step), minimum_of(c))
    curvature, modulus = _strength(c)
    minimum = _with_modulus(c, modulus, minimum_of(c))
    minimum = _strict_on_compact(c, curvature, minimum)
    return Proof(True, curvature, modulus, "composition", (*c.steps, _SUM), minimum)


def _strength(c: Composition) -> tuple[str, float | None]:
    """Strongly convex where the squares alone bend everywhere; strictly where all rows do."""
    squares = split(c)
    if squares is not None and squares.rest_convex and c.program.size:
        least = least_eigenvalue(squares)
        if least > 0:
            return "strongly convex", least
    parts = ridges(c)
    if parts is not None and has_full_rank(parts.bending()):
        return "strictly convex", None
    return "convex", None


def _with_modulus(c: Composition, modulus: float | None, minimum: Minimum) -> Minimum:
    """A strongly convex function on a closed set has one minimum."""
    if modulus is None or minimum.unique is not None or c.domains:
        return minimum
    return Minimum(True, True, 0, None, "f is strongly convex")


def _strict_on_compact(c: Composition, curvature: str, minimum: Minimum) -> Minimum:
    if minimum.exists and minimum.unique is None and curvature == "strictly convex":
        return Minimum(True, True, 0, None, f"{minimum.reason}, and f is strictly convex")
    return minimum


def _of_compact(c: Composition) -> Minimum:
    if all(np.isfinite(side).all() for side in c.box) and not c.domains:
        return Minimum(True, None, None, None, "a continuous function on a closed and bounded box")
    return UNDECIDED


def quadratic_proof(program: Program, c: Composition) -> Proof:
    """By a constant Hessian: of all of f, or of its quadratic part beside convex ones."""
    unbounded = all(np.isinf(side).all() for side in c.box)
    exact = exact_hessian(program)
    if exact is not None:
        found = definiteness(exact)
        matrix = np.array([[float(x) for x in row] for row in exact]).reshape(len(exact), -1)
        return _by_quadratic(program, c, found, matrix if unbounded else None)
    parts = split(c)
    if parts is None or not parts.rest_convex or not parts.has_products:
        return short_of(c)
    whole = degree(program) is not None and (degree(program) or 0) <= 2
    return _by_quadratic(program, c, judged(parts), parts.hessian if whole and unbounded else None)


def _by_quadratic(program: Program, c: Composition, found: Definiteness,
                  hessian: Array | None) -> Proof:  # fmt: skip
    if not found.semidefinite:
        stopped = short_of(c)
        return Proof(False, "", None, "", (found.how, *stopped.steps), witness=found.witness)
    modulus = found.least if found.least > 0 else None
    curvature = "convex" if modulus is None else "strongly convex"
    minimum = _of_compact(c)
    if hessian is not None:
        gradient = _gradient_at_zero(program)
        minimum = minimum_of_quadratic(hessian, gradient, found.rank)
    steps = (found.how, *(s for s in c.steps if "unknown" not in s))
    return Proof(True, curvature, modulus, "quadratic", steps, _with_modulus(c, modulus, minimum))


def _gradient_at_zero(program: Program) -> Array:
    """(f(e) - f(-e)) / 2 of a quadratic f, for each unit vector e."""
    unit = np.eye(program.size)
    return np.array([0.5 * (program.run(e) - program.run(-e)) for e in unit])
