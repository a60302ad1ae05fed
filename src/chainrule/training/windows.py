"""Windows of a stream: which rows are in memory together, in which order, and how they get there.

The file is cut into blocks of consecutive rows. An epoch takes the blocks in an order of its own,
so many of them at a time: a window. The rows of a window are mixed. All of it follows from (seed,
epoch, number of the window) alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from chainrule.compiler.native.shuffle import derived, shuffle_into
from chainrule.data.parts import parts
from chainrule.data.row_files import RowReader
from chainrule.data.stream import WINDOWS, Stream
from chainrule.errors import TrainingError
from chainrule.orders import Order
from chainrule.orders.plain import InOrder, Once, Reshuffle

#: A window is made of so many blocks: the more, the better sorted files are mixed ...
_BLOCKS: Final = 256
#: ... but no smaller than what a disk reads at its full rate, nor larger than is of use.
_LEAST_BLOCK: Final = 1 << 16
_MOST_BLOCK: Final = 1 << 22
#: Bytes of a row's place in an order, and whether it is kept.
_PLACE: Final = 9
#: Rows whose parts are drawn at a time.
_DRAWN: Final = 1 << 20


@dataclass(frozen=True)
class Plan:
    """How the rows of a stream are cut into blocks and windows.

    Attributes:
        rows: in the files. share: of them held out, drawn by ``seed``.
        block: rows of a block. each: blocks of a window.
        order: reshuffle, once or in_order.
    """

    rows: int
    block: int
    each: int
    order: Order
    seed: int
    share: float = 0.0

    @classmethod
    def of(cls, stream: Stream, row_bytes: int, order: Order, seed: int, share: float) -> Plan:
        """The plan that keeps two windows within their part of the stream's bound.

        Args:
            stream: the files.
            row_bytes: of a row in memory.
            order: of the examples.
            seed: of the orders and of what is held out.
            share: of the rows to hold out.

        Raises:
            TrainingError: an order that needs all rows at once; a bound below two rows.
        """
        if not isinstance(order, Reshuffle | Once | InOrder):
            raise TrainingError(
                f"{order!r}: a stream's rows are not all in memory",
                'order="reshuffle" mixes windows of rows; "once" and "in order" work too',
            )
        space = int(stream.memory * WINDOWS)
        each_row = row_bytes + _PLACE
        if stream.rows * each_row <= space:
            return cls(stream.rows, stream.rows, 1, order, seed, share)
        window = space // 2
        if window < each_row:
            raise TrainingError(
                f"memory is {stream.memory:,} bytes, a row takes {each_row:,}: too few",
                f"memory from {64 * each_row:,} bytes",
            )
        size = min(max(window // _BLOCKS, _LEAST_BLOCK), _MOST_BLOCK, window)
        block = max(1, size // each_row)
        return cls(stream.rows, block, max(1, window // (block * each_row)), order, seed, share)

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.rows // self.block)

    @property
    def windows(self) -> int:
        """How many windows an epoch has."""
        return -(-self.blocks // self.each)

    @property
    def room(self) -> int:
        """Rows of the largest window."""
        return min(self.rows, self.block * self.each)

    @cached_property
    def kept(self) -> np.ndarray:
        """How many rows of each block are not held out, int64[blocks]."""
        ends = np.minimum(np.arange(1, self.blocks + 1) * self.block, self.rows)
        if not self.share:
            return np.diff(ends, prepend=0)
        counted = np.zeros(self.blocks, np.int64)
        step = self.block * max(1, _DRAWN // self.block)
        for first in range(0, self.rows, step):
            last = min(first + step, self.rows)
            inside = (parts(self.seed, first, last, self.share) == 0).astype(np.int64)
            begins = np.arange(0, last - first, self.block)
            place = first // self.block
            counted[place : place + len(begins)] = np.add.reduceat(inside, begins)
        return counted

    @cached_property
    def rows_kept(self) -> int:
        """How many rows are trained on."""
        return int(self.kept.sum())

    def key(self, epoch: int) -> int:
        """What an epoch's random numbers follow from."""
        return self.order.key(self.seed, 0 if isinstance(self.order, Once) else epoch)

    def order_of_blocks(self, epoch: int) -> np.ndarray:
        """The blocks of an epoch in their order, int32[blocks]."""
        if isinstance(self.order, InOrder) or self.windows == 1:
            return np.arange(self.blocks, dtype=np.int32)
        out = np.empty(self.blocks, np.int32)
        shuffle_into(out, self.blocks, derived(self.key(epoch), 0))
        return out

    def starts(self, blocks: np.ndarray) -> np.ndarray:
        """Rows trained on before each window of an epoch, and in all: int64[windows + 1]."""
        counts = np.add.reduceat(self.kept[blocks], np.arange(0, len(blocks), self.each))
        return np.concatenate([[0], np.cumsum(counts)])

    def numbers(self, blocks: np.ndarray) -> np.ndarray:
        """The numbers of the rows in these blocks, in their order: int64."""
        found = blocks[:, None].astype(np.int64) * self.block + np.arange(self.block)
        return np.asarray(found[found < self.rows])

    def mix(self, out: np.ndarray, epoch: int, number: int) -> None:
        """Write the order of a window's rows to ``out``: int32, a permutation."""
        if isinstance(self.order, InOrder):
            out[:] = np.arange(len(out), dtype=np.int32)
            return
        key = self.key(epoch)
        shuffle_into(out, len(out), key if self.windows == 1 else derived(key, 1 + number))


