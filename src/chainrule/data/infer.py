"""Find out what a column is, and how it will be encoded.

The rules, in order; the first that holds decides; a rule given for a column overrides them:

    every value missing                                      dropped (empty)
    one value in every row                                   dropped (constant)
    true and false                                           number 0 and 1
    whole numbers, all different, in a column named as an id dropped (identifier)
    numbers, durations                                       number
    dates, times                                             date
    texts, more than half of them different, 20 rows or more dropped (identifier, or text if long)
    texts, more than 60 of them frequent enough              embedded (where that is asked for)
    texts                                                    category
    lists, records, bytes                                    dropped
    the same values as an earlier column                     dropped (duplicate)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.category import MAX_LEVELS, Category, kept_levels
from chainrule.data.date import Date
from chainrule.data.dropped import Dropped
from chainrule.data.duplicates import duplicates
from chainrule.data.embedded import Embedded
from chainrule.data.extras import ArrowColumn, Table, need
from chainrule.data.number import SCALES, Number
from chainrule.data.text import Text
from chainrule.data.values import codes, is_moment, is_number, is_text, numbers
from chainrule.data.words import count, did_you_mean, nearest
from chainrule.errors import DataError

Column: TypeAlias = Number | Category | Embedded | Text | Date | Dropped
Weights: TypeAlias = NDArray[np.float64] | None

#: What a column may be asked to be taken for.
ASKED: Final = ("number", "category", "embed", "text", "date", "drop")

FEW_ROWS = 20  # below this, texts that all differ may still be categories
LONG = 40  # characters on average: prose, not a name
ID_NAME = re.compile(
    r"((?i:(.*[_ .-])?(id|idx|index|key|uuid|guid|rownames?|row|unnamed: 0))|.*[a-z](Id|ID))?"
)


#: Of these, what is to be read as text, so that 007 stays 007.
KEPT_AS_TEXT: Final = ("category", "embed", "text")


@dataclass(frozen=True, slots=True)
class How:
    """What holds for all columns of a table.

    Fields:
        scale: of numbers: a name of ``SCALES``.
        weights: (n,) all above 0, or None.
        embed: whether columns of many categories are embedded; else the rarer ones share one.
    """

    scale: str = "standard"
    weights: Weights = None
    embed: bool = False


DEFAULT: Final = How()


def fit_columns(
    table: Table, rules: Mapping[str, str], drop: Mapping[str, str], how: How
) -> tuple[Column, ...]:
    """What each column of ``table`` is, by ``rules`` for those that are in it.

    Args:
        table: the training rows.
        rules: a name of ``ASKED`` for some of the columns.
        drop: columns not to use, each with the reason; a rule for one of them uses it.
        how: what holds for all columns.

    Raises:
        DataError: a rule names no column, or is none; a number is infinite.
    """
    check_rules(table.column_names, rules)
    check_scale(how.scale)
    left_out = {
        name: Dropped(name, "left out", why) for name, why in drop.items() if name not in rules
    }
    found = {
        name: left_out.get(name) or fit_column(name, table[name], rules.get(name, "auto"), how)
        for name in table.column_names
    }
    free = [name for name, column in found.items() if column.width and name not in rules]
    for name, first in duplicates(table, free).items():
        found[name] = Dropped(name, "duplicate", f"the same as {first}")
    return tuple(found.values())


def check_rules(names: Sequence[str], rules: Mapping[str, str]) -> None:
    """Refuse rules for columns that are not there, and rules that are none.

    Raises:
        DataError: with the nearest name as the hint.
    """
    there = set(names)
    for name, rule in rules.items():
        if name not in there:
            hint = did_you_mean(name, names)
            raise DataError(f"no column {name!r} in the table, for the rule {rule!r}", hint=hint)
        if rule not in ASKED:
            near = nearest(rule, ASKED)
            raise DataError(
                f"column {name!r}: no rule {rule!r}; the rules are {', '.join(ASKED)}",
                hint=f"did you mean {near}?" if near else "",
            )


def check_scale(scale: str) -> None:
    """Refuse a scale that is none.

    Raises:
        DataError: with the names that there are.
    """
    if scale not in SCALES:
        raise DataError(f"scale {scale!r}: expected {', '.join(SCALES)}")


def fit_column(name: str, column: ArrowColumn, rule: str = "auto", how: How = DEFAULT) -> Column:
    """What the column ``name`` is, from its training rows.

    Raises:
        DataError: a number is infinite; a value is not what the rule says.
    """
    match rule:
        case "drop":
            return Dropped(name, "left out", "as asked")
        case _ if column.null_count == len(column):
            return Dropped(name, "empty", "every value is missing")
        case "number":
            return _asked_number(name, column, how)
        case "category":
            return Category.fit(name, *codes(column), how.weights)
        case "embed":
            return Embedded.fit(name, *codes(column), how.weights)
        case "text":
            return Text.fit(name, column)
        case "date":
            return Date.fit(name, column, how.weights)
        case _:
            return _by_values(name, column, how)


def _by_values(name: str, column: ArrowColumn, how: How) -> Column:
    types, kind = need("pyarrow").types, column.type
    if types.is_boolean(kind) or types.is_duration(kind) or is_number(kind):
        return _fit_numbers(name, column, how)
    if is_moment(kind):
        return _one_value(name, column) or Date.fit(name, column, how.weights)
    if is_text(kind):
        return _one_value(name, column) or _fit_texts(name, column, how)
    return Dropped(name, str(kind)[:20], "a kind of value that is not used")


def _asked_number(name: str, column: ArrowColumn, how: How) -> Column:
    values = numbers(name, column)
    if np.isnan(values).all():
        return Dropped(name, "empty", "every value is missing")
    is_boolean = need("pyarrow").types.is_boolean(column.type)
    return Number.fit(name, values, is_boolean, how.scale, how.weights)


def _fit_numbers(name: str, column: ArrowColumn, how: How) -> Column:
    types = need("pyarrow").types
    values = numbers(name, column)
    kept = values[~np.isnan(values)]
    if len(kept) == 0:
        return Dropped(name, "empty", "every value is missing")
    if len(kept) == len(values) and kept.min() == kept.max():
        return _constant(name, f"{kept[0]:.4g}")
    if _is_identifier(name, column):
        return Dropped(name, "identifier", "a different number in every row")
    return Number.fit(name, values, types.is_boolean(column.type), how.scale, how.weights)


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


def _fit_texts(name: str, column: ArrowColumn, how: How) -> Column:
    indices, texts = codes(column)
    rows = int(np.sum(indices >= 0))
    if rows < FEW_ROWS or len(texts) <= rows / 2:
        many = how.embed and len(kept_levels(indices, texts, how.weights)[0]) > MAX_LEVELS
        return (Embedded if many else Category).fit(name, indices, texts, how.weights)
    what = "text" if np.mean([len(text) for text in texts]) > LONG else "identifier"
    different = count(len(texts), "different value")
    return Dropped(name, what, f"{different} in {rows:,} rows", texts[0][:30])
