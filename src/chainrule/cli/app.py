"""The commands and their options. What a command does is imported when it runs.

Exit codes: 0 done, 1 unexpected error, 2 something in the input is wrong, 130 interrupted.
"""

# The imports inside the functions are what keeps `chainrule --help` short: NumPy and the compiler
# are loaded by the commands that compute.

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from chainrule import __version__
from chainrule.cli.outcome import INTERRUPTED, ReportingGroup, leave_at_once

app = typer.Typer(
    name="chainrule",
    cls=ReportingGroup,
    help="Train networks on tables by gradient descent, compiled to one native loop.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _option(names: str, value: str, text: str, panel: str, **more: Any) -> Any:
    return typer.Option(
        *names.split(), metavar=value or None, help=text, rich_help_panel=panel, **more
    )


_DATA_HELP = "A .csv, .tsv, .parquet or .feather file (text also .gz, .zip), or: flights."
_RUN_HELP = "The folder of a run, as `chainrule train` printed it."
DataArg = Annotated[str, typer.Argument(metavar="DATA", help=_DATA_HELP, show_default=False)]
RunArg = Annotated[Path, typer.Argument(metavar="RUN", help=_RUN_HELP, show_default=False)]
Json = Annotated[bool, _option("--json", "", "Print one JSON object and nothing else.", "Output")]
Quiet = Annotated[bool, _option("--quiet -q", "", "Print errors only.", "Output")]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"chainrule {__version__}")
        raise typer.Exit


@app.callback()
def chainrule(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    """Train networks on tables by gradient descent, compiled to one native loop."""


@app.command()
def train(
    ctx: typer.Context,
    data: DataArg,
    target: Annotated[
        str | None,
        _option("--target -t", "COLUMN", "The column to predict.", "Table", show_default=False),
    ] = None,
    task: Annotated[
        str, _option("--task", "TASK", "auto, classification or regression.", "Table")
    ] = "auto",
    drop: Annotated[
        str, _option("--drop", "A,B,...", "Columns not to use: a,b,c.", "Table", show_default=False)
    ] = "",
    hidden: Annotated[
        str,
        _option(
            "--hidden", "SIZES", "Sizes of the hidden layers; none: a linear model.", "Network"
        ),
    ] = "64,64",
    activation: Annotated[
        str, _option("--activation", "NAME", "relu, tanh, sigmoid, gelu, softplus, ...", "Network")
    ] = "relu",
    loss: Annotated[
        str,
        _option(
            "--loss",
            "NAME",
            "auto, squared_error, binary_cross_entropy or cross_entropy.",
            "Network",
        ),
    ] = "auto",
    optimizer: Annotated[str, _option("--optimizer", "NAME", "sgd.", "Descent")] = "sgd",
    learning_rate: Annotated[
        str,
        _option(
            "--learning-rate", "RATE", "A number, or auto: by the batch and momentum.", "Descent"
        ),
    ] = "auto",
    momentum: Annotated[float, _option("--momentum", "M", "From 0 to below 1.", "Descent")] = 0.9,
    schedule: Annotated[
        str,
        _option(
            "--schedule", "NAME", "Of the learning rate: cosine (to 0) or constant.", "Descent"
        ),
    ] = "cosine",
    batch: Annotated[int, _option("--batch", "ROWS", "Rows per step.", "Descent")] = 32,
    epochs: Annotated[
        int, _option("--epochs", "N", "Passes over the training rows.", "Descent")
    ] = 20,
    seed: Annotated[
        int,
        _option("--seed", "N", "Of the split, the first weights and the order of rows.", "Descent"),
    ] = 0,
    threads: Annotated[
        int | None,
        _option("--threads", "N", "Default: chosen by the network's size.", "Descent", min=1),
    ] = None,
    out: Annotated[
        Path | None,
        _option("--out -o", "RUN", "Folder of the run; default: the next runs/NAME-n.", "Run"),
    ] = None,
    resume: Annotated[
        bool, _option("--resume", "", "Continue the interrupted run in --out.", "Run")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on a table, test it, and keep it in a run folder.

    Tests are on rows held back, beside a linear model and a baseline. Ctrl-C keeps the weights.

    Examples: chainrule train flights --batch 128 --epochs 10

    chainrule train iris.csv --target species --epochs 100
    """
    from chainrule.cli.train import train_command

    train_command(ctx)


@app.command()
def predict(
    run: RunArg,
    data: DataArg,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .csv or .parquet file; default: CSV on stdout."),
    ] = None,
) -> None:
    """Append predictions (and probabilities) to a table.

    Example: chainrule predict runs/iris-1 new.csv --out predicted.csv
    """
    from chainrule.cli.predict import run_predict

    run_predict(run, data, out)


@app.command()
def evaluate(run: RunArg, data: DataArg, json: Json = False) -> None:
    """Score a run on a table that has the target column.

    On the very table of the training, only the rows held back as test rows are scored.
    """
    from chainrule.cli.evaluate import run_evaluate

    run_evaluate(run, data, json)


def main() -> None:
    """The entry point of the console script."""
    try:
        app(prog_name="chainrule")
    except SystemExit as end:
        if end.code == INTERRUPTED:
            leave_at_once(INTERRUPTED)
        raise
