"""Rows a second by batch size, plain and with everything recorded, the sizes taking turns."""

from __future__ import annotations

import statistics
from typing import Any, Final

import chainrule as cr
from benchmarks.batching.images import Images
from benchmarks.output import Table
from chainrule import losses, nn, optim

BATCHES: Final = (1, 8, 32, 128, 512, 2048, 6000)
#: What is recorded of each step, by the name of the column.
RECORDS: Final[dict[str, Any]] = {
    "plain": (),
    "noise scale": ("noise_scale",),
    "all": "all",
}
#: Rows of a turn: few where a step is much for a row.
ROWS: Final = {1: 3000, 8: 20_000}
Found = list[dict[str, Any]]


def measure(images: Images, threads: int, rounds: int) -> Found:
    """Rows a second in each round, for each batch and record."""
    found: Found = [
        {"batch": batch, "record": record, "rows_per_second": []}
        for batch in BATCHES
        for record in RECORDS
    ]
    for _ in range(rounds):
        for entry in found:
            speed = rows_per_second(images, entry["batch"], RECORDS[entry["record"]], threads)
            entry["rows_per_second"].append(speed)
    return found


def rows_per_second(images: Images, batch: int, record: Any, threads: int) -> float:
    """Of the second of two epochs of SGD on 784-128-10, when all is warm."""
    rows = images.rows(0, ROWS.get(batch, 30_000))
    run = cr.train(
        nn.MLP([784, 128, 10], rng=0), losses.cross_entropy, rows.pair, optimizer=optim.SGD(0.05),
        batch=batch, epochs=3, threads=threads, record=record, callbacks=[lambda _: None],
    )  # fmt: skip
    first, *_, last = (epoch["seconds"] for epoch in run.history.epochs)
    return 2 * (len(rows.y) // batch) * batch / (last - first)


def table(found: Found) -> Table:
    """One row for each batch size: medians, and ratios within a round."""
    by = {(entry["batch"], entry["record"]): entry["rows_per_second"] for entry in found}
    header = (
        "batch",
        "thousand rows/s",
        "µs a step",
        *(f"cost of {r}" for r in RECORDS if r != "plain"),
    )
    rows = []
    for batch in BATCHES:
        plain = by[batch, "plain"]
        median = statistics.median(plain)
        costs = [cost(plain, by[batch, record]) for record in RECORDS if record != "plain"]
        rows.append([f"{batch:,}", f"{median / 1000:.1f}", f"{1e6 * batch / median:,.1f}", *costs])
    return Table("784-128-10: rows a second by batch size", header, rows)


def cost(plain: list[float], recorded: list[float]) -> str:
    """The median of the ratios of one round, with their range."""
    ratios = [100 * (a / b - 1) for a, b in zip(plain, recorded, strict=True)]
    return f"{statistics.median(ratios):+.1f} % ({min(ratios):+.1f} .. {max(ratios):+.1f})"
