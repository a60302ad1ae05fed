"""What every order of examples is: one epoch's row numbers as a function of (seed, epoch)."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, get_args

import numpy as np

from chainrule.compiler.native.shuffle import epoch_key
from chainrule.errors import DataError, TrainingError

#: The random stream that orders draw from; see ``training.keys`` for the others.
ORDER_STREAM: Final = 1
#: Row numbers are int32.
_MOST: Final = (1 << 31) - 1

Remainder: TypeAlias = Literal["drop", "smaller", "carry"]


@dataclass(frozen=True, eq=False, repr=False)
class Order(ABC):
    """One epoch's row numbers, as a function of (n, seed, epoch) alone.

    There is no state: an epoch can be made again without those before it, so a run that is
    resumed sees the same rows. Two orders that print the same are equal.

    Attributes:
        remainder: what becomes of the rows that an epoch leaves when its n rows are not a
            multiple of the batch b. "drop": ⌊n / b⌋ updates, the rest of the epoch's order is
            left out (another part each time, where the order changes). "smaller": one more
            update, with what is left. "carry": what is left begins the next epoch's first batch,
            so that no row is ever left out but at the very end of the run.

    Raises:
        TrainingError: a remainder that is none of these.
    """

    remainder: Remainder = field(default="drop", kw_only=True)

    def __post_init__(self) -> None:
        if self.remainder not in get_args(Remainder):
            expected = " or ".join(map(repr, get_args(Remainder)))
            raise TrainingError(
                f"{self.name}: remainder is {self.remainder!r}; expected {expected}"
            )

    @property
    @abstractmethod
    def name(self) -> str:
        """The function that makes such an order."""

    @abstractmethod
    def epoch_into(self, out: np.ndarray, seed: int, epoch: int) -> None:
        """Write one epoch's row numbers, each in 0 ... n - 1, to ``out``: int32[n], contiguous."""

    def epoch(self, n: int, seed: int, epoch: int) -> np.ndarray:
        """One epoch's row numbers, int32[n].

        Raises:
            DataError: the order does not fit n rows.
        """
        self.check(n)
        out = np.empty(n, np.int32)
        self.epoch_into(out, seed, epoch)
        return out

    def check(self, n: int) -> None:
        """Raise DataError where the order does not fit n rows."""
        if not 1 <= n <= _MOST:
            raise DataError(f"{self.name}: {n} rows; expected 1 to {_MOST:,}")

    def take(self, rows: np.ndarray) -> Order:
        """The order for a part of the data, such as the training rows of a split.

        Args:
            rows: the row numbers of that part, int[n].
        """
        del rows
        return self

    @property
    def permutes(self) -> bool:
        """Whether an epoch takes each row once."""
        return True

    def key(self, seed: int, epoch: int) -> int:
        """The key that an epoch's random numbers follow from."""
        return epoch_key(int(seed), ORDER_STREAM, int(epoch))

    def arguments(self) -> str:
        """What stands before the remainder when the order is printed."""
        return ""

    def __repr__(self) -> str:
        return f"{self.name}({self.arguments()}remainder={self.remainder!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Order) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True, eq=False, repr=False)
class PerRow(Order):
    """An order that follows from one value for each row."""

    def values(self) -> np.ndarray:
        """The values, one for each row."""
        raise NotImplementedError

    def check(self, n: int) -> None:
        """Raise DataError where there is not one value for each of n rows."""
        super().check(n)
        if len(self.values()) != n:
            raise DataError(
                f"{self.name}: {len(self.values())} values for {n} rows; expected one for each",
                "give one for each training row, those held out not counted",
            )

    def arguments(self) -> str:
        """The values by their type, number and SHA-256."""
        values = self.values()
        little = values.astype(values.dtype.newbyteorder("<"), copy=False)
        digest = hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest()[:16]
        return f"<{values.dtype}[{len(values)}] sha256 {digest}>, "


def one_axis(name: str, what: str, values: object) -> np.ndarray:
    """The values as an array of one axis, at least one, or DataError."""
    array = np.asarray(values)
    if array.ndim != 1 or len(array) == 0:
        raise DataError(f"{name}: {what} have shape {array.shape}; expected one for each row")
    return array
