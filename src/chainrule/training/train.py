"""``train``: the descent from a model, a loss and data to a trained model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from chainrule.compiler.native.limits import available
from chainrule.compiler.native.threads import choose
from chainrule.data.stream import Stream
from chainrule.diagnosis.rule import rule_of
from chainrule.errors import TrainingError
from chainrule.optim import BatchSchedule
from chainrule.orders import Order
from chainrule.training.advice import Advice
from chainrule.training.descent import Descent
from chainrule.training.faults import Policy
from chainrule.training.job import Job
from chainrule.training.loop import Loop, check_interval
from chainrule.training.pace import pace
from chainrule.training.reporting import Reporter
from chainrule.training.run import Callback, Problem, Run
from chainrule.training.settings import check_callbacks, check_numbers, check_resume
from chainrule.training.store import EVERY, Resume, Store
from chainrule.training.watching import EarlyStopping


def train(
    model: Any,
    loss: Any,
    data: tuple[Any, ...] | Stream,
    *,
    validation: tuple[Any, ...] | float | None = None,
    metrics: Sequence[str | Callable[..., Any]] = (),
    optimizer: Any = None,
    batch: int | Literal["all"] | BatchSchedule | None = None,
    epochs: int = 10,
    order: str | Order = "reshuffle",
    seed: int = 0,
    threads: int | None = None,
    record: Literal["all"] | Sequence[str] = (),
    early_stopping: EarlyStopping | int | None = None,
    max_time: float | None = None,
    on_nan: Policy = "stop",
    callbacks: Sequence[Callback] = (),
    out: str | Path | None = None,
    resume: Resume = False,
    keep: int = 3,
    checkpoint_every: float = EVERY,
    config: Mapping[str, object] | None = None,
) -> Run:
    """Descend: ⌊rows / batch⌋ updates an epoch, each epoch on a fresh permutation of the rows.

    The whole step (forward, loss, gradient, update) is compiled to one native loop. The same seed
    gives the same bits, on any number of threads. Ctrl-C stops within about 0.1 s and keeps what
    was learnt.

    Args:
        model: any tree of float32 or float64 arrays: an ``nn`` layer, a dict, a dataclass.
        loss: a ``losses.Loss``, applied as ``loss(model(x), y)``; or a function
            ``loss(params, *data)`` in NumPy that returns one number, a mean over the batch.
        data: a tuple of arrays (or trees of arrays) with one row per example, such as (x, y).
            With a ``losses.Loss`` a third array is a weight for each example.
            Floating-point arrays take the parameters' dtype. Or ``data.stream(...)``: files that
            may be larger than memory.
        validation: the same, held out; or the share of the rows to hold out, drawn by the seed.
            Its loss is recorded at the end of each epoch.
        metrics: names (``"accuracy"``, ``"roc_auc"``, ``"rmse"`` ...) or functions
            ``f(y, prediction)``, worked out on the validation data at the end of each epoch.
        optimizer: default ``SGD(0.01)``.
        batch: examples per update, "all", or a batch schedule such as ``optim.NoiseDriven(32)``;
            default 32, or all rows where there are fewer.
            Learning-rate schedules count steps as if the batch stayed as it begins, so that they
            end when the run does.
        epochs: passes over the data, in all (with ``resume`` those before included).
        order: of the examples: "reshuffle", "once", "in order", "with replacement", or one of
            ``orders``, such as ``orders.stratified(labels, remainder="smaller")``.
        seed: of the order of the examples, of dropout and of the split.
        threads: how many run the step; None lets the amount of work decide.
        record: what to record of each step beside its loss, learning rate and batch: of
            "gradient_norm", "parameter_gradient_norms" (of each parameter its own, by layer),
            "update_ratio" (|Δθ| / |θ|), "gradient_variance" (tr Σ), "noise_scale"
            (tr Σ / |G|²); or "all" that can be.
        early_stopping: epochs of patience, or ``EarlyStopping(...)``; the model is then that of
            the best epoch.
        max_time: seconds of training after which to stop.
        on_nan: when a loss is not finite: "stop" with an error, "skip" the update, or "roll back"
            to the last check point (there are 20 an epoch) and halve the learning rate.
        callbacks: called with a ``Progress`` every 50-100 ms and at the end of each epoch; a
            string that one returns stops the descent.
        out: a folder to keep the run in, with a checkpoint about once a minute and at the end.
            With it SIGTERM is answered as Ctrl-C is, and then passed on.
        resume: go on from the checkpoint in ``out``, bit for bit as if it had never stopped. More
            epochs than before are as if asked for at the start, where the learning rate does not
            depend on the end (constant, step, plateau); one that does, such as a cosine, is
            refused, or with "replan" planned anew over all epochs and gone on with from there.
        keep: how many of the last checkpoints stay in the folder, beside the best.
        checkpoint_every: seconds between checkpoints.
        config: what to write into the run folder's ``config.json`` beside the versions.

    Returns:
        A ``Run``; ``run.model`` is a tree of the type of ``model``, which is left unchanged.

    Raises:
        DataError: data that do not fit together. TraceError: a loss that cannot be traced.
        TrainingError: an argument outside of its range; the loss became NaN or infinite (step,
            rate and a rate to try are named).
        RunError: ``out`` cannot be written, or holds another run.

    Example:
        >>> import numpy as np
        >>> from chainrule.optim import SGD
        >>> x = np.linspace(-1, 1, 64)
        >>> def loss(p, x, y):
        ...     return np.mean((p["w"] * x + p["b"] - y) ** 2)
        >>> start = {"w": np.array(0.0), "b": np.array(0.0)}
        >>> run = train(start, loss, (x, 3 * x + 1), optimizer=SGD(0.1), epochs=100)
        >>> run.model["w"].round(3), run.model["b"].round(3)
        (np.float64(3.0), np.float64(1.0))
    """
    check_numbers(epochs, seed, threads, keep, max_time, checkpoint_every, on_nan)
    check_callbacks(callbacks)
    check_resume(resume)
    if resume and out is None:
        raise TrainingError("resume=True says to go on, but not with what", 'out="runs/first"')
    job = Job.prepare(
        model, loss, data, validation, metrics, optimizer, batch, order, int(seed), record,
        early_stopping,
    )  # fmt: skip
    descent, seconds = job.begin(int(epochs), int(seed), threads, on_nan)
    keeper: Store | nullcontext[None] = nullcontext()
    if out is not None:
        keeper = Store.begin(out, resume, descent, config, keep, checkpoint_every)
    with keeper as store:
        loop = _loop(job, descent, threads, tuple(callbacks), store, max_time)
        before = descent.seconds
        stopped = loop.run()
    loop.advice.at_end(descent)
    return Run(
        job.trained(descent), descent.history(), stopped, loop.reason, descent.done,
        {**seconds, "train": descent.seconds - before}, loop.pace.chosen,
        tuple(loop.advice.findings), descent.watch.best_epoch or None,
        store.folder.path if store else None, loop.spent,
        Problem(loss, job.data, job.optimizer, model, job.held_out, job.asked(), job, on_nan),
    )  # fmt: skip


def _loop(
    job: Job, descent: Descent, threads: int | None, callbacks: tuple[Callback, ...],
    store: Store | None, max_time: float | None,
) -> Loop:  # fmt: skip
    """The loop of a descent, with whom it tells and what it is told."""
    first = descent.deciding.first_batch
    advice = Advice(job.objective(threads), rule_of(job.optimizer))
    row = descent.step.executable.operations(first) / first
    interval = check_interval(descent.cursor.n, descent.cursor.epochs, row)
    guess = choose(threads, row * descent.deciding.batch)
    chosen = pace(threads, guess, available())
    return Loop(descent, chosen, Reporter(callbacks, advice), advice, interval, store, max_time)
