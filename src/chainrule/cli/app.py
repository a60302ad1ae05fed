"""The commands and their options. What a command does is imported when it runs.

Exit codes are in ``outcome``, and at the end of `chainrule --help`.
"""

# The imports inside the functions are what keeps `chainrule --help` short: NumPy and the compiler
# are loaded by the commands that compute.

from __future__ import annotations

from typing import Annotated

import typer

from chainrule import __version__
from chainrule.cli import arguments as a
from chainrule.cli import streams
from chainrule.cli.outcome import OK, ReportingGroup, leave, report

app = typer.Typer(
    name="chainrule",
    cls=ReportingGroup,
    help="Train networks on tables by gradient descent, compiled to one native loop.",
    epilog="Exit codes: 0 done; 1 unexpected error, or a self-test that failed; 2 something in the "
    "input or on the disk is wrong; 130 Ctrl-C; 143 SIGTERM. Docs: docs/command_line.md",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


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
    data: a.Learned = "",
    target: a.Target = None,
    task: a.Task = "auto",
    drop: a.Drop = "",
    column: a.ColumnRules = None,
    scale: a.Scale = "auto",
    memory: a.Memory = None,
    spool: a.Spool = None,
    hidden: a.Hidden = "64,64",
    activation: a.Activation = "relu",
    loss: a.Loss = "auto",
    quantile: a.Quantile = None,
    optimizer: a.Optimizer = "sgd",
    learning_rate: a.LearningRate = "auto",
    schedule: a.Schedule = "auto",
    warmup: a.Warmup = 0,
    momentum: a.Momentum = None,
    weight_decay: a.WeightDecay = None,
    clip_norm: a.ClipNorm = None,
    average: a.Average = "none",
    batch: a.Batch = "32",
    batch_schedule: a.BatchSchedule = "constant",
    order: a.Order = "reshuffle",
    remainder: a.Remainder = "drop",
    seed: a.Seed = 0,
    threads: a.Threads = None,
    epochs: a.Epochs = 20,
    patience: a.Patience = None,
    max_time: a.MaxTime = None,
    on_nan: a.OnNan = "stop",
    metric: a.Metric = None,
    record: a.Record = "",
    tensorboard: a.TensorBoard = None,
    diagnose: a.Diagnose = False,
    profile: a.Profile = False,
    out: a.Out = None,
    resume: a.Resume = False,
    keep: a.Keep = 3,
    checkpoint_every: a.CheckpointEvery = "60s",
    config: a.Config = None,
    print_config: a.PrintConfig = False,
    json: a.Json = False,
    quiet: a.Quiet = False,
    verbose: a.Verbose = False,
) -> None:
    """Train a network on a table, test it, and keep it in a run folder.

    Tests are on rows held back, beside a linear model and a baseline.
    Ctrl-C keeps the weights; `chainrule resume` goes on.

    Examples: chainrule train flights --batch 128 --epochs 10

    chainrule train iris.csv --target species --epochs 100 --patience 10

    chainrule train homes.csv -t price --loss quantile --quantile 0.9

    chainrule train --config train.toml --epochs 40
    """
    from chainrule.cli.train import train_command

    train_command(ctx)


@app.command()
def resume(
    ctx: typer.Context,
    run: a.Run,
    data: a.Moved = None,
    epochs: a.MoreEpochs = None,
    max_time: a.MaxTime = None,
    threads: a.Threads = None,
    tensorboard: a.TensorBoard = None,
    diagnose: a.Diagnose = False,
    profile: a.Profile = False,
    keep: a.Keep = 3,
    checkpoint_every: a.CheckpointEvery = "60s",
    json: a.Json = False,
    quiet: a.Quiet = False,
    verbose: a.Verbose = False,
) -> None:
    """Go on with a run: its own settings, its own table, bit for bit.

    With --epochs a run that is complete goes on too.
    A learning rate that ends with the run (cosine, linear, one-cycle)
    is then planned anew over all epochs; every other one goes on.

    Examples: chainrule resume runs/iris-1

    chainrule resume runs/iris-1 --epochs 200
    """
    from chainrule.cli.train import resume_command

    resume_command(ctx)


