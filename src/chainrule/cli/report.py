"""What the user of `chainrule train` sees before the descent: the table and the setup."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from chainrule.cli.batches import batch_words
from chainrule.cli.job import Job
from chainrule.cli.layout import LABEL, section
from chainrule.cli.optimizers import optimizer_words
from chainrule.cli.schedules import ENDING
from chainrule.cli.schedules import in_words as schedule_words
from chainrule.cli.scores import Metric, Scores
from chainrule.cli.setup import Setup
from chainrule.data.dropped import Dropped
from chainrule.data.infer import Column
from chainrule.data.number import Number
from chainrule.data.schema import Schema
from chainrule.data.target import Target
from chainrule.data.values import spelled
from chainrule.data.words import count, listed, printable
from chainrule.losses import LOSSES
from chainrule.nn import count_parameters

MOST_COLUMNS = 40  # columns of the table shown; the rest is in schema.json


def show_table(console: Console, job: Job) -> None:
    """The table, its target, its rows and its columns."""
    source, prepared, target = job.source, job.prepared, job.prepared.schema.target
    size = f"{count(prepared.rows, 'row')} × {count(source.table.num_columns, 'column')}"
    section(console, "Table", f"{source.path.name}: {size}", *source.notes)
    section(console, "Target", f"{target.name}: {target.words} ({target.reason})", spread(target))
    parts = f"{len(prepared.train):,} + {len(prepared.validation):,} + {len(prepared.test):,}"
    section(console, "Rows", *prepared.notes, f"{parts}: {prepared.split}")
    show_columns(console, prepared.schema)
    console.print()


def show_columns(console: Console, schema: Schema) -> None:
    """The columns that are used, each with its treatment, and those that are not."""
    section(console, "Columns", _fate(schema))
    console.print(_columns(schema.used))
    section(console, "Left out", *_left_out(schema), style="dim")


def show_setup(console: Console, job: Job) -> None:
    """The network and its descent."""
    setup = job.setup
    section(console, "Network", network_words(setup))
    section(console, "Descent", *descent_lines(setup))
    if job.begun:
        section(console, "Epochs", _longer_words(job))
    console.print()


def network_words(setup: Setup) -> str:
    """The network's layers, and how many parameters it has."""
    sizes = " → ".join(f"{n:,}" for n in setup.sizes)
    between = "no hidden layer" if setup.is_linear else f"{setup.activation} between layers"
    parameters = count(count_parameters(setup.network()), "parameter")
    return f"{sizes}, {between}: {parameters}"


def _longer_words(job: Job) -> str:
    """What becomes of the learning rate of a run that is given more epochs."""
    begun = f"begun with {job.begun:,}, now {job.setup.epochs:,}: the learning rate"
    if job.setup.schedule in ENDING:
        return f"{begun} is planned anew over all of them, and goes on from where the run stands"
    return f"{begun} goes on as it was planned"


def descent_lines(setup: Setup) -> Iterator[str]:
    """The loss, the optimiser, the learning rate, the batches, when it ends."""
    optimizer = optimizer_words(setup.optimizer, setup.momentum, setup.weight_decay)
    shape = schedule_words(setup.schedule, setup.span, setup.warmup)
    yield f"{_loss_words(setup)}; {optimizer}"
    yield f"learning rate {setup.learning_rate:g} ({setup.rate_rule}), {shape}"
    if setup.clip_norm is not None:
        yield f"gradients longer than {setup.clip_norm:g} are shortened to that"
    if setup.average != "none":
        yield _average_words(setup)
    steps, rows = count(-(-setup.steps // setup.epochs), "step"), count(setup.batch, "row")
    order = "" if setup.order == "reshuffle" else f", {setup.order.replace('-', ' ')}"
    rest = {"drop": "", "smaller": ", the last one smaller", "carry": ", remainders carried on"}
    epochs = count(setup.epochs, "epoch")
    yield f"{epochs} of {steps} of {rows}{order}{rest[setup.remainder]}; seed {setup.seed}"
    grows = batch_words(setup.batch_schedule, setup.batch, setup.rows, setup.span.epochs)
    if grows:
        yield f"the batch is {grows}"
    if setup.patience is not None:
        patience = count(setup.patience, "epoch")
        yield f"stops after {patience} without a better validation loss; the best weights are kept"


def _loss_words(setup: Setup) -> str:
    options = ", ".join(f"{value:g}" for value in setup.loss_options.values())
    return f"{setup.loss}{f' {options}' if options else ''} in {unit_of(setup)}"


def _average_words(setup: Setup) -> str:
    kept = "the weights that are tested and kept are an average"
    if setup.average == "ema":
        return f"{kept}: exponential, of decay {setup.decay:g}"
    if setup.average == "suffix":
        return f"{kept} over the last half of the steps"
    start = setup.average_from
    begins = "the batch grows no further" if start is None else f"step {start + 1:,}"
    return f"{kept} from where {begins}" if start is None else f"{kept} from {begins} on"


def unit_of(setup: Setup) -> str:
    """The loss's unit; numbers are learnt in standard deviations of the target."""
    if setup.loss in ("squared_error", "huber"):
        return "variances of the target"
    if setup.loss in ("absolute_error", "quantile"):
        return "standard deviations of the target"
    unit = LOSSES[setup.loss].unit
    return f"{unit} of the standardised target" if setup.loss == "gaussian" else unit


def score_table(metrics: Sequence[Metric], scores: Mapping[str, Scores]) -> Table:
    """Metrics by row, models by column; the best of each row is bold."""
    table = Table(box=None, padding=(0, 3, 0, 0), pad_edge=False)
    table.add_column(" " * LABEL)
    table.add_column("")
    for name in scores:
        table.add_column(name, justify="right", header_style="dim", min_width=9)
    for metric in metrics:
        row = [model.get(metric.key) for model in scores.values()]
        best = min((v for v in row if v is not None), key=metric.badness, default=None)
        cells = [Text(_number(v), style="bold green" if v == best else "") for v in row]
        table.add_row("", Text.assemble(metric.name, (f"  {metric.hint}", "dim")), *cells)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(value) < 100 else f"{value:,.1f}"


def spread(target: Target, of: str = "training rows") -> str:
    """The target's shares or its mean, of the rows that are named."""
    if target.task == "regression":
        return f"mean {target.mean:.5g}, standard deviation {target.scale:.4g} ({of})"
    shares = [f"{spelled(c)} {r:.1%}" for c, r in zip(target.classes, target.rates, strict=True)]
    more = f" and {len(shares) - 6} more" if len(shares) > 6 else ""
    return ", ".join(shares[:6]) + f"{more} ({of})"


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
        table.add_row("", *(Text(printable(cell)) for cell in cells))
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
    lines = [f"{listed(names, 12)}: {printable(why)}" for why, names in by_reason.items()]
    rest = len(lines) - MOST_COLUMNS
    return [*lines[:MOST_COLUMNS], *([f"and for {rest:,} more reasons"] if rest > 0 else [])]
