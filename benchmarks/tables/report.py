"""What the results say: a line for each table, tables of scores and seconds, and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.output import Table
from benchmarks.tables.contenders import CONTENDERS, OURS, SCIKIT_LEARN

#: Two standard errors of the mean difference over splits count as noise.
NOISE = 2.0
#: Of the boosted trees' scores, how far below the best of them is still near: of the error.
NEAR = 0.05
#: The largest ratio of errors that the picture shows.
MOST = 4


def named(results: Sequence[Any]) -> list[str]:
    """The contenders that ran, in their order."""
    ran = {result.contender for result in results}
    return [name for name in CONTENDERS if name in ran]


def scores(results: Sequence[Any], table: str, name: str) -> np.ndarray:
    """By split."""
    mine = [r for r in results if (r.table, r.contender) == (table, name)]
    return np.array([r.score for r in sorted(mine, key=lambda r: r.split)])


def seconds(results: Sequence[Any], table: str, name: str) -> float:
    """The shortest of the splits, which other processes disturbed least."""
    return min(float(r.seconds) for r in results if (r.table, r.contender) == (table, name))


def errors(results: Sequence[Any], table: str, name: str) -> np.ndarray:
    """What is to be small: the share of wrong classes, or the root mean squared error."""
    found = scores(results, table, name)
    return 1 - found if task_of(results, table) == "classification" else found


def task_of(results: Sequence[Any], table: str) -> str:
    """Classification or regression."""
    return next(str(r.task) for r in results if r.table == table)


def against(results: Sequence[Any], table: str, name: str) -> str:
    """Ours beside one other, over the same splits: better, equal within noise, or worse."""
    difference = errors(results, table, OURS) - errors(results, table, name)
    mean = difference.mean()
    noise = NOISE * difference.std(ddof=1) / len(difference) ** 0.5 if len(difference) > 1 else 0
    if abs(mean) <= noise:
        return "equal"
    return "better" if mean < 0 else "worse"


def near_trees(results: Sequence[Any], table: str) -> bool:
    """Whether ours is at most a twentieth of the error behind the best trees, or within noise."""
    others = [n for n in named(results) if n not in (OURS, SCIKIT_LEARN)]
    if not others:
        return False
    best = min(others, key=lambda n: errors(results, table, n).mean())
    ours, theirs = (errors(results, table, n).mean() for n in (OURS, best))
    return bool(ours <= theirs * (1 + NEAR) or against(results, table, best) != "worse")


def names_of(results: Sequence[Any]) -> list[str]:
    """The tables, in their order."""
    return list(dict.fromkeys(r.table for r in results))


def said(results: Sequence[Any]) -> str:
    """One table in one line."""
    table = results[0].table
    parts = [
        f"{name} {scores(results, table, name).mean():.4g} ({seconds(results, table, name):.2f} s)"
        for name in named(results)
    ]
    return f"{table} ({results[0].rows:,} x {results[0].columns}): {'; '.join(parts)}"


def tables(results: Sequence[Any]) -> list[Table]:
    """Scores, and seconds."""
    found, header = names_of(results), named(results)
    return [_scores(results, found, header), _seconds(results, found, header)]


def _scores(results: Sequence[Any], found: list[str], header: list[str]) -> Table:
    rows = []
    for table in found:
        first = next(r for r in results if r.table == table)
        unit = "accuracy" if first.task == "classification" else "RMSE"
        cells = [_spread(scores(results, table, name)) for name in header]
        rows.append([f"{table} ({first.rows:,} x {first.columns}), {unit}", *cells,
                     against(results, table, SCIKIT_LEARN)])  # fmt: skip
    worse = [t for t in found if against(results, t, SCIKIT_LEARN) == "worse"]
    near = sum(near_trees(results, t) for t in found)
    note = (
        f"Mean ± standard deviation over splits. Beside scikit-learn's MLP ours is worse on "
        f"{len(worse)} of {len(found)}{': ' + ', '.join(worse) if worse else ''}. It is near "
        f"the best trees (error at most {NEAR:.0%} larger, or within noise) or better on {near}."
    )
    return Table("Scores on test rows", ["table", *header, "ours beside MLP"], rows, note)


def _spread(values: np.ndarray) -> str:
    return f"{values.mean():.4g} ± {values.std(ddof=1) if len(values) > 1 else 0:.2g}"


def _seconds(results: Sequence[Any], found: list[str], header: list[str]) -> Table:
    rows = [[t, *(f"{seconds(results, t, name):.2f}" for name in header)] for t in found]
    sums = [sum(seconds(results, t, name) for t in found) for name in header]
    rows.append(["sum", *(f"{value:.1f}" for value in sums)])
    ratio = sums[header.index(SCIKIT_LEARN)] / sums[header.index(OURS)]
    note = f"Fit and predict, the shortest split. Ours takes 1/{ratio:.1f} of scikit-learn's MLP."
    return Table("Seconds", ["table", *header], rows, note)


def _ratio(results: Sequence[Any], table: str, name: str) -> float:
    """The error over that of scikit-learn's MLP, which may be 0; within what is drawn."""
    ours, theirs = (errors(results, table, n).mean() for n in (name, SCIKIT_LEARN))
    return 1.0 if ours == theirs else float(np.clip(ours / max(theirs, 1e-12), 1 / MOST, MOST))


def draw(results: Sequence[Any], path: Path) -> None:
    """Each table a line, each contender a dot: its error over that of scikit-learn's MLP."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    found, header = names_of(results)[::-1], named(results)
    figure, axes = plt.subplots(figsize=(8, 0.36 * len(found) + 1.3))
    marks = dict(zip(header, "osD^v", strict=False))
    for name in header:
        ratios = [_ratio(results, t, name) for t in found]
        ours = name == OURS
        axes.plot(
            ratios, range(len(found)), marks[name], label=name, markersize=9 if ours else 6,
            color="#c0392b" if ours else None, zorder=3 if ours else 2, alpha=1 if ours else 0.75,
        )  # fmt: skip
    axes.axvline(1, color="0.6", linewidth=1, zorder=1)
    axes.set_xscale("log", base=2)
    axes.set_yticks(range(len(found)), found)
    axes.set_xlabel(f"error on test rows, scikit-learn's MLP = 1 (left is better; at most {MOST})")
    axes.grid(axis="x", color="0.9")
    axes.legend(loc="upper center", bbox_to_anchor=(0.45, 1.12), ncols=len(header), frameon=False,
                fontsize=8)  # fmt: skip
    figure.savefig(path, dpi=110, bbox_inches="tight")
    plt.close(figure)
