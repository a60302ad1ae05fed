"""Training from a stream: the rows of the next steps come in windows that are read on the way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

import numpy as np

from chainrule.data.parts import parts
from chainrule.data.row_files import RowReader
from chainrule.data.stream import HELD_OUT, Stream
from chainrule.errors import DataError, TrainingError
from chainrule.evaluation.examples import Examples
from chainrule.machine.memory import shown_size
from chainrule.orders import Order
from chainrule.training.order import Chunk, Cursor, Place
from chainrule.training.windows import Plan, Window, Windows

#: Rows that stand for all where a step is traced, advice is sought or a rate is tried.
SAMPLE: Final = 1 << 16
#: What they may take of the bound.
_SAMPLE_SHARE: Final = 1 / 16
#: Bytes read at a time in search of the rows held out.
_SCAN: Final = 1 << 20


@dataclass(frozen=True, eq=False)
class Source:
    """A stream as a descent takes it.

    Attributes:
        stream: the files. floating: the dtype of floating-point numbers in memory.
        order: of the examples. seed: of it, and of the rows held out.
        share: of the rows to hold out.
    """

    stream: Stream
    floating: np.dtype
    order: Order
    seed: int
    share: float = 0.0

    @cached_property
    def plan(self) -> Plan:
        """How the rows are cut into windows."""
        return Plan.of(self.stream, self.row_bytes, self.order, self.seed, self.share)

    @property
    def rows(self) -> int:
        """How many rows are trained on."""
        return self.plan.rows_kept

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in memory."""
        floating = self.floating
        widths = [(f.taken_as(floating).itemsize, f.shape[1:]) for f in self.stream.files]
        return int(sum(size * np.prod(shape, dtype=np.int64) for size, shape in widths))

    @property
    def arguments(self) -> Any:
        """What stands behind the model in a call of the loss, with files in the arrays' places."""
        return self.stream.tree(list(self.stream.files))

    def sample(self) -> Examples:
        """Rows that stand for all, from stretches spread evenly over the files."""
        bound = int(self.stream.memory * _SAMPLE_SHARE) // max(1, self.row_bytes)
        arrays = self.stream.sample(max(1, min(SAMPLE, bound)), self.floating)
        return Examples(tuple(arrays), self.stream.structure, len(arrays[0]))

    def hold_out(self, share: float) -> tuple[Source, Examples]:
        """(what is left to train on, the rows held out), by one pass over the files.

        Of a share that would take more than an eighth of the bound only so many rows are held out.

        Raises:
            DataError: a share that is not between 0 and 1, or that no row or all rows fall into.
        """
        if not 0 < share < 1:
            raise DataError(
                f"validation is {share}; expected a share above 0 and below 1, or arrays",
                "validation=0.2 holds a fifth of the rows out",
            )
        most = self.stream.memory * HELD_OUT / max(1, self.row_bytes)
        share = min(share, most / self.stream.rows)
        left = replace(self, share=share)
        held = self.stream.rows - left.rows
        if not 0 < held < self.stream.rows:
            raise DataError(
                f"validation: a share of {share:.2g} of {self.stream.rows:,} rows holds {held:,} "
                "out",
                "another share, or validation=(x, y)",
            )
        return left, self._drawn(held, share)

    def _drawn(self, count: int, share: float) -> Examples:
        step = max(1, _SCAN // max(1, self.row_bytes))
        with ExitStack() as opened:
            given = [RowReader(file, self.floating) for file in self.stream.files]
            readers = [opened.enter_context(reader) for reader in given]
            stages, found = [r.room(step) for r in readers], [r.room(count) for r in readers]
            at = 0
            for first in range(0, self.stream.rows, step):
                last = min(first + step, self.stream.rows)
                inside = np.flatnonzero(parts(self.seed, first, last, share))
                for reader, stage, out in zip(readers, stages, found, strict=True):
                    reader.read(first, stage[: last - first])
                    out[at : at + len(inside)] = stage[inside]
                at += len(inside)
        return Examples(tuple(found), self.stream.structure, count)

    def check_batch(self, batch: int) -> None:
        """Refuse a batch that is larger than a window.

        Raises:
            TrainingError: it is.
        """
        room = self.plan.room
        if batch > room:
            raise TrainingError(
                f"a batch of {batch:,} rows is more than the {room:,} of a window, of which two "
                f"fit into a third of {shown_size(self.stream.memory)}",
                "a smaller batch, or more memory",
            )

    def describe(self) -> dict[str, Any]:
        """What a resumed run must share, in JSON's types."""
        plan = self.plan
        return {"block_rows": plan.block, "window_blocks": plan.each, "held_out": plan.share}

    def cursor(self, epochs: int, check: Callable[[list[np.ndarray]], None]) -> StreamCursor:
        """The rows from any place on. ``check`` sees each window's arrays when it is read."""
        return StreamCursor(self, epochs, check)


class StreamCursor(Cursor):
    """The rows of a stream from any place on: chunks carry the arrays that their rows are of.

    A batch that lies in two windows is put together and is a chunk of its own.
    """

    def __init__(
        self, source: Source, epochs: int, check: Callable[[list[np.ndarray]], None]
    ) -> None:
        super().__init__(source.order, source.rows, epochs, source.seed)
        self.source, self._check = source, check
        self._opened: Windows | None = None
        self._planned = -1
        self._blocks = np.empty(0, np.int32)
        self._starts_of = np.empty(0, np.int64)

    @property
    def waits(self) -> bool:
        """Rows have to be read first."""
        return True

    def wait(self, place: Place) -> None:
        """Have the rows of a place in memory."""
        self._window_at(place)

    def take(self, place: Place, batch: int, most: int) -> Chunk:
        """The next ``most`` steps or fewer, see ``Cursor.take``."""
        self.source.check_batch(batch)
        window, first, end = self._window_at(place)
        steps = min(most, (end - place.taken) // batch)
        if not steps:
            return self._across(place, min(batch, self._rows_left(place)))
        begin = place.taken - first
        rows = window.order[begin : begin + steps * batch]
        return self._chunk(place, rows, batch, steps, window.arrays)

    def at_hand(self) -> tuple[Examples, np.ndarray] | None:
        """The rows of the present window, and their numbers in the files."""
        window = None if self._opened is None else self._opened.now
        if window is None:
            return None
        numbers = self.source.plan.numbers(window.blocks)
        arrays = tuple(array[: len(numbers)] for array in window.arrays)
        return Examples(arrays, self.source.stream.structure, len(numbers)), numbers

    def close(self) -> None:
        """End the reading."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    # -- windows ---------------------------------------------------------------------------------

    def _window_at(self, place: Place) -> tuple[Window, int, int]:
        """(the window of a place, rows of the epoch before it, and with it)."""
        if self._opened is None:
            source = self.source
            self._opened = Windows(
                source.plan, source.stream, source.floating, self.epochs, self._check
            )
        if self._planned != place.epoch:
            self._blocks = self.source.plan.order_of_blocks(place.epoch)
            self._starts_of = self.source.plan.starts(self._blocks)
            self._planned = place.epoch
        number = int(np.searchsorted(self._starts_of, place.taken, side="right")) - 1
        window = self._opened.get(place.epoch, number, self._blocks)
        return window, int(self._starts_of[number]), int(self._starts_of[number + 1])

    # -- chunks ----------------------------------------------------------------------------------

    def _rows_left(self, place: Place) -> int:
        """Rows that a batch may take from here: of this epoch, or of all where they go on."""
        if self.order.remainder == "carry":
            return (self.epochs - place.epoch) * self.n - place.taken
        return self.n - place.taken

    def _across(self, place: Place, count: int) -> Chunk:
        """One batch out of several windows, copied."""
        taken: list[list[np.ndarray]] = []
        at, left = place, count
        while left:
            window, first, end = self._window_at(at)
            some = window.order[at.taken - first : at.taken - first + left]
            taken.append([array[some] for array in window.arrays])
            left -= len(some)
            at = Place(at.epoch + 1) if end == self.n else Place(at.epoch, end)
        arrays = [np.concatenate(parts) for parts in zip(*taken, strict=True)]
        rows = np.arange(count, dtype=np.int32)
        return replace(self._chunk(place, rows, count, 1, arrays), is_timed=False)

    def _chunk(
        self, place: Place, rows: np.ndarray, batch: int, steps: int, arrays: list[np.ndarray]
    ) -> Chunk:
        if self.order.remainder == "carry":
            made = self._along(rows, self._starts(place, batch, steps), batch)
        else:
            made = self._within(place, rows, batch, steps)
        examples = Examples(tuple(arrays), self.source.stream.structure, len(arrays[0]))
        return replace(made, examples=examples)
