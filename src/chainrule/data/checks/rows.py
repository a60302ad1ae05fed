"""Checks of rows: dropped, repeated, contradicting each other, in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks.finding import Finding
from chainrule.data.checks.seen import Subject
from chainrule.data.date import Date
from chainrule.data.embedded import Embedded
from chainrule.data.extras import ArrowColumn, need
from chainrule.data.infer import Column
from chainrule.data.text import Text
from chainrule.data.words import count

MANY_DROPPED: Final = 0.1
REPEATED: Final = 0.01
MOST_CELLS: Final = 10_000_000  # compared between rows; of a larger table the first rows
MOST_COMPARED: Final = 2_000  # used columns; rows of more are hardly ever equal
_LEAST: Final = 3
_FACTOR: Final = 0x9E3779B97F4A7C15  # odd: no two numbers have the same product modulo 2⁶⁴

NEIGHBOURS: Final = 5
LOOKED_AT: Final = 1_000  # rows whose neighbours are sought
AGREE: Final = 0.8  # the share of rows with most neighbours' class, below which none contradict
CONTRADICTED: Final = 0.05

ORDERED: Final = 0.99  # of the steps from row to row


def dropped_rows(subject: Subject) -> Iterator[Finding]:
    """Rows whose target is not known."""
    gone = subject.total - len(subject.y)
    if gone:
        share, name = gone / subject.total, subject.schema.target.name
        yield Finding(
            "warning" if share > MANY_DROPPED else "note", "rows dropped", name,
            f"{count(gone, 'row')} of {subject.total:,} ({share:.1%}) have no {name} and are not "
            "used", share,
            "find out why it is missing: the others may be of another kind"
            if share > MANY_DROPPED else "",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Groups:
    """The rows, sorted so that rows that are equal in all used columns stand together.

    Fields:
        order: (n,) the rows.
        starts: the places in ``order`` at which a group begins.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, marks: NDArray[np.uint64]) -> _Groups:
        order = np.argsort(marks)
        begins = np.append(True, np.diff(marks[order]) != 0)
        return cls(order, np.flatnonzero(begins))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """How many rows each group has."""
        return np.diff(self.starts, append=len(self.order))


