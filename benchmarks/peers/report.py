"""From series to tables: each peer at its better number of threads, and the ratio to the best."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.output import Table
from benchmarks.peers.rounds import Series
from benchmarks.peers.rows import Row, Unit
from benchmarks.peers.table import OURS, PEERS, READ


@dataclass(frozen=True)
class Lead:
    """Chainrule against a peer: the peer's time over ours in the same round, by round."""

    peer: Series
    ours: Series
    ratios: list[float]

    @property
    def median(self) -> float:
        """Above 1, Chainrule is quicker."""
        return statistics.median(self.ratios)

    @property
    def span(self) -> str:
        """From the least to the most of the rounds."""
        return f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"

    def words(self, which: str) -> str:
        """One sentence."""
        return (
            f"Chainrule against {which}{self.peer.title}, round by round: "
            f"{self.median:.2f} times as fast ({self.span})."
        )


def better(series: Sequence[Series]) -> list[Series]:
    """Each peer's series of the smaller median; where it has none, the one that says why."""
    names = dict.fromkeys(s.peer for s in series)
    return [min((s for s in series if s.peer == name), key=lambda s: s.median) for name in names]


def best_peer(series: Sequence[Series], named: str | None = None) -> Series | None:
    """The quickest of the others, or of the one that is named."""
    peers = [s for s in series if s.peer not in (OURS, READ) and s.complete]
    others = [s for s in peers if named in (None, s.peer)]
    return min(others, key=lambda s: s.median, default=None)


def lead(series: Sequence[Series], named: str | None = None) -> Lead | None:
    """Chainrule's lead over the best peer, or the one that is named, if both were measured."""
    ours = next((s for s in better(series) if s.peer == OURS and s.complete), None)
    best = best_peer(series, named)
    if ours is None or best is None:
        return None
    return Lead(best, ours, by_round(best, ours))


def by_round(above: Series, below: Series) -> list[float]:
    """Ratios of two series' times in the same round."""
    rounds = zip(above.microseconds, below.microseconds, strict=True)
    return [a / b for a, b in rounds]


def leads(asked: Row, series: Sequence[Series]) -> list[tuple[str, Lead]]:
    """Over the best peer, and over the one that the row is about where that is another."""
    found = [("the best peer, ", lead(series))]
    if asked.against:
        found.append(("", lead(series, asked.against)))
    known = [(words, one) for words, one in found if one]
    return known[:1] if len({one.peer.peer for _, one in known}) < 2 else known


def table(asked: Row, series: Sequence[Series]) -> Table:
    """One row's table: a line for each peer."""
    best = best_peer(series)
    header = (
        "peer", "threads", asked.unit.name, "min .. max", "to the best peer", "other",
        "1 thread : 2", "same bits", "compile",
    )  # fmt: skip
    lines = [line(asked.unit, s, best, series, len(header)) for s in better(series)]
    if asked.bytes_read:
        header = (*header, "GB/s", "of reading once")
        lines = [
            [*cells, *reading(asked, s, series)]
            for cells, s in zip(lines, better(series), strict=True)
        ]
    note = [one.words(which) for which, one in leads(asked, series)]
    note += [f"{s.title}: {s.problem}." for s in better(series) if s.problem]
    return Table(asked.title, header, lines, " ".join(note))


def line(
    unit: Unit, s: Series, best: Series | None, series: Sequence[Series], width: int
) -> list[str]:
    """One peer's line: figures, or in a word that there are none."""
    if not s.complete:
        return [s.title, "", s.problem.partition(":")[0], *[""] * (width - 3)]
    others = [o for o in series if o.peer == s.peer and o is not s and o.complete]
    pair = {o.threads: o for o in (s, *others)}
    return [
        s.title,
        str(s.threads),
        shown(unit, s.median),
        f"{shown(unit, min(s.microseconds))} .. {shown(unit, max(s.microseconds))}",
        f"{s.median / best.median:.3g}" if best else "",
        ", ".join(f"{shown(unit, o.median)} at {o.threads}" for o in others),
        f"{statistics.median(by_round(pair[1], pair[2])):.2f}" if {1, 2} <= set(pair) else "",
        ("yes" if {o.digest for o in others} == {s.digest} else "no") if others else "",
        f"{s.compile_seconds:.2f} s",
    ]


def reading(asked: Row, s: Series, series: Sequence[Series]) -> list[str]:
    """How much of the data goes by in a second, and of what memory gave in the same rounds."""
    once = next((o for o in better(series) if o.peer == READ and o.complete), None)
    if not s.complete:
        return ["", ""]
    share = f"{statistics.median(by_round(once, s)):.0%}" if once else ""
    return [f"{asked.bytes_read / s.median / 1e3:.3g}", share]


def summary(measured: Sequence[tuple[Row, list[Series]]]) -> Table:
    """All rows in one table: how far ahead, and how far that should be."""
    header = ("row", "best peer", "its time", "Chainrule", "times as fast", "min .. max", "asked")
    rows = [summary_line(*pair) for pair in measured]
    return Table("All rows", header, rows)


def summary_line(asked: Row, series: Sequence[Series]) -> list[str]:
    """One row's line."""
    found = lead(series, asked.against)
    if found is None:
        return [asked.name, *[""] * 5, goal(asked)]
    return [
        asked.name,
        f"{found.peer.title}, {found.peer.threads}",
        f"{shown(asked.unit, found.peer.median)} {asked.unit.name.partition(' ')[0]}",
        shown(asked.unit, found.ours.median),
        f"{found.median:.2f}",
        found.span.replace("to", ".."),
        goal(asked),
    ]


def goal(asked: Row) -> str:
    """What the lead should be."""
    if asked.asked is None:
        return ""
    against = f" against {PEERS[asked.against].title}" if asked.against else ""
    return f"{asked.asked:.3g}{against}"


def shown(unit: Unit, microseconds: float) -> str:
    """In the row's unit; three digits for what is small, whole numbers for what is not."""
    value = microseconds * unit.factor
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def record(asked: Row, series: Sequence[Series]) -> dict[str, Any]:
    """One row's part of the JSON; times are microseconds a step."""
    found = lead(series, asked.against)
    return {
        "row": asked.name,
        "title": asked.title,
        "flops_a_step": asked.flops,
        "peer": found.peer.peer if found else None,
        "times_as_fast": found.median if found else None,
        "times_as_fast_by_round": found.ratios if found else None,
        "times_as_fast_asked": asked.asked,
        "series": [s.record() for s in series],
    }
