"""The measurement: every peer takes a turn in every round, one at a time."""

from __future__ import annotations

import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.process import Worker, WorkerError
from benchmarks.peers.rows import Row

TURN_SECONDS = 0.25  # what a turn aims at; one epoch where that takes longer


@dataclass
class Series:
    """What one worker did on one row."""

    peer: str
    title: str
    threads: int
    problem: str = ""
    compile_seconds: float = 0.0
    digest: str = ""  # of the weights after two epochs
    microseconds: list[float] = field(default_factory=list)  # a step, by round
    cores_busy: list[float] = field(default_factory=list)
    other_seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Microseconds a step; infinite where there is no figure."""
        return statistics.median(self.microseconds) if self.complete else float("inf")

    @property
    def complete(self) -> bool:
        """Whether there are figures and nothing went wrong."""
        return bool(self.microseconds) and not self.problem

    def record(self) -> dict[str, Any]:
        """For JSON."""
        spread: dict[str, Any] = {}
        if self.complete:
            spread = {
                "median_microseconds": self.median,
                "min_microseconds": min(self.microseconds),
                "max_microseconds": max(self.microseconds),
            }
        return {**self.__dict__, **spread}


def measure(row: Row, workers: Sequence[Worker], rounds: int) -> list[Series]:
    """Series of all workers that take part; the order of turns is drawn anew in every round."""
    workers = [worker for worker in workers if row.kind in worker.kinds]
    series = [Series(w.name, w.title, w.threads, w.problem) for w in workers]
    lanes = [lane for lane in zip(workers, series, strict=True) if not lane[0].problem]
    for worker, found in lanes:
        progress(f"{row.name}: building {worker.name}, {worker.threads} threads")
        guarded(build, worker, found, row)
    for number in range(rounds):
        progress(f"{row.name}: round {number + 1} of {rounds}")
        for worker, found in random.Random(number).sample(lanes, len(lanes)):
            guarded(turn, worker, found)
    progress("")
    return series


def guarded(action: Any, worker: Worker, found: Series, *others: Any) -> None:
    """Do it unless this lane has failed; a failure closes this lane alone."""
    if found.problem:
        return
    try:
        action(worker, found, *others)
    except WorkerError as error:
        found.problem = str(error)


def build(worker: Worker, found: Series, row: Row) -> None:
    """Compile and warm up."""
    reply = worker.ask(do="build", row=row.name, turn_seconds=TURN_SECONDS)
    found.compile_seconds = reply["compile_seconds"]
    found.digest = reply["digest"]


def turn(worker: Worker, found: Series) -> None:
    """One turn."""
    reply = worker.ask(do="turn")
    found.microseconds.append(reply["microseconds"])
    found.cores_busy.append(reply["cores_busy"])
    found.other_seconds.append(reply["other_seconds"])


def progress(words: str) -> None:
    """One line on a terminal that is overwritten; nothing where there is none."""
    if sys.stderr.isatty():
        print(f"\r\033[K{words}", end="", file=sys.stderr, flush=True)