@app.command()
def predict(
    run: a.Run,
    data: a.Piped,
    out: a.Predictions = None,
    only: a.Only = False,
    id: a.Id = None,  # the option is called --id
    memory: a.Memory = None,
    json: a.Json = False,
    quiet: a.Quiet = False,
    verbose: a.Verbose = False,
) -> None:
    """Append predictions (and probabilities) to a table.

    All columns of the table stay; their order does not matter.

    Examples: chainrule predict runs/iris-1 new.csv --out predicted.csv

    cat new.csv | chainrule predict runs/iris-1 - --id key > predicted.csv
    """
    from chainrule.cli.predict import PredictOptions, run_predict
    from chainrule.cli.view import View

    options = PredictOptions(run, data, out, only, id or (), memory)
    run_predict(options, View.of(json, quiet, verbose))


@app.command()
def evaluate(
    run: a.Run,
    data: a.Piped,
    memory: a.Memory = None,
    json: a.Json = False,
    quiet: a.Quiet = False,
    verbose: a.Verbose = False,
) -> None:
    """Score a run on a table that has the target column.

    On the very table of the training, only the rows held back
    as test rows are scored.

    Example: chainrule evaluate runs/iris-1 other.csv --json
    """
    from chainrule.cli.evaluate import run_evaluate
    from chainrule.cli.view import View

    run_evaluate(run, data, memory, View.of(json, quiet, verbose))


@app.command()
def compare(
    run: a.FirstRun,
    other: a.OtherRun,
    json: a.Json = False,
    quiet: a.Quiet = False,
    verbose: a.Verbose = False,
) -> None:
    """Show what differs between two runs, and the first step at which they part.

    Runs of cr.train(..., out=...) too.

    Example: chainrule compare runs/iris-1 runs/iris-2
    """
    from chainrule.cli.compare import run_compare
    from chainrule.cli.view import View

    run_compare(run, other, View.of(json, quiet, verbose))


@app.command()
def inspect(
    ctx: typer.Context,
    what: a.Inspected,
    target: a.Target = None,
    toml: a.Toml = False,
    json: a.Json = False,
    quiet: a.Quiet = False,
    verbose: a.Verbose = False,
) -> None:
    """Show what a run is and how it stands, or what a table's columns are.

    Of a run: setup, network, columns, results, checkpoints, damage.
    Of a table: types, missing values, and what training would do with each column.

    Examples: chainrule inspect runs/iris-1

    chainrule inspect iris.csv --target species
    """
    from chainrule.cli.inspect import print_toml, run_inspect
    from chainrule.cli.view import View

    if toml:
        print_toml(what, ctx)
    else:
        run_inspect(what, target, View.of(json, quiet, verbose))


@app.command()
def explain(
    what: a.What,
    row: a.Row = None,
    data: a.RowsOf = None,
    at: a.At = None,
    wrt: a.Wrt = None,
    show: a.Show = None,
    brute_force: a.BruteForce = False,
    report: a.Report = None,
    json: a.Json = False,
) -> None:
    """Show the chain rule at work: formulas, numbers and pictures of gradients.

    Of a run, one row of its table; with --report and no --row, the whole run as one page.

    Examples: chainrule explain runs/iris-1 --row 7

    chainrule explain runs/iris-1 --report iris.html

    chainrule explain loss.py:squared_error --at w=2 --at x=3 --at b=1 --at y=4 --wrt w
    """
    from chainrule.cli.explain import ExplainOptions, run_explain

    options = ExplainOptions(what, row, data, at or (), wrt or (), show, brute_force, report)
    run_explain(options, json)


@app.command()
def doctor(quick: a.Quick = False, json: a.Json = False) -> None:
    """Measure this machine, test the native code on it, and say what is wrong.

    Takes some seconds. The exit code is 1 where native code does not give NumPy's results.

    Example: chainrule doctor --json
    """
    from chainrule.cli.doctor import run_doctor

    if not run_doctor(quick, json):
        raise typer.Exit(1)


def main() -> None:
    """The entry point of the console script."""
    streams.make_ready()
    try:
        app(prog_name="chainrule")
        code = OK
    except SystemExit as end:
        # rich ends a help text whose reader has left, as in `chainrule --help | head`, with 1.
        code = end.code if isinstance(end.code, int) else OK
        code = OK if isinstance(end.__context__, BrokenPipeError) else code
    except (OSError, KeyboardInterrupt) as error:  # while a command was still being read
        code = report(error)
    leave(code)
