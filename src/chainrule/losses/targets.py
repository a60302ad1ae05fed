"""What a loss makes of its targets: their shape and dtype (fit), their values (check)."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import numpy as np

from chainrule.errors import DataError, DTypeError, ShapeError
from chainrule.ir.types import ArrayType
from chainrule.tracing.tracer import Tracer

Array: TypeAlias = Any

#: How far from 1 the probabilities of one example may sum: rounding of float32, and of hand work.
_SUM_TOLERANCE: Final = 1e-3


def fit_numbers(output: Array, y: Array, **_: Any) -> Array:
    """y in the shape and dtype of the output.

    (batch,) and (batch, 1) are the same targets. Left to broadcasting, the difference of the two
    would be a (batch, batch) matrix of every output with every target.

    Raises:
        ShapeError: not one target per output.
        DTypeError: y holds no numbers.
    """
    _require_numbers(y)
    if _without_last_ones(y.shape) != _without_last_ones(output.shape):
        hint = "for one class label per example use cross_entropy" if _is_labels(output, y) else ""
        if y.shape == output.shape[::-1]:
            hint = "examples are rows here: y.T fits"
        raise ShapeError(
            f"y is {_kind(y)} for an output of {_kind(output)}; expected one target per output",
            hint,
        )
    return y.reshape(output.shape).astype(output.dtype)


def fit_classes(output: Array, y: Array, **_: Any) -> Array:
    """Labels of shape (batch, ..., 1), or probabilities in the shape and dtype of the logits.

    Raises:
        ShapeError: the logits are not (batch, ..., k) with k > 1, or y fits them in neither way.
        DTypeError: one label per example, but not of an integer type.
    """
    if output.ndim < 2 or output.shape[-1] < 2:
        raise ShapeError(
            f"the logits are {_kind(output)}; expected (batch, classes), two classes or more",
            "for a yes or no from one output use binary_cross_entropy",
        )
    _require_numbers(y)
    if y.shape == output.shape:
        return y.astype(output.dtype)
    if not _is_labels(output, y):
        raise ShapeError(
            f"y is {_kind(y)} for logits of {_kind(output)}; expected labels {output.shape[:-1]} "
            f"or probabilities {output.shape}"
        )
    return _labels(y.reshape((*output.shape[:-1], 1)))


def fit_margins(output: Array, y: Array, **_: Any) -> Array:
    """Answers in the shape of the scores, or one label for several scores: (batch, 1).

    Raises:
        ShapeError: y fits the scores in neither way.
        DTypeError: y holds no numbers; labels that are floats.
    """
    if output.ndim == 2 and output.shape[1] > 1 and _is_labels(output, y):
        return fit_classes(output, y)
    return fit_numbers(output, y)


def fit_two(output: Array, y: Array, fixed: float | None) -> Array:
    """Targets for outputs that hold two numbers for each, or one if the second is ``fixed``.

    Shapes:
        output: (batch, 2 n), the first numbers in front, or (batch, n). y: (batch, n).

    Raises:
        ShapeError: not one target for each two outputs, or for each. DTypeError: no numbers.
    """
    if fixed is not None:
        return fit_numbers(output, y)
    if output.ndim < 1 or output.shape[-1] % 2:
        raise ShapeError(
            f"the output is {_kind(output)}; expected two numbers for each target",
            "the model learns both; give the second to the loss as an option to fix it",
        )
    return fit_numbers(output[..., : output.shape[-1] // 2], y)


def _labels(y: Array) -> Array:
    if y.dtype.kind == "f":
        raise DTypeError(
            f"y is {_kind(y)}, one number per example; expected integer labels 0, 1, 2, ...",
            "y.astype(np.int64), if they are whole numbers",
        )
    return y.astype(np.int64) if y.dtype.kind == "b" else y


def _require_numbers(y: Array) -> None:
    if y.dtype.kind not in "fiub":
        raise DTypeError(
            f"y holds values of dtype {y.dtype}; expected numbers",
            "np.unique(y, return_inverse=True) numbers the labels",
        )


def _is_labels(output: Array, y: Array) -> bool:
    return output.ndim > 1 and y.shape in (output.shape[:-1], (*output.shape[:-1], 1))


def _without_last_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    while shape and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _kind(x: Array) -> str:
    return str(x.type if isinstance(x, Tracer) else ArrayType(x.dtype, x.shape))


def check_finite(y: np.ndarray, n_out: int) -> None:
    """Targets of a regression are finite.

    Raises:
        DataError: a NaN or an infinity.
    """
    _require(np.isfinite(y), y, "a finite target", "drop these rows or fill them in")


def check_probabilities(y: np.ndarray, n_out: int) -> None:
    """Targets of a yes-or-no model are labels 0 and 1, or probabilities between.

    Raises:
        DataError: a value below 0, above 1 or NaN.
    """
    _require((y >= 0) & (y <= 1), y, "0, 1 or a probability between", "y == label gives 0 and 1")


def check_counts(y: np.ndarray, n_out: int) -> None:
    """Counts, or rates of them, are finite and not negative.

    Raises:
        DataError: one is.
    """
    _require(np.isfinite(y) & (y >= 0), y, "a finite count >= 0")


def check_positive(y: np.ndarray, n_out: int) -> None:
    """Amounts and durations are finite and positive.

    Raises:
        DataError: one is not.
    """
    _require(np.isfinite(y) & (y > 0), y, "a finite number > 0", "drop the rows in which it is 0")


def check_answers(y: np.ndarray, n_out: int) -> None:
    """Answers are 0 or -1 for a no and 1 for a yes; labels lie in 0 ... n_out - 1.

    Raises:
        DataError: a value that is neither.
    """
    if (y.ndim == 2 and y.shape[1] == n_out) or n_out == 1 or y.dtype.kind == "f":
        _require((y == 0) | (y == 1) | (y == -1), y, "0 or -1 for a no, 1 for a yes")
    else:
        check_classes(y, n_out)


def check_classes(y: np.ndarray, n_out: int) -> None:
    """Labels lie in 0 ... n_out - 1; the probabilities of one example are >= 0 and sum to 1.

    Raises:
        DataError: a label that no output stands for, or a row that is no distribution.
    """
    if y.ndim > 1 and y.shape[-1] == n_out:
        _require(y >= 0, y, "a probability")
        total = y.sum(axis=-1)
        expected = "probabilities of each example that sum to 1"
        _require(abs(total - 1) <= _SUM_TOLERANCE, total, expected)
    else:
        _require(
            (y >= 0) & (y < n_out), y, f"a label of 0 ... {n_out - 1}, one per output of the model",
            "np.unique(y, return_inverse=True) numbers the labels from 0",
        )  # fmt: skip


def _require(holds: np.ndarray, y: np.ndarray, expected: str, hint: str = "") -> None:
    """Raise DataError with the first value for which it does not hold, and how many more."""
    if holds.all():
        return
    wrong = np.argwhere(~holds)
    first = tuple(wrong[0].tolist())
    row = f" in row {first[0]}" if first else ""
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    raise DataError(f"y has {y[first]}{row}{more}; expected {expected}", hint)
