"""What a diagnosis says: one finding, with its numbers and one thing to try."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Severity: TypeAlias = Literal["serious", "warning", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("serious", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """One thing that is worth knowing about a descent.

    Attributes:
        severity: "serious" (the descent does not work), "warning" (it loses much), "note".
        kind: what it is in a few words, always the same for the same thing: "divergence",
            "oscillation", "overshoot", "rate too small", "no progress", "noise floor",
            "dead units", "saturated units", "vanishing gradients", "exploding gradients",
            "no gradient", "no curvature", "saddle point", "maximum", "plateau".
        what: one sentence, with the numbers.
        numbers: the numbers by name.
        advice: one thing to try, or nothing.

    Example:
        >>> print(Finding("warning", "dead units", "12 of 16 units are 0", {}, "a lower rate"))
        warning: dead units: 12 of 16 units are 0
          try: a lower rate
    """

    severity: Severity
    kind: str
    what: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    advice: str = ""

    def __str__(self) -> str:
        text = f"{self.severity}: {self.kind}: {self.what}"
        return f"{text}\n  try: {self.advice}" if self.advice else text


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The serious ones first, each kind once: the first of them."""
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.kind, finding)
    return tuple(sorted(first.values(), key=lambda f: SEVERITIES.index(f.severity)))


def in_words(x: float, digits: int = 1) -> str:
    """A count or a rate as a person writes it: 250, 0.03, 4·10⁷.

    Example:
        >>> in_words(4.2e7), in_words(250.0), in_words(0.0312, 2), in_words(1e-8)
        ('4·10⁷', '250', '0.031', '10⁻⁸')
    """
    if not math.isfinite(x) or x == 0 or 1e-3 <= abs(x) < 1e5:
        return _short(x, digits)
    mantissa, exponent = f"{x:.{digits - 1}e}".split("e")
    power = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{power}" if mantissa == "1" else f"{mantissa}·10{power}"


def _short(x: float, digits: int) -> str:
    is_whole = math.isfinite(x) and abs(x) >= 10**digits
    return str(round(x)) if is_whole else f"{x:.{digits}g}"
