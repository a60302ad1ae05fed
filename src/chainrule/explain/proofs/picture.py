"""The picture of a verdict: f along a line, with its chord or its tangents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.explain.drawing import Figure
from chainrule.explain.proofs.precise import cost
from chainrule.explain.proofs.program import Array, Program

_POINTS: Final = 121
#: Multiplications that a picture is worth.
_WORK: Final = 1_000_000_000


@dataclass(frozen=True, eq=False)
class Segment:
    """f at s θ₁ + (1 - s) θ₂ for s from a little below 0 to a little above 1.

    Attributes:
        s: (points,). f: (points,), NaN where f has no value.
        t: where the gap was checked, or None.
        ends: f(θ₂), f(θ₁).
    """

    s: Array
    f: Array
    t: float | None
    ends: tuple[float, float]


def segment(program: Program, theta1: Array, theta2: Array, t: float | None) -> Segment:
    """f along the line through two points; the ends themselves are among the points."""
    margin = 0.1 if t is None else 0.08
    points = int(np.clip(_WORK / max(cost(program), 1), 25, _POINTS))
    s = np.unique(np.concatenate([np.linspace(-margin, 1 + margin, points), [0, 1], [t or 0.5]]))
    f = np.array([program.run(k * theta1 + (1 - k) * theta2) for k in s])
    ends = tuple(float(f[np.flatnonzero(s == k)[0]]) for k in (0, 1))
    return Segment(s, f, t, (ends[0], ends[1]))


def picture(seg: Segment, verdict: str, unit: str) -> str:
    """f along its line, and the chord above or below it."""
    name = f"f ({unit})" if unit else "f"
    said = _said(seg, verdict)
    figure = Figure(640, 400, title=f"{verdict}: {said}", description=_described(seg, verdict))
    axes = figure.axes(x="s, on the line s θ₁ + (1 - s) θ₂", y=name, y_range=_range(seg))
    axes.line(seg.s, np.where(np.isfinite(seg.f), seg.f, np.nan), label="f", color=0)
    if verdict == "convex, proved":
        _tangents(axes, seg)
    elif np.isfinite(seg.ends).all():
        axes.line([0, 1], list(seg.ends), label="chord", color=1, dash=True)
        axes.points([0, 1], list(seg.ends), label="θ₂ and θ₁", color=1, size=4)
    if seg.t is not None:
        _gap(axes, seg)
    return figure.svg()


def _gap(axes: object, seg: Segment) -> None:
    assert seg.t is not None
    at = float(seg.f[np.flatnonzero(seg.s == seg.t)[0]])
    below = seg.t * seg.ends[1] + (1 - seg.t) * seg.ends[0]
    if np.isfinite(at):
        axes.line([seg.t, seg.t], [below, at], label="gap", color=3, width=3)  # type: ignore[attr-defined]
    else:
        axes.vertical(seg.t, "no value")  # type: ignore[attr-defined]


def _tangents(axes: object, seg: Segment) -> None:
    """Two tangents, by central differences on the points that are drawn."""
    for label, part in (("tangents", 0.25), ("", 0.7)):
        k = int(np.argmin(np.abs(seg.s - part)))
        around = seg.f[k - 1 : k + 2]
        if not np.isfinite(around).all():
            continue
        slope = (around[2] - around[0]) / (seg.s[k + 1] - seg.s[k - 1])
        line = around[1] + slope * (seg.s - seg.s[k])
        axes.line(seg.s, line, label=label, color=2, dash=True, width=1.5)  # type: ignore[attr-defined]
        axes.points([seg.s[k]], [around[1]], color=2, size=4)  # type: ignore[attr-defined]


def _range(seg: Segment) -> tuple[float, float] | None:
    """What is seen: f between the ends, with a margin, though it may shoot up outside."""
    inside = seg.f[(seg.s >= 0) & (seg.s <= 1) & np.isfinite(seg.f)]
    if not inside.size:
        return None
    at = seg.f[seg.s == seg.t] if seg.t is not None else inside[:1]
    told = [*seg.ends, *at, *np.percentile(inside, [4, 96])]  # a pole is cut off
    kept = [x for x in told if np.isfinite(x)]
    low, high = float(min(kept)), float(max(kept))
    room = 0.15 * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def _said(seg: Segment, verdict: str) -> str:
    if verdict == "convex, proved":
        return "f lies above its tangents"
    return "f rises above its chord" if seg.t is not None else "f along a line"


def _described(seg: Segment, verdict: str) -> str:
    ends = f"f is {seg.ends[0]:.4g} at θ₂ and {seg.ends[1]:.4g} at θ₁"
    return f"{ends}; {_said(seg, verdict)}."
