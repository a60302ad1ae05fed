"""Where a descent stands in its data, and the rows of its next steps.

A place is counted in rows, not in steps, so that the batch size may change between any two steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from chainrule.evaluation.examples import Examples
from chainrule.orders import Order

#: Row numbers of several short epochs that are put together at a time.
_WINDOW: Final = 1 << 19


@dataclass(frozen=True, slots=True)
class Place:
    """Epochs that have ended, and rows of the present one that have been taken."""

    epoch: int = 0
    taken: int = 0


@dataclass(frozen=True, eq=False, slots=True)
class Chunk:
    """The rows of some steps of one batch size.

    Attributes:
        rows: int32[steps * batch], valid until the next chunk is asked for.
        starts: of each step the rows taken before it, those of earlier epochs included: from
            where to where in each epoch.
        ends: after how many of the steps an epoch has ended, rising.
        after: the place after the last step.
        examples: what the rows are of, where they are not of the descent's own.
        is_timed: whether its time says how long such steps take.
    """

    rows: np.ndarray
    batch: int
    starts: tuple[range, ...]
    ends: tuple[int, ...]
    after: Place
    examples: Examples | None = None
    is_timed: bool = True

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return sum(map(len, self.starts))


class Cursor:
    """The rows from any place on, as an order of examples and its remainder policy give them.

    A function of (order, seed, place, batch) alone: a run that begins in the middle sees the same
    rows there. ``n`` rows are gone through ``epochs`` times.
    """

    def __init__(self, order: Order, n: int, epochs: int, seed: int) -> None:
        self.order, self.n, self.epochs, self.seed = order, n, epochs, seed
        self._held = -1
        self._rows = np.zeros(0, np.int32)

    @property
    def waits(self) -> bool:
        """Whether rows have to be read first."""
        return False

    def wait(self, place: Place) -> None:
        """Have the rows of a place at hand."""

    def at_hand(self) -> tuple[Examples, np.ndarray] | None:
        """The rows in memory and their numbers, where these are not all rows."""
        return None

    def close(self) -> None:
        """Let go of what is held."""

    def left(self, place: Place, batch: int) -> int:
        """Updates from a place to the end of its epoch."""
        if place.epoch >= self.epochs:
            return 0
        rows = self.n - place.taken
        is_last = place.epoch == self.epochs - 1
        if self.order.remainder == "drop" or (self.order.remainder == "carry" and is_last):
            return rows // batch
        return -(-rows // batch)

    def per_epoch(self, batch: int) -> int:
        """Updates of an epoch that begins at its first row."""
        whole = self.n // batch
        return whole + (self.order.remainder == "smaller" and self.n % batch > 0)

    def all_left(self, place: Place, batch: int) -> int:
        """Updates from a place to the end of the run, if the batch stays as it is."""
        if self.order.remainder == "carry":
            return max(0, (self.epochs - place.epoch) * self.n - place.taken) // batch
        later = max(0, self.epochs - place.epoch - 1)
        return self.left(place, batch) + later * self.per_epoch(batch)

    def settled(self, place: Place, batch: int) -> Place:
        """The place, or the next epoch's first where too few rows are left for an update."""
        if place.epoch < self.epochs and self.left(place, batch) == 0:
            return Place(place.epoch + 1)
        return place

    def planned(self, chunk: Chunk, batch: int) -> range | np.ndarray:
        """The numbers that steps would have had if all batches had been of this size, int64."""
        first = chunk.starts[0][0]
        carries = self.order.remainder == "carry"
        if chunk.batch == batch and (first if carries else first % self.n) % batch == 0:
            number = int(self._numbers(np.array([first]), batch)[0])
            return range(number, number + chunk.steps)
        return self._numbers(np.concatenate([np.array(run) for run in chunk.starts]), batch)

    def _numbers(self, starts: np.ndarray, batch: int) -> np.ndarray:
        if self.order.remainder == "carry":
            return starts // batch
        per_epoch = self.per_epoch(batch)
        within = np.minimum(starts % self.n // batch, per_epoch - 1)
        return np.asarray(starts // self.n * per_epoch + within)

    def take(self, place: Place, batch: int, most: int) -> Chunk:
        """The next ``most`` steps or fewer: at least one, and what is conveniently at hand.

        The place must be settled, and not at the end.
        """
        if self.order.remainder == "carry":
            return self._stream(place, batch, most)
        whole = (self.n - place.taken) // batch
        if whole == 0:  # "smaller": what is left, as a batch of its own
            rest = self._epoch(place.epoch)[place.taken :]
            starts = (self._starts(place, 1, 1),)
            return Chunk(rest, len(rest), starts, (1,), Place(place.epoch + 1))
        if whole >= most:
            rows = self._epoch(place.epoch)[place.taken : place.taken + most * batch]
            return self._within(place, rows, batch, most)
        if self.order.remainder == "smaller" and (self.n % batch or place.taken % batch):
            rows = self._epoch(place.epoch)[place.taken : place.taken + whole * batch]
            return self._within(place, rows, batch, whole)
        return self._several(place, batch, most)

    # -- how a chunk is put together -------------------------------------------------------------

    def _epoch(self, epoch: int) -> np.ndarray:
        """The rows of one epoch in their order; the last one asked for is kept."""
        if self._held != epoch:
            if len(self._rows) != self.n:
                self._rows = np.empty(self.n, np.int32)
            self.order.epoch_into(self._rows, self.seed, epoch)
            self._held = epoch
        return self._rows

    def _starts(self, place: Place, batch: int, steps: int) -> range:
        first = place.epoch * self.n + place.taken
        return range(first, first + steps * batch, batch)

    def _within(self, place: Place, rows: np.ndarray, batch: int, steps: int) -> Chunk:
        after = self.settled(Place(place.epoch, place.taken + steps * batch), batch)
        ends = (steps,) if after.epoch > place.epoch else ()
        return Chunk(rows, batch, (self._starts(place, batch, steps),), ends, after)

    def _several(self, place: Place, batch: int, most: int) -> Chunk:
        """Steps of more than one epoch, each of which leaves its remainder out."""
        starts: list[range] = []
        ends: list[int] = []
        steps, size = 0, 0
        rows = np.empty(min(most * batch, _WINDOW) + self.n, np.int32)
        while steps < most and place.epoch < self.epochs and size < _WINDOW:
            count = min(most - steps, (self.n - place.taken) // batch)
            self._write(rows[steps * batch :], place, count * batch, batch)
            starts.append(self._starts(place, batch, count))
            steps, size = steps + count, size + self.n
            taken = place.taken + count * batch
            place, before = self.settled(Place(place.epoch, taken), batch), place.epoch
            if place.epoch > before:
                ends.append(steps)
        return Chunk(rows[: steps * batch], batch, tuple(starts), tuple(ends), place)

    def _write(self, out: np.ndarray, place: Place, count: int, batch: int) -> None:
        """So many rows of an epoch, from a place on; ``out`` has room for a whole epoch."""
        if place.taken == 0 and count + batch > self.n:  # nothing of it is asked for again
            self.order.epoch_into(out[: self.n], self.seed, place.epoch)
        else:
            out[:count] = self._epoch(place.epoch)[place.taken : place.taken + count]

    def _stream(self, place: Place, batch: int, most: int) -> Chunk:
        """Steps along all epochs, one after the other: what an epoch leaves begins the next."""
        steps = min(most, self.all_left(place, batch), max(1, (_WINDOW + self.n) // batch))
        starts = self._starts(place, batch, steps)
        first = starts.start
        last = first + steps * batch
        rows = []
        for epoch in range(first // self.n, -(-last // self.n)):
            begin, end = max(first - epoch * self.n, 0), min(last - epoch * self.n, self.n)
            rows.append(self._epoch(epoch)[begin:end].copy())
        return self._along(np.concatenate(rows), starts, batch)

    def _along(self, rows: np.ndarray, starts: range, batch: int) -> Chunk:
        """A chunk of steps along all epochs."""
        first, steps = starts.start, len(starts)
        after = Place(*divmod(first + steps * batch, self.n))
        settled = self.settled(after, batch)
        marks = range(first // self.n + 1, settled.epoch + 1)
        ends = tuple(min(-(-(mark * self.n - first) // batch), steps) for mark in marks)
        return Chunk(rows, batch, (starts,), ends, settled)
