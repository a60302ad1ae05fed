"""A profile as a table in plain text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from chainrule.machine.limits import threads_in_words
from chainrule.profiling.row import Row
from chainrule.profiling.units import bytes_in_words, count_in_words, percent, seconds_in_words

if TYPE_CHECKING:
    from chainrule.profiling.profile import Profile

#: Parts below this share of a step are shown as one line for each phase.
_SMALL: Final = 0.01
_HEADS: Final = (
    "part of a step", "time", "", "FLOP", "bytes", "GFLOP/s", "GB/s", "FLOP/B", "of limit",
)  # fmt: skip


def as_table(profile: Profile) -> str:
    """The parts in their order, the sums, the machine's limits, Python's time, the advice."""
    lines = [_head(profile), ""]
    lines += _aligned([_HEADS, *_body(profile)])
    lines += ["", *_limits(profile)]
    lines += _outside(profile)
    if profile.advice:
        lines += ["", f"To try: {profile.advice}"]
    return "\n".join(lines)


def _head(profile: Profile) -> str:
    threads = threads_in_words(profile.threads)
    return (
        f"{profile.model}; batch {profile.batch:,}, {threads}\n"
        f"{seconds_in_words(profile.seconds)} a step, {percent(profile.share)} of the machine's "
        f"limit ({profile.steps:,} steps; {_clock(profile)})"
    )


def _clock(profile: Profile) -> str:
    more = profile.clocked / profile.seconds - 1
    if more < 0.005:
        return "reading the clock slows them by less than 0.5 %"
    return f"reading the clock slows them by {percent(more)}, taken off below"


def _body(profile: Profile) -> Iterator[Sequence[str]]:
    whole = profile.seconds or 1.0
    phases = sorted({row.phase for row in profile.rows})
    for phase in phases:
        rows = [row for row in profile.rows if row.phase == phase]
        if len(phases) > 2 and rows[0].kind != "rest":
            yield (f"phase {phase}", *[""] * 8)
        small = [row for row in rows if row.seconds < _SMALL * whole]
        few = len(small) < 2
        yield from (_cells(row, whole) for row in rows if few or row not in small)
        if not few:
            yield _together(small, whole)
    yield (
        "  a step", seconds_in_words(profile.seconds), "100 %", count_in_words(profile.flops), "",
        _rate(profile.flops / whole), "", "", percent(profile.share),
    )  # fmt: skip


def _cells(row: Row, whole: float) -> Sequence[str]:
    name = f"  {row.name}" + (f"  [{row.where}]" if row.where else "")
    times = seconds_in_words(row.seconds), percent(row.seconds / whole)
    if not row.bytes:
        return (name, *times, "", "", "", "", "", "")
    flops, rate, intensity = "", "", ""
    if row.flops:
        flops, rate = count_in_words(row.flops), _rate(row.flops_per_second)
        intensity = f"{row.intensity:.2g}" if row.intensity < 100 else f"{row.intensity:.0f}"
    share = "" if row.share is None else f"{percent(row.share)} {row.bound}"
    speed = _rate(row.bytes_per_second)
    return (name, *times, flops, bytes_in_words(row.bytes), rate, speed, intensity, share)


def _together(rows: Sequence[Row], whole: float) -> Sequence[str]:
    seconds = sum(row.seconds for row in rows)
    flops = sum(row.flops for row in rows)
    touched = sum(row.bytes for row in rows)
    return (
        f"  {len(rows)} smaller parts", seconds_in_words(seconds), percent(seconds / whole),
        count_in_words(flops) if flops else "", bytes_in_words(touched), "", "", "", "",
    )  # fmt: skip


def _rate(per_second: float) -> str:
    billions = per_second / 1e9
    return f"{billions:.1f}" if billions < 100 else f"{billions:.0f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their longest cell: the first and the last to the left."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if k in (0, len(row) - 1) else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _limits(profile: Profile) -> Iterator[str]:
    limits = profile.limits
    used = {row.dtype for row in profile.rows if row.flops} or {"f32"}
    peaks = [f"{_rate(limits.flops[k].best)} GFLOP/s ({k})" for k in sorted(used)]
    rates = [f"{_rate(level.rate.best)} ({level.name})" for level in limits.levels]
    yield f"Limits, {profile.processor}: {', '.join(peaks)}; reads in GB/s {', '.join(rates)}"
    if limits.threads > 1:
        yield f"A barrier of {limits.threads} threads takes {seconds_in_words(limits.barrier)}."


def _outside(profile: Profile) -> Iterator[str]:
    """What Python took in the run, for each step, if it is known."""
    if not profile.outside:
        return
    total = sum(profile.outside.values())
    parts = sorted(profile.outside.items(), key=lambda part: -part[1])
    shown = [f"{name} {seconds_in_words(s)}" for name, s in parts if s >= 0.05 * total]
    yield (
        f"Outside of the native loop, for each step of the run: {seconds_in_words(total)} "
        f"({', '.join(shown)})"
    )
