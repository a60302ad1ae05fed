"""The verdict on a function: convex or not, why, and what that says of its minimum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.explain.proofs.chord import Chord
from chainrule.explain.proofs.minimum import Minimum
from chainrule.explain.proofs.picture import Segment, picture
from chainrule.explain.proofs.program import Array
from chainrule.explain.shown import plain, shown, told
from chainrule.explain.words import short

Kind: TypeAlias = Literal["convex, proved", "not convex, proved", "not decided"]
#: Numbers of a point that are printed; the rest are in the fields and in the code.
_PRINTED: Final = 12


@dataclass(frozen=True, eq=False)
class Verdict:
    """What was found of f in θ. Print it, or show it in a notebook.

    Attributes:
        verdict: "convex, proved", "not convex, proved" or "not decided".
        curvature: "affine", "strongly convex", "strictly convex", "convex", "concave" or "":
            the most that is proved.
        modulus: m > 0 with ∇²f ⪰ m I, of a strongly convex f; else None.
        method: "composition", "quadratic", "interval Hessian", "chord" or "".
        reason: the proof, line by line; of "not decided", where the proofs stop.
        tried: what was tried, of "not decided".
        domain: where f has a value, and the box that was asked for.
        chord: the counter-example.
        theta1, theta2, t: its ends by the names of the parts of θ, and t; None without one.
        minimum: whether a minimum exists, and whether it is unique.
        direction: along which f falls for ever or does not change, by the names of the parts.
        unit: of f, where a loss tells it.
        rows: of the data that f is the mean of, and of how many, where it is a sample.
        parameters: how many numbers θ has.
        code: a script in NumPy that prints f between θ₁ and θ₂, and the chord; "" if too long.
        segment: f along the line that the picture shows.
    """

    verdict: Kind
    curvature: str
    modulus: float | None
    method: str
    reason: tuple[str, ...]
    tried: tuple[str, ...]
    domain: str
    chord: Chord | None
    theta1: Mapping[str, Array] | None
    theta2: Mapping[str, Array] | None
    t: float | None
    minimum: Minimum
    direction: Mapping[str, Array] | None
    unit: str
    rows: tuple[int, int] | None
    parameters: int
    code: str
    segment: Segment

    def __str__(self) -> str:
        return told(self._lines(), hang=4)

    __repr__ = __str__

    def svg(self) -> str:
        """f along a line, with the chord that it rises above, or with tangents below it."""
        return picture(self.segment, self.verdict, self.unit)

    def _repr_html_(self) -> str:
        return shown(str(self), self.svg())

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain values; points of more than 200 numbers are left out."""
        gap = None if self.chord is None else self.chord.gap
        return plain({
            "verdict": self.verdict, "curvature": self.curvature, "modulus": self.modulus,
            "method": self.method, "reason": self.reason, "tried": self.tried,
            "domain": self.domain, "parameters": self.parameters, "unit": self.unit,
            "rows": self.rows, "theta1": _kept(self.theta1), "theta2": _kept(self.theta2),
            "t": self.t, "middle": None if self.chord is None else self.chord.middle,
            "chord": None if self.chord is None else self.chord.chord, "gap": gap,
            "checked": None if self.chord is None else self.chord.checked,
            "minimum": {
                "exists": self.minimum.exists, "unique": self.minimum.unique,
                "dimension": self.minimum.dimension, "reason": self.minimum.reason,
                "direction": _kept(self.direction),
            },
        })  # fmt: skip

    # -- the text ------------------------------------------------------------------------------

    def _lines(self) -> list[str]:
        head = self.verdict if not self._says_more() else f"{self.verdict}: {self._more()}"
        rows = []
        if self.rows is not None:
            rows = [f"f is the mean over {self.rows[0]} of {self.rows[1]} rows"]
        where = [f"f has a value where {self.domain}"] if self.domain else []
        proof = [f"  {k}. {step}" for k, step in enumerate(self.reason, 1)]
        tried = [f"  tried: {what}" for what in self.tried]
        return [head, *rows, *where, *proof, *tried, *self._chord_lines(), *self._minimum_lines()]

    def _says_more(self) -> bool:
        return self.curvature not in ("", "convex")

    def _more(self) -> str:
        if self.modulus is not None:
            return f"{self.curvature}, ∇²f ⪰ {short(self.modulus)} I"
        return self.curvature

    def _chord_lines(self) -> list[str]:
        if self.chord is None or self.theta1 is None or self.theta2 is None:
            return []
        c = self.chord
        if np.isnan(c.middle):
            values = [f"  f(t θ₁ + (1-t) θ₂) has no value; t f(θ₁) + (1-t) f(θ₂) = {c.chord:.10g}"]
        else:
            values = [
                f"  f(t θ₁ + (1-t) θ₂)     = {c.middle:.10g}",
                f"  t f(θ₁) + (1-t) f(θ₂)  = {c.chord:.10g}",
            ]
        return [
            f"  θ₁: {_point(self.theta1)}", f"  θ₂: {_point(self.theta2)}", f"  t = {c.t:g}",
            *values, f"  checked {c.checked}",
        ]  # fmt: skip

    def _minimum_lines(self) -> list[str]:
        m = self.minimum
        if self.verdict != "convex, proved":
            return []
        lines = [f"minimum: {_minimum_words(m)}"]
        if self.direction is not None:
            lines.append(f"  direction: {_point(self.direction, digits=4)}")
        return lines


def _minimum_words(m: Minimum) -> str:
    if m.exists is None:
        return f"{m.reason}"
    if not m.exists:
        return f"none; {m.reason}"
    if m.unique:
        return f"exists and is unique; {m.reason}"
    if m.unique is None:
        return f"exists; whether it is unique is not decided; {m.reason}"
    return f"exists and is not unique; {m.reason}"


def _point(parts: Mapping[str, Array], digits: int | None = None) -> str:
    """The numbers of a point, those that are not 0 of a large one; all digits by default."""
    return "; ".join(_part(name, values, digits) for name, values in parts.items())


def _part(name: str, values: Array, digits: int | None) -> str:
    if values.size <= _PRINTED:
        return f"{name} = {_nested(values.tolist(), digits)}"
    places = np.argwhere(values)
    if not len(places):
        return f"{name} = 0"
    if len(places) > _PRINTED:
        return f"{name}: {len(places)} numbers that are not 0"
    told = [f"{name}[{', '.join(map(str, k))}] = {values[tuple(k)]:g}" for k in places.tolist()]
    return ", ".join([*told, "else 0"])


def _nested(values: Any, digits: int | None) -> str:
    """Lists of numbers in the fewest digits that are exact, or in so many."""
    if isinstance(values, list):
        return f"[{', '.join(_nested(v, digits) for v in values)}]"
    return f"{values:.{digits}g}" if digits else f"{values!r}".removesuffix(".0")


def _kept(parts: Mapping[str, Array] | None) -> Any:
    if parts is None or sum(v.size for v in parts.values()) > 200:
        return None
    return {name: values.tolist() for name, values in parts.items()}
