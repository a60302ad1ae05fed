"""The roofline: what each part of a step reaches, under what the machine can do at most.

A part with I operations for a byte can reach no more than the peak of the arithmetic, nor more than
I times what can be read a second (Williams, Waterman & Patterson 2009).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from chainrule.explain.drawing import Axes, Figure
from chainrule.profiling.row import Row
from chainrule.profiling.units import percent, seconds_in_words

if TYPE_CHECKING:
    from chainrule.profiling.profile import Profile

#: Parts with a name and a colour of their own; the others are small and grey.
_NAMED: Final = 6
#: The radius of a part that is the whole step.
_RADIUS: Final = 26.0
#: That of the smallest ones, and of the marks of the legend.
_KEY: Final = 4.0
#: A number stands above a mark that it would hide: at so many times its height.
_ABOVE: Final = 1.25
#: Parts below this share of a step are not drawn.
_SMALL: Final = 0.003
_BILLION: Final = 1e9


def roofline(profile: Profile) -> Figure:
    """Operations a second over operations for a byte, both logarithmic."""
    least = _SMALL * profile.seconds
    shown = [row for row in profile.rows if row.flops and row.bytes and row.seconds > least]
    shown.sort(key=lambda row: -row.seconds)
    figure = Figure(
        720, 520, f"{seconds_in_words(profile.seconds)} a step: "
        f"{percent(profile.share)} of the machine's limit", _described(profile, shown),
    )  # fmt: skip
    x_range, y_range = _ranges(profile, shown)
    axes = figure.axes(
        "floating-point operations for each byte", "GFLOP/s", "log", "log", x_range, y_range
    )
    _roofs(axes, profile, x_range, y_range)
    _parts(axes, shown, profile.seconds)
    missing = sum(row.seconds for row in profile.rows if row not in shown) / profile.seconds
    rates = [f"{level.name} {level.rate.best / _BILLION:.3g}" for level in profile.limits.levels]
    axes.notes.append(
        f"The area of a part is its time; {percent(missing)} of the step, which computes next to "
        f"nothing (gathering, copies, waiting), has no place here. Slanted: what can be read, in "
        f"GB/s: {', '.join(rates)}."
    )
    return figure


def _described(profile: Profile, shown: Sequence[Row]) -> str:
    parts = "; ".join(
        f"{row.name} {percent(row.seconds / profile.seconds)} of the time at "
        f"{row.flops_per_second / _BILLION:.3g} GFLOP/s"
        for row in shown[:_NAMED]
    )
    return f"A roofline on logarithmic axes. {profile.model}, batch {profile.batch}. {parts}."


def _peak(profile: Profile, dtype: str) -> float:
    return profile.limits.flops[dtype].best / _BILLION


def _dtypes(profile: Profile) -> list[str]:
    return sorted({row.dtype for row in profile.rows if row.flops}) or ["f32"]


def _ranges(
    profile: Profile, shown: Sequence[Row]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Room for every part and for the corners of the roofs."""
    peak = max(_peak(profile, dtype) for dtype in _dtypes(profile))
    slowest = min(level.rate.best for level in profile.limits.levels) / _BILLION
    across = [row.intensity for row in shown] or [1.0]
    up = [row.flops_per_second / _BILLION for row in shown] or [peak]
    x_range = (min(0.25, min(across) / 2), max(4 * peak / slowest, 2 * max(across)))
    return x_range, (min(peak / 100, min(up) / 2), 2 * max(peak, *up))


def _roofs(
    axes: Axes, profile: Profile, across: tuple[float, float], up: tuple[float, float]
) -> None:
    """A line for each level up to the highest peak, and a line for each peak."""
    x = np.geomspace(*across, 200)
    peak = max(_peak(profile, dtype) for dtype in _dtypes(profile))
    for level in profile.limits.levels:
        rate = level.rate.best / _BILLION
        below = (x * rate <= peak) & (x * rate >= up[0])
        line = np.append(x[below], peak / rate)
        axes.line(line, line * rate, color="muted", width=1.5)
        axes.text(peak / rate, peak * 1.2, level.name, "middle", "muted")
    for dtype in _dtypes(profile):
        height = _peak(profile, dtype)
        axes.line([*across], [height, height], color="text", width=2)
        axes.text(across[0], height * 1.2, f"{dtype} {height:.3g} GFLOP/s", "start")


def _parts(axes: Axes, shown: Sequence[Row], whole: float) -> None:
    for k, row in enumerate(shown[:_NAMED]):
        label = f"{k + 1} {row.name}, {percent(row.seconds / whole)}"
        place = [row.intensity], [row.flops_per_second / _BILLION]
        axes.points(*place, label, k, _KEY)
        axes.points(*place, "", k, _radius(row, whole))
    rest = shown[_NAMED:]
    if rest:
        heights = [row.flops_per_second / _BILLION for row in rest]
        label = f"{len(rest)} smaller parts" if len(rest) > 1 else "a smaller part"
        axes.points([row.intensity for row in rest], heights, label, "muted", _KEY)
    for k, row in enumerate(shown[:_NAMED]):
        above = 1.0 if _radius(row, whole) > 2 * _KEY else _ABOVE
        height = above * row.flops_per_second / _BILLION
        axes.text(row.intensity, height, str(k + 1), "middle")


def _radius(row: Row, whole: float) -> float:
    return max(_KEY, _RADIUS * math.sqrt(row.seconds / whole))
