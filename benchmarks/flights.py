"""A real table: Chainrule beside scikit-learn's MLPClassifier of the same size and settings.

Will a flight arrive more than 15 minutes late? Both get the same encoded arrays and are scored on
the same test rows. Run: python -m benchmarks.flights
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import chainrule as cr
from benchmarks import machine, output
from chainrule import data, losses, nn, optim

PAUSE = 0.3  # seconds before each run, until the threads of the one before have stopped spinning
NEVER = 10**9  # epochs without improvement before scikit-learn would stop


@dataclass(frozen=True)
class Settings:
    """What both are told."""

    hidden: tuple[int, ...] = (64, 64)
    batch: int = 64
    learning_rate: float = 0.03
    momentum: float = 0.9
    epochs: int = 10


@dataclass(frozen=True)
class Result:
    """One run: seconds of the whole call, those of compiling in it, and the test scores."""

    trainer: str
    threads: int
    seed: int
    seconds: float
    compile_seconds: float
    auc: float
    log_loss: float


Scores = NDArray[Any]  # probability of the second class, (n,)
Trainer = Callable[[data.Prepared, Settings, int, int], tuple[Scores, float, float]]


def train_chainrule(
    table: data.Prepared, s: Settings, seed: int, threads: int
) -> tuple[Scores, float, float]:
    """One logit, like scikit-learn's; the seconds include tracing and compiling."""
    start = time.perf_counter()
    run = cr.train(
        nn.MLP([table.train.x.shape[1], *s.hidden, 1], rng=seed),
        losses.binary_cross_entropy,
        data=(table.train.x, table.train.y),
        optimizer=optim.SGD(s.learning_rate, momentum=s.momentum),
        batch=s.batch,
        epochs=s.epochs,
        seed=seed,
        threads=threads,
    )
    seconds = time.perf_counter() - start
    logits = np.asarray(cr.predict(run.model, table.test.x)).ravel().astype(np.float64)
    return 1 / (1 + np.exp(-logits)), seconds, run.seconds["trace"] + run.seconds["compile"]


def train_scikit_learn(
    table: data.Prepared, s: Settings, seed: int, threads: int
) -> tuple[Scores, float, float]:
    """No penalty, no early stop, classical momentum."""
    model = MLPClassifier(
        s.hidden,
        solver="sgd",
        batch_size=s.batch,
        learning_rate_init=s.learning_rate,
        momentum=s.momentum,
        nesterovs_momentum=False,
        alpha=0.0,
        max_iter=s.epochs,
        n_iter_no_change=NEVER,
        random_state=seed,
    )
    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.perf_counter()
        model.fit(table.train.x, table.train.y)
        seconds = time.perf_counter() - start
    return model.predict_proba(table.test.x)[:, 1], seconds, 0.0


TRAINERS: dict[str, Trainer] = {"Chainrule": train_chainrule, "scikit-learn": train_scikit_learn}


def measure(
    table: data.Prepared, settings: Settings, seeds: int, threads: Sequence[int]
) -> list[Result]:
    """All runs, taking turns."""
    return [
        run_once(name, table, settings, seed, count)
        for seed in range(seeds)
        for count in threads
        for name in TRAINERS
    ]


def run_once(
    name: str, table: data.Prepared, settings: Settings, seed: int, threads: int
) -> Result:
    """One run, scored on the test rows."""
    time.sleep(PAUSE)
    scores, seconds, compiling = TRAINERS[name](table, settings, seed, threads)
    auc, loss = roc_auc_score(table.test.y, scores), log_loss(table.test.y, scores)
    return Result(name, threads, seed, seconds, compiling, float(auc), float(loss))


def better(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Each trainer's runs at its better number of threads."""
    groups: dict[tuple[str, int], list[Result]] = {}
    for result in results:
        groups.setdefault((result.trainer, result.threads), []).append(result)
    return {
        name: min((g for (n, _), g in groups.items() if n == name), key=median_seconds)
        for name in TRAINERS
    }


def median_seconds(results: Sequence[Result]) -> float:
    """Median of the whole calls."""
    return statistics.median(r.seconds for r in results)


def table_of(results: Sequence[Result], settings: Settings) -> output.Table:
    """One row for each trainer, and the ratio of the two."""
    groups = better(results)
    ours, theirs = groups["Chainrule"], groups["scikit-learn"]
    ratio = median_seconds(theirs) / median_seconds(ours)
    header = ("trainer", "threads", "ROC AUC", "log loss, nats", "seconds", "compiling")
    told = ", ".join(f"{name} {value}" for name, value in asdict(settings).items())
    note = f"Chainrule is {ratio:.1f} times as fast, compiling included. Both: {told}, no penalty."
    return output.Table("Flights", header, [row(name, g) for name, g in groups.items()], note)


def row(name: str, group: Sequence[Result]) -> list[str]:
    """Means over seeds with their range, and the median of seconds with theirs."""
    seconds = [r.seconds for r in group]
    return [
        name,
        str(group[0].threads),
        spread([r.auc for r in group]),
        spread([r.log_loss for r in group]),
        f"{median_seconds(group):.2f} ({min(seconds):.2f} .. {max(seconds):.2f})",
        f"{statistics.median(r.compile_seconds for r in group):.2f}",
    ]


def spread(values: Sequence[float]) -> str:
    """Mean (lowest .. highest)."""
    return f"{statistics.mean(values):.4f} ({min(values):.4f} .. {max(values):.4f})"


def parse() -> argparse.Namespace:
    """Options."""
    usual = Settings()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flights", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="how many; default 3")
    parser.add_argument("--threads", default="1,2", help="counts to try; the better one is shown")
    parser.add_argument("--epochs", type=int, default=usual.epochs)
    parser.add_argument("--batch", type=int, default=usual.batch)
    parser.add_argument("--learning-rate", type=float, default=usual.learning_rate)
    parser.add_argument("--momentum", type=float, default=usual.momentum)
    output.add_options(parser)
    return parser.parse_args()


def main() -> None:
    """Prepare the table once, train, publish."""
    args = parse()
    facts = machine.facts()
    facts |= {name: machine.version(name) for name in ("chainrule", "numpy", "scikit-learn")}
    settings = Settings((64, 64), args.batch, args.learning_rate, args.momentum, args.epochs)
    example = data.flights()
    table = data.prepare(example.table, example.target, drop=example.drop)
    threads = [int(part) for part in args.threads.split(",")]
    results = measure(table, settings, args.seeds, threads)
    record = {
        "machine": facts,
        "rows": {"train": len(table.train.x), "test": len(table.test.x)},
        "width": table.train.x.shape[1],
        "settings": asdict(settings),
        "results": [asdict(result) for result in results],
    }
    foot = f"Seeds: {args.seeds}, taking turns. {machine.in_words(facts)}"
    output.publish(args, "flights", [table_of(results, settings)], record, foot)


if __name__ == "__main__":
    main()
