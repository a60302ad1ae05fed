"""Columns that hold the same values as an earlier one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Final

import numpy as np

from chainrule.data.extras import ArrowColumn, Table
from chainrule.data.values import is_number, numbers

_SAMPLED: Final = 32  # rows that are compared before all of them are


def duplicates(table: Table, names: Sequence[str]) -> dict[str, str]:
    """Of the columns ``names``, those that are the same as an earlier one, and which it is."""
    rows = np.unique(np.linspace(0, max(0, table.num_rows - 1), _SAMPLED).astype(np.int64))
    few = table.select(list(names)).take(rows)
    alike: dict[Hashable, list[str]] = {}
    found = {}
    for name in names:
        earlier = alike.setdefault(_print(few[name]), [])
        same = next((other for other in earlier if are_equal(table[other], table[name])), None)
        if same is None:
            earlier.append(name)
        else:
            found[name] = same
    return found


def are_equal(a: ArrowColumn, b: ArrowColumn) -> bool:
    """Whether two columns have the same value, or none, in every row."""
    if is_number(a.type) and is_number(b.type):
        return bool(np.array_equal(numbers("", a), numbers("", b), equal_nan=True))
    return bool(a.type == b.type and a.equals(b))


def _print(column: ArrowColumn) -> Hashable:
    """What columns of equal values have in common."""
    if is_number(column.type):
        return numbers("", column).tobytes()
    return str(column.type), repr(column.to_pylist())
