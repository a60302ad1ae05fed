"""The arguments of ``train`` as they are meant, and what of them a resumed run must share."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.evaluation.examples import Examples
from chainrule.evaluation.metrics import Metrics
from chainrule.losses import Loss, check_weights
from chainrule.optim import BatchSchedule, ConstantBatch
from chainrule.tracing.trace import Traced
from chainrule.training.faults import POLICIES
from chainrule.training.watching import EarlyStopping

#: Examples per update, unless there are fewer.
DEFAULT_BATCH: Final = 32


def batch_schedule(batch: Any, rows: int, optimizer: Any) -> BatchSchedule:
    """A batch schedule, given as one, as a number or as "all".

    Raises:
        TrainingError: none of these, more than there are rows, or a schedule that may decide to
            average with an optimiser that cannot.
    """
    if batch is None:
        return ConstantBatch(min(DEFAULT_BATCH, rows))
    if isinstance(batch, str) and batch == "all":
        return ConstantBatch(rows)
    if isinstance(batch, BatchSchedule) and not isinstance(batch, type):
        if getattr(batch, "averages", False):
            _check_averages(optimizer)
        return batch
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1:
        raise TrainingError(
            f'batch is {batch!r}; expected a whole number from 1, "all", or a batch schedule',
            "batch=32, or batch=optim.NoiseDriven(32)",
        )
    if batch > rows:
        raise TrainingError(
            f"batch is {batch}, more than the {rows} rows: no update would be done",
            f'batch="all" takes the {rows} rows at once',
        )
    return ConstantBatch(int(batch))


def _check_averages(optimizer: Any) -> None:
    try:
        optimizer.begin_average(optimizer.init([np.zeros(1, np.float32)]))
    except (TrainingError, AttributeError):
        raise TrainingError(
            f"the batch schedule may decide to average, and {optimizer!r} keeps no average",
            'optimizer=optim.average(optimizer, "swa", start=None)',
        ) from None


def stopping_of(
    asked: Any, watched: set[str], greater_is_better: Mapping[str, bool]
) -> EarlyStopping | None:
    """Early stopping, given as a record or as its patience.

    Raises:
        TrainingError: it watches what is not worked out.
    """
    if asked is None:
        return None
    stopping = asked if isinstance(asked, EarlyStopping) else EarlyStopping(asked)
    if stopping.watch not in watched:
        raise TrainingError(
            f"early_stopping watches {stopping.watch!r}; this run has {', '.join(sorted(watched))}",
            "give validation=(x, y), or a share such as validation=0.2, and metrics=[...]",
        )
    name = stopping.watch.removeprefix("validation_")
    if name not in ("loss", *greater_is_better):
        raise TrainingError(
            f"early_stopping watches {name!r}, which does not say whether more of it is better",
            f"{name}.greater_is_better = True",
        )
    return stopping


def check_numbers(
    epochs: Any, seed: Any, threads: Any, keep: Any, max_time: Any, every: Any, on_nan: Any
) -> None:
    """Whole numbers, seconds and the policy, each in its range."""
    whole = (("epochs", epochs, 0), ("seed", seed, 0), ("threads", threads, 1), ("keep", keep, 1))
    for name, value, least in whole:
        if value is None and name == "threads":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise TrainingError(f"{name} is {value!r}; expected a whole number from {least}")
    for name, value in (("max_time", max_time), ("checkpoint_every", every)):
        if value is not None and not (isinstance(value, int | float) and value >= 0):
            raise TrainingError(f"{name} is {value!r}; expected seconds, from 0")
    if on_nan not in POLICIES:
        raise TrainingError(f"on_nan is {on_nan!r}; expected {', '.join(map(repr, POLICIES))}")


def check_resume(resume: Any) -> None:
    """True, False or "replan".

    Raises:
        TrainingError: it is none of these.
    """
    if not isinstance(resume, bool) and resume != "replan":
        raise TrainingError(f'resume is {resume!r}; expected True, False or "replan"')


def check_callbacks(callbacks: Any) -> None:
    """A list of functions.

    Raises:
        TrainingError: it is not.
    """
    given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    if given is not callbacks or not all(map(callable, given)):
        raise TrainingError(
            f"callbacks is {callbacks!r}; expected a list of functions of a Progress",
            "callbacks=[cr.ProgressBar()]",
        )


def check_arity(loss: Any, model: Any, data: Any) -> None:
    """A loss takes as many arrays as there are data.

    Raises:
        TrainingError: it does not.
    """
    if not isinstance(data, tuple) or not callable(loss):
        return
    if isinstance(loss, Loss):
        if len(data) not in (2, 3):
            raise TrainingError(
                f"{loss!r} takes (x, y) or (x, y, weights); data has {len(data)} arrays",
                "several inputs go into one: data=({'a': a, 'b': b}, y)",
            )
        return
    try:
        inspect.signature(loss).bind(model, *data)
    except (TypeError, ValueError) as error:
        if isinstance(error, ValueError):
            return  # no signature to be had
        raise TrainingError(
            f"the loss {shown(loss)} is called as loss(params, *data) with {len(data)} arrays: "
            f"{error}",
            "def loss(params, x, y): ... for data=(x, y)",
        ) from None


def check_targets(loss: Any, model: Any, examples: Examples) -> None:
    """A loss of ours knows which targets mean something; the native loop sees only numbers."""
    if not (isinstance(loss, Loss) and len(examples.tree([*examples.arrays])) in (2, 3)):
        return
    if not callable(model):
        return
    x, y, *weights = examples.tree([array[:1] for array in examples.arrays])
    whole = examples.tree(list(examples.arrays))
    if weights:
        check_weights(np.asarray(whole[2]))
    if isinstance(y, np.ndarray):
        output = np.asarray(model(x))
        loss.refuse(np.broadcast_to(output, (examples.rows, *output.shape[1:])), whole[1])


def check_scored(metrics: Metrics, model: Any, examples: Examples | None) -> None:
    """Metrics need validation data, a model that can be called, and targets that they fit.

    Raises:
        TrainingError: there are none; the model is a tree of arrays alone; no targets.
    """
    if examples is None:
        raise TrainingError(
            "metrics are worked out on validation data, and there is none",
            "validation=(x, y), or validation=0.2 for a fifth of the rows",
        )
    x, *rest = examples.tree([array[:1] for array in examples.arrays])
    if not callable(model) or not rest:
        raise TrainingError(
            f"metrics compare model(x) with y: the model is {type(model).__name__}, the validation "
            f"data have {1 + len(rest)} arrays",
            "give the model a __call__, or work the metric out in a callback",
        )
    output = np.asarray(model(x))
    whole = examples.tree(list(examples.arrays))
    metrics.check(np.broadcast_to(output, (examples.rows, *output.shape[1:])), whole[1])


def digest(examples: Examples | None) -> str | None:
    """A checksum of the examples."""
    if examples is None:
        return None
    found = hashlib.sha256()
    for array in examples.arrays:
        found.update(str((array.dtype.str, array.shape)).encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def program_digest(traced: Traced) -> str:
    """A checksum of a step's graph and of the arrays that it has from the code around it."""
    found = hashlib.sha256(str(traced.graph).encode())
    for array in traced.constants:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def shown(value: Any) -> str:
    """A loss or a function as it is called, so that it reads the same in every process."""
    if hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    text = repr(value)
    return f"{type(value).__module__}.{type(value).__qualname__}" if " at 0x" in text else text
