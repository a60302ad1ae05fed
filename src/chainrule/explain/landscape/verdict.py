"""What is known of a critical point, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from chainrule.data.words import count
from chainrule.explain.words import several, short

_NAMES: Final = {
    "minimum": "a minimum", "saddle": "a saddle point", "maximum": "a maximum",
    "plateau": "a plateau", "none": "no critical point",
}  # fmt: skip
#: Parts of the escape direction that are named.
_SHOWN: Final = 5


def lines(c: Any) -> Iterator[str]:
    """The lines of a ``CriticalPoint``."""
    yield f"{_head(c)}{_because(c)}"
    yield from _walked(c)
    yield from _numbers(c)
    yield from _eigenvalues(c)
    yield from _looked(c)
    yield from _escape(c)


def _head(c: Any) -> str:
    if c.kind == "none":
        return f"no critical point: |g| = {short(c.gradient_norm)}"
    words = _NAMES[c.kind]
    if c.is_degenerate and c.kind != "plateau":
        words = words.replace("a ", "a degenerate ", 1)
    return words


def _because(c: Any) -> str:
    s = c.spectrum
    if c.kind == "none":
        return _how_far(c)
    if c.kind == "plateau" and c.gradient_norm:
        return ": gradient and curvature are too small for any step to gain"
    if c.kind == "plateau":
        return ": nothing changes in any direction that was tried"
    if c.kind == "saddle" and s.has_negative and s.has_positive:
        return f": it bends down ({short(s.smallest)}) and up ({short(s.largest)})"
    if c.is_degenerate:
        return _by_looking(c)
    way = "up" if c.kind == "minimum" else "down"
    sure = "" if s.counts is not None else ", as far as its extreme eigenvalues were found"
    return f": it bends {way} in every direction{sure}"


def _how_far(c: Any) -> str:
    if c.newton_distance is not None and np.isfinite(c.newton_distance):
        return f"; the next is about {short(c.newton_distance)} away"
    if c.newton_distance is not None:
        return ", along which nothing bends: the nearest is not in sight"
    return f"; the nearest is at least {short(c.gradient_norm / (c.spectrum.steepest or 1))} away"


def _by_looking(c: Any) -> str:
    if c.kind == "saddle":
        return ": some eigenvalues are 0; lower and higher places were measured"
    if c.kind == "maximum":
        return ": some eigenvalues are 0; no higher place was found around it (no proof)"
    return ": some eigenvalues are 0; no lower place was found around it (no proof)"


def _walked(c: Any) -> Iterator[str]:
    if c.walk is None:
        return
    w = c.walk
    yield (
        f"  walked there in {w.steps} step{'s' * (w.steps != 1)} that shorten the gradient,"
        f" {short(w.distance)} far:"
    )
    yield f"  |g| {short(w.gradient_norms[0])} -> {short(w.gradient_norms[-1])}"


def _numbers(c: Any) -> Iterator[str]:
    unit = f" {c.unit}" if c.unit else ""
    size = count(c.parameters, "parameter")
    yield f"  loss {short(c.loss)}{unit}, |g| {short(c.gradient_norm)}, {size}"
    part = short(c.relative_gradient)
    yield f"  |g| / (|λ|_max (1 + |θ|)) = {part}; 0.001 or less counts as critical"
    if c.kind == "none" and c.newton_gain is not None and np.isfinite(c.newton_gain):
        yield (
            f"  Newton's step, {short(c.newton_distance)} long, would change the loss by about"
            f" {short(c.newton_gain)}"
        )
    if c.rows < c.of_rows:
        yield f"  on {c.rows:,} of {c.of_rows:,} rows, drawn by the seed"


def _eigenvalues(c: Any) -> Iterator[str]:
    s, counts = c.spectrum, c.spectrum.counts
    if counts is None:
        yield (
            f"  Hessian's eigenvalues from {short(s.smallest)} to {short(s.largest)}, each ±"
            f" {short(s.zero, 1)} ({s.products} products; the others are not known)"
        )
        return
    low, flat, high = counts
    zero = f" (to ±{short(s.zero, 1)})" if s.zero else ""
    yield (
        f"  Hessian's eigenvalues: {high} positive, {low} negative, {flat} zero{zero};"
        f" from {short(s.smallest)} to {short(s.largest)}"
    )


def _looked(c: Any) -> Iterator[str]:
    a = c.around
    if a is not None:
        cut = "" if a.is_whole else ", then time was over"
        yield (
            f"  on a sphere of radius {short(a.radius)} around it the loss changes by"
            f" {short(a.low)} to {short(a.high)} ({count(a.searches, 'search', 'searches')}{cut})"
        )
    if c.order is not None:
        kink = " (a kink, not a curve)" if c.order < 1.2 else ""
        yield f"  as the distance to the power {c.order:.2g}{kink}"
    if c.flat:
        yield f"  flat along {c.flat} direction{'s' * (c.flat > 1)}: nothing changes at all"


def _escape(c: Any) -> Iterator[str]:
    if c.escape is None:
        return
    e = c.escape
    yield f"  escape direction, curvature {short(e.curvature)}: {_parts(c)}"
    for r, there, back in zip(e.distances, e.forwards, e.backwards, strict=True):
        ways = f"{short(there)}, the other way by {short(back)}"
        yield f"    {short(r):>8} along it the loss changes by {ways}"


def _parts(c: Any) -> str:
    """Its numbers where they are few, else which arrays it lies in."""
    if c.parameters <= _SHOWN:
        flat = np.concatenate([np.ravel(x) for x in c.escape_parts.values()])
        return f"({several(flat)})"
    shares = {name: float(np.sum(np.square(x))) for name, x in c.escape_parts.items()}
    largest = sorted(shares, key=lambda name: -shares[name])[:3]
    return ", ".join(f"{shares[name]:.0%} in {name}" for name in largest)
