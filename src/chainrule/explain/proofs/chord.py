"""A counter-example: a chord of f that lies below f in one place, checked beyond rounding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from chainrule.errors import MissingExtraError
from chainrule.explain.proofs import intervals as iv
from chainrule.explain.proofs.enclosure import enclosures
from chainrule.explain.proofs.precise import DIGITS, UnknownOperationError, precise_value
from chainrule.explain.proofs.program import Array, Program

#: A gap in 50 digits counts from this part of the size of f on.
_CLEAR: Final = 1e-35
#: What a point without a value counts as: a gap that is a number says more.
_OUTSIDE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Chord:
    """θ₁, θ₂ and t with f(t θ₁ + (1 - t) θ₂) > t f(θ₁) + (1 - t) f(θ₂).

    Attributes:
        theta1, theta2: the ends, as one vector each; exactly these numbers were checked.
        t: between 0 and 1.
        middle: f(t θ₁ + (1 - t) θ₂); NaN where f has no value there.
        chord: t f(θ₁) + (1 - t) f(θ₂).
        checked: how the gap was checked, in words.
    """

    theta1: Array
    theta2: Array
    t: float
    middle: float
    chord: float
    checked: str

    @property
    def gap(self) -> float:
        """How far f lies above its chord."""
        return self.middle - self.chord


@dataclass(frozen=True, eq=False)
class Candidate:
    """A chord found in float64, not yet checked."""

    theta1: Array
    theta2: Array
    t: float
    relative: float
    size: float

    @property
    def rank(self) -> tuple[float, float]:
        """Less is clearer: a large gap in proportion, then numbers that are not huge."""
        return -min(round(self.relative, 2), 0.3), self.size


def measured(program: Program, theta1: Array, theta2: Array, t: float) -> Candidate | None:
    """The gap in float64, relative to the size of f; None where the ends have no value."""
    ends = program.run(theta1), program.run(theta2)
    if not np.isfinite(ends).all():
        return None
    middle = program.run(t * theta1 + (1 - t) * theta2)
    chord = t * ends[0] + (1 - t) * ends[1]
    if not np.isfinite(middle):
        return Candidate(theta1, theta2, t, _OUTSIDE, np.inf)
    size = abs(middle) + abs(ends[0]) + abs(ends[1])
    relative = (middle - chord) / size if size else 0.0
    relative = float(relative) if np.isfinite(relative) else 0.0
    return Candidate(theta1, theta2, t, relative, float(size))


def confirmed(program: Program, c: Candidate) -> Chord | None:
    """The chord, if its gap holds in 50 digits, or, where that takes too long, in intervals."""
    try:
        return _in_digits(program, c)
    except (UnknownOperationError, MissingExtraError):
        return _in_intervals(program, c)


def _in_digits(program: Program, c: Candidate) -> Chord | None:
    from_ends = [precise_value(program, end) for end in (c.theta1, c.theta2)]
    if any(value is None for value in from_ends):
        return None
    middle = precise_value(program, _mixed(c))
    mp: Any = type(from_ends[0]).context
    with mp.workdps(DIGITS):
        t = mp.mpf(c.t)
        chord = t * from_ends[0] + (1 - t) * from_ends[1]
        if middle is None:
            return _undefined(program, c, float(chord))
        size = abs(middle) + abs(from_ends[0]) + abs(from_ends[1])
        if middle - chord <= _CLEAR * size:
            return None
        gap = float(middle - chord)
        checked = f"in {DIGITS} digits (mpmath): the gap is {gap:.6g}"
        return Chord(c.theta1, c.theta2, c.t, float(chord) + gap, float(chord), checked)


def _mixed(c: Candidate) -> Array:
    """t θ₁ + (1 - t) θ₂ in rational numbers, as mpmath takes them."""
    t = Fraction(c.t)
    mixed = np.empty(c.theta1.size, object)
    pairs = zip(c.theta1.tolist(), c.theta2.tolist(), strict=True)
    mixed[:] = [t * Fraction(a) + (1 - t) * Fraction(b) for a, b in pairs]
    return mixed


def _undefined(program: Program, c: Candidate, chord: float) -> Chord | None:
    """Between two points of its domain f has no value: the domain is not convex."""
    middle = program.run(c.t * c.theta1 + (1 - c.t) * c.theta2)
    if np.isfinite(middle):
        return None
    checked = f"in {DIGITS} digits (mpmath): f has a value at both ends and none between them"
    return Chord(c.theta1, c.theta2, c.t, np.nan, chord, checked)


def _in_intervals(program: Program, c: Candidate) -> Chord | None:
    t = iv.point(np.float64(c.t))
    ends = [_enclosed(program, iv.point(end)) for end in (c.theta1, c.theta2)]
    other = iv.subtract(iv.point(np.float64(1.0)), t)
    parts = [iv.multiply(t, ends[0]), iv.multiply(other, ends[1])]
    chord = iv.add(*parts)
    middle = _enclosed(program, _interval_middle(c))
    gap = float(middle.low - chord.high)
    if not gap > 0 or not np.isfinite(gap):
        return None
    checked = f"in interval arithmetic: the gap is at least {gap:.6g}"
    return Chord(c.theta1, c.theta2, c.t, float(middle.low), float(chord.high), checked)


def _interval_middle(c: Candidate) -> iv.Interval:
    t = iv.point(np.full(c.theta1.shape, c.t))
    other = iv.subtract(iv.point(np.ones(c.theta1.shape)), t)
    return iv.add(iv.multiply(t, iv.point(c.theta1)), iv.multiply(other, iv.point(c.theta2)))


def _enclosed(program: Program, theta: iv.Interval) -> iv.Interval:
    low, high = program.split(theta.low), program.split(theta.high)
    box = {name: iv.between(low[name], high[name]) for name in low}
    if program.output in program.known:
        return iv.point(program.known[program.output])
    return enclosures(program, box)[program.output]
