"""`chainrule train`: read, prepare, show, descend, score, keep."""

from __future__ import annotations

import shlex
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

import chainrule as cr
from chainrule.cli import checks, closing, report
from chainrule.cli.announce import for_command_line
from chainrule.cli.config import asked_toml
from chainrule.cli.job import Job, new_job, nothing, spooled
from chainrule.cli.live import Bar
from chainrule.cli.metrics import epoch_metrics
from chainrule.cli.options import TrainOptions, default_options, explicit_names, parse_options
from chainrule.cli.outcome import (
    TERMINATED,
    InterruptedRunError,
    OptionError,
    Terminated,
)
from chainrule.cli.resumed import resumed_job
from chainrule.cli.scores import Scores, baseline, score
from chainrule.cli.setup import Setup
from chainrule.cli.view import View
from chainrule.data.extras import need
from chainrule.errors import TrainingError
from chainrule.runs.folder import RunFolder, check_free, versions


def train_command(ctx: typer.Context) -> None:
    """The command, with the options as typer gives them."""
    view = View.of(ctx.params["json"], ctx.params["quiet"], ctx.params["verbose"])
    options = parse_options(ctx.params)
    if ctx.params["print_config"]:
        sys.stdout.write(asked_toml(ctx))
        return
    if not options.data:
        hint = "chainrule train DATA --target COLUMN; DATA is a file, or flights"
        raise OptionError("which table is to be learned from?", hint)
    run_train(options, view, explicit_names(ctx))


def resume_command(ctx: typer.Context) -> None:
    """`chainrule resume`: the run's own options, and those given that may differ."""
    view = View.of(ctx.params["json"], ctx.params["quiet"], ctx.params["verbose"])
    explicit = explicit_names(ctx)
    given = {name: ctx.params[name] for name in explicit & ctx.params.keys()}
    asked = {**default_options(ctx), "data": "", **given, "out": ctx.params["run"], "resume": True}
    run_train(parse_options(asked), view, explicit)


def run_train(options: TrainOptions, view: View, explicit: frozenset[str]) -> None:
    """Train as asked; everything that can be wrong with the input is found before any writing.

    Raises:
        ChainruleError: something in the input is wrong; nothing new is left behind.
        InterruptedRunError: Ctrl-C or SIGTERM; the weights so far are in the run folder.
    """
    board = _tensorboard(options)
    with view.busy("reading and preparing") as status:
        say = getattr(status, "update", nothing)
        job = resumed_job(options, explicit, say) if options.resume else new_job(options, say)
    with spooled(job):
        _run_job(job, options, view, board)


def _run_job(job: Job, options: TrainOptions, view: View, board: list[Any]) -> None:
    """Show, descend, score and keep a job."""
    if job.resumes and options.tensorboard is None:
        board = _tensorboard(job.options)
    report.show_table(view.console, job)
    checks.show_short(view.console, job.checks, job.options.data, job.prepared.schema.target.name)
    if not job.resumes:
        with view.busy("trying learning rates"):
            job = replace(job, setup=job.with_rate(job.setup))
    report.show_setup(view.console, job)
    run = _descend_or_undo(job, view, board)
    closing.show_descent(view.console, job, run)
    if run.stopped == "interrupted":
        view.result(closing.result(job, run, None))
        raise _interrupted(job, run)
    try:
        test = _score_all(job, run, view)
        _diagnose(job, run, view)
        _profile(job, run, view)
    except (KeyboardInterrupt, Terminated) as stop:
        hint = f"chainrule evaluate {_quoted(job.out)} {shlex.quote(options.data)}"
        raise _stopped(stop, f"the trained network is in {job.out}", hint) from None
    result = closing.result(job, run, test)
    RunFolder.open(job.out).write_json("result.json", result)
    closing.show_scores(view.console, job, test)
    closing.show_end(view.console, job)
    view.show_details(job.clock.seconds, versions(), *closing.details(job, run))
    view.result(result)


def _tensorboard(options: TrainOptions) -> list[Any]:
    """What writes TensorBoard's files, if it is asked for; a library that lacks is said now."""
    return [] if options.tensorboard is None else [cr.TensorBoard(options.tensorboard)]


# -- the descent -----------------------------------------------------------------------------------


def _descend_or_undo(job: Job, view: View, board: list[Any]) -> Any:
    """Descend; where that fails before anything was kept, no folder made for it stays."""
    if job.resumes:
        return _descend(job, view, board)
    check_free(job.out)
    try:
        return _descend(job, view, board)
    except BaseException:
        if job.options.out is None:
            with suppress(OSError):
                job.out.parent.rmdir()  # runs/, if it was made for this run
        raise


