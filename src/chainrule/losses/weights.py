"""Weights of examples and of classes, and the ranges that options of losses lie in."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import DataError, DTypeError, ShapeError, TrainingError
from chainrule.ir.types import ArrayType
from chainrule.tracing.tracer import Tracer

Array: TypeAlias = Any


def totals(elements: Array, weights: Array, sample_weight: Array) -> tuple[Array, Array]:
    """(Σ losses, Σ weights) of a batch.

    Args:
        elements: (batch, ...), the losses times ``weights``.
        weights: the weight of each element by its class, or None for 1.
        sample_weight: (batch,) or None for 1.
    """
    each, count = _per_example(elements), elements.size // max(_rows(elements), 1)
    if sample_weight is None:
        number = elements.dtype.type(elements.size)
        return np.sum(each), number if weights is None else np.sum(weights)
    of_example = count if weights is None else _per_example(weights)
    return np.sum(sample_weight * each), np.sum(sample_weight * of_example)


def _per_example(x: Array) -> Array:
    return np.sum(x, axis=tuple(range(1, x.ndim))) if x.ndim > 1 else x


def _rows(x: Array) -> int:
    return int(x.shape[0]) if x.ndim else 1


def fit_weights(output: Array, w: Array) -> Array:
    """One weight per example, in the output's dtype.

    Raises:
        ShapeError: not one per example. DTypeError: no numbers.
        DataError: a weight that is negative or not finite; all are 0.
    """
    if w.dtype.kind not in "fiub":
        raise DTypeError(f"sample_weight holds values of dtype {w.dtype}; expected numbers")
    if w.shape not in (output.shape[:1], (*output.shape[:1], 1)):
        kinds = [
            x.type if isinstance(x, Tracer) else ArrayType(x.dtype, x.shape) for x in (w, output)
        ]
        raise ShapeError(
            f"sample_weight is {kinds[0]} for an output of {kinds[1]}; expected one per example"
        )
    if not isinstance(w, Tracer):
        check_weights(w)
    return w.reshape(output.shape[:1]).astype(output.dtype)


def check_weights(w: np.ndarray) -> None:
    """Weights of examples are finite and not negative, and some are positive.

    Raises:
        DataError: they are not.
    """
    wrong = ~(np.isfinite(w) & (w >= 0))
    if wrong.any():
        row = int(np.argmax(wrong.ravel()))
        raise DataError(
            f"sample_weight has {w.ravel()[row]} in row {row}; expected a finite number >= 0"
        )
    if not w.any():
        raise DataError("every sample_weight is 0; expected a positive one")


def class_weights(weights: Any, k: int) -> np.ndarray:
    """The weights of k classes, float64[k]; a class that a dict does not name has weight 1.

    Raises:
        ShapeError: another number of classes.
    """
    if isinstance(weights, Mapping):
        if any(label not in range(k) for label in weights):
            raise ShapeError(f"class_weight is {dict(weights)}; expected labels of 0 ... {k - 1}")
        return np.array([weights.get(label, 1.0) for label in range(k)], np.float64)
    if len(weights) != k:
        raise ShapeError(f"class_weight has {len(weights)} weights; expected {k}, one per class")
    return np.array(weights, np.float64)


def balanced_class_weight(y: Any) -> np.ndarray:
    """Weights of classes under which all weigh the same: n / (k · how often the class occurs).

    Shapes:
        y: labels 0 ... k - 1 of shape (n,) -> float64[k].

    Raises:
        DataError: y are no labels, or a class below the largest label does not occur.

    Source:
        scikit-learn's ``class_weight="balanced"``; King & Zeng 2001, Logistic Regression in Rare
        Events Data.

    Example:
        >>> balanced_class_weight([0, 0, 0, 1])
        array([0.66666667, 2.        ])
    """
    y = np.asarray(y).ravel()
    if y.dtype.kind not in "iub" or not y.size or (y < 0).any():
        raise DataError(f"y is {y.dtype}[{y.size}]; expected integer labels 0, 1, 2, ...")
    counts = np.bincount(y.astype(np.int64))
    if not counts.all():
        raise DataError(f"no example has label {int(np.argmin(counts))}; expected each class once")
    return len(y) / (len(counts) * counts)


# -- ranges of options -----------------------------------------------------------------------------


def positive(what: str, value: Any) -> float:
    """A finite number > 0, or TrainingError."""
    return _number(what, value, 0 < _float(value) < math.inf, "a finite number > 0")


def positive_or_none(what: str, value: Any) -> float | None:
    """A finite number > 0, or None for what the model learns, or TrainingError."""
    return None if value is None else positive(what, value)


def level(what: str, value: Any) -> float:
    """A number between 0 and 1, or TrainingError."""
    return _number(what, value, 0 < _float(value) < 1, "a number between 0 and 1")


def share(what: str, value: Any) -> float:
    """A number >= 0 and below 1, or TrainingError."""
    return _number(what, value, 0 <= _float(value) < 1, "a number >= 0 and below 1")


def class_table(what: str, value: Any) -> Any:
    """Weights of classes in order, or by label; None for none; or TrainingError."""
    if value is None:
        return None
    if isinstance(value, str):
        raise TrainingError(
            f"{what} is {value!r}; expected a weight per class",
            "losses.balanced_class_weight(y) gives those under which all classes weigh the same",
        )
    given = dict(value) if isinstance(value, Mapping) else None
    numbers_of = list(given.values()) if given is not None else list(np.asarray(value).tolist())
    for x in numbers_of:
        _number(what, x, 0 <= _float(x) < math.inf, "finite weights >= 0")
    return tuple(map(float, numbers_of)) if given is None else given


def _float(value: Any) -> float:
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return float(value) if is_real else math.nan


def _number(what: str, value: Any, holds: bool, expected: str) -> float:
    if not holds:
        raise TrainingError(f"{what} is {value!r}; expected {expected}")
    return float(value)
