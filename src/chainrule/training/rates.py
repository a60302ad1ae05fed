"""The learning rates that a schedule plans, some at a time."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

#: Steps that a schedule is asked for at a time: a run may have more than fit into memory.
_BLOCK: Final = 1 << 20


class PlannedRates:
    """The rates of a run of ``total`` steps, as the optimiser's schedule gives them.

    Raises:
        TrainingError: the schedule cannot be asked, or gives rates that are none.
    """

    def __init__(self, optimizer: Any, total: int) -> None:
        self._optimizer, self._total = optimizer, total
        self._first = 0
        self._block = self._asked(0, min(total, _BLOCK)) if total else np.zeros(0)

    def at(self, steps: range | np.ndarray) -> np.ndarray:
        """The rates at these steps, which rise: float64[n], or float64[n, rates]."""
        low, high = int(steps[0]), int(steps[-1]) + 1
        if low < self._first or high > self._first + len(self._block):
            self._first = low
            self._block = self._asked(low, min(self._total, max(high, low + _BLOCK)))
        if isinstance(steps, range):
            return self._block[low - self._first : high - self._first]
        return np.asarray(self._block[steps - self._first])

    def _asked(self, low: int, high: int) -> np.ndarray:
        rates = self._optimizer.learning_rates(np.arange(low, high), self._total)
        return np.asarray(rates)
