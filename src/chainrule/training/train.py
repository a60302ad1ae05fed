"""``train``: the descent from a model, a loss and data to a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np

from chainrule.compiler.native.executable import operations
from chainrule.compiler.native.threads import available, choose
from chainrule.errors import TrainingError
from chainrule.evaluation.evaluator import Evaluator
from chainrule.evaluation.examples import Examples, take_examples
from chainrule.losses import Loss, check_weights
from chainrule.optim import SGD
from chainrule.tracing.trees import unflatten
from chainrule.training.loop import Descent
from chainrule.training.order import Order
from chainrule.training.pace import pace
from chainrule.training.run import Callback, Run
from chainrule.training.step import (
    Carried,
    as_totals,
    carry,
    compile_step,
    rates_of,
    trace_step,
)
from chainrule.training.store import Store


def train(
    model: Any,
    loss: Any,
    data: tuple[Any, ...],
    *,
    validation: tuple[Any, ...] | None = None,
    optimizer: Any = None,
    batch: int | Literal["all"] = 32,
    epochs: int = 10,
    seed: int = 0,
    threads: int | None = None,
    callbacks: Sequence[Callback] = (),
    out: str | Path | None = None,
    resume: bool = False,
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
            Floating-point arrays take the parameters' dtype.
        validation: the same, held out; its loss is recorded at the end of each epoch.
        optimizer: default ``SGD(0.01)``.
        batch: examples per update, or "all".
        epochs: passes over the data, in all (with ``resume`` those before included).
        seed: of the order of the examples.
        threads: how many run the step; None lets the amount of work decide.
        callbacks: called with a ``Progress`` every 50-100 ms and at the end of each epoch.
        out: a folder to keep the run in, with a checkpoint about once a minute and at the end.
        resume: go on from the checkpoint in ``out``, bit for bit as if it had never stopped.
        config: what to write into the run folder's ``config.json`` beside the versions.

    Returns:
        A ``Run``; ``run.model`` is a tree of the type of ``model``, which is left unchanged.

    Raises:
        DataError: data that do not fit together. TraceError: a loss that cannot be traced.
        TrainingError: the loss became NaN or infinite (step, rate and a rate to try are named).
        RunError: ``out`` cannot be written, or holds another run.

    Example:
        >>> x = np.linspace(-1, 1, 64)
        >>> def loss(p, x, y):
        ...     return np.mean((p["w"] * x + p["b"] - y) ** 2)
        >>> start = {"w": np.array(0.0), "b": np.array(0.0)}
        >>> run = train(start, loss, (x, 3 * x + 1), optimizer=SGD(0.1), epochs=100)
        >>> run.model["w"].round(3), run.model["b"].round(3)
        (np.float64(3.0), np.float64(1.0))
    """
    optimizer = optimizer or SGD(0.01)
    carried = carry(model, optimizer)
    dtype = np.result_type(*(p.dtype for p in carried.params))
    examples = take_examples(data, dtype)
    held_out = None if validation is None else take_examples(validation, dtype, "validation")
    size = _batch_size(batch, examples.rows)
    _check_numbers(epochs, seed, threads)
    _check_schedule(optimizer)
    _check_targets(loss, carried.params, model, data, examples)

    start = perf_counter()
    traced = trace_step(carried, examples, loss, optimizer)
    between = perf_counter()
    step = compile_step(traced, carried, examples, size, rates_of(optimizer))
    evaluator = _evaluator(loss, carried, held_out, threads)
    seconds = {"trace": between - start, "compile": perf_counter() - between, "train": 0.0}

    guess = choose(threads, operations(step.executable.plan, size))
    descent = Descent(
        step=step, examples=examples, order=Order(examples.rows, size, seed), epochs=epochs,
        optimizer=optimizer, carried=carried, callbacks=tuple(callbacks), evaluator=evaluator,
        validation=held_out, pace=pace(threads, guess, available()),
    )  # fmt: skip
    store = Store.begin(out, resume, descent, config) if out is not None else None
    stopped = descent.run(store)
    seconds["train"] = descent.seconds
    leaves = [p if p.shape else p[()] for p in descent.evaluated()]
    trained = unflatten(carried.params_structure, leaves)
    folder = store.folder.path if store else None
    return Run(
        trained, descent.history(), stopped, descent.done, seconds, descent.pace.threads, folder
    )


def _batch_size(batch: Any, rows: int) -> int:
    if batch == "all":
        return rows
    if isinstance(batch, bool) or not isinstance(batch, int | np.integer) or batch < 1:
        raise TrainingError(f'batch is {batch!r}; expected a whole number from 1, or "all"')
    if batch > rows:
        raise TrainingError(
            f"batch is {batch}, more than the {rows} rows: no update would be done",
            f'batch="all" takes the {rows} rows at once',
        )
    return int(batch)


def _check_numbers(epochs: Any, seed: Any, threads: Any) -> None:
    for name, value, least in (("epochs", epochs, 0), ("seed", seed, 0), ("threads", threads, 1)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise TrainingError(f"{name} is {value!r}; expected a whole number from {least}")


def _check_schedule(optimizer: Any) -> None:
    if getattr(optimizer, "observer", None) is not None:
        raise TrainingError(
            "optim.plateau acts on what is measured, which cr.train does not hand to it yet",
            "optim.cosine, step or one_cycle need no measurement",
        )


def _check_targets(
    loss: Any, params: list[np.ndarray], model: Any, data: tuple[Any, ...], examples: Examples
) -> None:
    """A loss of ours knows which targets mean something; the native loop sees only numbers."""
    if not (isinstance(loss, Loss) and len(data) in (2, 3) and callable(model)):
        return
    x, y, *weights = examples.tree([array[:1] for array in examples.arrays])
    whole = examples.tree(list(examples.arrays))
    if weights:
        check_weights(np.asarray(whole[2]))
    if isinstance(y, np.ndarray):
        output = np.asarray(model(x))
        loss.refuse(np.broadcast_to(output, (examples.rows, *output.shape[1:])), whole[1])


def _evaluator(
    loss: Any, carried: Carried, examples: Examples | None, threads: int | None
) -> Evaluator | None:
    if examples is None:
        return None
    function = as_totals(loss)

    def value(given: list[Any], data: list[Any]) -> Any:
        return function(unflatten(carried.params_structure, given), *examples.tree(data))

    return Evaluator(value, carried.params, examples, threads)
