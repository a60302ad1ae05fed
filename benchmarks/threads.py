"""What threads bring: one step on one thread and on several, alone and beside busy processes.

Each network is trained by `cr.train` with every number of threads in turn, in one process, in
rounds; "by itself" is `threads=None`. Busy neighbours are processes that do nothing but count, one
for the first kind of turns, as many as there are cores for the second. More threads than cores show
what happens where a container has less than it sees. Run: python -m benchmarks.threads
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np

import chainrule as cr
from benchmarks import machine, output
from benchmarks.networks import NETWORKS, USUAL, Task, make_task
from chainrule import losses, nn, optim

COUNTS: Final = (1, 2, 3, 8, None)
Times = dict[int | None, list[float]]


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that want a core each."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def seconds_of(task: Task, threads: int | None, epochs: int) -> float:
    """Seconds of a step, in the loop over the steps."""
    model = nn.MLP(list(task.sizes), rng=0)
    run = cr.train(
        model, losses.cross_entropy, (task.x, task.y), optimizer=optim.SGD(task.learning_rate),
        batch=task.batch, epochs=epochs, threads=threads,
    )  # fmt: skip
    return run.seconds["train"] / (epochs * task.steps)


def measure(task: Task, turn: float, rounds: int, busy: int) -> Times:
    """Seconds of a step for each number of threads, one of each in every round."""
    epochs = max(1, round(turn / (seconds_of(task, 1, 1) * task.steps)))
    found: Times = {count: [] for count in COUNTS}
    rng = np.random.default_rng(0)
    with neighbours(busy):
        for _ in range(rounds):
            for k in rng.permutation(len(COUNTS)):
                found[COUNTS[k]].append(seconds_of(task, COUNTS[k], epochs))
    return found


def row(name: str, times: Times) -> list[str]:
    """Median microseconds on one thread; how many times faster the other numbers are."""
    one = times[1]
    gains = [
        statistics.median(a / b for a, b in zip(one, times[count], strict=True))
        for count in COUNTS[1:]
    ]
    return [name, f"{statistics.median(one) * 1e6:.1f}", *(f"{gain:.2f}" for gain in gains)]


def main() -> None:
    """Measure, and publish."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__)
    parser.add_argument("--networks", default=",".join(USUAL), help="names, with commas")
    parser.add_argument("--rounds", type=int, default=7, help="default 7")
    parser.add_argument("--turn", type=float, default=0.4, help="seconds of a turn; default 0.4")
    output.add_options(parser)
    args = parser.parse_args()
    facts, record, tables = machine.facts(), {}, []
    cores = machine.allowed_cores() or 1
    for busy, title in ((0, "alone"), (1, "beside one busy process"), (cores, "on busy cores")):
        rows = []
        for name in args.networks.split(","):
            times = measure(make_task(NETWORKS[name]), args.turn, args.rounds, busy)
            record[f"{name} {title}"] = {str(count): found for count, found in times.items()}
            rows.append(row(name, times))
        header = ["network/batch", "one thread, µs", *(f"{n} threads" for n in COUNTS[1:-1])]
        tables.append(output.Table(f"Threads, {title}", [*header, "by itself"], rows))
    foot = (
        f"One step's time on one thread (median of {args.rounds} rounds), and how many times as "
        f"fast the others are (median of the ratios in a round). {machine.in_words(facts)}"
    )
    output.publish(args, "threads", tables, {"machine": facts, "seconds": record}, foot)


if __name__ == "__main__":
    main()
