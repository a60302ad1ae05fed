"""Find out what a column is, and how it will be encoded.

The rules, in order; the first that holds decides (``--drop`` overrides them all):

    every value missing                                      dropped (empty)
    one value in every row                                   dropped (constant)
    true and false                                           number 0 and 1
    whole numbers, all different, in a column named as an id dropped (identifier)
    numbers, durations                                       number
    dates, times                                             date
    texts, more than half of them different, 20 rows or more dropped (identifier, or text if long)
    texts                                                    category
    lists, records, bytes                                    dropped
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np

from chainrule.data.category import Category
from chainrule.data.date import Date
from chainrule.data.dropped import Dropped
from chainrule.data.extras import ArrowColumn, need
from chainrule.data.number import Number
from chainrule.data.values import codes, is_moment, is_number, is_text, numbers
from chainrule.data.words import count

Column: TypeAlias = Number | Category | Date | Dropped

FEW_ROWS = 20  # below this, texts that all differ may still be categories
LONG = 40  # characters on average: prose, not a name
ID_NAME = re.compile(
    r"((?i:(.*[_ .-])?(id|idx|index|key|uuid|guid|rownames?|row|unnamed: 0))|.*[a-z](Id|ID))?"
)


def fit_column(name: str, column: ArrowColumn) -> Column:
    """What the column ``name`` is, from its training rows.

    Raises:
        DataError: a number is infinite.
    """
    types, kind = need("pyarrow").types, column.type
    if column.null_count == len(column):
        return Dropped(name, "empty", "every value is missing")
    if types.is_boolean(kind) or types.is_duration(kind) or is_number(kind):
        return _fit_numbers(name, column)
    if is_moment(kind):
        return _one_value(name, column) or Date.fit(name, column)
    if is_text(kind):
        return _one_value(name, column) or _fit_texts(name, column)
    return Dropped(name, str(kind)[:20], "a kind of value that is not used")


def _fit_numbers(name: str, column: ArrowColumn) -> Column:
    types = need("pyarrow").types
    values = numbers(name, column)
    kept = values[~np.isnan(values)]
    if len(kept) == 0:
        return Dropped(name, "empty", "every value is missing")
    if len(kept) == len(values) and kept.min() == kept.max():
        return _constant(name, f"{kept[0]:.4g}")
    if _is_identifier(name, column):
        return Dropped(name, "identifier", "a different number in every row")
    return Number.fit(name, values, boolean=types.is_boolean(column.type))


def _is_identifier(name: str, column: ArrowColumn) -> bool:
    """A row number or a key. By its name too: a different number in every row may be a quantity."""
    whole = need("pyarrow").types.is_integer(column.type)
    return bool(whole and ID_NAME.fullmatch(name) and len(column.unique()) == len(column))


def _one_value(name: str, column: ArrowColumn) -> Dropped | None:
    if column.null_count or len(column.unique()) > 1:
        return None
    return _constant(name, str(column[0].as_py()))


def _constant(name: str, value: str) -> Dropped:
    return Dropped(name, "constant", f"{value[:30]} in every row", value[:30])


def _fit_texts(name: str, column: ArrowColumn) -> Column:
    indices, texts = codes(column)
    rows = int(np.sum(indices >= 0))
    if rows < FEW_ROWS or len(texts) <= rows / 2:
        return Category.fit(name, indices, texts)
    what = "text" if np.mean([len(text) for text in texts]) > LONG else "identifier"
    different = count(len(texts), "different value")
    return Dropped(name, what, f"{different} in {rows:,} rows", texts[0][:30])
