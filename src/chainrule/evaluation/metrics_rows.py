"""Predictions beside their targets, in the forms that metrics score: classes, or numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError, ShapeError

Floats: TypeAlias = NDArray[np.float64]
#: What a model predicts. "answers" are probabilities of a yes, each output's own; "margins" are
#: scores without probabilities; "anything" stands under a loss that is the user's own function.
Kind: TypeAlias = Literal["classes", "answers", "margins", "numbers", "anything"]
#: What a metric scores.
Needs: TypeAlias = Literal["labels", "scores", "probabilities", "numbers"]

_SUM_TOLERANCE: Final = 1e-3


class Undefined(Exception):  # noqa: N818 - no error: the score is NaN, and this says why
    """A metric that means nothing for these rows."""


@dataclass(frozen=True, eq=False)
class Classes:
    """One question and its answers.

    Attributes:
        k: how many classes.
        label, predicted: int64 (n,).
        score: of the second of two classes, (n,); or of each, (n, k). Probabilities, where a
            metric needs them.
        target: probabilities in the shape of ``score``, where the targets are such; or None.
        weight: (n,), or None for 1.
    """

    k: int
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]
    score: Floats
    target: Floats | None
    weight: Floats | None

    @property
    def wanted(self) -> Floats:
        """The targets as probabilities, in the shape of ``score``."""
        if self.target is not None:
            return self.target
        return (self.label if self.k == 2 else np.eye(self.k)[self.label]).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Numbers:
    """One quantity: y, prediction (n,); weight (n,) or None for 1."""

    y: Floats
    prediction: Floats
    weight: Floats | None


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by name.

    Attributes:
        needs: what it scores.
        greater_is_better: whether a larger score is the better one.
        score: Classes or Numbers -> float; raises Undefined.
    """

    name: str
    needs: Needs
    greater_is_better: bool
    score: Callable[[Any], float]


def as_numbers(prediction: Floats, y: np.ndarray, weight: Floats | None) -> list[Numbers]:
    """One ``Numbers`` for each quantity that is predicted: the last axis, if there are several.

    Raises:
        ShapeError: not one target per prediction.
    """
    if _trimmed(y.shape) != _trimmed(prediction.shape):
        raise ShapeError(
            f"y is {y.shape} for predictions of {prediction.shape}; expected one target for each"
        )
    wanted, given = _columns(y.reshape(prediction.shape).astype(np.float64)), _columns(prediction)
    w = _repeated(weight, len(given))
    return [Numbers(a, b, w) for a, b in zip(wanted.T, given.T, strict=True)]


def as_classes(
    kind: Kind, prediction: Floats, y: np.ndarray, weight: Floats | None
) -> list[Classes]:
    """One ``Classes`` for a choice of several; for answers of yes or no, one for each.

    Shapes:
        prediction: (n, ..., k) with labels (n, ...) or (n, ..., 1), or probabilities (n, ..., k);
        answers (n,) or (n, ..., m) with targets of the same shape, 0 or 1, -1 or 1, or
        probabilities. What lies between counts as rows.

    Raises:
        ShapeError: y fits in neither way. DataError: a label that no output stands for.
    """
    leading = prediction.shape[:-1]
    if prediction.ndim > 1 and prediction.shape[-1] > 1 and kind != "answers":
        if y.shape in (leading, (*leading, 1)):
            return [_choice(kind, prediction, y.reshape(-1), None, weight)]
        if y.shape == prediction.shape and (kind == "classes" or _are_distributions(kind, y)):
            target = y.reshape(-1, y.shape[-1]).astype(np.float64)
            return [_choice(kind, prediction, target.argmax(axis=1), target, weight)]
    if kind in ("classes", "anything") or _trimmed(y.shape) != _trimmed(prediction.shape):
        raise _no_fit(kind, prediction, y)
    given, wanted = _columns(prediction), _columns(y.reshape(prediction.shape))
    w = _repeated(weight, len(given))
    return [_answer(kind, a, b, w) for a, b in zip(given.T, wanted.T, strict=True)]


def _choice(
    kind: Kind, prediction: Floats, y: np.ndarray, target: Floats | None, weight: Floats | None
) -> Classes:
    k = prediction.shape[-1]
    score, label = prediction.reshape(-1, k), y.astype(np.int64)
    if len(label) and not 0 <= label.min() <= label.max() < k:
        raise DataError(
            f"y has labels from {label.min()} to {label.max()}; expected 0 ... {k - 1}, one per "
            "output of the model",
            "np.unique(y, return_inverse=True) numbers the labels from 0",
        )
    predicted, w = score.argmax(axis=1), _repeated(weight, len(score))
    if k > 2:
        return Classes(k, label, predicted, score, target, w)
    second = score[:, 1] if kind == "classes" else score[:, 1] - score[:, 0]
    return Classes(2, label, predicted, second, None if target is None else target[:, 1], w)


def _answer(kind: Kind, score: Floats, y: np.ndarray, weight: Floats | None) -> Classes:
    threshold = 0.5 if kind == "answers" else 0.0
    predicted = (score > threshold).astype(np.int64)
    target = np.clip(y.astype(np.float64), 0.0, 1.0)  # a no may be -1
    is_label = bool(np.all((target == 0) | (target == 1)))
    label = (target > 0.5).astype(np.int64)
    return Classes(2, label, predicted, score, None if is_label else target, weight)


def _are_distributions(kind: Kind, y: np.ndarray) -> bool:
    if kind != "anything":
        return False
    return bool((y >= 0).all() and (abs(y.sum(axis=-1) - 1) <= _SUM_TOLERANCE).all())


def _no_fit(kind: Kind, prediction: Floats, y: np.ndarray) -> ShapeError:
    what = f"y is {y.shape} for predictions of {prediction.shape}"
    if kind == "anything":
        return ShapeError(
            f"{what}: which class is meant is not known, as the loss is a function of its own",
            "a function f(y, prediction) -> number is a metric too; or use a loss of `losses`",
        )
    return ShapeError(f"{what}; expected a label or as many probabilities for each")


def _columns(x: Any) -> Any:
    """(n,) -> (n, 1); (n, ..., m) -> (n · ..., m)."""
    return x.reshape(-1, x.shape[-1] if x.ndim > 1 else 1)


def _repeated(weight: Floats | None, rows: int) -> Floats | None:
    """An example's weight for each of its rows."""
    return None if weight is None else np.repeat(weight, rows // max(1, len(weight)))


def _trimmed(shape: tuple[int, ...]) -> tuple[int, ...]:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape
