"""The picture: test accuracy by updates and seconds, batch size and noise by epoch.

Needs Matplotlib, which the extra ``bench`` installs.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

from benchmarks.batching.report import Results
from benchmarks.batching.schemes import SCHEMES
from benchmarks.batching.trials import Outcome

#: Colour-blind safe (Okabe & Ito 2008), and a dash for those that have the same.
STYLES: Final = {
    "constant": ("#999999", "-"),
    "averaged": ("#999999", "--"),
    "cosine": ("#000000", "-"),
    "large": ("#000000", "--"),
    "step": ("#0072B2", "-"),
    "smith": ("#0072B2", "--"),
    "adabatch": ("#56B4E9", "-"),
    "cabs": ("#CC79A7", "-"),
    "noise": ("#D55E00", "-"),
    "noise-rate": ("#D55E00", "--"),
    "noise-average": ("#E69F00", "-"),
}
ROWS: Final = 60_000
Line = Callable[[Outcome], Sequence[float]]


def draw(path: Path, results: Results, name: str) -> None:
    """Four panels, the mean over the seeds in each; the format is that of the file's name."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 8.4), facecolor="white", layout="constrained")
    right = lambda o: [100 * value for value in o.accuracy]  # noqa: E731
    panel(axes[0, 0], results, lambda o: o.updates, right, "updates", "test accuracy, %")
    panel(axes[0, 1], results, lambda o: o.seconds, right, "seconds", "test accuracy, %")
    panel(axes[1, 0], results, epochs, lambda o: o.batch, "epochs", "batch size")
    panel(axes[1, 1], results, epochs, noise, "epochs", "noise of the descent, g = ε N / b")
    last = [value for outcomes in results.values() for o in outcomes for value in right(o)]
    for axis in axes[0]:
        axis.set_ylim(85, max(last) + 0.2)
    axes[0, 0].set_xscale("log")
    axes[1, 0].set_yscale("log", base=2)
    axes[1, 0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes[1, 1].set_yscale("log")
    axes[1, 1].set_ylim(bottom=0.5)  # a cosine ends at 0
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"Fashion-MNIST, {name}: means over {seeds(results)} seeds")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def panel(axis: Any, results: Results, across: Line, up: Line, x: str, y: str) -> None:
    """One line for each scheme."""
    for scheme, outcomes in results.items():
        ended = [o for o in outcomes if o.loss]
        if ended:
            colour, dash = STYLES[scheme]
            title = SCHEMES[scheme].title
            axis.plot(mean(ended, across), mean(ended, up), dash, color=colour, lw=1.6, label=title)
    axis.set(xlabel=x, ylabel=y)
    axis.grid(color="#dddddd", lw=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def epochs(outcome: Outcome) -> Sequence[float]:
    """1, 2, 3, ..."""
    return range(1, 1 + len(outcome.accuracy))


def noise(outcome: Outcome) -> Sequence[float]:
    """Smith's g = ε N / B at the end of each epoch; left out where the rate has come to 0."""
    pairs = zip(outcome.rate, outcome.batch, strict=True)
    return [rate * ROWS / batch for rate, batch in pairs]


def mean(outcomes: Sequence[Outcome], line: Line) -> list[float]:
    """The mean over the seeds, epoch by epoch."""
    return [statistics.mean(values) for values in zip(*map(line, outcomes), strict=True)]


def seeds(results: Results) -> int:
    """How many there are."""
    return max(map(len, results.values()))
