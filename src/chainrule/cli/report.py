"""What the user of `chainrule train` sees, and the same as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chainrule import __version__
from chainrule.cli.job import Job
from chainrule.cli.live import duration, short
from chainrule.cli.plot import loss_plot
from chainrule.cli.scores import Scores, baseline_words, metrics_of
from chainrule.cli.setup import Setup
from chainrule.data.dropped import Dropped
from chainrule.data.infer import Column
from chainrule.data.number import Number
from chainrule.data.schema import Schema
from chainrule.data.target import Target
from chainrule.data.values import spelled
from chainrule.data.words import count, listed
from chainrule.losses import LOSSES
from chainrule.nn import count_parameters

LABEL = 9  # width of the labels at the left
MOST_COLUMNS = 40  # columns of the table shown; the rest is in schema.json
EPOCHS_PLOTTED = 2  # at least
FEW_STEPS = 500
OVERFITTED = 1.05  # last validation loss, in units of the lowest


def show_table(console: Console, job: Job) -> None:
    """The table, its target, its rows and its columns."""
    source, prepared, target = job.source, job.prepared, job.prepared.schema.target
    size = f"{count(prepared.rows, 'row')} × {count(source.table.num_columns, 'column')}"
    section(console, "Table", f"{source.path.name}: {size}", *source.notes)
    section(console, "Target", f"{target.name}: {target.words} ({target.reason})", _spread(target))
    parts = f"{len(prepared.train):,} + {len(prepared.validation):,} + {len(prepared.test):,}"
    section(console, "Rows", *prepared.notes, f"{parts}: {prepared.split}")
    section(console, "Columns", _fate(prepared.schema))
    console.print(_columns(prepared.schema.used))
    section(console, "Left out", *_left_out(prepared.schema), style="dim")
    console.print()


def show_setup(console: Console, job: Job) -> None:
    """The network and its descent."""
    setup = job.setup
    sizes = " → ".join(f"{n:,}" for n in setup.sizes)
    between = "no hidden layer" if setup.is_linear else f"{setup.activation} between layers"
    parameters = count(count_parameters(setup.network()), "parameter")
    section(console, "Network", f"{sizes}, {between}: {parameters}")
    steps = count(len(job.prepared.train) // setup.batch, "step")
    shape = "falling to 0 as a cosine" if setup.schedule == "cosine" else "constant"
    section(
        console,
        "Descent",
        f"{setup.loss} in {_unit(setup)}; {setup.optimizer.upper()}, momentum "
        f"{setup.momentum:g}, learning rate {setup.learning_rate:g} ({setup.rate_rule}), {shape}",
        f"{count(setup.epochs, 'epoch')} of {steps} of {count(setup.batch, 'row')}; "
        f"seed {setup.seed}",
    )
    console.print()


def show_descent(console: Console, job: Job, run: Any) -> None:
    """The losses per epoch, and the speed."""
    epochs = run.history.epochs
    if len(epochs) >= EPOCHS_PLOTTED:
        line = [float(epoch["loss"]) for epoch in epochs]
        points = [epoch.get("validation_loss") for epoch in epochs]
        section(console, "Loss", _legend(job.setup, line[-1], points[-1]))
        console.print(loss_plot(line, points, min(console.width, 80)))
    seconds = job.clock.seconds.get("train", 0.0)
    rows = sum(1 for _ in run.history.loss) * job.setup.batch
    speed = f"; {short(rows / seconds)} rows/s" if seconds and not job.resumes else ""
    threads = count(run.threads, "thread")
    hint = advice(run) if run.stopped == "completed" else []
    section(
        console,
        "Trained",
        f"{count(run.steps, 'step')} in {duration(seconds)}{speed}, on {threads}",
        *hint,
    )


def advice(run: Any) -> list[str]:
    """What the validation losses say about the number of epochs."""
    losses = [epoch["validation_loss"] for epoch in run.history.epochs]
    if not losses or None in losses:
        return []
    lowest, last = min(losses), losses[-1]
    if last > OVERFITTED * lowest:
        best = losses.index(lowest) + 1
        return [f"validation was best at epoch {best} ({lowest:.4g}): fewer --epochs may do better"]
    if run.steps < FEW_STEPS:
        return [f"{count(run.steps, 'step')} are few: more --epochs may do better"]
    return []


def show_scores(console: Console, job: Job, test: Mapping[str, Scores]) -> None:
    """The test scores side by side, and what they are compared with."""
    target = job.prepared.schema.target
    console.print()
    section(console, "Test", f"{count(len(job.prepared.test), 'row')} that training never saw")
    console.print(score_table(target, test))
    notes = [f"baseline: {baseline_words(target)}"]
    if "linear" in test:
        notes.insert(0, "linear: the same columns, loss and descent, without hidden layers")
    for note in notes:
        section(console, "", note, style="dim")


def show_end(console: Console, job: Job) -> None:
    """Where the time went, where the run lies, and what to do next."""
    seconds = job.clock.seconds
    spent = ", ".join(f"{name} {duration(s)}" for name, s in seconds.items())
    console.print()
    section(console, "Time", f"{duration(sum(seconds.values()))}: {spent}")
    # Not folded at the terminal's width, so that they can be copied.
    console.print(f"{'Run':<{LABEL}} ", style="bold", end="")
    console.print(str(job.out), soft_wrap=True, markup=False)
    console.print(f"{'Next':<{LABEL}} ", style="bold", end="")
    following = f"chainrule predict {shlex.quote(str(job.out))} DATA --out predictions.csv"
    console.print(following, soft_wrap=True, markup=False)


def result(job: Job, run: Any, test: Mapping[str, Scores] | None) -> dict[str, object]:
    """What was found and done, for --json and for result.json."""
    prepared = job.prepared
    return {
        "chainrule": __version__,
        "status": run.stopped,
        "run": str(job.out),
        **job.config(),
        "notes": [*job.source.notes, *prepared.notes],
        "rows": {
            "training": len(prepared.train),
            "validation": len(prepared.validation),
            "test": len(prepared.test),
            "split": prepared.split,
        },
        "parameters": count_parameters(run.model),
        "steps": run.steps,
        "threads": run.threads,
        "epochs": list(run.history.epochs),
        "test": test,
        "seconds": dict(job.clock.seconds),
    }


def section(console: Console, label: str, *lines: str, style: str = "") -> None:
    """Lines with a label at their left."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=LABEL, style="bold")
    grid.add_column(style=style, overflow="fold")
    for k, line in enumerate(lines):
        grid.add_row(label if k == 0 else "", Text(line))
    console.print(grid)


