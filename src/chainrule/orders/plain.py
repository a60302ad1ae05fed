"""Orders that know nothing of the rows but their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chainrule.compiler.native.draws import draw_into
from chainrule.compiler.native.shuffle import shuffle_into
from chainrule.orders.order import Order, Remainder


@dataclass(frozen=True, eq=False, repr=False)
class Reshuffle(Order):
    """A fresh permutation each epoch; made by ``reshuffle``."""

    name = "reshuffle"

    def epoch_into(self, out: np.ndarray, seed: int, epoch: int) -> None:
        """See ``Order.epoch_into``."""
        shuffle_into(out, len(out), self.key(seed, epoch))


@dataclass(frozen=True, eq=False, repr=False)
class Once(Order):
    """One permutation for all epochs; made by ``once``."""

    name = "once"

    def epoch_into(self, out: np.ndarray, seed: int, epoch: int) -> None:
        """See ``Order.epoch_into``."""
        del epoch
        shuffle_into(out, len(out), self.key(seed, 0))


@dataclass(frozen=True, eq=False, repr=False)
class InOrder(Order):
    """The rows as they lie; made by ``in_order``."""

    name = "in_order"

    def epoch_into(self, out: np.ndarray, seed: int, epoch: int) -> None:
        """See ``Order.epoch_into``."""
        del seed, epoch
        out[:] = np.arange(len(out), dtype=np.int32)


@dataclass(frozen=True, eq=False, repr=False)
class WithReplacement(Order):
    """Independent uniform draws; made by ``with_replacement``."""

    name = "with_replacement"
    permutes = False

    def epoch_into(self, out: np.ndarray, seed: int, epoch: int) -> None:
        """See ``Order.epoch_into``."""
        draw_into(out, len(out), self.key(seed, epoch))


def reshuffle(remainder: Remainder = "drop") -> Reshuffle:
    """A fresh permutation of the rows each epoch: the default, and the lecture's.

    Each row is seen once an epoch, at a place that has nothing to do with the last epoch's.

    Args:
        remainder: of an epoch that is no multiple of the batch: "drop", "smaller" or "carry";
            see ``Order``.

    Raises:
        TrainingError: another remainder.

    Source:
        Why it beats drawing with replacement: Gürbüzbalaban, Ozdaglar & Parrilo 2021, Why random
        reshuffling beats stochastic gradient descent.

    Example:
        >>> order = reshuffle()
        >>> order.epoch(6, seed=0, epoch=0), order.epoch(6, seed=0, epoch=1)
        (array([...], dtype=int32), array([...], dtype=int32))
    """
    return Reshuffle(remainder=remainder)


def once(remainder: Remainder = "drop") -> Once:
    """One permutation of the rows, the same in all epochs ("shuffle once").

    With "drop" the same rows are left out in each epoch; with "smaller" or "carry" none are.

    Args:
        remainder: "drop", "smaller" or "carry"; see ``Order``.

    Raises:
        TrainingError: another remainder.

    Example:
        >>> order = once("smaller")
        >>> bool((order.epoch(6, seed=0, epoch=0) == order.epoch(6, seed=0, epoch=7)).all())
        True
    """
    return Once(remainder=remainder)


def in_order(remainder: Remainder = "drop") -> InOrder:
    """The rows as they lie, in each epoch.

    For rows that are already mixed. Sorted rows (by class, by time) make gradients that pull one
    way for long stretches.

    Args:
        remainder: "drop", "smaller" or "carry"; see ``Order``. With "drop" the last rows are
            never seen.

    Raises:
        TrainingError: another remainder.

    Example:
        >>> in_order().epoch(4, seed=0, epoch=3)
        array([0, 1, 2, 3], dtype=int32)
    """
    return InOrder(remainder=remainder)


def with_replacement(remainder: Remainder = "drop") -> WithReplacement:
    """Each epoch n independent draws, every row with probability 1 / n: the theory's SGD.

    Of n draws about 63 % are different rows. The draws are exactly uniform, given 64 random bits.

    Args:
        remainder: "drop", "smaller" or "carry"; see ``Order``.

    Raises:
        TrainingError: another remainder.

    Source:
        Lemire 2019, Fast Random Integer Generation in an Interval (a range by a multiplication;
        the few draws that would favour some rows are drawn again).

    Example:
        >>> len(set(with_replacement().epoch(1000, seed=0, epoch=0).tolist())) < 700
        True
    """
    return WithReplacement(remainder=remainder)
