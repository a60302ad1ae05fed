"""The schema: what a table's columns and its target are, stored with every run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.data.columns import Columns, with_tuples
from chainrule.data.extras import Table
from chainrule.data.infer import Column
from chainrule.data.target import Target
from chainrule.errors import DataError


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a table and its target."""

    inputs: Columns
    target: Target

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns but the target, in order."""
        return self.inputs.columns

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that the network sees."""
        return self.inputs.used

    @property
    def width(self) -> int:
        """How many numbers encode a row."""
        return self.inputs.width

    @property
    def tables(self) -> tuple[tuple[int, int], ...]:
        """Rows and numbers of the tables in which the last encoded columns are looked up."""
        return self.inputs.tables

    def features(self) -> list[str]:
        """The name of each encoded column."""
        return self.inputs.features()

    def text_columns(self) -> list[str]:
        """Columns that a text file must keep as text, so that 007 stays 007."""
        target = [self.target.name] if isinstance(next(iter(self.target.classes), 0), str) else []
        return [*self.inputs.text_columns(), *target]

    def encode(self, table: Table, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The rows of ``table`` as the network sees them: (n, width).

        Raises:
            DataError: a column is missing, or a value is not of its column's kind.
        """
        return self.inputs.encode(table, dtype)

    def to_json(self) -> dict[str, Any]:
        """The schema in JSON's own types."""
        return {**self.inputs.to_json(), "target": asdict(self.target)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Schema:
        """The schema that ``to_json`` gave, of this version or of an earlier one.

        Raises:
            DataError: it is of another version, or damaged.
        """
        columns = Columns.from_json(stored)
        try:
            return cls(columns, Target(**with_tuples(stored["target"])))
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"the schema is damaged: {error!r}") from error