def score_table(target: Target, scores: Mapping[str, Scores]) -> Table:
    """Metrics by row, models by column; the best of each row is bold."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    table.add_column(" " * LABEL)
    table.add_column("")
    for name in scores:
        table.add_column(name, justify="right", header_style="dim", min_width=9)
    for metric in metrics_of(target):
        row = [model[metric.key] for model in scores.values()]
        known = [v for v in row if v is not None]
        best = (max if metric.more_is_better else min)(known, default=None)
        cells = [Text(_number(v), style="bold green" if v == best else "") for v in row]
        hint = "more is better" if metric.more_is_better else "less is better"
        table.add_row("", Text.assemble(metric.name, (f"  {hint}", "dim")), *cells)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def _spread(target: Target) -> str:
    if target.task == "regression":
        return f"mean {target.mean:.5g}, standard deviation {target.scale:.4g} (training rows)"
    shares = [f"{spelled(c)} {r:.1%}" for c, r in zip(target.classes, target.rates, strict=True)]
    more = f" and {len(shares) - 6} more" if len(shares) > 6 else ""
    return ", ".join(shares[:6]) + f"{more} (training rows)"


def _fate(schema: Schema) -> str:
    used, width = len(schema.used), count(schema.width, "number")
    return f"{used} of {len(schema.columns)} used, encoded as {width} a row"


def _columns(used: Sequence[Column]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(" ")
    for name, share in (("column", 2), ("kind", None), ("training values", 3), ("treatment", 5)):
        table.add_column(name, ratio=share, overflow="fold", no_wrap=share is None)
    for column in used[:MOST_COLUMNS]:
        cells = (column.name, _kind(column), column.found, column.treatment)
        table.add_row("", *(Text(cell) for cell in cells))
    rest = len(used) - MOST_COLUMNS
    if rest > 0:
        more = (f"and {rest:,} more", "", "", "all of them are in schema.json")
        table.add_row("", *more, style="dim")
    return table


def _kind(column: Column) -> str:
    return "boolean" if isinstance(column, Number) and column.boolean else column.kind


def _left_out(schema: Schema) -> list[str]:
    """The columns that are not used, by reason."""
    by_reason: dict[str, list[str]] = {}
    for column in schema.columns:
        if isinstance(column, Dropped):
            by_reason.setdefault(column.reason, []).append(column.name)
    return [f"{listed(names, 12)}: {reason}" for reason, names in by_reason.items()]


def _legend(setup: Setup, line: float, point: float | None) -> str:
    validation = "" if point is None else f"   ● validation {point:.4g}"
    return f"⠒ training {line:.4g}{validation}   ({_unit(setup)})"


def _unit(setup: Setup) -> str:
    """The loss's unit; squared errors are of the scaled target, whose variance is 1."""
    return "variances of the target" if setup.loss == "squared_error" else LOSSES[setup.loss].unit
