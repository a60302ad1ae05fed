"""Do the peers compute the same thing? Losses after a few steps from the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.networks import Network
from benchmarks.output import Table
from benchmarks.peers.process import Worker, WorkerError

STEPS = 5
TOLERANCE = 1e-4  # relative: float32 rounding grows to about 1e-6 in these steps, a slip to 1e-2
YARDSTICK = "numpy"


@dataclass
class Outcome:
    """One worker's losses before the first step and after each, or why there are none."""

    network: str
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


def check(network: Network, workers: Sequence[Worker]) -> list[Outcome]:
    """All workers' losses on one batch of this network, compared with NumPy's (or the first's)."""
    found = [take(network, worker) for worker in workers]
    yardsticks = sorted((o for o in found if o.losses), key=lambda o: o.peer != YARDSTICK)
    for outcome in yardsticks:
        outcome.difference = largest_difference(outcome.losses, yardsticks[0].losses)
    return found


def take(network: Network, worker: Worker) -> Outcome:
    """One worker's losses."""
    outcome = Outcome(network.name, worker.name, worker.title, worker.threads)
    try:
        reply = worker.ask(do="losses", network=network.name, steps=STEPS)
    except WorkerError as error:
        outcome.problem = str(error)
        return outcome
    outcome.problem = reply.get("problem", "")
    outcome.losses = reply.get("losses", [])
    return outcome


def largest_difference(found: Sequence[float], expected: Sequence[float]) -> float:
    """Largest relative difference; NaN where one of them is (Python's max would lose it)."""
    return float(np.max(np.abs(np.subtract(found, expected)) / np.abs(expected)))


def table(network: Network, outcomes: Sequence[Outcome]) -> Table:
    """One network's table."""
    header = ("peer", "threads", "first loss", f"after {STEPS} steps", "difference", "verdict")
    why = "; ".join(dict.fromkeys(f"{o.title}: {o.problem}" for o in outcomes if o.problem))
    return Table(f"{network.name}: losses on one batch", header, [row(o) for o in outcomes], why)


def row(o: Outcome) -> list[str]:
    """One worker's row."""
    if o.difference is None:
        return [o.title, str(o.threads), "", "", "", o.verdict]
    figures = [f"{o.losses[0]:.6f}", f"{o.losses[-1]:.6f}", f"{o.difference:.1e}"]
    return [o.title, str(o.threads), *figures, o.verdict]


def record(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{**o.__dict__, "verdict": o.verdict} for o in outcomes]
