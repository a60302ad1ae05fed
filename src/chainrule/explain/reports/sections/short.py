"""The first section: what was done and what came of it, on one screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.data.words import count
from chainrule.explain.page import table
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.reports.sections.words import value_with
from chainrule.explain.reports.told import Told
from chainrule.explain.shown import plain_value
from chainrule.tracing.trees import flatten


def short(context: Context) -> Part:
    """The result in a sentence, and what was asked for in a table."""
    told = context.told
    rows = [[name, _shown(value)] for name, value in _facts(context)]
    rows += [[name, _shown(value)] for name, value in told.settings.items()]
    body = table(["what", "value"], rows, "What was asked for, and what came of it")
    return Part(
        "short", "In short", tuple(_sentences(told)), body,
        numbers={"facts": {name: plain_value(value) for name, value in _facts(context)}},
    )  # fmt: skip


def _sentences(told: Told) -> Iterator[str]:
    history, unit = told.history, told.loss_unit
    losses = history.steps.get("loss", np.zeros(0))
    if not len(losses):
        yield "No update was recorded: the model is as it began."
        return
    yield (
        f"{count(len(history), 'update')} in {count(len(history.epochs), 'epoch')} took the"
        f" training loss of a batch from {value_with(losses[0], unit)} to"
        f" {value_with(_last_loss(told), unit)}."
    )
    if (best := best_epoch(told)) is not None:
        epoch, value = best
        yield (
            f"On rows that it was not trained on, the loss was lowest after epoch {epoch}:"
            f" {value_with(value, unit)}."
        )
    if told.reason:
        yield f"The descent ended: {told.reason.rstrip('.')}."


def best_epoch(told: Told) -> tuple[int, float] | None:
    """The epoch, from 1, of the lowest validation loss, and that loss."""
    known = [
        (float(e["validation_loss"]), int(e.get("epoch", k)))
        for k, e in enumerate(told.history.epochs, 1)
        if e.get("validation_loss") is not None and np.isfinite(e["validation_loss"])
    ]
    return (min(known)[1], min(known)[0]) if known else None


def _last_loss(told: Told) -> float:
    epochs = told.history.epochs
    return float(epochs[-1]["loss"]) if epochs else float(told.history.loss[-1])


def _facts(context: Context) -> Iterator[tuple[str, Any]]:
    told = context.told
    leaves = [np.asarray(leaf) for leaf in flatten(told.model)[0]]
    yield "task", told.task or "a function to be made small"
    yield "training rows", context.examples.rows
    if told.held_out is not None:
        yield f"{told.held_out_name} rows", len(flatten(told.held_out)[0][0])
    if told.target:
        yield "target", told.target
    yield "parameters", sum(leaf.size for leaf in leaves)
    yield "loss", told.loss_name
    last = told.history.epochs[-1] if told.history.epochs else {}
    for name, value in last.items():
        if name.startswith("validation_") and value is not None:
            yield f"last {name.replace('_', ' ')}", value


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return value_with(value, "")
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
