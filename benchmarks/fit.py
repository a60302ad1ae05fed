"""One fit in a new process, compiling included: Chainrule's MLPClassifier beside scikit-learn's.

20 features x 100,000 rows, two hidden layers of 64, batch 32, ten epochs, Adam, the same settings
for both. Chainrule runs twice: with nothing on disk to find, and with what the first run left.
Run: python -m benchmarks.fit [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

from benchmarks import machine, output

ROWS, FEATURES = 100_000, 20
SETTINGS = {
    "hidden_layer_sizes": (64, 64), "batch_size": 32, "max_iter": 10, "n_iter_no_change": 1000,
    "random_state": 0,
}  # fmt: skip
SCIKIT_LEARN = ("scikit-learn, BLAS on 1 thread", "scikit-learn, BLAS on all")
OURS = ("Chainrule, nothing kept", "Chainrule, program on disk")


def fit_once(library: str, dtype: str) -> dict[str, float]:
    """Seconds of the fit in this process, and the accuracy on 20,000 other rows."""
    from sklearn.datasets import make_classification

    x, y = make_classification(
        ROWS + 20_000, FEATURES, n_informative=12, n_classes=4, random_state=0, flip_y=0.05
    )
    x = x.astype(dtype)
    if library == "scikit-learn":
        from sklearn.neural_network import MLPClassifier
    else:
        from chainrule.estimators import MLPClassifier
    model = MLPClassifier(**SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten epochs are asked for, converged or not
        start = time.perf_counter()
        model.fit(x[:ROWS], y[:ROWS])
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "accuracy": float(model.score(x[ROWS:], y[ROWS:]))}


def in_new_process(name: str, dtype: str, cache: str) -> dict[str, float]:
    """The same, in a process of its own, as a user's first call is."""
    library = "scikit-learn" if name in SCIKIT_LEARN else "chainrule"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
    environment["CHAINRULE_CACHE"] = "off" if name == OURS[0] else cache
    if name == SCIKIT_LEARN[0]:
        environment["OPENBLAS_NUM_THREADS"] = "1"
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.fit", "--once", library, "--dtype", dtype],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(run.stdout)
    return found


def table_of(found: dict[str, list[dict[str, float]]], dtype: str) -> output.Table:
    """A row for each; how many times as fast as the better of scikit-learn's, round by round."""
    peers = zip(*(found[name] for name in SCIKIT_LEARN), strict=True)
    theirs = [min(each["seconds"] for each in turn) for turn in peers]
    rows = []
    for name, runs in found.items():
        times = [each["seconds"] for each in runs]
        ratios = [a / b for a, b in zip(theirs, times, strict=True)]
        rows.append([
            name, f"{statistics.median(times):.2f}",
            f"{statistics.median(ratios):.1f} ({min(ratios):.1f} .. {max(ratios):.1f})",
            f"{runs[0]['accuracy']:.4f}",
        ])  # fmt: skip
    title = f"Fit of {ROWS:,} x {FEATURES} {dtype}, 64-64, batch 32, ten epochs"
    return output.Table(title, ["", "seconds", "times as fast", "accuracy"], rows)


def main() -> None:
    """Rounds of all, taking turns."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", default="float64", choices=("float32", "float64"))
    parser.add_argument("--once", help=argparse.SUPPRESS)
    output.add_options(parser)
    args = parser.parse_args()
    if args.once:
        print(json.dumps(fit_once(args.once, args.dtype)))
        return
    with tempfile.TemporaryDirectory() as cache:
        in_new_process(OURS[1], args.dtype, cache)  # leaves its program on disk
        rounds = [
            {name: in_new_process(name, args.dtype, cache) for name in (*SCIKIT_LEARN, *OURS)}
            for _ in range(args.rounds)
        ]
    found = {name: [each[name] for each in rounds] for name in (*SCIKIT_LEARN, *OURS)}
    facts = machine.facts()
    record = {"machine": facts, "settings": SETTINGS, "found": found}
    foot = f"Rounds: {args.rounds}, taking turns. {machine.in_words(facts)}"
    output.publish(args, "fit", [table_of(found, args.dtype)], record, foot)


if __name__ == "__main__":
    main()
