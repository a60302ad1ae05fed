"""What a person gives to be measured: numbers and lists, checked, with errors that say which."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from chainrule.errors import DataError, DTypeError, ShapeError

#: How far from 1 probabilities may sum: rounding of float32, and of hand work.
SUM_TOLERANCE: Final = 1e-3


def numbers(name: str, values: Any, ndim: int | None = None) -> np.ndarray:
    """Finite numbers, float64.

    Args:
        name: what to call them.
        values: a number, a list or an array.
        ndim: how many axes they must have; None for any.

    Raises:
        DTypeError: no numbers. ShapeError: other axes, or none of them. DataError: not finite.

    Example:
        >>> numbers("y", [1, 2])
        array([1., 2.])
        >>> numbers("y", [1, float("nan")])
        Traceback (most recent call last):
        chainrule.errors.DataError: y[1] is nan; expected a finite number
    """
    array = _array(name, values)
    if array.dtype.kind not in "fiub":
        raise DTypeError(f"{name} holds {array.dtype}; expected numbers")
    if ndim is not None and array.ndim != ndim:
        raise ShapeError(f"{name} has shape {array.shape}; expected {_AXES[ndim]}")
    if not array.size:
        raise ShapeError(f"{name} is empty; expected at least one number")
    found = array.astype(np.float64)
    require(np.isfinite(found), found, name, "a finite number")
    return found


_AXES: Final = {0: "one number", 1: "a list of numbers", 2: "one row per example"}


def _array(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError:  # lists of differing lengths
        raise ShapeError(f"{name}: rows of differing lengths; expected numbers") from None


def require(
    holds: np.ndarray, values: np.ndarray, name: str, expected: str, hint: str = ""
) -> None:
    """Raise DataError with the first value for which it does not hold."""
    wrong = np.argwhere(~holds)
    if not len(wrong):
        return
    place = ", ".join(map(str, wrong[0]))
    where = f"{name}[{place}]" if place else name
    more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
    raise DataError(f"{where} is {values[tuple(wrong[0])]:.6g}{more}; expected {expected}", hint)


def probabilities(name: str, values: Any, ndim: int | None = None) -> np.ndarray:
    """Numbers in [0, 1], float64.

    Example:
        >>> probabilities("p", 1.2)
        Traceback (most recent call last):
        chainrule.errors.DataError: p is 1.2; expected a probability in [0, 1]
          hint: ...
    """
    p = numbers(name, values, ndim)
    hint = "z=... takes logits, of which any number is one"
    require((p >= 0) & (p <= 1), p, name, "a probability in [0, 1]", hint)
    return p


def distributions(name: str, values: np.ndarray) -> np.ndarray:
    """Rows of probabilities that sum to 1, to the rounding of hand work, divided by their sum.

    Example:
        >>> distributions("p", np.array([0.3, 0.3]))
        Traceback (most recent call last):
        chainrule.errors.DataError: p sums to 0.6; expected probabilities of classes that sum to 1
          hint: divide by the sum, or give logits as z=...
    """
    total = values.sum(axis=-1, keepdims=True)
    wrong = np.flatnonzero(abs(total - 1) > SUM_TOLERANCE)
    if len(wrong):
        where = f"{name}[{wrong[0]}]" if values.ndim > 1 else name
        raise DataError(
            f"{where} sums to {total.ravel()[wrong[0]]:.6g};"
            " expected probabilities of classes that sum to 1",
            "divide by the sum, or give logits as z=...",
        )
    is_exact = abs(total - 1) <= 4 * np.finfo(np.float64).eps * values.shape[-1]
    return np.where(is_exact, values, values / total)


def labels(name: str, values: Any, k: int) -> np.ndarray:
    """Class numbers 0 ... k - 1, int64; whole numbers that are stored as floats are taken too."""
    y = numbers(name, values)
    require(y == np.floor(y), y, name, "a whole number, the number of a class")
    require(
        (y >= 0) & (y < k), y, name, f"a class of 0 ... {k - 1}",
        "np.unique(y, return_inverse=True) numbers the labels from 0",
    )  # fmt: skip
    return y.astype(np.int64)


def same_length(a: tuple[str, np.ndarray], b: tuple[str, np.ndarray]) -> None:
    """Raise ShapeError where two arrays differ in their number of rows."""
    if len(a[1]) != len(b[1]):
        raise ShapeError(f"{a[0]} has {len(a[1])} rows, {b[0]} has {len(b[1])}; expected as many")
