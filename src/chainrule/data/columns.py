"""The columns of a table and how each is encoded: what ``predict`` needs, stored as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.data.category import Category
from chainrule.data.date import Date
from chainrule.data.dropped import Dropped
from chainrule.data.embedded import Embedded
from chainrule.data.extras import ArrowColumn, Table, need
from chainrule.data.infer import Column, How, fit_columns
from chainrule.data.number import CLIP, Number
from chainrule.data.text import Text
from chainrule.data.words import did_you_mean, listed
from chainrule.errors import DataError

VERSION: Final = 2
#: Rows encoded at a time: their encoded columns lie in the second cache while all are written.
BLOCK: Final = 8192
NONE: Final[Mapping[str, str]] = MappingProxyType({})
KINDS: Final[dict[str, type[Column]]] = {
    c.kind: c for c in (Number, Category, Embedded, Text, Date, Dropped)
}
RULES: Final = (
    f"scaled: (value - centre) / scale of the training rows, within ±{CLIP:.0f}",
    "scaled by quantiles: the normal score, interpolated between the knots",
    "a category not seen in training: other; zeros where training had no other; 0 if embedded",
    "a missing number where training missed none: the median; of true and false the more frequent",
    "a missing category where training missed none: zeros; 0 if embedded",
    "embedded: the row in the table of learnt numbers; such columns come last",
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table, in order, with what the training rows showed of each.

    Example:
        >>> import pyarrow as pa
        >>> table = pa.table({"size": [1.0, 2.0, 6.0], "colour": ["red", "blue", "red"]})
        >>> columns = Columns.fit(table)
        >>> columns.features()
        ['size', 'colour=red', 'colour is other']
        >>> columns.encode(table.slice(2)).round(2)
        array([[1.39, 1.  , 0.  ]], dtype=float32)
    """

    columns: tuple[Column, ...]

    @classmethod
    def fit(
        cls, table: Table, *, rules: Mapping[str, str] = NONE, drop: Mapping[str, str] = NONE,
        scale: str = "auto", weights: NDArray[Any] | None = None, embed: bool = False,
    ) -> Columns:  # fmt: skip
        """The columns of ``table`` by the rules of ``infer``.

        Args:
            table: as ``read_table`` gives it, with no target in it.
            rules: of some columns, what to take them for: "number", "category", "embed", "text",
                "date" or "drop".
            drop: columns not to use, each with the reason.
            scale: of numbers: "auto", "standard", "robust" or "quantile".
            weights: (n,), one for each row, none below 0: a weight of 2 counts as the row twice,
                0 as no row. What kind a column is does not depend on them.
            embed: whether columns of more than 60 frequent categories are embedded (``tables``);
                else the rarer categories share one encoded column.

        Raises:
            DataError: a rule names no column, or is none; a number is infinite; weights do not
                fit the table.
        """
        if weights is not None:
            weights = _checked_weights(weights, table.num_rows)
            there = weights > 0
            table, weights = table.filter(need("pyarrow").array(there)), weights[there]
        return cls(fit_columns(table, rules, drop, How(scale, weights, embed)))

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that the network sees, as they are encoded: the embedded ones last."""
        seen = (column for column in self.columns if column.width)
        return tuple(sorted(seen, key=lambda column: isinstance(column, Embedded)))

    @property
    def tables(self) -> tuple[tuple[int, int], ...]:
        """Of each of the last encoded columns, which are looked up: rows and numbers to learn.

        ``nn.EmbedColumns.init(columns.tables, rng)`` is the layer that does it; there is none to
        look up where this is empty.
        """
        return tuple((c.rows, c.numbers) for c in self.used if isinstance(c, Embedded))

    @property
    def width(self) -> int:
        """How many numbers encode a row."""
        return sum(column.width for column in self.columns)

    def features(self) -> list[str]:
        """The name of each encoded column."""
        return [name for column in self.used for name in column.features()]

    def text_columns(self) -> list[str]:
        """Columns that a text file must keep as text, so that 007 stays 007."""
        return [c.name for c in self.columns if isinstance(c, Category | Embedded | Text)]

    def encode(self, table: Table, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The rows of ``table`` as the network sees them: (n, width).

        Raises:
            DataError: a column is missing, or a value is not of its column's kind.
        """
        self.check_columns(table)
        x = np.zeros((table.num_rows, self.width), dtype=dtype)
        columns = [table[column.name] for column in self.used]
        for first in range(0, table.num_rows, BLOCK):
            rows = slice(first, first + BLOCK)
            try:
                self._encode([column.slice(first, BLOCK) for column in columns], x[rows])
            except DataError:
                self._encode(columns, np.zeros_like(x))  # again, to name the table's own row
                raise
        return x

    def _encode(self, columns: Sequence[ArrowColumn], x: NDArray[Any]) -> None:
        """The rows of all used columns into ``x``: (n, width), zeros before."""
        start = 0
        for column, values in zip(self.used, columns, strict=True):
            column.encode(values, x[:, start : start + column.width])
            start += column.width

    def check_columns(self, table: Table) -> None:
        """Refuse a table without a column that the network sees.

        Raises:
            DataError: it names the columns that are missing.
        """
        names = set(table.column_names)
        gone = [column.name for column in self.used if column.name not in names]
        if gone:
            raise DataError(
                f"the table lacks {listed([repr(name) for name in gone], 40)}, used in training",
                hint=did_you_mean(gone[0], table.column_names),
            )

    def to_json(self) -> dict[str, Any]:
        """The columns in JSON's own types."""
        columns = [{"kind": c.kind, **asdict(c), "treatment": c.treatment} for c in self.columns]
        return {"version": VERSION, "rules": list(RULES), "columns": columns}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Columns:
        """The columns that ``to_json`` gave, of this version or of version 1.

        Raises:
            DataError: it is of another version, or damaged.
        """
        version = stored.get("version")
        if version not in (1, VERSION):
            raise DataError(
                f"schema version {version!r}: this version of Chainrule reads 1 to {VERSION}"
            )
        try:
            items = stored["columns"]
            return cls(tuple(_column(_renamed(c) if version == 1 else c) for c in items))
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"the schema is damaged: {error!r}") from error


def _checked_weights(weights: NDArray[Any], rows: int) -> NDArray[np.float64]:
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != (rows,):
        raise DataError(f"weights of shape {weights.shape}; the table has {rows:,} rows")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise DataError("weights: expected finite numbers from 0, not all of them 0")
    return weights


# -- from JSON -------------------------------------------------------------------------------------


def _column(stored: Mapping[str, Any]) -> Column:
    fields = {key: value for key, value in stored.items() if key not in ("kind", "treatment")}
    if "parts" in fields:
        fields["parts"] = tuple(Number(**with_tuples(part)) for part in fields["parts"])
    return KINDS[stored["kind"]](**with_tuples(fields))


def with_tuples(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The items of JSON with tuples for lists."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}


def _renamed(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A column of version 1 with the names of version 2."""
    names = {"mean": "centre", "median": "fill"}
    column = {names.get(key, key): value for key, value in stored.items()}
    if "parts" in column:
        column["parts"] = [_renamed(part) for part in column["parts"]]
    return column
