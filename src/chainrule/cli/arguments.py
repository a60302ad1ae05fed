"""The options of the commands as typer takes them: names, help and the panel that each is in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule.cli import completion, names
from chainrule.cli.completion import one_of, some_of

TABLE, NETWORK, OPTIMISER, ROWS, END, SEEN, FOLDER, EXPLAINED, OUTPUT = (
    "Table", "Network and loss", "Optimiser", "Order and batches", "When it ends", "What is shown",
    "Run folder", "What is explained", "Output",
)  # fmt: skip


def _option(spelled: str, value: str, text: str, panel: str, **more: Any) -> Any:
    return typer.Option(
        *spelled.split(), metavar=value or None, help=text, rich_help_panel=panel, **more
    )


def _any_of(known: Sequence[str]) -> str:
    return f"{', '.join(known[:-1])} or {known[-1]}"


_DATA = (
    "A .csv, .tsv, .parquet, .feather or .npy file, also as .gz, .zst or .zip; a pattern in "
    "quotes, 'part-*.csv'; or: flights."
)
_RUN = "The folder of a run, as `chainrule train` printed it."
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help=_DATA, show_default=False, autocompletion=completion.tables
    ),
]
_PIPED = "A table, as for train; or - for CSV on stdin."
Piped = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help=_PIPED, show_default=False, autocompletion=completion.tables
    ),
]
Learned = Annotated[
    str,
    typer.Argument(
        metavar="DATA", help=_DATA, show_default=False, autocompletion=completion.tables
    ),
]
Run = Annotated[
    Path,
    typer.Argument(metavar="RUN", help=_RUN, show_default=False, autocompletion=completion.runs),
]
_FIRST = "The folder of a run."
FirstRun = Annotated[
    Path,
    typer.Argument(metavar="RUN1", help=_FIRST, show_default=False, autocompletion=completion.runs),
]
_OTHER = "The folder of another."
OtherRun = Annotated[
    Path,
    typer.Argument(metavar="RUN2", help=_OTHER, show_default=False, autocompletion=completion.runs),
]
_INSPECTED = "The folder of a run, or a table."
Inspected = Annotated[
    str,
    typer.Argument(
        metavar="RUN|DATA",
        help=_INSPECTED,
        show_default=False,
        autocompletion=completion.runs_or_tables,
    ),
]
Json = Annotated[bool, _option("--json", "", "Print one JSON object and nothing else.", OUTPUT)]
Quiet = Annotated[bool, _option("--quiet -q", "", "Print errors only.", OUTPUT)]
Verbose = Annotated[
    bool,
    _option(
        "--verbose -v", "", "On stderr: what each stage took, versions, what was decided.", OUTPUT
    ),
]

# -- the table -------------------------------------------------------------------------------------

Target = Annotated[
    str | None,
    _option("--target -t", "COLUMN", "The column to predict.", TABLE, show_default=False),
]
Task = Annotated[
    str,
    _option(
        "--task", "TASK", f"{_any_of(names.TASKS)}.", TABLE, autocompletion=one_of(names.TASKS)
    ),
]
Drop = Annotated[
    str, _option("--drop", "A,B,...", "Columns not to use: a,b,c.", TABLE, show_default=False)
]
_COLUMN = f"What to take a column for, as in --column zip=category: {_any_of(names.RULES)}."
ColumnRules = Annotated[
    list[str] | None, _option("--column", "NAME=RULE", _COLUMN, TABLE, show_default=False)
]
Scale = Annotated[
    str,
    _option(
        "--scale",
        "NAME",
        f"Of numbers: {_any_of(names.SCALES)}.",
        TABLE,
        autocompletion=one_of(names.SCALES),
    ),
]

_MEMORY = "Stream the table in blocks within so much memory: 500MB, 2GB. By itself if too large."
Memory = Annotated[str | None, _option("--memory", "SIZE", _MEMORY, TABLE, show_default=False)]
_SPOOL = "Where a streamed table is kept encoded, for later runs too; default: beside the run."
Spool = Annotated[Path | None, _option("--spool", "FOLDER", _SPOOL, TABLE, show_default=False)]

# -- the network and its loss ----------------------------------------------------------------------

Hidden = Annotated[
    str, _option("--hidden", "SIZES", "Sizes of the hidden layers; none: a linear model.", NETWORK)
]
Activation = Annotated[
    str,
    _option(
        "--activation",
        "NAME",
        "relu, tanh, sigmoid, gelu, softplus, ...",
        NETWORK,
        autocompletion=one_of(names.ACTIVATIONS),
    ),
]
_LOSS = (
    f"auto; for numbers {_any_of(names.NUMBER_LOSSES)}; for counts "
    f"{_any_of(names.COUNT_LOSSES)}; for amounts above 0 {names.AMOUNT_LOSSES[0]}; for classes "
    f"{_any_of(names.CLASS_LOSSES)}."
)
Loss = Annotated[
    str, _option("--loss", "NAME", _LOSS, NETWORK, autocompletion=one_of(names.LOSSES))
]
_QUANTILE = "With --loss quantile: the share of rows to lie below the prediction; 0.5: the median."
Quantile = Annotated[
    float | None, _option("--quantile", "Q", _QUANTILE, NETWORK, show_default=False)
]

# -- the optimiser ---------------------------------------------------------------------------------

Optimizer = Annotated[
    str,
    _option(
        "--optimizer",
        "NAME",
        f"{_any_of(names.OPTIMIZERS)}.",
        OPTIMISER,
        autocompletion=one_of(names.OPTIMIZERS),
    ),
]
_RATE = "A number; or auto: found by trying growing rates for a moment, or by rule in a short run."
LearningRate = Annotated[str, _option("--learning-rate", "RATE", _RATE, OPTIMISER)]
_SCHEDULE = f"Of the learning rate: {_any_of(names.SCHEDULES)}."
Schedule = Annotated[
    str, _option("--schedule", "NAME", _SCHEDULE, OPTIMISER, autocompletion=one_of(names.SCHEDULES))
]
Warmup = Annotated[
    int, _option("--warmup", "STEPS", "Climb to the learning rate in so many steps.", OPTIMISER)
]
_MOMENTUM = (
    "For sgd and nesterov 0.9 unless given; rmsprop, muon and schedule-free-sgd take it too."
)
Momentum = Annotated[
    float | None, _option("--momentum", "M", _MOMENTUM, OPTIMISER, show_default=False)
]
_DECAY = "How strongly weights are pulled to 0; unless given the optimiser's own."
WeightDecay = Annotated[
    float | None, _option("--weight-decay", "W", _DECAY, OPTIMISER, show_default=False)
]
ClipNorm = Annotated[
    float | None,
    _option("--clip-norm", "L", "Shorten gradients to L.", OPTIMISER, show_default=False),
]
_AVERAGE = f"Keep an average of the weights: {_any_of(names.AVERAGES)}."
Average = Annotated[
    str, _option("--average", "KIND", _AVERAGE, OPTIMISER, autocompletion=one_of(names.AVERAGES))
]

# -- order and batches -----------------------------------------------------------------------------

Batch = Annotated[str, _option("--batch", "ROWS", "Rows per step, or all.", ROWS)]
_BATCHES = f"How the batch grows from --batch: {_any_of(names.BATCH_SCHEDULES)}."
BatchSchedule = Annotated[
    str,
    _option(
        "--batch-schedule", "NAME", _BATCHES, ROWS, autocompletion=one_of(names.BATCH_SCHEDULES)
    ),
]
Order = Annotated[
    str,
    _option(
        "--order",
        "NAME",
        f"Of the rows: {_any_of(names.ORDERS)}.",
        ROWS,
        autocompletion=one_of(names.ORDERS),
    ),
]
_REMAINDER = "Rows that do not fill a batch: drop, a smaller batch, or carry to the next epoch."
Remainder = Annotated[
    str, _option("--remainder", "NAME", _REMAINDER, ROWS, autocompletion=one_of(names.REMAINDERS))
]
Seed = Annotated[
    int, _option("--seed", "N", "Of the split, the first weights and the order of rows.", ROWS)
]
Threads = Annotated[
    int | None,
    _option("--threads", "N", "Default: chosen by the network's size.", ROWS, min=1),
]

# -- when it ends ----------------------------------------------------------------------------------

Epochs = Annotated[int, _option("--epochs", "N", "Passes over the training rows.", END)]
_PATIENCE = "Stop after N epochs without a better validation loss; the best weights are kept."
Patience = Annotated[int | None, _option("--patience", "N", _PATIENCE, END, show_default=False)]
_MAX_TIME = "Stop training after 30s, 5m, 2h or so many seconds; `chainrule resume` goes on."
MaxTime = Annotated[str | None, _option("--max-time", "TIME", _MAX_TIME, END, show_default=False)]
_ON_NAN = "If the loss is not finite: stop, skip the update, or roll-back and halve the rate."
OnNan = Annotated[
    str, _option("--on-nan", "POLICY", _ON_NAN, END, autocompletion=one_of(names.ON_NAN))
]

# -- what is shown and recorded --------------------------------------------------------------------

_METRIC = "Score the validation rows at each epoch: accuracy, roc_auc, rmse, mae, ...; repeatable."
Metric = Annotated[
    list[str] | None, _option("--metric -m", "NAME", _METRIC, SEEN, show_default=False)
]
_RECORD = f"Of each step, beside loss, rate and batch: all, or of {_any_of(names.MEASURES)}."
Record = Annotated[
    str,
    _option(
        "--record",
        "A,B,...",
        _RECORD,
        SEEN,
        show_default=False,
        autocompletion=some_of(("all", *names.MEASURES)),
    ),
]
TensorBoard = Annotated[
    Path | None,
    _option("--tensorboard", "DIR", "Write event files into DIR.", SEEN, show_default=False),
]
Diagnose = Annotated[
    bool, _option("--diagnose", "", "At the end, measure curvature, units and gradients.", SEEN)
]
Profile = Annotated[
    bool, _option("--profile", "", "At the end, measure where the time of a step goes.", SEEN)
]

# -- the run folder --------------------------------------------------------------------------------

Out = Annotated[
    Path | None,
    _option("--out -o", "RUN", "Folder of the run; default: the next runs/NAME-n.", FOLDER),
]
Resume = Annotated[
    bool, _option("--resume", "", "Continue the run in --out, with the options it has.", FOLDER)
]
Moved = Annotated[
    str | None,
    _option("--data", "DATA", "The table, if it lies elsewhere now.", FOLDER, show_default=False),
]
_MORE = "Passes in all, if more than the run was begun with."
MoreEpochs = Annotated[int | None, _option("--epochs", "N", _MORE, END, show_default=False)]


def _read_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """What is in the file stands in place of defaults; what is typed wins over it."""
    if path is not None and not ctx.resilient_parsing:
        from chainrule.cli import app
        from chainrule.cli.config import read_config

        ctx.default_map = read_config(path, app.train)
    return path


_CONFIG = "Options from a TOML file, as `epochs = 40`; what is typed wins over it."
Config = Annotated[
    Path | None,
    _option(
        "--config -c", "FILE.toml", _CONFIG, FOLDER, show_default=False, is_eager=True,
        callback=_read_config, autocompletion=completion.tomls),
]  # fmt: skip
PrintConfig = Annotated[
    bool, _option("--print-config", "", "Print such a file with all options, and end.", FOLDER)
]
Toml = Annotated[
    bool, _option("--toml", "", "Of a run: print the file that repeats it, for --config.", OUTPUT)
]
Keep = Annotated[int, _option("--keep", "K", "Checkpoints kept, beside the best.", FOLDER)]
CheckpointEvery = Annotated[
    str, _option("--checkpoint-every", "TIME", "Time between checkpoints.", FOLDER)
]
_PREDICTIONS = "A .csv, .tsv, .parquet or .feather file; default: CSV on stdout."
Predictions = Annotated[
    Path | None, _option("--out -o", "FILE", _PREDICTIONS, OUTPUT, show_default=False)
]
Only = Annotated[bool, _option("--only", "", "Leave the table's own columns out.", OUTPUT)]
_ID = "Of the table's own columns keep this one alone; repeatable."
Id = Annotated[list[str] | None, _option("--id", "COLUMN", _ID, OUTPUT, show_default=False)]

# -- explain ---------------------------------------------------------------------------------------

What = Annotated[
    str,
    typer.Argument(
        metavar="RUN|FILE.py:FUNCTION",
        help="The folder of a run; or a function of one number in a Python file.",
        show_default=False,
    ),
]
Row = Annotated[
    int | None,
    _option("--row", "N", "Of a run: the row of its table, from 0.", EXPLAINED, show_default=False),
]
RowsOf = Annotated[
    str | None,
    _option("--data", "DATA", "Of a run: another table.", EXPLAINED, show_default=False),
]
_AT = 'Of a function: an argument, as in --at w=2 --at "x=[1, 2]"; else the file\'s own variable.'
At = Annotated[list[str] | None, _option("--at", "NAME=VALUE", _AT, EXPLAINED, show_default=False)]
Wrt = Annotated[
    list[str] | None,
    _option("--wrt", "NAME", "Take the gradient of this alone.", EXPLAINED, show_default=False),
]
_SHOW = "Some of formulas, numbers, convexity, level-set, ascent, rates, critical-point; or all."
Show = Annotated[str | None, _option("--show", "A,B,...", _SHOW, OUTPUT, show_default=False)]
_BRUTE = "Beside the chain rule, the derivative of the expanded function."
BruteForce = Annotated[bool, _option("--brute-force", "", _BRUTE, OUTPUT)]
Report = Annotated[
    Path | None,
    _option("--report", "FILE.html", "Write one page, offline, instead.", OUTPUT,
            show_default=False),
]  # fmt: skip

# -- doctor ----------------------------------------------------------------------------------------

Quick = Annotated[
    bool, typer.Option("--quick", help="Measure shorter, test for this processor alone.")
]
