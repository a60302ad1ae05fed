"""What the checks look at: the rows, the split, a sample, and each column of it as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.category import Category
from chainrule.data.columns import NONE, Columns
from chainrule.data.date import Date
from chainrule.data.dropped import Dropped
from chainrule.data.embedded import Embedded
from chainrule.data.extras import Table, need
from chainrule.data.infer import Column
from chainrule.data.number import Number
from chainrule.data.prepare import Prepared, check_names, with_target
from chainrule.data.schema import Schema
from chainrule.data.split import Split, split_rows
from chainrule.data.target import find_target
from chainrule.data.text import Text
from chainrule.data.values import codes, moments, numbers

SAMPLE: Final = 10_000  # rows that the checks of single columns look at
MOST_COLUMNS: Final = 200  # used columns that they look at, the first ones


@dataclass(frozen=True, slots=True)
class Seen:
    """One used column on the sampled rows.

    Fields:
        column: what it is taken for.
        values: (n,) numbers, or times in microseconds, NaN where missing; None for categories.
        levels: (n,) the index of each row's category, -1 where missing; None for numbers.
        texts: the categories.
    """

    column: Column
    values: NDArray[np.float64] | None = None
    levels: NDArray[np.int64] | None = None
    texts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name


@dataclass(frozen=True)
class Subject:
    """A table that is checked.

    Fields:
        total: rows of the table; those without a target too.
        kept: the rows whose target is known.
        schema: what the columns are.
        y: (n,) the target of ``kept``: class indices, or numbers.
        split: how its rows are parted.
    """

    total: int
    kept: Table
    schema: Schema
    y: NDArray[Any]
    split: Split

    @classmethod
    def of(
        cls, table: Table, target: str, *, task: str = "auto", drop: Mapping[str, str] = NONE,
        rules: Mapping[str, str] = NONE, seed: int = 0,
    ) -> Subject:  # fmt: skip
        """A table that has not been prepared; its columns are judged by a sample of rows."""
        check_names(table, target, drop)
        kept, _ = with_target(table, target)
        found = find_target(target, kept[target], task)
        y = found.values(kept[target])
        split = split_rows(len(y), y if found.classes else None, seed)
        few = kept.take(_evenly(split.train, SAMPLE)).drop_columns([target])
        columns = Columns.fit(few, rules=rules, drop=drop, embed=True)
        return cls(table.num_rows, kept, Schema(columns, found.fit(y[split.train])), y, split)

    @classmethod
    def prepared(cls, table: Table, prepared: Prepared) -> Subject:
        """A table and what was made of it."""
        target = prepared.schema.target
        kept, _ = with_target(table, target.name)
        y = target.values(kept[target.name])
        return cls(table.num_rows, kept, prepared.schema, y, prepared.places)

    @property
    def classes(self) -> int:
        """How many; 0 where the target is a number."""
        return len(self.schema.target.classes)

    @property
    def is_sampled(self) -> bool:
        """Whether there are more rows than the sample has."""
        return len(self.y) > SAMPLE

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The sampled rows, rising."""
        return _evenly(np.arange(len(self.y)), SAMPLE)

    @cached_property
    def sampled_y(self) -> NDArray[Any]:
        """The target of the sampled rows."""
        return np.asarray(self.y[self.rows])

    @cached_property
    def sample(self) -> Table:
        """The used columns of the sampled rows."""
        names = [column.name for column in self.schema.used[:MOST_COLUMNS]]
        return self.kept.select(names).take(self.rows)

    @cached_property
    def columns(self) -> tuple[Seen, ...]:
        """The used columns on the sampled rows; of text there is nothing to check."""
        used = self.schema.used[:MOST_COLUMNS]
        return tuple(_seen(c, self.sample) for c in used if not isinstance(c, Text))

    @cached_property
    def numeric(self) -> tuple[Seen, ...]:
        """Those of numbers that are not booleans."""
        return tuple(
            seen
            for seen in self.columns
            if isinstance(seen.column, Number) and not seen.column.boolean
        )


def _evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the rows: one at a random place in each stretch of equal length.

    Evenly spaced ones would meet the same hour of each day in a table of hours.
    """
    if len(rows) <= most:
        return rows
    edges = np.linspace(0, len(rows), most + 1)
    places = edges[:-1] + np.random.default_rng(0).random(most) * np.diff(edges)
    return rows[places.astype(np.int64)]


def _seen(column: Column, sample: Table) -> Seen:
    values = sample[column.name]
    match column:
        case Number():
            return Seen(column, numbers(column.name, values))
        case Date():
            ticks = moments(column.name, values, column.zone).cast(need("pyarrow").int64())
            return Seen(column, numbers(column.name, ticks))
        case Category() | Embedded() | Text() | Dropped():
            levels, texts = codes(values)
            return Seen(column, levels=levels, texts=tuple(texts))
