"""The examples as native code reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.errors import DataError
from chainrule.ir.types import BATCH, DTYPE_NAMES, ArrayType
from chainrule.tracing.trees import flatten, paths, unflatten

_MOST_ROWS: Final = (1 << 31) - 1
#: The arguments x and y; those behind them (weights) may be missing.
_NEEDED: Final = 2


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
    leaves, structure = flatten(tuple(map(_as_array, data)))
    names = [f"{name}[{path}]" for path in paths(unflatten(structure, leaves))]
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


def check_alike(examples: Examples, held_out: Examples) -> None:
    """Check that the rows held out are such rows as a model is trained on.

    Either may have arguments behind (x, y) that the other has not, such as weights of the rows.

    Raises:
        DataError: other arrays, or rows of another shape.

    Example:
        >>> train = take_examples((np.ones((6, 3)),), np.dtype(float))
        >>> check_alike(train, take_examples((np.ones((2, 3)),), np.dtype(float), "validation"))
        >>> check_alike(train, take_examples((np.ones((2, 4)),), np.dtype(float), "validation"))
        Traceback (most recent call last):
        chainrule.errors.DataError: validation[0]: f64[2, 4]; expected the shape of data[0], ...
          hint: bring both to the same form before you call train
    """
    ours, theirs = _arguments(examples), _arguments(held_out)
    shared = min(len(ours), len(theirs))
    counts_fit = len(ours) == len(theirs) or shared >= _NEEDED
    if not counts_fit or any(
        flatten(a)[1] != flatten(b)[1] for a, b in zip(ours, theirs, strict=False)
    ):
        found, expected = _places("validation", theirs), _places("data", ours)
        if found.replace("validation", "data") == expected:  # the containers differ
            found, expected = str(held_out.structure), str(examples.structure)
        raise _unlike(f"validation: {found}; expected the same tree as data: {expected}")
    for path, a, b in zip(paths(ours[:shared]), *map(_leaves, (ours, theirs)), strict=False):
        _check_rows_alike(path, a, b)


def _arguments(examples: Examples) -> tuple[Any, ...]:
    """What stands behind the model in a call of the loss."""
    arguments = examples.tree(list(examples.arrays))
    assert isinstance(arguments, tuple)
    return tuple(arguments)


def _leaves(tree: Any) -> list[np.ndarray]:
    return flatten(tree)[0]


def _places(name: str, arguments: tuple[Any, ...]) -> str:
    return ", ".join(f"{name}[{path}]" for path in paths(arguments))


def _check_rows_alike(path: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    """One array of the data and the one in its place."""
    found = f"validation[{path}]: {ArrayType(theirs.dtype, theirs.shape)}"
    if ours.shape[1:] != theirs.shape[1:]:
        raise _unlike(f"{found}; expected the shape of data[{path}], {_row_shape(ours)}")


def _row_shape(array: np.ndarray) -> str:
    sizes = array.shape[1:]
    if not sizes:
        return "one number a row"
    columns = "column" if sizes == (1,) else "columns"
    return f"{sizes[0]} {columns}" if len(sizes) == 1 else f"rows of {sizes}"


def _unlike(message: str) -> DataError:
    return DataError(message, "bring both to the same form before you call train")


def dtype_of(model: Any) -> np.dtype:
    """The dtype of a model's parameters together, in which its examples are taken.

    Example:
        >>> dtype_of({"w": np.zeros(2, np.float32), "calls": np.array(3)})
        dtype('float32')
    """
    kinds = [x.dtype for x in map(np.asarray, flatten(model)[0]) if x.dtype.kind == "f"]
    return np.dtype(np.result_type(*kinds)) if kinds else np.dtype(np.float64)


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


def _as_array(item: Any) -> Any:
    """A list of numbers, or of lists of them, is an array; other trees are what they are."""
    first = item
    while isinstance(first, list) and first:
        first = first[0]
    is_plain = isinstance(item, list) and isinstance(first, int | float | str | np.generic)
    return np.asarray(item) if is_plain else item


def _row_array(leaf: Any, dtype: np.dtype, where: str) -> np.ndarray:
    if isinstance(leaf, np.ma.MaskedArray) and np.ma.is_masked(leaf):
        raise DataError(
            f"{where}: a masked array; what is masked would be learnt from",
            "leave such rows out, or fill them and say where: x.filled(0), x.mask",
        )
    array = np.asarray(leaf)
    if array.dtype.kind not in "fiub" or array.ndim == 0:
        text = array.dtype.kind in "USO" and array.ndim == 1
        raise DataError(
            f"{where}: {array.dtype}{list(array.shape)}; expected numbers, one row an example",
            "names, y = np.unique(labels, return_inverse=True) numbers them" if text else "",
        )
    if array.dtype.kind == "f":
        array = np.asarray(array, dtype)
    elif array.dtype not in DTYPE_NAMES:
        array = array.astype(np.int64)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])