def _descend(job: Job, view: View, board: list[Any]) -> Any:
    """The run, kept in its folder."""
    setup, options = job.setup, job.options
    metrics = epoch_metrics(setup.metrics, setup.terms, job.prepared.schema.target)
    resume = "replan" if job.begun else job.resumes
    keep = {
        "validation": job.arrays(job.prepared.validation), "metrics": metrics,
        "record": setup.record, "out": job.out, "resume": resume, "config": job.config(),
        "keep": options.keep, "checkpoint_every": options.checkpoint_every,
    }  # fmt: skip
    try:
        with Bar(view.bar, metrics=bool(metrics)) as bar:
            run = _trained(job, setup, [bar, *board], **keep)
    except TrainingError as error:
        raise TrainingError(
            for_command_line(error.message), for_command_line(error.hint)
        ) from error
    except Terminated as stop:
        raise _stopped(stop, *_kept(job)) from None
    job.clock.add("compile", run.seconds.get("trace", 0.0) + run.seconds.get("compile", 0.0))
    job.clock.add("train", run.seconds.get("train", 0.0))
    RunFolder.open(job.out).log(f"{run.stopped} at step {run.steps}: {run.reason}")
    return run


def _trained(job: Job, setup: Setup, callbacks: list[Any], **keep: Any) -> Any:
    """The descent of one network on the job's training rows."""
    return cr.train(
        setup.network(),
        setup.terms.function,
        data=job.learned,
        optimizer=setup.descent(),
        batch=setup.batches(),
        epochs=setup.epochs,
        order=setup.rows_in_order(job.prepared.train.y),
        seed=setup.seed,
        threads=setup.threads,
        early_stopping=setup.patience,
        max_time=job.options.max_time,
        on_nan=setup.on_nan,
        callbacks=callbacks,
        **keep,
    )


# -- what it is worth ------------------------------------------------------------------------------


def _score_all(job: Job, run: Any, view: View) -> dict[str, Scores]:
    """Test scores of the network, of a linear model trained the same way, and of the baseline."""
    with job.clock.measure("load scikit-learn"):
        need("sklearn.metrics")
    setup, test = job.setup, job.prepared.test
    alone = setup.is_linear or job.rows is not None  # a second pass over a large table is not made
    linear = None if alone else job.with_rate(setup.linear())
    model = None
    if linear is not None:
        with job.clock.measure("linear model"):
            model = _linear_model(job, linear, view)
    with job.clock.measure("evaluate"):
        scores = {"network": _score(job, run.model, setup)}
        if linear is not None and model is not None:
            scores["linear"] = _score(job, model, linear)
        target = job.prepared.schema.target
        scores["baseline"] = baseline(setup.terms, target, test.y, setup.metrics)
    return scores


def _linear_model(job: Job, setup: Setup, view: View) -> Any:
    """The linear model; None where it could not be trained in the network's way."""
    acts = setup.patience is not None or setup.schedule == "plateau"  # on the validation loss
    held_out = {"validation": job.arrays(job.prepared.validation, setup)} if acts else {}
    try:
        with Bar(view.bar, "linear model, epoch") as bar:
            run = _trained(job, setup, [bar], **held_out)
    except TrainingError:
        return None
    if run.stopped == "interrupted":
        raise KeyboardInterrupt
    return run.model


def _score(job: Job, model: Any, setup: Setup) -> Scores:
    target, test = job.prepared.schema.target, job.prepared.test
    output = np.asarray(cr.predict(model, test.x, threads=setup.threads))
    return score(setup.terms, target, test.y, output, setup.metrics)


def _diagnose(job: Job, run: Any, view: View) -> None:
    if not job.options.diagnose:
        return
    with view.busy("diagnosing"), job.clock.measure("diagnose"):
        found = run.diagnose(threads=job.setup.threads)
    closing.show_diagnosis(view.console, found)


def _profile(job: Job, run: Any, view: View) -> None:
    if not job.options.profile or not run.steps:
        return
    with view.busy("measuring where the time goes"), job.clock.measure("profile"):
        found = run.profile()
    closing.show_profile(view.console, found, found.save(job.out))


# -- Ctrl-C and SIGTERM ----------------------------------------------------------------------------


def _stopped(stop: BaseException, what: str, hint: str) -> InterruptedRunError:
    if isinstance(stop, Terminated):
        return InterruptedRunError(f"terminated; {what}", hint, TERMINATED)
    return InterruptedRunError(f"interrupted; {what}", hint)


def _interrupted(job: Job, run: Any) -> InterruptedRunError:
    at = f"at step {run.steps:,} of {job.setup.steps:,}"
    return InterruptedRunError(
        f"interrupted {at}; the weights so far are in {job.out}", closing.resume_command(job)
    )


def _kept(job: Job) -> tuple[str, str]:
    """What a run folder holds after SIGTERM, and how to go on."""
    if not (job.out / "state.json").exists():
        return "nothing was written", ""
    step = RunFolder.open(job.out).entries()[0].step
    what = f"the weights of step {step:,} of {job.setup.steps:,} are in {job.out}"
    return what, closing.resume_command(job)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
