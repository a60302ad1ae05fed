"""The schema: what a table's columns are and how they are encoded, stored with every run.

Everything that ``predict`` needs to encode a table as in training is here, as plain JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.category import Category
from chainrule.data.date import Date
from chainrule.data.dropped import Dropped
from chainrule.data.extras import Table
from chainrule.data.infer import Column
from chainrule.data.number import CLIP, Number
from chainrule.data.target import Target
from chainrule.data.words import did_you_mean, listed
from chainrule.errors import DataError

VERSION = 1
KINDS: dict[str, type[Column]] = {c.kind: c for c in (Number, Category, Date, Dropped)}
RULES = (
    f"scaled: (value - mean) / standard deviation of the training rows, within ±{CLIP:.0f}",
    "a category not seen in training: other; zeros where training had no other",
    "a missing value where training missed none: the median, or zeros for a category",
)


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a table, in order, and its target."""

    columns: tuple[Column, ...]
    target: Target

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that the network sees."""
        return tuple(column for column in self.columns if column.width)

    @property
    def width(self) -> int:
        """How many numbers encode a row."""
        return sum(column.width for column in self.columns)

    def features(self) -> list[str]:
        """The name of each encoded column."""
        return [name for column in self.columns for name in column.features()]

    def text_columns(self) -> list[str]:
        """Columns that a text file must keep as text, so that 007 stays 007."""
        target = [self.target.name] if isinstance(next(iter(self.target.classes), 0), str) else []
        return [*(c.name for c in self.columns if isinstance(c, Category)), *target]

    def encode(self, table: Table) -> NDArray[np.float32]:
        """The rows of ``table`` as the network sees them: (n, width).

        Raises:
            DataError: a column is missing, or a value is not of its column's kind.
        """
        self.check_columns(table)
        x = np.zeros((table.num_rows, self.width), dtype=np.float32)
        start = 0
        for column in self.used:
            column.fill(table[column.name], x[:, start : start + column.width])
            start += column.width
        return x

    def check_columns(self, table: Table) -> None:
        """Refuse a table without a column that the network sees.

        Raises:
            DataError: it names the columns that are missing.
        """
        names = table.column_names
        gone = [column.name for column in self.used if column.name not in names]
        if gone:
            raise DataError(
                f"the table lacks {listed([repr(name) for name in gone])}, used in training",
                hint=did_you_mean(gone[0], names),
            )

    def to_json(self) -> dict[str, Any]:
        """The schema in JSON's own types."""
        columns = [{"kind": c.kind, **asdict(c), "treatment": c.treatment} for c in self.columns]
        return {
            "version": VERSION,
            "target": asdict(self.target),
            "rules": list(RULES),
            "columns": columns,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Schema:
        """The schema that ``to_json`` gave.

        Raises:
            DataError: it is of another version, or damaged.
        """
        if stored.get("version") != VERSION:
            found = stored.get("version")
            raise DataError(f"schema version {found!r}: this version of Chainrule reads {VERSION}")
        try:
            columns = tuple(_column(item) for item in stored["columns"])
            return cls(columns, Target(**_tuples(stored["target"])))
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"the schema is damaged: {error!r}") from error


def _column(stored: Mapping[str, Any]) -> Column:
    fields = {key: value for key, value in stored.items() if key not in ("kind", "treatment")}
    if "parts" in fields:
        fields["parts"] = tuple(Number(**_tuples(part)) for part in fields["parts"])
    return KINDS[stored["kind"]](**_tuples(fields))


def _tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
