"""How long it takes to explain: one row of a network, and a run as one page.

Each is done once, in a fresh process with no machine code kept on disk; importing is counted apart.
Run: python -m benchmarks.explain
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np

from benchmarks import machine, output

#: Sizes, rows and epochs of the runs that are reported.
RUNS: Final = {
    "2-8-2, 100 epochs": ([2, 8, 2], 1_000, 100),
    "20-64-64-2, 100 epochs": ([20, 64, 64, 2], 10_000, 100),
    "784-128-10, 100 epochs": ([784, 128, 10], 5_000, 100),
}


def _imported() -> tuple[Any, Any, Any, Any]:
    import chainrule as cr
    from chainrule import explain, losses, nn

    return cr, explain, losses, nn


def row() -> dict[str, float]:
    """One row of 784-128-10: formulas; numbers with drawing and animation."""
    start = perf_counter()
    _, explain, losses, nn = _imported()
    assert explain.formulas is not None
    assert explain.backpropagation is not None
    imports = perf_counter() - start
    rng = np.random.default_rng(0)
    data = (rng.random((1, 784)).astype(np.float32), np.array([3]))
    model = nn.MLP([784, 128, 10])
    start = perf_counter()
    pages = [explain.formulas(model, losses.cross_entropy, data)._repr_html_()]
    middle = perf_counter()
    found = explain.backpropagation(model, losses.cross_entropy, data)
    pages += [found._repr_html_(), found.animation()]
    end = perf_counter()
    return {
        "import": imports, "formulas": middle - start, "numbers": end - middle,
        "seconds": end - start, "megabytes": sum(map(len, pages)) / 1e6,
    }  # fmt: skip


def report(name: str) -> dict[str, float]:
    """A run, reported: the training is not counted."""
    cr, explain, losses, nn = _imported()
    sizes, rows, epochs = RUNS[name]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, sizes[0])).astype(np.float32)
    y = (np.abs(x[:, :2]).sum(axis=1) * sizes[-1] / 4).astype(int).clip(0, sizes[-1] - 1)
    run = cr.train(
        nn.MLP(sizes), losses.cross_entropy, (x, y), validation=0.2, epochs=epochs,
        optimizer=cr.optim.SGD(0.05, momentum=0.9), record="all",
    )  # fmt: skip
    start = perf_counter()
    page = explain.report(run).html()
    return {"seconds": perf_counter() - start, "megabytes": len(page.encode()) / 1e6}


def _apart(what: str) -> dict[str, float]:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.explain", "--only", what]
    with tempfile.TemporaryDirectory() as folder:
        kept = {**os.environ, "CHAINRULE_CACHE": str(Path(folder) / "code")}
        done = subprocess.run(command, env=kept, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _once(what: str) -> dict[str, float]:
    one: dict[str, Callable[[], dict[str, float]]] = {"row": row}
    return one[what]() if what in one else report(what)


def main() -> None:
    """Measure, and publish."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explain", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    parser.add_argument("--only", choices=["row", *RUNS], help="in this process, as JSON")
    output.add_options(parser)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(_once(args.only)))
        return
    record = {what: [_apart(what) for _ in range(args.rounds)] for what in ("row", *RUNS)}
    rows = [
        [
            "one row of 784-128-10" if what == "row" else f"report of {what}",
            f"{np.median([m['seconds'] for m in found]):.2f}",
            f"{min(m['seconds'] for m in found):.2f}",
            f"{found[0]['megabytes']:.2f}",
        ]
        for what, found in record.items()
    ]
    table = output.Table("Explaining", ["what", "seconds, median", "least", "MB"], rows)
    imports = np.median([m["import"] for m in record["row"]])
    facts = machine.facts()
    foot = (
        f"{args.rounds} fresh processes each, without machine code on disk; importing takes"
        f" {imports:.2f} s more. {machine.in_words(facts)}"
    )
    output.publish(args, "explain", [table], {"machine": facts, "seconds": record}, foot)


if __name__ == "__main__":
    main()
