"""Geometry of small models: where classes meet, and the loss around the trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.evaluation.losses import as_function
from chainrule.explain.geometry.boundary import decision_boundary
from chainrule.explain.geometry.slices import slice_of
from chainrule.explain.page import figure, listing
from chainrule.explain.reports.context import Context
from chainrule.explain.reports.parts import Part
from chainrule.explain.reports.sections.predictions import classes_of
from chainrule.gradients.reverse import grad

#: Features and parameters that a picture of a small model may have, rows that it is made of.
_FEATURES: Final = 10
_PARAMETERS: Final = 500_000
_ROWS: Final = 1000
_SECONDS: Final = 1.5
_PLANE: Final = 2


def boundary(context: Context) -> Part:
    """Where the classifier is in two minds.

    Raises:
        TrainingError: no classifier, or of too many features to be drawn.
    """
    told = context.told
    if told.task != "classification":
        raise TrainingError("the model is no classifier")
    x, y = (np.asarray(a) for a in context.few.tree(list(context.few.arrays))[:2])
    if x.ndim != 2 or x.shape[1] > _FEATURES:
        raise TrainingError(
            f"{_features(x)}: only models of at most {_FEATURES} are drawn in the plane"
        )
    names = list(told.features) or None
    drawn = _telling(context, x, y) if x.shape[1] > _PLANE else None
    found = decision_boundary(told.model, x, classes_of(y), names=names, features=drawn)
    if len(told.classes) == len(found.classes):
        found = replace(found, classes=tuple(told.classes))
    says = (
        "Where two classes are equally likely for the model, and what it makes of the plane.",
        *_which(drawn, told.features),
    )
    return _part("boundary", "Decision boundary", says, str(found), found.pictures())


def landscape(context: Context) -> Part:
    """A plane through the trained weights.

    Raises:
        TrainingError: more parameters than can be tried in a moment.
    """
    told, size = context.told, context.objective.size
    if size > _PARAMETERS:
        raise TrainingError(
            f"{size:,} parameters: more than {_PARAMETERS:,} are not tried in a report"
        )
    data = context.few.tree(list(context.few.arrays))
    path = [s.model for s in told.snapshots]
    found = slice_of(
        told.model, told.loss, data, path=path if len(path) > _PLANE else None,
        seconds=_SECONDS, rows=_ROWS,
    )  # fmt: skip
    said = (
        "The loss over a plane through the trained weights: how deep and how wide the place is in"
        " which the descent ended."
    )
    return _part("landscape", "The loss around the weights", (said,), str(found), found.pictures())


def _part(
    name: str, title: str, says: tuple[str, ...], text: str, pictures: dict[str, str]
) -> Part:
    body = "".join(figure(svg) for svg in pictures.values()) + listing(text, f"{title} in words")
    return Part(name, title, says, body, pictures)


def _telling(context: Context, x: np.ndarray, y: np.ndarray) -> tuple[int, int]:
    """The two features whose usual changes move the loss most: mean |∂L/∂x| times spread."""
    loss = as_function(context.told.loss)
    slopes = np.asarray(grad(loss, argnums=1)(context.told.model, x, y), np.float64)
    moves = np.mean(np.abs(slopes), axis=0) * np.std(x, axis=0)
    first, second = sorted(int(k) for k in np.argsort(-moves, kind="stable")[:2])
    return first, second


def _which(drawn: tuple[int, int] | None, names: Sequence[str]) -> tuple[str, ...]:
    if drawn is None:
        return ()
    said = " and ".join(names[k] if len(names) > k else f"feature {k}" for k in drawn)
    return (f"Drawn over the two features that move the loss most: {said}.",)


def _features(x: np.ndarray) -> str:
    return f"{x.shape[1]:,} features" if x.ndim == 2 else f"rows of {x.shape[1:]}"
