"""`chainrule train`: read, prepare, show, descend, score, keep."""

from __future__ import annotations

import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

import chainrule as cr
from chainrule.cli import report
from chainrule.cli.job import Job, new_job, resumed_job
from chainrule.cli.live import Bar
from chainrule.cli.options import TrainOptions, explicit_names, parse_options
from chainrule.cli.outcome import InterruptedRunError
from chainrule.cli.scores import Scores, baseline, score
from chainrule.cli.setup import Setup, in_user_terms, network_target
from chainrule.cli.view import View
from chainrule.data.extras import need
from chainrule.data.prepare import Part
from chainrule.losses import LOSSES
from chainrule.training.folder import RunFolder, check_free


def train_command(ctx: typer.Context) -> None:
    """The command, with the options as typer gives them."""
    view = View.of(ctx.params["json"], ctx.params["quiet"])
    run_train(parse_options(ctx.params), view, explicit_names(ctx))


def run_train(options: TrainOptions, view: View, explicit: frozenset[str]) -> None:
    """Train as asked; everything that can be wrong with the input is found before any writing.

    Raises:
        ChainruleError: something in the input is wrong; nothing new is left behind.
        InterruptedRunError: Ctrl-C; the weights so far are in the run folder.
    """
    with view.busy("reading and preparing"):
        job = resumed_job(options, explicit) if options.resume else new_job(options)
    report.show_table(view.console, job)
    report.show_setup(view.console, job)
    run = _descend_or_undo(job, view)
    report.show_descent(view.console, job, run)
    if run.stopped == "interrupted":
        view.result(report.result(job, run, None))
        raise _interrupted(job, run)
    try:
        test = _score_all(job, run, view)
    except KeyboardInterrupt:
        hint = f"chainrule evaluate {_quoted(job.out)} {shlex.quote(options.data)}"
        raise InterruptedRunError(
            f"interrupted; the trained network is in {job.out}", hint
        ) from None
    result = report.result(job, run, test)
    RunFolder.open(job.out).write_json("result.json", result)
    report.show_scores(view.console, job, test)
    report.show_end(view.console, job)
    view.result(result)


def _descend_or_undo(job: Job, view: View) -> Any:
    """Descend; where that fails before anything was kept, the folder made for it is deleted."""
    if job.resumes:
        return _descend(job, view)
    check_free(job.out)
    try:
        return _descend(job, view)
    except BaseException:
        if not (job.out / "state.json").exists():
            shutil.rmtree(job.out, ignore_errors=True)
            if job.options.out is None:
                with suppress(OSError):
                    job.out.parent.rmdir()  # runs/, if it was made for this run
        raise


def _trained(job: Job, setup: Setup, bar: Bar, **keep: Any) -> Any:
    """The descent of one network on the job's training rows."""
    return cr.train(
        setup.network(),
        LOSSES[setup.loss],
        data=_arrays(job, job.prepared.train, setup),
        optimizer=setup.descent(),
        batch=setup.batch,
        epochs=setup.epochs,
        seed=setup.seed,
        threads=setup.threads,
        callbacks=(bar,),
        **keep,
    )


def _descend(job: Job, view: View) -> Any:
    with Bar(view.bar) as bar:
        validation = _arrays(job, job.prepared.validation, job.setup)
        keep = {"out": job.out, "resume": job.resumes, "config": job.config()}
        run = _trained(job, job.setup, bar, validation=validation, **keep)
    job.clock.add("compile", run.seconds.get("trace", 0.0) + run.seconds.get("compile", 0.0))
    job.clock.add("train", run.seconds.get("train", 0.0))
    RunFolder.open(job.out).log(f"{run.stopped} at step {run.steps}")
    return run


def _score_all(job: Job, run: Any, view: View) -> dict[str, Scores]:
    """Test scores of the network, of a linear model trained the same way, and of the baseline."""
    with job.clock.measure("load scikit-learn"):
        need("sklearn.metrics")
    target, y = job.prepared.schema.target, job.prepared.test.y
    linear = None
    if not job.setup.is_linear:
        with job.clock.measure("linear model"):
            linear = _linear_model(job, view)
    with job.clock.measure("evaluate"):
        scores = {"network": _score(job, run.model, job.setup)}
        if linear is not None:
            scores["linear"] = _score(job, linear, job.setup.linear())
        scores["baseline"] = baseline(target, y)
    return scores


def _linear_model(job: Job, view: View) -> Any:
    with Bar(view.bar, "linear model, epoch") as bar:
        run = _trained(job, job.setup.linear(), bar)
    if run.stopped == "interrupted":
        raise KeyboardInterrupt
    return run.model


def _score(job: Job, model: Any, setup: Setup) -> Scores:
    target, test = job.prepared.schema.target, job.prepared.test
    output = cr.predict(model, test.x, threads=setup.threads)
    return score(target, test.y, in_user_terms(setup, target, output))


def _arrays(job: Job, part: Part, setup: Setup) -> tuple[Any, Any]:
    return part.x, network_target(setup, job.prepared.schema.target, part.y)


def _interrupted(job: Job, run: Any) -> InterruptedRunError:
    steps = job.setup.epochs * (len(job.prepared.train) // job.setup.batch)
    return InterruptedRunError(
        f"interrupted at step {run.steps:,} of {steps:,}; the weights so far are in {job.out}",
        f"chainrule train {shlex.quote(job.options.data)} --out {_quoted(job.out)} --resume",
    )


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
