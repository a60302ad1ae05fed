"""Accuracy and seconds on real tables, default settings, five splits each, in one run.

Run: python -m benchmarks.tables [--tables iris,casp] [--splits 5] [--json FILE]
The contenders take turns on each split; seconds are those of fit and predict together.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, root_mean_squared_error
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from threadpoolctl import threadpool_limits

from benchmarks import machine, output
from benchmarks.tables import contenders, real, report

TEST_SHARE = 0.2
PROBE = 2  # epochs
PAUSE = 0.2  # seconds before each run, until the threads of the one before have stopped spinning


@dataclass(frozen=True)
class Result:
    """One fit: its score on the test rows (accuracy, or the root mean squared error)."""

    table: str
    task: real.Task
    rows: int
    columns: int
    contender: str
    split: int
    score: float
    seconds: float


def measure(table: real.RealTable, names: list[str], splits: int) -> list[Result]:
    """Every contender on every split of one table."""
    cut = StratifiedShuffleSplit if table.task == "classification" else ShuffleSplit
    drawn = cut(n_splits=splits, test_size=TEST_SHARE, random_state=0)
    threads = blas_threads(table) if contenders.SCIKIT_LEARN in names else None
    return [
        run_once(table, name, k, train, test, threads)
        for k, (train, test) in enumerate(drawn.split(table.x, table.y))
        for name in names
    ]


def blas_threads(table: real.RealTable) -> int | None:
    """One, where scikit-learn's MLP is faster so (short products do not pay for two); else all."""
    model = contenders.scikit_learn(table.task, 0)
    steps = model if hasattr(model, "steps") else model.regressor
    steps[-1].set_params(max_iter=PROBE)
    seconds: dict[int | None, float] = {}
    for threads in (None, 1):
        with threadpool_limits(threads, "blas"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            model.fit(table.x, table.y)
            seconds[threads] = time.perf_counter() - start
    return min(seconds, key=lambda threads: seconds[threads])


def run_once(
    table: real.RealTable, name: str, split: int, train: np.ndarray, test: np.ndarray,
    blas: int | None,
) -> Result:  # fmt: skip
    """One fit and its score; ``blas`` is how many threads scikit-learn's MLP gets."""
    x = contenders.as_taken(name, table.x)
    model = contenders.CONTENDERS[name](table.task, split)
    given, asked = x.iloc[train], x.iloc[test]
    time.sleep(PAUSE)
    limit = blas if name == contenders.SCIKIT_LEARN else None
    with threadpool_limits(limit, "blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an optimiser wants more epochs is no defect here
        start = time.perf_counter()
        predicted = model.fit(given, table.y[train]).predict(asked)
        seconds = time.perf_counter() - start
    scored = accuracy_score if table.task == "classification" else root_mean_squared_error
    score = float(scored(table.y[test], predicted))
    return Result(table.name, table.task, *x.shape, name, split, score, seconds)


def parse() -> argparse.Namespace:
    """Options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tables", description=__doc__)
    parser.add_argument("--tables", default=",".join(real.TABLES), help="comma-separated names")
    parser.add_argument("--contenders", default=",".join(contenders.CONTENDERS))
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--picture", metavar="FILE", help="draw the scores")
    parser.add_argument("--keep", metavar="FILE", help="add to this JSON what it does not hold yet")
    output.add_options(parser)
    return parser.parse_args()


def kept(path: str | None) -> list[Result]:
    """The results of an earlier, perhaps interrupted run."""
    if path is None or not Path(path).exists():
        return []
    return [Result(**item) for item in json.loads(Path(path).read_text())["results"]]


def record_of(facts: dict[str, Any], results: list[Result]) -> dict[str, Any]:
    """All that was measured, and where."""
    return {"machine": facts, "results": [asdict(result) for result in results]}


def main() -> None:
    """Measure table by table; each finished table is kept and said at once."""
    args = parse()
    facts: dict[str, Any] = machine.facts()
    libraries = ("chainrule", "numpy", "scikit-learn", "lightgbm", "xgboost")
    facts |= {name: machine.version(name) for name in libraries}
    asked = {contenders.OURS, contenders.SCIKIT_LEARN, *args.contenders.split(",")}
    names = [n for n in contenders.CONTENDERS if n in asked and contenders.installed(n)]
    results = kept(args.keep)
    done = {result.table for result in results}
    for name in (n for n in args.tables.split(",") if n not in done):
        found = measure(real.load(name), names, args.splits)
        results += found
        print(report.said(found), flush=True)
        if args.keep:
            Path(args.keep).write_text(json.dumps(record_of(facts, results), indent=1))
    if args.picture:
        report.draw(results, Path(args.picture))
    foot = f"Default settings; {args.splits} splits, the same for all. {machine.in_words(facts)}"
    output.publish(args, "tables", report.tables(results), record_of(facts, results), foot)


if __name__ == "__main__":
    main()
