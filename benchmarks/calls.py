"""The price of calling a small compiled function from Python, beside the same NumPy code.

What is compared is the whole call: of numbers, and of arrays of ten. The functions take turns in
one process, in rounds. Run: python -m benchmarks.calls
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any, Final

import numpy as np

import chainrule as cr
from benchmarks import machine, output
from benchmarks.eager import measure

Calls = dict[str, Callable[[], Any]]
FUNCTIONS: Final[dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]] = {
    "x * y + x, numbers": (lambda x, y: x * y + x, (2.0, 3.0)),
    "sin(x) y + x, numbers": (lambda x, y: np.sin(x) * y + x, (2.0, 3.0)),
    "log-density of a normal, numbers": (
        lambda y, m, s: -0.5 * ((y - m) / s) ** 2 - np.log(s) - 0.5 * np.log(2 * np.pi),
        (0.3, 0.1, 1.5),
    ),
    "mean of (x - y)², arrays of 10": (
        lambda x, y: np.mean((x - y) ** 2),
        (np.arange(10.0), np.ones(10)),
    ),
}


def contestants(name: str) -> Calls:
    """NumPy, compiled, and the compiled gradient."""
    f, args = FUNCTIONS[name]
    compiled, gradient = cr.compile(f), cr.compile(cr.grad(f))
    np.testing.assert_allclose(compiled(*args), f(*args), rtol=1e-12)
    np.testing.assert_allclose(gradient(*args), cr.grad(f)(*args), rtol=1e-12)
    return {
        "NumPy": lambda: f(*args),
        "compiled": lambda: compiled(*args),
        "compiled gradient": lambda: gradient(*args),
    }


def main() -> None:
    """Measure, and publish."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="default 25")
    parser.add_argument("--repeats", type=int, default=2000, help="calls in a turn; default 2000")
    output.add_options(parser)
    args = parser.parse_args()
    facts: dict[str, Any] = machine.facts()
    rows, record = [], {}
    for name in FUNCTIONS:
        found = record[name] = measure(contestants(name), args.rounds, args.repeats)
        least = [min(times) for times in found.values()]
        over = statistics.median(
            ours - theirs for ours, theirs in zip(found["compiled"], found["NumPy"], strict=True)
        )
        rows.append([name, *(f"{t:.2f}" for t in least), f"{over:.2f}"])
    header = ["function", "NumPy, µs", "compiled, µs", "its gradient, µs", "compiled - NumPy, µs"]
    table = output.Table("One call of a small function", header, rows)
    foot = (
        f"The least of {args.rounds} rounds of {args.repeats} calls; the difference is the median "
        f"over the rounds. {machine.in_words(facts)}"
    )
    output.publish(args, "calls", [table], {"machine": facts, "microseconds": record}, foot)


if __name__ == "__main__":
    main()
