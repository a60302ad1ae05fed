"""``profile``: from a model and data, or from a run, to the table of where its time goes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from chainrule.errors import TrainingError
from chainrule.evaluation.examples import take_examples
from chainrule.machine.limits import Limits, clock, measure
from chainrule.machine.processor import processor
from chainrule.optim import BatchSchedule
from chainrule.orders import Order
from chainrule.profiling.advice import advice_on
from chainrule.profiling.measured import measure_steps
from chainrule.profiling.names import Names
from chainrule.profiling.profile import Profile
from chainrule.profiling.rows import Setting, rows_of
from chainrule.training.faults import Policy
from chainrule.training.job import Job
from chainrule.training.run import Run
from chainrule.training.settings import batch_schedule, check_arity, shown
from chainrule.training.spent import NATIVE
from chainrule.training.step import carry
from chainrule.training.train import train


def profile(
    model: Any,
    loss: Any,
    data: tuple[Any, ...],
    *,
    optimizer: Any = None,
    batch: int | Literal["all"] | BatchSchedule | None = None,
    order: str | Order = "reshuffle",
    threads: int | None = None,
    seconds: float = 1.0,
) -> Profile:
    """Where the time of a training step goes: train for a moment, then look at its steps.

    A short training comes first, so that the number of threads and what Python does around the
    native loop are those of a real run.

    Args:
        model: as ``cr.train`` takes it, and so are ``loss``, ``data``, ``optimizer``, ``batch``,
            ``order`` and ``threads``.
        loss: of the model.
        data: a tuple of arrays, one row per example.
        optimizer: by default ``SGD(0.01)``.
        batch: examples per update.
        order: of the examples.
        threads: how many run the step; None lets the training before find out.
        seconds: of measuring; of the training before, at most as many.

    Returns:
        A ``Profile``: printed it is a table; ``roofline()`` draws it.

    Raises:
        ChainruleError: what ``cr.train`` raises.
    """
    _check_numbers(threads, seconds)
    run = train(
        model, loss, data, optimizer=optimizer, batch=batch, order=order, threads=threads,
        epochs=1_000, max_time=seconds,
    )  # fmt: skip
    return profile_run(run, seconds=seconds)


def profile_run(
    run: Run,
    *,
    data: tuple[Any, ...] | None = None,
    batch: int | Literal["all"] | None = None,
    threads: int | None = None,
    seconds: float = 1.0,
) -> Profile:
    """The same of the steps of a run, with its last weights, on copies: the run is not changed.

    Args:
        run: what ``cr.train`` gave.
        data: the examples, where the run does not hold its own.
        batch: examples of a step; by default those of most of the run's steps.
        threads: by default those of the run's last steps.
        seconds: of measuring.

    Raises:
        TrainingError: the run holds no data, or did no step; a batch of more rows than there are;
            threads or seconds that are no such number.
    """
    _check_numbers(threads, seconds)
    job, on_nan = _job_of(run, data)
    batch = job.examples.rows if batch == "all" else _batch_of(run, batch)
    threads = run.threads if threads is None else int(threads)
    job = replace(job, batches=batch_schedule(batch, job.examples.rows, job.optimizer))
    descent, _ = job.begin(1, 0, threads, on_nan)
    before = _limits(threads)
    measured = measure_steps(job, descent.step, batch, threads, seconds)
    held = {count: found.joined(before[count]) for count, found in _limits(threads).items()}
    plan = descent.step.executable.plan
    data_bytes = [job.examples.arrays[k].nbytes for k in descent.step.gathered]
    setting = Setting(plan, batch, threads, data_bytes, held, clock().reading * 1e-9)
    optimizer = type(job.optimizer).__name__
    names = Names(plan, job.model, len(job.carried.params), optimizer)
    rows = rows_of(measured, setting, names)
    outside = _outside(run)
    return Profile(
        rows, measured.plain, measured.clocked, measured.steps, batch, threads, outside,
        held[threads], processor().name, _described(job),
        advice_on(rows, measured.plain, outside, batch),
    )  # fmt: skip


def _check_numbers(threads: Any, seconds: Any) -> None:
    is_count = isinstance(threads, int | np.integer) and not isinstance(threads, bool)
    if threads is not None and not (is_count and threads >= 1):
        raise TrainingError(f"threads is {threads!r}; expected a whole number from 1")
    if isinstance(seconds, bool) or not (isinstance(seconds, int | float) and 0 < seconds < np.inf):
        raise TrainingError(f"seconds is {seconds!r}; expected a number above 0", "seconds=1")


def _job_of(run: Run, data: tuple[Any, ...] | None) -> tuple[Job, Policy]:
    """What the run did, with the weights that it ended with; what it does about NaN."""
    problem = run._problem
    if problem is None or problem.job is None:
        raise TrainingError(
            "the run holds neither its loss nor its data",
            "cr.profile(run.model, loss, data, optimizer=..., batch=...)",
        )
    job: Job = problem.job
    carried = carry(run.model, job.optimizer)
    examples = job.examples if data is None else take_examples(data, carried.dtype)
    check_arity(job.loss, run.model, examples.tree(list(examples.arrays)))
    job = replace(job, model=run.model, carried=carried, examples=examples, validation=None)
    return job, problem.on_nan


def _limits(threads: int) -> dict[int, Limits]:
    """Those of all threads and of one: some parts are done by the first alone."""
    return {count: measure(count, quick=True) for count in sorted({1, threads})}


def _batch_of(run: Run, asked: int | None) -> int:
    if asked is not None:
        return asked
    if not run.steps:
        raise TrainingError("the run did no step: there is nothing to profile", "epochs=1")
    return int(Counter(run.history.batch.tolist()).most_common(1)[0][0])


def _outside(run: Run) -> dict[str, float]:
    """Seconds of Python's parts for each step that the run did."""
    parts = {name: s for name, s in run.spent.seconds.items() if name != NATIVE}
    return {name: s / max(1, run.spent.steps) for name, s in parts.items()}


def _described(job: Job) -> str:
    count = sum(leaf.size for leaf in job.carried.params)
    kind = type(job.model).__name__
    return f"{kind} of {count:,} parameters, {shown(job.loss)}, {job.optimizer!r}"


__all__ = ["profile", "profile_run"]
