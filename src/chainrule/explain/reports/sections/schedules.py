"""The learning rate and the batch over the steps, and what schedules decided, with reasons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from chainrule.data.words import count
from chainrule.errors import TrainingError
from chainrule.explain.drawing import Figure, Kind
from chainrule.explain.page import figure, table
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.shown import plain_value
from chainrule.explain.words import short

_LISTED: Final = 40
_NAMES: Final = {"learning_rate": "learning rate", "batch": "batch (rows)"}


def schedules(context: Context) -> Part:
    """What was planned and what was decided.

    Raises:
        TrainingError: neither the rate nor the batch was recorded.
    """
    steps = context.told.history.steps
    known = {name: np.asarray(steps[name], float) for name in _NAMES if len(steps.get(name, ()))}
    if not known:
        raise TrainingError("neither the learning rate nor the batch was recorded")
    moving = {name: values for name, values in known.items() if np.ptp(values) > 0}
    pictures = {name: _picture(context, name, values) for name, values in moving.items()}
    decisions = context.told.history.decisions
    body = "".join(figure(svg) for svg in pictures.values()) + _table(decisions)
    says = (*_says(known, moving), _decided(decisions))
    return Part(
        "schedules", "Learning rate and batch", tuple(filter(None, says)), body, pictures,
        {"decisions": plain_value(decisions)},
    )  # fmt: skip


def _picture(context: Context, name: str, values: np.ndarray) -> str:
    said = _NAMES[name]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    scale: Kind = "log" if low > 0 and high > 50 * low else "linear"
    told = f"From {short(values[0], 3)} to {short(values[-1], 3)}, highest {short(high, 3)}."
    made = Figure(
        height=300, title=f"{said[:1].upper()}{said[1:]} of each update", description=told
    )
    axes = made.axes(x=context.axis, y=said, y_scale=scale)
    axes.line(context.epochs, values, color=0 if name == "learning_rate" else 2)
    for decision in context.told.history.decisions[:_LISTED]:
        step = int(decision.get("step", 0))
        if 0 < step <= len(context.epochs):
            axes.vertical(context.epochs[step - 1])
    return made.svg()


def _says(known: dict[str, np.ndarray], moving: dict[str, np.ndarray]) -> Iterator[str]:
    for name, values in known.items():
        said = {"learning_rate": "learning rate", "batch": "batch"}[name]
        unit = "" if name != "batch" else " row" if values[-1] == 1 else " rows"
        if name in moving:
            yield f"The {said} went from {short(values[0], 3)} to {short(values[-1], 3)}{unit}."
        else:
            yield f"The {said} was {short(values[0], 3)}{unit} at every update."


def _decided(decisions: list[dict[str, Any]]) -> str:
    if not decisions:
        return "No schedule had anything to decide."
    rules = dict.fromkeys(str(d.get("rule", "")) for d in decisions)
    return f"{count(len(decisions), 'decision')} on the way, by: {', '.join(rules)}."


def _table(decisions: list[dict[str, Any]]) -> str:
    if not decisions:
        return ""
    rows = [
        [
            d.get("step"), f"{d.get('epoch', 0):.2f}", d.get("rule"), d.get("reason"),
            d.get("batch"), f"{d.get('rate', 1.0):.3g}",
        ]
        for d in decisions[:_LISTED]
    ]  # fmt: skip
    cut = f"The first {_LISTED} of {len(decisions):,} decisions" if len(decisions) > _LISTED else ""
    head = ["after update", "epoch", "rule", "reason", "batch", "rate times"]
    return table(head, rows, cut or "Decisions and their reasons")
