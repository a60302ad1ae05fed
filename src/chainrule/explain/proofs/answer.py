"""The verdict put together: the proof or the counter-example, the domain, the line shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.explain.proofs import code
from chainrule.explain.proofs.chord import Chord
from chainrule.explain.proofs.composition import Composition
from chainrule.explain.proofs.picture import segment
from chainrule.explain.proofs.precise import cost
from chainrule.explain.proofs.program import Array, Program
from chainrule.explain.proofs.proof import Proof
from chainrule.explain.proofs.verdict import Verdict
from chainrule.explain.proofs.workspace import Domain
from chainrule.explain.subject import Subject

#: Numbers of θ that differ from 0 in the line that is shown.
_MOVED: Final = 40
_HEAVY: Final = 10_000_000


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked, and what composition says of it.

    Attributes:
        box: the bounds that were asked for, as two vectors.
        rows: of the data that f is the mean of, and of how many, where it is a sample.
    """

    subject: Subject
    program: Program
    found: Composition
    box: tuple[Array, Array]
    rows: tuple[int, int] | None
    rng: np.random.Generator

    @property
    def unit(self) -> str:
        return str(getattr(self.subject.loss, "unit", ""))


def proved(asked: Question, proof: Proof) -> Verdict:
    """The verdict on a function that is convex."""
    program, minimum = asked.program, proof.minimum
    theta1, theta2 = _line(asked)
    direction = None if minimum.direction is None else program.split(minimum.direction)
    return Verdict(
        verdict="convex, proved", curvature=proof.curvature, modulus=proof.modulus,
        method=proof.method, reason=proof.steps, tried=(), domain=_domain(asked), chord=None,
        theta1=program.split(theta1), theta2=program.split(theta2), t=0.5, minimum=minimum,
        direction=direction, unit=asked.unit, rows=asked.rows, parameters=program.size,
        code=code.source(program, theta1, theta2, 0.5),
        segment=segment(program, theta1, theta2, None),
    )  # fmt: skip


def refuted(
    asked: Question, proof: Proof, chord: Chord | None, tried: tuple[str, ...]
) -> Verdict:  # fmt: skip
    """The verdict on a function with a chord below it, or on one of which nothing was found."""
    program, decided = asked.program, chord is not None
    theta1, theta2 = _line(asked) if chord is None else (chord.theta1, chord.theta2)
    t = 0.5 if chord is None else chord.t
    return Verdict(
        verdict="not convex, proved" if decided else "not decided",
        curvature="concave" if asked.found.concave else "", modulus=None,
        method="chord" if decided else "", reason=_reason(asked, proof, chord),
        tried=() if decided else tried, domain=_domain(asked), chord=chord,
        theta1=program.split(theta1) if decided else None,
        theta2=program.split(theta2) if decided else None, t=t if decided else None,
        minimum=proof.minimum, direction=None, unit=asked.unit, rows=asked.rows,
        parameters=program.size, code=code.source(program, theta1, theta2, t),
        segment=segment(program, theta1, theta2, t if decided else None),
    )  # fmt: skip


def _reason(asked: Question, proof: Proof, chord: Chord | None) -> tuple[str, ...]:
    if asked.found.concave:
        return asked.found.steps
    if chord is not None:
        return ("a chord lies below f: f(t θ₁ + (1-t) θ₂) > t f(θ₁) + (1-t) f(θ₂)",)
    if not np.isfinite(asked.program.run(asked.program.start)):
        return ("f is not finite where it was given", *proof.steps)
    return proof.steps


# -- where -----------------------------------------------------------------------------------------


def _domain(asked: Question) -> str:
    """Where f has a value, and the box."""
    told = [_one_domain(domain) for domain in asked.found.domains]
    low, high = asked.box
    bounded = np.flatnonzero(np.isfinite(low) | np.isfinite(high))
    if bounded.size > 4:
        told.append(f"θ lies in the box ({bounded.size} of its numbers are bounded)")
    else:
        told += [_bound(asked, int(k)) for k in bounded]
    return " and ".join(dict.fromkeys(told))


def _bound(asked: Question, k: int) -> str:
    (low, high), name = asked.box, asked.program.coordinate(k)
    if not np.isfinite(high[k]):
        return f"{name} ≥ {low[k]:g}"
    if not np.isfinite(low[k]):
        return f"{name} ≤ {high[k]:g}"
    return f"{low[k]:g} ≤ {name} ≤ {high[k]:g}"


def _one_domain(domain: Domain) -> str:
    return f"{domain.text} at {domain.where}" if domain.where else domain.text


def _line(asked: Question) -> tuple[Array, Array]:
    """Two points of the domain, in short decimals where there is no box."""
    first = None
    for scale in (1.0, 0.3, 3.0):
        for _ in range(20):
            ends = _inside(asked, scale), _inside(asked, scale)
            first = first or ends
            if all(np.isfinite(asked.program.run(end)) for end in ends):
                return ends
            if cost(asked.program) > _HEAVY:
                break
    assert first is not None
    return first


def _inside(asked: Question, scale: float) -> Array:
    n, rng = asked.program.size, asked.rng
    low, high = asked.found.box
    moved = rng.random(n) < _MOVED / max(n, 1)
    z = np.round(scale * rng.normal(size=n), 1) * moved
    below, above = np.isfinite(low), np.isfinite(high)
    with np.errstate(all="ignore"):
        z = np.where(below & ~above, low + np.abs(z) + 0.1, z)
        z = np.where(~below & above, high - np.abs(z) - 0.1, z)
        z = np.where(below & above, low + rng.random(n) * (high - low), z)
    return np.asarray(np.clip(z, low, high))
