"""Rows a second by batch size, plain and with everything recorded, the sizes taking turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import chainrule as cr
from benchmarks.batching.images import Images
from benchmarks.output import Table
from chainrule import losses, nn, optim

BATCHES: Final = (2, 8, 32, 128, 512, 2048, 6000)
#: Rows of a turn: few where a step is much for a row.
ROWS: Final = {2: 6000, 8: 20_000}
USUAL_ROWS: Final = 60_000
EPOCHS: Final = 3
PLAIN: Final = "plain"
#: What is asked of ``cr.train`` beside the descent, by the name of the column.
EXTRAS: Final[dict[str, Callable[[int], dict[str, Any]]]] = {
    PLAIN: lambda batch: {"batch": batch},
    "noise scale": lambda batch: {"batch": batch, "record": "noise_scale"},
    "all and NoiseDriven": lambda batch: {
        "batch": optim.NoiseDriven(batch, limit=batch, then="nothing"),
        "record": "all",
    },
}
Found = list[dict[str, Any]]


class Clock:
    """A callback that reads the processor's time at the end of each epoch.

    With one thread that is the descent's own, whatever else the machine does.
    """

    def __init__(self, threads: int) -> None:
        self.read = time.process_time if threads == 1 else time.perf_counter
        self.ends: list[float] = []

    def __call__(self, progress: cr.Progress) -> None:
        if progress.epoch_end:
            self.ends.append(self.read())


def measure(images: Images, threads: int, rounds: int) -> Found:
    """Rows a second in each round, for each batch and what is asked for."""
    found: Found = [
        {"batch": batch, "extra": extra, "rows_per_second": []}
        for batch in BATCHES
        for extra in EXTRAS
    ]
    for _ in range(rounds):
        for entry in found:
            speed = rows_per_second(images, entry["batch"], entry["extra"], threads)
            entry["rows_per_second"].append(speed)
    return found


def rows_per_second(images: Images, batch: int, extra: str, threads: int) -> float:
    """Of SGD on 784-128-10, from the end of the first epoch, when all is warm."""
    rows, clock = images.rows(0, ROWS.get(batch, USUAL_ROWS)), Clock(threads)
    cr.train(
        nn.MLP([784, 128, 10], rng=0), losses.cross_entropy, rows.pair, optimizer=optim.SGD(0.02),
        epochs=EPOCHS, threads=threads, callbacks=[clock], **EXTRAS[extra](batch),
    )  # fmt: skip
    taken = (len(clock.ends) - 1) * (len(rows.y) // batch) * batch
    return taken / (clock.ends[-1] - clock.ends[0])


def table(found: Found) -> Table:
    """One row for each batch size: medians, and ratios within a round."""
    by = {(entry["batch"], entry["extra"]): entry["rows_per_second"] for entry in found}
    asked = [extra for extra in EXTRAS if extra != PLAIN]
    rows = []
    for batch in BATCHES:
        plain = by[batch, PLAIN]
        median = statistics.median(plain)
        costs = [cost(plain, by[batch, extra]) for extra in asked]
        rows.append([f"{batch:,}", f"{median / 1000:.1f}", f"{1e6 * batch / median:,.1f}", *costs])
    header = ("batch", "thousand rows/s", "µs a step", *(f"cost of {extra}" for extra in asked))
    return Table("784-128-10: rows a second by batch size", header, rows)


def cost(plain: list[float], recorded: list[float]) -> str:
    """The median of the ratios of one round, with their range."""
    ratios = [100 * (a / b - 1) for a, b in zip(plain, recorded, strict=True)]
    return f"{statistics.median(ratios):+.1f} % ({min(ratios):+.1f} .. {max(ratios):+.1f})"
