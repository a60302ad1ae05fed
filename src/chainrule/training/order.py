"""The order in which a descent takes the examples."""

from __future__ import annotations

from typing import Final

import numpy as np

from chainrule.compiler.native.shuffle import epoch_key, shuffle_into
from chainrule.training.keys import ORDER_STREAM

#: Row numbers kept at a time, unless one epoch has more.
_WINDOW: Final = 1 << 19


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
