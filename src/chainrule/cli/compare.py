"""`chainrule compare`: two runs side by side."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chainrule.cli.layout import section, table_of
from chainrule.cli.live import duration
from chainrule.cli.plot import loss_plot
from chainrule.cli.view import View
from chainrule.runs.comparison import Comparison, Divergence, compare
from chainrule.runs.differences import Difference, shown
from chainrule.runs.folder import versions

#: Differences of one group that are shown; --json has all of them.
_MOST: Final = 15
#: Columns of a plot, and the terminal's from which two stand side by side.
_PLOT, _TWO = 76, 72
#: Curves that are drawn, the first there are of them.
_DRAWN: Final = ("loss", "validation_loss")


def run_compare(a: Path, b: Path, view: View) -> None:
    """Show what differs between two runs.

    Raises:
        RunError: one of them cannot be read.
    """
    start = time.perf_counter()
    with view.busy("reading both runs"):
        found = compare(a, b)
    read = time.perf_counter() - start
    show(view.console, found)
    view.show_details({"read both runs": read}, versions())
    view.result(found.to_json())


def show(console: Console, found: Comparison) -> None:
    """One screen, but for runs that differ in all."""
    a, b = found.paths
    section(console, "Runs", f"A {a}", f"B {b}")
    section(console, "Verdict", found.verdict)
    section(console, "Diverged", *_diverged(found))
    console.print()
    _show_differences(console, found.differences)
    _show_results(console, found)
    _show_curves(console, found)


def _diverged(found: Comparison) -> Iterator[str]:
    if found.first is not None:
        yield _said(found.first)
    if found.beyond_rounding is not None and found.beyond_rounding != found.first:
        yield _said(found.beyond_rounding)


def _said(at: Divergence) -> str:
    same = at.learning_rate[0] == at.learning_rate[1] and at.batch[0] == at.batch[1]
    steered = f"rate {at.learning_rate[0]:.6g}, batch {at.batch[0]:,} in both"
    if not same:
        rates = f"rate {at.learning_rate[0]:.6g} and {at.learning_rate[1]:.6g}"
        steered = f"{rates}, batch {at.batch[0]:,} and {at.batch[1]:,}"
    return f"step {at.step:,}: loss {at.loss[0]!r} and {at.loss[1]!r}; {steered}"


def _show_differences(console: Console, found: Sequence[Difference]) -> None:
    if not found:
        section(console, "Settings", "options, setup, data, columns, versions and machine agree")
        console.print()
        return
    table = table_of("what", "A", "B")
    for group in dict.fromkeys(difference.group for difference in found):
        same = [difference for difference in found if difference.group == group]
        for k, difference in enumerate(same[:_MOST]):
            label = group.capitalize() if k == 0 else ""
            cells = (label, difference.name, shown(difference.a), shown(difference.b))
            table.add_row(*map(Text, cells))
        if len(same) > _MOST:
            table.add_row("", f"and {len(same) - _MOST:,} more: see --json", style="dim")
    console.print(table)
    console.print()


def _show_results(console: Console, found: Comparison) -> None:
    table = table_of("", "A", "B", justify="right")
    for k, (name, (a, b)) in enumerate(found.results.items()):
        label = "Results" if k == 0 else ""
        table.add_row(label, name.replace("_", " "), _number(name, a), _number(name, b))
    console.print(table)
    console.print()


def _show_curves(console: Console, found: Comparison) -> None:
    names = [name for name in _DRAWN if _drawable(*found.curves.get(name, ((), ())))]
    if not names:
        return
    section(console, "By epoch", "⠒ A   ● B" if not _swapped(found) else "● A   ⠒ B")
    beside = len(names) == 2 and console.width >= _TWO
    width = min(console.width, _PLOT) // (2 if beside else 1) - 1
    grid = Table.grid(padding=(0, 2, 0, 0))
    titles = [Text(name.replace("_", " "), style="bold") for name in names]
    plots = [_plot(*found.curves[name], width) for name in names]
    if beside:
        grid.add_row(*titles)
        grid.add_row(*plots)
    else:
        for row in zip(titles, plots, strict=True):
            grid.add_row(row[0])
            grid.add_row(row[1])
    console.print(grid)


def _swapped(found: Comparison) -> bool:
    a, b = found.curves["loss"]
    return len(b) > len(a)


def _drawable(a: Sequence[Any], b: Sequence[Any]) -> bool:
    """Whether the longer one is a line, and the other has a point."""
    line, points = (a, b) if len(a) >= len(b) else (b, a)
    finite = [value is not None and math.isfinite(value) for value in line]
    return len(line) >= 2 and all(finite) and len(points) > 0


def _plot(a: Sequence[Any], b: Sequence[Any], width: int) -> Text:
    """The longer one is the line, the other one the points."""
    line, points = (a, b) if len(a) >= len(b) else (b, a)
    known = [x if x is not None and math.isfinite(x) else None for x in points]
    return loss_plot(line, [*known, *[None] * (len(line) - len(known))], width, 7)


def _number(name: str, value: object) -> str:
    if name == "seconds" and isinstance(value, float):
        return duration(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:.6g}" if isinstance(value, float) else shown(value)
