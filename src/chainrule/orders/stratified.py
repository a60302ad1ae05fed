"""An order in which every stretch holds each class in its share of the data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.compiler.native.groups import shuffle_groups_into, spread
from chainrule.compiler.native.shuffle import below, derived
from chainrule.errors import DataError
from chainrule.orders.order import PerRow, Remainder, one_axis


@dataclass(frozen=True, eq=False)
class _Seats:
    """Which rows are of which class, and which place of an epoch belongs to which class.

    Attributes:
        members: int32[n], the rows class after class, classes of equal size side by side.
        starts: int64[k + 1], where each class begins among the members.
        runs: int64, where each stretch of classes of equal size begins, and the end.
        seats: int[n], for each place of an epoch the member that sits there.
    """

    members: np.ndarray
    starts: np.ndarray
    runs: np.ndarray
    seats: np.ndarray

    @classmethod
    def of(cls, classes: np.ndarray) -> _Seats:
        """The seats for classes 0 ... k - 1, int32[n]."""
        sizes = np.bincount(classes)
        by_size = np.argsort(sizes, kind="stable")
        rank = np.empty_like(by_size)
        rank[by_size] = np.arange(len(sizes))
        members = _sorting(rank[classes]).astype(np.int32)
        starts = np.concatenate([[0], np.cumsum(sizes[by_size])])
        runs = np.concatenate([[0], np.flatnonzero(np.diff(sizes[by_size])) + 1, [len(sizes)]])
        return cls(members, starts, runs, _seats(starts, runs))

    def classes(self, key: int) -> np.ndarray:
        """Which class plays the part of which: those of equal size change places, int32[k]."""
        numbers = np.arange(len(self.starts) - 1, dtype=np.int32)
        out = np.empty_like(numbers)
        shuffle_groups_into(out, numbers, self.runs, self.runs[:-1], key)
        return out


def _seats(starts: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Classes of equal size take turns; the stretches of them are spread among each other."""
    edges = starts[runs]
    places = _sorting(spread(np.diff(edges)))  # run after run, each in order
    run = np.repeat(np.arange(len(runs) - 1), np.diff(edges))
    turn, class_in_run = np.divmod(np.arange(len(run)) - edges[run], np.diff(runs)[run])
    seats = np.empty(len(run), np.intp)
    seats[places] = starts[runs[run] + class_in_run] + turn
    return seats


def _sorting(numbers: np.ndarray) -> np.ndarray:
    """The places of numbers >= 0 in rising order, equal ones as they lie; NumPy counts uint16."""
    short = numbers.astype(np.uint16) if numbers.max() < 1 << 16 else numbers
    return np.argsort(short, kind="stable")


@dataclass(frozen=True, eq=False, repr=False)
class Stratified(PerRow):
    """Each class in its share in every stretch; made by ``stratified``."""

    labels: Any
    name = "stratified"

    def __post_init__(self) -> None:
        super().__post_init__()
        labels = _plain(one_axis(self.name, "labels", self.labels))
        classes = np.unique(labels, return_inverse=True)[1].astype(np.int32)
        classes.flags.writeable = False
        object.__setattr__(self, "labels", classes)

    def values(self) -> np.ndarray:
        """The class of each row, numbered in the order of their labels: int32[n]."""
        return np.asarray(self.labels)

    def take(self, rows: np.ndarray) -> Stratified:
        """See ``Order.take``."""
        return Stratified(self.labels[rows], remainder=self.remainder)

    def epoch_into(self, out: np.ndarray, seed: int, epoch: int) -> None:
        """See ``Order.epoch_into``."""
        key, held = self.key(seed, epoch), self._held
        sources = held.starts[held.classes(derived(key, 1))]
        mixed = np.empty_like(held.members)
        shuffle_groups_into(mixed, held.members, held.starts, sources, derived(key, 2))
        turn = below(derived(key, 3), len(out))
        split = len(out) - turn
        np.take(mixed, held.seats[turn:], out=out[:split], mode="clip")
        np.take(mixed, held.seats[:turn], out=out[split:], mode="clip")

    @cached_property
    def _held(self) -> _Seats:
        return _Seats.of(self.labels)


def stratified(labels: Any, remainder: Remainder = "drop") -> Stratified:
    """Every batch, of whatever size, holds each class as nearly as can be in its share.

    Each epoch holds each row exactly once. Any b rows that follow each other in an epoch hold,
    of a class with the share p of the rows, more than p b - 2 and fewer than p b + 2. The rows of
    a class come in a fresh random order each epoch, classes of equal size change parts, and the
    epoch begins at a random point of the pattern: every row is equally likely at every place.

    Args:
        labels: one per row: integers, strings or bools.
        remainder: "drop", "smaller" or "carry"; see ``Order``.

    Raises:
        DataError: labels of another kind, or missing ones; when the run begins, another number of
            them than rows. TrainingError: another remainder.

    Source:
        Tijdeman 1980, The Chairman Assignment Problem.

    Example:
        >>> labels = np.array(["yes", "no", "no", "no"] * 25)
        >>> rows = stratified(labels).epoch(100, seed=0, epoch=0)
        >>> [int((labels[batch] == "yes").sum()) for batch in rows.reshape(5, 20)]
        [5, 5, 5, 5, 5]
    """
    return Stratified(labels, remainder=remainder)


def _plain(labels: np.ndarray) -> np.ndarray:
    """The labels as integers, bools or strings."""
    if labels.dtype.kind in "biuUST":
        return labels
    if labels.dtype.kind == "f":
        raise DataError(
            f"stratified: labels are {labels.dtype}; expected integers, strings or bools",
            "labels.astype(int), or np.digitize for a number that has no classes",
        )
    for kind in (str, (int, np.integer, np.bool_)):
        if labels.dtype == object and all(isinstance(label, kind) for label in labels):
            return np.array(labels.tolist())
    odd = next((x for x in labels if not isinstance(x, str)), labels[0])
    raise DataError(
        f"stratified: labels hold {odd!r}; expected integers, strings or bools, all of one kind",
        "give missing labels a class of their own, or leave those rows out",
    )
