"""The examples as native code reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import DataError
from chainrule.ir.types import BATCH, DTYPE_NAMES, ArrayType
from chainrule.tracing.trees import flatten, paths, unflatten

_MOST_ROWS: Final = (1 << 31) - 1


@dataclass(frozen=True, eq=False)
class Examples:
    """Row-major arrays with one row per example, and the tree that they are the leaves of."""

    arrays: tuple[np.ndarray, ...]
    structure: Any
    rows: int

    @property
    def types(self) -> list[ArrayType]:
        """The arrays' types with the batch in front."""
        return [ArrayType(a.dtype, (BATCH, *a.shape[1:])) for a in self.arrays]

    def tree(self, leaves: list[Any]) -> Any:
        """The arguments of a loss, with these leaves."""
        return unflatten(self.structure, leaves)

    def block(self, first: int, last: int) -> list[np.ndarray]:
        """Some rows, without a copy."""
        return [array[first:last] for array in self.arrays]


def take_examples(data: Any, dtype: np.dtype, name: str = "data") -> Examples:
    """Check a tuple of trees of arrays and bring each to a form that graphs hold.

    Floating-point arrays take the parameters' dtype, other integers become int64.

    Raises:
        DataError: no arrays, no rows, differing numbers of rows, not numbers.
    """
    if not isinstance(data, tuple):
        raise DataError(
            f"{name} is {type(data).__name__}; expected a tuple of arrays such as (x, y)",
            f"{name}=(x, y), or {name}=(x,) for a loss of the parameters and x alone",
        )
    leaves, structure = flatten(data)
    names = [f"{name}[{path}]" for path in paths(data)]
    arrays = [_row_array(leaf, dtype, where) for leaf, where in zip(leaves, names, strict=True)]
    counts = {len(array) for array in arrays}
    if len(counts) != 1:
        sizes = ", ".join(f"{w} has {len(a)}" for w, a in zip(names, arrays, strict=True))
        raise DataError(
            f"{name}: the arrays differ in their number of rows: {sizes or 'no arrays'}"
        )
    rows = counts.pop()
    if not 1 <= rows <= _MOST_ROWS:
        raise DataError(f"{name}: {rows} rows; expected 1 to {_MOST_ROWS}")
    return Examples(tuple(arrays), structure, rows)


def sample(examples: Examples, most: int, seed: int = 0) -> Examples:
    """At most this many rows, drawn without replacement and kept in their order.

    Example:
        >>> rows = take_examples((np.arange(10.0),), np.dtype(float))
        >>> sample(rows, 4).rows, sample(rows, 20) is rows
        (4, True)
    """
    if examples.rows <= most:
        return examples
    chosen = np.sort(np.random.default_rng(seed).permutation(examples.rows)[:most])
    return rows_of(examples, chosen)


def rows_of(examples: Examples, chosen: np.ndarray) -> Examples:
    """The rows of these numbers, copied."""
    arrays = tuple(np.ascontiguousarray(array[chosen]) for array in examples.arrays)
    return Examples(arrays, examples.structure, len(chosen))


def _row_array(leaf: Any, dtype: np.dtype, where: str) -> np.ndarray:
    array = np.asarray(leaf)
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        raise DataError(
            f"{where}: {array.dtype}[{array.shape}]; expected numbers, one row an example"
        )
    if array.dtype.kind == "f":
        array = np.asarray(array, dtype)
    elif array.dtype not in DTYPE_NAMES:
        array = array.astype(np.int64)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])