@dataclass(eq=False)
class Window:
    """Rows in memory, and their order.

    Attributes:
        arrays: with room for the largest window.
        order: int32[rows to train on], places in the arrays.
        blocks: the blocks that the arrays hold, in their order.
    """

    arrays: list[np.ndarray]
    order: np.ndarray
    blocks: np.ndarray
    place: tuple[int, int] = (-1, -1)


class Windows:
    """The window that is trained on, while a thread fills the next one.

    Args:
        plan: what is read when.
        stream: the files. floating: the dtype of floating-point numbers.
        epochs: how many there are.
        check: called with each window's arrays; raises where values mean nothing.
    """

    def __init__(
        self, plan: Plan, stream: Stream, floating: np.dtype, epochs: int,
        check: Callable[[list[np.ndarray]], None],
    ) -> None:  # fmt: skip
        self.plan, self.epochs, self._check = plan, epochs, check
        self._opened = ExitStack()
        given = [RowReader(file, floating) for file in stream.files]
        self._readers = [self._opened.enter_context(reader) for reader in given]
        self._thread = ThreadPoolExecutor(1, "chainrule-reader")
        self._free = [self._window() for _ in range(min(2, plan.windows))]
        self._now: Window | None = None
        self._coming: Future[Window] | None = None

    @property
    def now(self) -> Window | None:
        """The window that is trained on."""
        return self._now

    def get(self, epoch: int, number: int, blocks: np.ndarray) -> Window:
        """A window, waited for; the one before is gone, and the next one is begun.

        Args:
            epoch: of it.
            number: in its epoch.
            blocks: the order of that epoch's blocks.
        """
        wanted = (epoch, number)
        if self._now is not None and self._now.place == wanted:
            return self._now
        window = self._awaited()
        if window is None or window.place != wanted:
            window = self._submit(wanted, blocks, window).result()
        if self._now is not None and self._now is not window:
            self._free.append(self._now)
        self._now = window
        self._begin_next(wanted, blocks)
        return window

    def close(self) -> None:
        """End the thread and close the files."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._opened.close()

    # -- the thread ------------------------------------------------------------------------------

    def _awaited(self) -> Window | None:
        """What was begun, if anything was."""
        coming, self._coming = self._coming, None
        return None if coming is None else coming.result()

    def _submit(
        self, place: tuple[int, int], blocks: np.ndarray, given: Window | None = None
    ) -> Future[Window]:
        window = given or (self._free.pop() if self._free else self._now)
        assert window is not None
        return self._thread.submit(self._load, window, place, blocks)

    def _begin_next(self, place: tuple[int, int], blocks: np.ndarray) -> None:
        """Let the thread fill the window after this one, where there is room for two."""
        epoch, number = place
        if self.plan.windows == 1:
            return
        after = (epoch, number + 1) if number + 1 < self.plan.windows else (epoch + 1, 0)
        if after[0] >= self.epochs:
            return
        if after[0] > epoch:
            blocks = self.plan.order_of_blocks(after[0])
        self._coming = self._submit(after, blocks)

    def _window(self) -> Window:
        room = self.plan.room
        arrays = [reader.room(room) for reader in self._readers]
        return Window(arrays, np.empty(0, np.int32), np.empty(0, np.int32))

    def _load(self, window: Window, place: tuple[int, int], blocks: np.ndarray) -> Window:
        """Fill a window: read its blocks, unless it holds them, and draw its order."""
        plan, (epoch, number) = self.plan, place
        mine = blocks[number * plan.each : (number + 1) * plan.each]
        window.place = (-1, -1)
        if not np.array_equal(window.blocks, mine):
            window.blocks = np.empty(0, np.int32)
            self._read(window, mine)
            window.blocks = mine
        window.order = self._order(window, mine, epoch, number)
        window.place = place
        return window

    def _read(self, window: Window, blocks: np.ndarray) -> None:
        at = 0
        for block in blocks.tolist():
            first = block * self.plan.block
            rows = min(self.plan.block, self.plan.rows - first)
            for reader, array in zip(self._readers, window.arrays, strict=True):
                reader.read(first, array[at : at + rows])
            at += rows
        self._check([array[:at] for array in window.arrays])

    def _order(self, window: Window, blocks: np.ndarray, epoch: int, number: int) -> np.ndarray:
        plan = self.plan
        count = int(plan.kept[blocks].sum())
        order = window.order if len(window.order) == count else np.empty(count, np.int32)
        plan.mix(order, epoch, number)
        return order if not plan.share else self._kept(blocks)[order]

    def _kept(self, blocks: np.ndarray) -> np.ndarray:
        """The places in a window of the rows that are not held out, int32."""
        plan, found, at = self.plan, [], 0
        for block in blocks.tolist():
            first = block * plan.block
            last = min(first + plan.block, plan.rows)
            inside = np.flatnonzero(parts(plan.seed, first, last, plan.share) == 0)
            found.append((inside + at).astype(np.int32))
            at += last - first
        return np.concatenate(found)
