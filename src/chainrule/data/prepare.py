"""From a table to arrays: check, drop rows, split, fit the schema on the training rows, encode."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.columns import NONE, Columns
from chainrule.data.extras import Table, need
from chainrule.data.schema import Schema
from chainrule.data.split import Rows, Split, split_rows
from chainrule.data.target import find_target
from chainrule.data.values import numbers, present
from chainrule.data.words import count, did_you_mean
from chainrule.errors import DataError

LEAST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Part:
    """Encoded rows.

    Fields:
        x: (n, width) float32.
        y: (n,), class indices int64, or the target in its own unit float64.
    """

    x: NDArray[np.float32]
    y: NDArray[Any]

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A table ready for training.

    Fields:
        rows: of the table.
        notes: what was dropped, in words.
        split: the rule by which the rows were parted, in words.
        places: the numbers of the rows of each part, among those whose target is known.
    """

    schema: Schema
    train: Part
    validation: Part
    test: Part
    rows: int
    notes: tuple[str, ...]
    split: str
    places: Split


def prepare(
    table: Table, target: str, *, task: str = "auto", drop: Mapping[str, str] = NONE,
    rules: Mapping[str, str] = NONE, scale: str = "auto",
    embed: bool = False, seed: int = 0,
) -> Prepared:  # fmt: skip
    """Make ``table`` ready for training.

    Args:
        table: as ``read_table`` gives it.
        target: the column to predict.
        task: "auto", "classification" or "regression".
        drop: columns not to use, each with the reason.
        rules: of some columns, what to take them for: see ``Columns.fit``.
        scale: of numbers: "auto", "standard", "robust" or "quantile".
        embed: whether columns of many categories are embedded: see ``Columns.fit``.
        seed: of the random split.

    Raises:
        DataError: the target or a column to drop is not there, the target cannot be learned, too
            few rows or no column are left, or a number is infinite.
    """
    check_names(table, target, drop)
    if target in rules:
        raise DataError(
            f"{target!r} is the target: a rule is for other columns; its kind is the task"
        )
    _check_finite(table, drop)
    kept, notes = with_target(table, target)
    if kept.num_rows < LEAST_ROWS:
        raise DataError(
            f"{count(kept.num_rows, 'row')} with a target; at least {LEAST_ROWS} needed"
        )
    found = find_target(target, kept[target], task)
    y = found.values(kept[target])
    split = split_rows(len(y), y if found.classes else None, seed)
    columns = Columns.fit(
        kept.take(split.train).drop([target]),
        rules=rules,
        drop=drop,
        scale=scale,
        embed=embed,
    )
    schema = Schema(columns, found.fit(y[split.train]))
    _check_used(schema)
    return Prepared(
        schema,
        train=_part(schema, kept, y, split.train),
        validation=_part(schema, kept, y, split.validation),
        test=_part(schema, kept, y, split.test),
        rows=table.num_rows,
        notes=tuple(notes),
        split=split.rule,
        places=split,
    )


def held_out(table: Table, schema: Schema, seed: int) -> Table:
    """The test rows that ``prepare`` held back from ``table``."""
    kept, _ = with_target(table, schema.target.name)
    y = schema.target.values(kept[schema.target.name])
    split = split_rows(len(y), y if schema.target.classes else None, seed)
    return kept.take(split.test)


def with_target(table: Table, target: str) -> tuple[Table, list[str]]:
    """The rows whose target is known, and in words how many were dropped.

    Raises:
        DataError: no row is left, or the target is not there.
    """
    check_names(table, target)
    known = present(table[target])
    gone = int(len(known) - known.sum())
    if gone == len(known):
        raise DataError(f"target {target!r}: the value is missing in all {gone:,} rows")
    if not gone:
        return table, []
    return table.filter(known), [f"{count(gone, 'row')} dropped: no value for {target!r}"]


def encode_part(schema: Schema, table: Table) -> Part:
    """All rows of ``table`` encoded; the target of every row is known."""
    return Part(schema.encode(table), schema.target.values(table[schema.target.name]))


def _part(schema: Schema, table: Table, y: NDArray[Any], rows: Rows) -> Part:
    return Part(schema.encode(table.take(rows)), y[rows])


def check_names(table: Table, target: str, drop: Collection[str] = ()) -> None:
    """Refuse a target, or a column to drop, that the table does not have.

    Raises:
        DataError: with the nearest name as the hint.
    """
    names = table.column_names
    if target not in names:
        raise DataError(f"no column {target!r} in the table", hint=did_you_mean(target, names))
    for name in drop:
        if name not in names:
            hint = did_you_mean(name, names)
            raise DataError(f"no column {name!r} to drop in the table", hint=hint)
    if target in drop:
        raise DataError(f"{target!r} is the target and cannot be dropped")


def _check_finite(table: Table, drop: Collection[str]) -> None:
    """Before any row is dropped, so that the error's row number is the file's."""
    floating = need("pyarrow").types.is_floating
    for name in table.column_names:
        if name not in drop and floating(table[name].type):
            numbers(name, table[name])


def _check_used(schema: Schema) -> None:
    if not schema.used:
        reasons = "; ".join(f"{c.name}: {c.treatment}" for c in schema.columns[:5]) or "none left"
        raise DataError(f"no column to learn from ({reasons})")
