"""Tables and records of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.batching.schemes import SCHEMES
from benchmarks.batching.trials import Outcome
from benchmarks.output import Table

#: The outcomes of each scheme, one per seed.
Results = Mapping[str, Sequence[Outcome]]
Rates = Mapping[str, float]


def target_table(name: str, results: Results, target: float) -> Table:
    """What it took to get so far."""
    header = ("scheme", "epochs", "updates", "seconds", "thousand examples", "seeds")
    rows = [target_row(scheme, outcomes, target) for scheme, outcomes in results.items()]
    title = f"{name}: to {100 * target:g} % of the test images"
    return Table(title, header, rows, "Mean ± standard deviation over the seeds that got there.")


def target_row(scheme: str, outcomes: Sequence[Outcome], target: float) -> list[str]:
    """One scheme's cells."""
    there = [(o, k) for o in outcomes if (k := o.reached(target)) is not None]
    cells = [
        _cell([k + 1 for _, k in there], "{:.1f}"),
        _cell([o.updates[k] for o, k in there], "{:,.0f}"),
        _cell([o.seconds[k] for o, k in there], "{:.1f}"),
        _cell([o.examples[k] / 1000 for o, k in there], "{:,.0f}"),
    ]
    return [SCHEMES[scheme].title, *cells, f"{len(there)} of {len(outcomes)}"]


def final_table(name: str, results: Results, rates: Rates) -> Table:
    """Where each scheme ends."""
    header = ("scheme", "rate", "test accuracy", "training loss", "updates", "seconds", "batch")
    rows = [final_row(scheme, outcomes, rates[scheme]) for scheme, outcomes in results.items()]
    epochs = max(len(o.loss) for outcomes in results.values() for o in outcomes)
    title = f"{name}: after {epochs} epochs"
    return Table(title, header, rows, "Mean ± standard deviation. The loss is in nats.")


def final_row(scheme: str, outcomes: Sequence[Outcome], rate: float) -> list[str]:
    """One scheme's cells."""
    ended = [o for o in outcomes if o.loss]

    def cell(value: Callable[[Outcome], float], form: str) -> str:
        return _cell([value(o) for o in ended], form)

    last = sorted({o.batch[-1] for o in ended})
    return [
        SCHEMES[scheme].title,
        f"{rate:g}",
        cell(lambda o: 100 * o.final, "{:.2f}"),
        cell(lambda o: o.loss[-1], "{:.3f}"),
        cell(lambda o: o.updates[-1], "{:,.0f}"),
        cell(lambda o: o.seconds[-1], "{:.1f}"),
        " .. ".join(f"{b:,}" for b in dict.fromkeys((last[0], last[-1]))) if last else "",
    ]


def _cell(values: Sequence[float], form: str) -> str:
    if not values:
        return ""
    mean = form.format(statistics.mean(values))
    return mean if len(values) == 1 else f"{mean} ± {form.format(statistics.stdev(values))}"


def record(
    results: Results, rates: Rates, searched: Mapping[str, Mapping[float, float]]
) -> dict[str, Any]:
    """All of it, for JSON."""
    return {
        scheme: {
            "rate": rates[scheme],
            "held out": {f"{rate:g}": score for rate, score in searched[scheme].items()},
            "seeds": [asdict(outcome) for outcome in outcomes],
        }
        for scheme, outcomes in results.items()
    }
