"""What is recorded of each step: columns that grow with the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

#: Steps that room is made for before they are done, of a run that expects as many.
_EXPECTED: Final = 1 << 22


class Record:
    """Arrays by name, one element per step, all of one length.

    Floating-point numbers are kept as float64. ``expected`` is how many steps there may be.
    """

    def __init__(self) -> None:
        self.length = 0
        self.expected = 0
        self._columns: dict[str, np.ndarray] = {}

    def append(self, count: int, columns: Mapping[str, np.ndarray | int]) -> None:
        """So many more steps, the same names each time; a number is that of each of them."""
        for name, values in columns.items():
            self._room(name, values, count)[self.length : self.length + count] = values
        self.length += count

    def _room(self, name: str, values: np.ndarray | int, count: int) -> np.ndarray:
        column, needed = self._columns.get(name), self.length + count
        if column is None or needed > len(column):
            dtype = np.asarray(values).dtype
            all_at_once = min(self.expected, _EXPECTED)
            room = all_at_once if needed <= all_at_once else max(2 * needed, 1024)
            grown = np.empty(room, np.float64 if dtype.kind == "f" else dtype)
            if column is not None:
                grown[: self.length] = column[: self.length]
            self._columns[name] = column = grown
        return column

    def cut(self, length: int) -> None:
        """Forget the steps from ``length`` on."""
        self.length = length

    def since(self, first: int) -> dict[str, np.ndarray]:
        """The columns from a step on, as views."""
        return {name: column[first : self.length] for name, column in self._columns.items()}

    def copy(self) -> dict[str, np.ndarray]:
        """The columns, to keep."""
        return {name: column.copy() for name, column in self.since(0).items()}

    def replace(self, columns: Mapping[str, np.ndarray]) -> None:
        """The record of an earlier run, in place of what is here."""
        self.length, self._columns = 0, {}
        if columns:
            arrays = {name: np.asarray(values) for name, values in columns.items()}
            self.append(len(next(iter(arrays.values()))), arrays)


def mean_loss(losses: np.ndarray, batches: np.ndarray) -> float:
    """The mean over examples; what was skipped, which is not finite, is left out."""
    is_uniform = len(batches) > 0 and bool((batches == batches[0]).all())
    if is_uniform and np.isfinite(mean := float(np.mean(losses))):
        return mean
    known = np.isfinite(losses)
    if not known.any():
        return float("nan")
    if is_uniform:
        return float(np.mean(losses[known]))
    return float(np.average(losses[known], weights=batches[known]))
