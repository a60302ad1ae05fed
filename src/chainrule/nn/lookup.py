"""Rows of a table for whole numbers, and whole numbers as rows of zeros and a one."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from chainrule.errors import DTypeError, ShapeError
from chainrule.ops import bind
from chainrule.tracing.gathering import places_in
from chainrule.tracing.lines import user_line
from chainrule.tracing.shaping import as_array, described
from chainrule.tracing.tracer import Tracer, cast

Array: TypeAlias = Any


def embedding(table: Array, i: Array) -> Array:
    """The rows of a table at the places i; the gradient adds up at the rows that were read.

    Shapes:
        table: (n, *rest), i: whole numbers (...) below n -> (..., *rest). As in NumPy, plain
        numbers below 0 count from the end.

    Raises:
        DTypeError: i are no whole numbers. ShapeError: a place outside the table.

    Example:
        >>> embedding(np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([1, 1, 0]))
        array([[2., 3.],
               [2., 3.],
               [0., 1.]])
    """
    table, i = as_array(table), _whole("embedding", i)
    return bind("take", table, i if isinstance(i, Tracer) else places_in(i, table.shape[0]))


def one_hot(i: Array, n: int, dtype: Any = np.float32) -> Array:
    """Each whole number k as a row of n zeros with a one at place k; outside of 0 to n - 1 no one.

    Shapes:
        i: (...) -> (..., n).

    Raises:
        DTypeError: i are no whole numbers. ShapeError: n is not positive.

    Example:
        >>> one_hot(np.array([2, 0]), 3)
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """
    i = _whole("one_hot", i)
    if n < 1:
        raise ShapeError(f"one_hot at {user_line()}: n={n}; expected at least 1")
    return cast(np.equal(i[..., None], np.arange(n, dtype=i.dtype)), np.dtype(dtype))


def _whole(op: str, i: Any) -> Array:
    i = as_array(i)
    if i.dtype.kind not in "iu":
        raise DTypeError(
            f"{op} at {user_line()}: places {described(i)}; expected whole numbers",
            "convert with .astype(np.int64)",
        )
    return i if i.dtype in (np.dtype(np.int32), np.dtype(np.int64)) else cast(i, np.dtype(np.int64))
