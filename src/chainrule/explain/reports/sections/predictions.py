"""What the model gets right: confusion and calibration of classes, residuals of numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule.errors import TrainingError
from chainrule.explain.measures.calibration import calibration
from chainrule.explain.measures.confusion import confusion
from chainrule.explain.measures.residuals import Residuals, residuals
from chainrule.explain.page import figure, listing
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.words import short

_TITLE = "Predictions"


def predictions(context: Context) -> Part:
    """Of the rows held out, where there are some, else of those that it was trained on.

    Raises:
        TrainingError: the loss is a function, whose outputs are not known.
    """
    if not context.told.task:
        raise TrainingError("the loss is a function: what the model predicts is not known")
    return _classes(context) if context.told.task == "classification" else _numbers(context)


def _classes(context: Context) -> Part:
    told, (name, _, y, output) = context.told, context.judged
    labels = classes_of(y)
    shown = confusion(labels, _predicted(output), list(told.classes) or None)
    says = [f"On {name}, {100 * shown.accuracy:.1f} % of the classes are right."]
    pictures = {"confusion": shown.svg()}
    parts = [figure(pictures["confusion"]), listing(str(shown), "Confusion in words")]
    numbers: dict[str, Any] = {"confusion": shown.to_json()}
    if told.loss.name != "hinge":  # margins are no probabilities
        sure = calibration(np.asarray(told.loss.link(output)), labels)
        says.append(f"Of its probabilities: {sure.verdict}.".replace("..", "."))
        pictures["calibration"] = sure.svg()
        parts += [figure(pictures["calibration"]), listing(str(sure), "Calibration in words")]
        numbers["calibration"] = sure.to_json()
    return Part("predictions", _TITLE, tuple(says), "".join(parts), pictures, numbers)


def classes_of(y: Any) -> np.ndarray:
    """Classes as whole numbers; of probabilities the likeliest class."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(axis=1))
    flat = y.ravel()
    return np.asarray(np.rint(flat), np.int64)


def _predicted(output: np.ndarray) -> np.ndarray:
    if output.ndim == 2 and output.shape[1] > 1:
        return np.asarray(output.argmax(axis=1))
    return (output.ravel() > 0).astype(np.int64)


def _side(shown: Residuals) -> str:
    """The bias in words: residuals are y less prediction."""
    size = short(abs(shown.bias), 2, beside=shown.mae)
    if size == "0":
        return "neither too low nor too high"
    return f"{size} too {'low' if shown.bias > 0 else 'high'}"


def _explained(r2: float) -> str:
    if math.isnan(r2):
        return "the target does not vary"
    if r2 < 0:
        return f"the mean of the target would be nearer (R² {short(r2, 3)})"
    return f"they explain {100 * r2:.1f} % of the target's variance"


def _numbers(context: Context) -> Part:
    told, (name, _, y, output) = context.told, context.judged
    offset, factor = told.scale
    linked = np.asarray(told.loss.link(output), float)
    predicted = linked[:, 0] if linked.ndim == 2 and linked.shape[1] == 1 else linked
    actual = np.asarray(y, float).reshape(predicted.shape)
    shown = residuals(
        offset + factor * actual.ravel(), offset + factor * predicted.ravel(), unit=told.target
    )
    unit = f" {told.target}" if told.target else ""
    said = (
        f"On {name}, predictions are off by {short(shown.rmse, 3)}{unit} (root mean square),"
        f" on average {_side(shown)}; {_explained(shown.r2)}."
    )
    svg = shown.svg()
    body = figure(svg) + listing(str(shown), "Residuals in words")
    return Part(
        "predictions", _TITLE, (said,), body, {"residuals": svg}, {"residuals": shown.to_json()}
    )
