"""Do the peers compute the same thing? Losses after a few epochs from the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.output import Table
from benchmarks.peers.process import Worker, WorkerError
from benchmarks.peers.rows import Row

EPOCHS = 5
TOLERANCE = 1e-4  # relative: float32 rounding grows to about 1e-6 in these steps, a slip to 1e-2
YARDSTICK = "numpy"


@dataclass
class Outcome:
    """One worker's losses before the first epoch and after the last, or why there are none."""

    row: str
    peer: str
    title: str
    threads: int
    losses: list[float] = field(default_factory=list)
    problem: str = ""
    difference: float | None = None

    @property
    def failed(self) -> bool:
        """Whether it disagrees or broke; a missing or incomparable peer is no failure."""
        disagrees = self.difference is not None and not self.difference <= TOLERANCE
        return disagrees or self.problem.startswith(("failed", "died"))

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.difference is None:
            return self.problem.partition(":")[0]
        return "DISAGREES" if self.failed else "agrees"


def check(asked: Row, workers: Sequence[Worker]) -> list[Outcome]:
    """Losses of all workers that take part, compared with NumPy's (or the first's)."""
    found = [take(asked, worker) for worker in workers if asked.kind in worker.kinds]
    yardsticks = sorted((o for o in found if o.losses), key=lambda o: o.peer != YARDSTICK)
    for outcome in yardsticks:
        outcome.difference = largest_difference(outcome.losses, yardsticks[0].losses)
    return found


def take(asked: Row, worker: Worker) -> Outcome:
    """One worker's losses."""
    outcome = Outcome(asked.name, worker.name, worker.title, worker.threads)
    try:
        reply = worker.ask(do="losses", row=asked.name, epochs=EPOCHS)
    except WorkerError as error:
        outcome.problem = str(error)
        return outcome
    outcome.problem = reply.get("problem", "")
    outcome.losses = reply.get("losses", [])
    return outcome


def largest_difference(found: Sequence[float], expected: Sequence[float]) -> float:
    """Largest relative difference; NaN where one of them is (Python's max would lose it)."""
    return float(np.max(np.abs(np.subtract(found, expected)) / np.abs(expected)))


def table(asked: Row, outcomes: Sequence[Outcome]) -> Table:
    """One network's table."""
    header = ("peer", "threads", "first loss", f"after {EPOCHS} epochs", "difference", "verdict")
    why = "; ".join(dict.fromkeys(f"{o.title}: {o.problem}" for o in outcomes if o.problem))
    return Table(f"{asked.name}: losses on few examples", header, [row(o) for o in outcomes], why)


def row(o: Outcome) -> list[str]:
    """One worker's row."""
    if o.difference is None:
        return [o.title, str(o.threads), "", "", "", o.verdict]
    figures = [f"{o.losses[0]:.6f}", f"{o.losses[-1]:.6f}", f"{o.difference:.1e}"]
    return [o.title, str(o.threads), *figures, o.verdict]


def record(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{**o.__dict__, "verdict": o.verdict} for o in outcomes]
