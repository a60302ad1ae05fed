"""What is recorded of each step: columns that grow with the run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class Record:
    """Arrays by name, one element per step, all of one length."""

    def __init__(self) -> None:
        self.length = 0
        self._columns: dict[str, np.ndarray] = {}

    def append(self, columns: Mapping[str, np.ndarray]) -> None:
        """Some more steps; the same names each time."""
        count = len(next(iter(columns.values())))
        for name, values in columns.items():
            self._room(name, values.dtype, count)[self.length : self.length + count] = values
        self.length += count

    def _room(self, name: str, dtype: np.dtype, count: int) -> np.ndarray:
        column = self._columns.get(name)
        if column is None or self.length + count > len(column):
            grown = np.zeros(max(2 * (self.length + count), 1024), dtype)
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
            self.append({name: np.asarray(values) for name, values in columns.items()})


def mean_loss(losses: np.ndarray, batches: np.ndarray) -> float:
    """The mean over examples; what was skipped, which is not finite, is left out."""
    known = np.isfinite(losses)
    if not known.any():
        return float("nan")
    if (batches == batches[0]).all():
        return float(np.mean(losses[known]))
    return float(np.average(losses[known], weights=batches[known]))
