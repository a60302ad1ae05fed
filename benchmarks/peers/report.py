"""From series to tables: each peer at its better number of threads, and the ratio to the best."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.networks import Network
from benchmarks.output import Table
from benchmarks.peers.rounds import Series
from benchmarks.peers.table import OURS

HEADER = ("peer", "threads", "µs a step", "min .. max", "to the best peer", "other", "compile")


@dataclass(frozen=True)
class Lead:
    """Chainrule against the best peer: the peer's time over ours in the same round, by round."""

    best: Series
    ratios: list[float]

    @property
    def median(self) -> float:
        """Above 1, Chainrule is quicker."""
        return statistics.median(self.ratios)

    def words(self) -> str:
        """One sentence."""
        span = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
        return (
            f"Chainrule against the best peer, {self.best.title}, round by round: "
            f"{self.median:.2f} times as fast ({span})."
        )


def better(series: Sequence[Series]) -> list[Series]:
    """Each peer's series of the smaller median; where it has none, the one that says why."""
    names = dict.fromkeys(s.peer for s in series)
    return [min((s for s in series if s.peer == name), key=lambda s: s.median) for name in names]


def best_peer(series: Sequence[Series]) -> Series | None:
    """The quickest of the others."""
    others = [s for s in series if s.peer != OURS and s.complete]
    return min(others, key=lambda s: s.median, default=None)


def lead(series: Sequence[Series]) -> Lead | None:
    """Chainrule's lead, if it and another were measured."""
    ours = next((s for s in better(series) if s.peer == OURS and s.complete), None)
    best = best_peer(series)
    if ours is None or best is None:
        return None
    rounds = zip(best.microseconds, ours.microseconds, strict=True)
    return Lead(best, [theirs / own for theirs, own in rounds])


def table(network: Network, series: Sequence[Series]) -> Table:
    """One network's table."""
    best = best_peer(series)
    rows = [row(s, best, series) for s in better(series)]
    found = lead(series)
    note = [found.words()] if found else []
    note += [f"{s.title}: {s.problem}." for s in better(series) if s.problem]
    title = f"{network.name.replace('/', ', batch ')} ({network.flops / 1e6:.3g} MFLOP a step)"
    return Table(title, HEADER, rows, " ".join(note))


def row(s: Series, best: Series | None, series: Sequence[Series]) -> list[str]:
    """One peer's row: figures, or in a word that there are none."""
    if not s.complete or best is None:
        return [s.title, "", s.problem.partition(":")[0], *[""] * (len(HEADER) - 3)]
    others = [o for o in series if o.peer == s.peer and o is not s and o.complete]
    return [
        s.title,
        str(s.threads),
        number(s.median),
        f"{number(min(s.microseconds))} .. {number(max(s.microseconds))}",
        f"{s.median / best.median:.3g}",
        ", ".join(f"{number(o.median)} at {o.threads}" for o in others),
        f"{s.compile_seconds:.2f} s",
    ]


def number(microseconds: float) -> str:
    """Three digits for what is small, whole numbers for what is not."""
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.3g}"


def record(network: Network, series: Sequence[Series]) -> dict[str, Any]:
    """One network's part of the JSON."""
    best, found = best_peer(series), lead(series)
    return {
        "network": network.name,
        "sizes": network.sizes,
        "batch": network.batch,
        "steps_an_epoch": network.steps,
        "flops_a_step": network.flops,
        "best_peer": best.peer if best else None,
        "times_as_fast_as_best_peer": found.median if found else None,
        "times_as_fast_by_round": found.ratios if found else None,
        "series": [s.record() for s in series],
    }