def repeated_rows(subject: Subject) -> Iterator[Finding]:
    """Rows that are equal in all used columns: to another, to a test row, with another class."""
    used = subject.schema.used
    if len(used) > MOST_COMPARED:
        return
    n = min(len(subject.y), MOST_CELLS // max(1, len(used)))
    marks = _marks(subject, used, n)
    groups = _Groups.of(marks)
    said = "" if n == len(subject.y) else f" among the first {n:,} rows"
    yield from _repeated(marks, subject.y[:n], said)
    yield from _in_both_parts(groups, subject, said)
    if subject.classes:
        yield from _contradictions(groups, subject.y[:n], said)


def _marks(subject: Subject, used: tuple[Column, ...], n: int) -> NDArray[np.uint64]:
    """A number for each row, equal where all used columns are: (n,)."""
    factors = np.random.default_rng(0).integers(1, 2**63, len(used), dtype=np.uint64)
    marks = np.zeros(n, dtype=np.uint64)
    for column, factor in zip(used, factors, strict=True):
        marks += _indices(subject.kept[column.name].slice(0, n)) * factor  # modulo 2⁶⁴
    return marks


def _indices(column: ArrowColumn) -> NDArray[np.uint64]:
    """The number of each different value, 0 for none."""
    joined = column.combine_chunks()
    encoded = joined if hasattr(joined, "dictionary") else joined.dictionary_encode()
    indices = need("pyarrow.compute").fill_null(encoded.indices, -1)
    found: NDArray[np.uint64] = (indices.to_numpy(zero_copy_only=False) + 1).astype(np.uint64)
    return found


def _repeated(marks: NDArray[np.uint64], y: NDArray[Any], said: str) -> Iterator[Finding]:
    of_y = np.ascontiguousarray(y, dtype=np.float64).view(np.uint64)
    with_y = np.sort(marks + of_y * np.uint64(_FACTOR))
    again = int((np.diff(with_y) == 0).sum())
    if again >= _LEAST and again > REPEATED * len(with_y):
        share = again / len(with_y)
        yield Finding(
            "note", "repeated rows", "",
            f"{share:.1%} of the rows{said} repeat an earlier one, its target too", share,
            "remove them if they were recorded twice",
        )  # fmt: skip


def _in_both_parts(groups: _Groups, subject: Subject, said: str) -> Iterator[Finding]:
    parts = (subject.split.train, subject.split.test)
    train, test = (_where(rows, len(groups.order))[groups.order] for rows in parts)
    known = np.repeat(np.logical_or.reduceat(train, groups.starts), groups.sizes)
    times = int((test & known).sum())
    share = times / max(1, int(test.sum()))
    if times < _LEAST or share <= REPEATED:
        return
    few = len(groups.starts) < len(groups.order) / 2
    yield Finding(
        "note" if few else "warning", "test rows in training", "",
        f"{share:.1%} of the test rows{said} equal a training row in all used columns"
        + ("; the columns have few different values" if few else ""), share,
        "" if few else "remove repeated rows, or the test flatters the network",
    )  # fmt: skip


def _where(rows: NDArray[np.int64], n: int) -> NDArray[np.bool_]:
    found = np.zeros(n, dtype=bool)
    found[rows[rows < n]] = True
    return found


def _contradictions(groups: _Groups, y: NDArray[Any], said: str) -> Iterator[Finding]:
    ordered = y[groups.order]
    low, high = (f.reduceat(ordered, groups.starts) for f in (np.minimum, np.maximum))
    share = float(groups.sizes[low != high].sum() / len(y))
    if share > REPEATED:
        yield Finding(
            "warning", "contradicting rows", "",
            f"{share:.1%} of the rows{said} equal another one of another class in all used "
            "columns: no network can get all of them right", share,
            "add the column that tells them apart, if there is one",
        )  # fmt: skip


def label_noise(subject: Subject) -> Iterator[Finding]:
    """Rows of another class than all of their nearest neighbours, where neighbours mostly agree."""
    rows = np.random.default_rng(0).permutation(len(subject.rows))[:LOOKED_AT]
    if not subject.classes or len(rows) < 10 * NEIGHBOURS:
        return
    columns = [c for c in subject.schema.used if not isinstance(c, Embedded | Text)]
    if not columns or subject.schema.width > 2_000:
        return
    near = _neighbours(_encoded(subject, np.sort(rows)))
    y = subject.sampled_y[np.sort(rows)]
    others = y[near] != y[:, None]
    agree = float((others.sum(axis=1) <= NEIGHBOURS // 2).mean())
    against = float(others.all(axis=1).mean())
    if agree >= AGREE and against >= CONTRADICTED:
        yield Finding(
            "warning", "label noise", subject.schema.target.name,
            f"{against:.1%} of {len(y):,} rows have another class than all of their {NEIGHBOURS} "
            f"nearest neighbours, while {agree:.0%} agree with most of theirs: some classes may be "
            "wrong", against, "look at such rows; --loss cross_entropy bears wrong classes best",
        )  # fmt: skip


def _encoded(subject: Subject, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Sampled rows as the network sees them, without what is looked up."""
    width = subject.schema.width - len(subject.schema.tables)
    few = subject.kept.take(subject.rows[rows])
    x: NDArray[np.float32] = subject.schema.encode(few)[:, :width]
    return x


def _neighbours(x: NDArray[np.float32]) -> NDArray[np.int64]:
    """The nearest rows of each row, itself left out: (n, NEIGHBOURS)."""
    squares = np.square(x).sum(axis=1)
    distances = squares[:, None] - 2 * (x @ x.T) + squares
    np.fill_diagonal(distances, np.inf)
    return np.argpartition(distances, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]


def ordered_by_date(subject: Subject) -> Iterator[Finding]:
    """Rows in the order of a date, which are parted at random all the same."""
    for seen in subject.columns:
        if not isinstance(seen.column, Date) or seen.values is None:
            continue
        steps = np.diff(seen.values[~np.isnan(seen.values)])
        if len(steps) < 20 or not steps.any():
            continue
        share = float(max((steps >= 0).mean(), (steps <= 0).mean()))
        if share >= ORDERED:
            yield Finding(
                "warning", "ordered by date", seen.name,
                f"the rows are in the order of {seen.name} ({seen.column.found}); test rows are "
                "drawn from between the training rows, not from after them", share,
                "to know how it forecasts, train on the earlier rows and evaluate the later ones",
            )  # fmt: skip
