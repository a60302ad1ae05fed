"""The price of an eager gradient: small networks, beside HIPS autograd and NumPy by hand.

The same loss, written once, is differentiated by both; what is compared is a call of the gradient,
forward and back, in which Python's overhead is most of the time. The three take turns in one
process, in rounds. Run: python -m benchmarks.eager
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import numpy as np

import chainrule as cr
from benchmarks import machine, output

BATCH: Final = 32
SIZES: Final = ((2, 16, 16, 1), (20, 64, 64, 10))
Layers = list[tuple[Any, Any]]
Gradient = Callable[[Layers], Any]


def first_layers(sizes: tuple[int, ...], rng: np.random.Generator) -> Layers:
    """(weight (n_out, n_in), bias (n_out,)) per layer, in float64."""
    return [
        (rng.normal(size=(n_out, n_in)) / n_in**0.5, np.zeros(n_out))
        for n_in, n_out in pairwise(sizes)
    ]


def outputs(xp: Any, layers: Layers, x: Any) -> Any:
    """ReLU between layers. x: (batch, n_in) -> (batch, n_out)."""
    for weight, bias in layers[:-1]:
        x = xp.maximum(xp.dot(x, weight.T) + bias, 0.0)
    weight, bias = layers[-1]
    return xp.dot(x, weight.T) + bias


def loss(xp: Any, layers: Layers, x: Any, targets: Any) -> Any:
    """Squared error for one output, cross-entropy from logits for several."""
    z = outputs(xp, layers, x)
    if z.shape[1] == 1:
        return xp.mean((z - targets) ** 2)
    below = z - xp.max(z, axis=1, keepdims=True)
    log_p = below - xp.log(xp.sum(xp.exp(below), axis=1, keepdims=True))
    return -xp.mean(xp.sum(targets * log_p, axis=1))


def gradient_by_hand(layers: Layers, x: Any, targets: Any) -> Any:
    """The same gradient as a person writes it: no recording, so about what NumPy itself costs."""
    activities = [x]
    for weight, bias in layers[:-1]:
        activities.append(np.maximum(activities[-1] @ weight.T + bias, 0.0))
    weight, bias = layers[-1]
    z = activities[-1] @ weight.T + bias
    if z.shape[1] == 1:
        g = 2 * (z - targets) / z.size
    else:
        e = np.exp(z - np.max(z, axis=1, keepdims=True))
        g = (e / np.sum(e, axis=1, keepdims=True) - targets) / len(z)
    found = []
    for (weight, _), h in zip(reversed(layers), reversed(activities), strict=True):
        found.append((g.T @ h, np.sum(g, axis=0)))
        g = (g @ weight) * (h > 0)
    return found[::-1]


def contestants(sizes: tuple[int, ...]) -> dict[str, Callable[[], Any]]:
    """A call per contestant, on the same numbers."""
    rng = np.random.default_rng(0)
    layers, x = first_layers(sizes, rng), rng.normal(size=(BATCH, sizes[0]))
    targets: Any = rng.normal(size=(BATCH, 1))
    if sizes[-1] > 1:
        targets = np.eye(sizes[-1])[rng.integers(0, sizes[-1], BATCH)]
    ours = cr.grad(lambda layers: loss(np, layers, x, targets))
    found = {
        "chainrule": lambda: ours(layers),
        "NumPy by hand": lambda: gradient_by_hand(layers, x, targets),
    }
    try:
        import autograd
        import autograd.numpy as anp
    except ImportError:
        return found
    theirs = autograd.grad(lambda layers: loss(anp, layers, x, targets))
    return {"autograd": lambda: theirs(layers), **found}


def check(calls: dict[str, Callable[[], Any]]) -> None:
    """All compute the same gradient."""
    first, *others = ([np.asarray(g) for pair in call() for g in pair] for call in calls.values())
    for other in others:
        for a, b in zip(first, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def measure(
    calls: dict[str, Callable[[], Any]], rounds: int, repeats: int
) -> dict[str, list[float]]:
    """Microseconds a call, by round; in each round all take a turn."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            found[name].append((time.perf_counter() - start) / repeats * 1e6)
    return found


def row(sizes: tuple[int, ...], found: dict[str, list[float]]) -> list[str]:
    """Medians, and the median over the rounds of the ratio to autograd."""
    cells = [f"{statistics.median(times):.0f}" for times in found.values()]
    ratio = "missing"
    if "autograd" in found:
        pairs = zip(found["chainrule"], found["autograd"], strict=True)
        ratio = f"{statistics.median(ours / theirs for ours, theirs in pairs):.2f}"
    return ["-".join(map(str, sizes)) + f"/{BATCH}", *cells, ratio]


def main() -> None:
    """Measure, and publish."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.eager", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="default 15")
    parser.add_argument("--repeats", type=int, default=100, help="calls in a turn; default 100")
    output.add_options(parser)
    args = parser.parse_args()
    facts: dict[str, Any] = machine.facts()
    rows, record, names = [], {}, []
    for sizes in SIZES:
        calls = contestants(sizes)
        check(calls)
        found = measure(calls, args.rounds, args.repeats)
        rows.append(row(sizes, found))
        record[rows[-1][0]] = found
        names = list(found)
    header = ["network", *(f"{name}, µs" for name in names), "chainrule / autograd"]
    table = output.Table("One eager gradient", header, rows)
    foot = f"Rounds: {args.rounds} of {args.repeats} calls. {machine.in_words(facts)}"
    output.publish(args, "eager", [table], {"machine": facts, "microseconds": record}, foot)


if __name__ == "__main__":
    main()
