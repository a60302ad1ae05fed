"""The examples as the native loop reads them, and the order in which it takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.shuffle import epoch_key, shuffle_into
from chainrule.errors import DataError
from chainrule.ir.types import BATCH, DTYPE_NAMES, ArrayType
from chainrule.tracing.trees import flatten, paths, unflatten

#: Random streams of a run; each has its own numbers.
ORDER_STREAM: Final = 1
NOISE_STREAM: Final = 2
#: Row numbers kept at a time, unless one epoch has more.
_WINDOW: Final = 1 << 19
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


def noise_keys(seed: int, step: int, count: int) -> np.ndarray:
    """The keys of the random bits of ``count`` steps from ``step`` on, int64: see ``nn.counter``.

    Neighbours in number; what follows from one key has nothing to do with what does from another.
    """
    first = np.uint64(epoch_key(seed, NOISE_STREAM, 0))
    return (first + np.arange(step, step + count, dtype=np.uint64)).view(np.int64)


class Order:
    """Which rows each step takes: ⌊rows / batch⌋ steps an epoch, each epoch a new permutation.

    A function of (seed, epoch) alone: a run that begins in the middle sees the same rows there.
    """

    def __init__(self, rows: int, batch: int, seed: int) -> None:
        self.rows, self.batch, self.seed = rows, batch, seed
        self.steps_per_epoch = rows // batch
        self._taken = self.steps_per_epoch * batch
        self._most = max(1, _WINDOW // max(1, self._taken))
        self._window = np.zeros(0, np.int32)
        self._held = range(0)

    def steps_from(self, step: int, most: int) -> tuple[np.ndarray, int]:
        """The row numbers from ``step`` on, and for how many steps, at most ``most``.

        They are valid until the next call.
        """
        epoch = step // self.steps_per_epoch
        if epoch not in self._held:
            wanted = -(-(step + most) // self.steps_per_epoch) - epoch
            self._hold(range(epoch, epoch + min(wanted, self._most)))
        skipped = step - self._held.start * self.steps_per_epoch
        reach = len(self._held) * self.steps_per_epoch - skipped
        return self._window[skipped * self.batch :], min(most, reach)

    def _hold(self, epochs: range) -> None:
        # The tail of a permutation that no step takes is overwritten by the next epoch's.
        size = (len(epochs) - 1) * self._taken + self.rows
        if len(self._window) < size:
            self._window = np.empty(size, np.int32)
        for k, epoch in enumerate(epochs):
            place = self._window[k * self._taken :]
            shuffle_into(place, self.rows, epoch_key(self.seed, ORDER_STREAM, epoch))
        self._held = epochs
