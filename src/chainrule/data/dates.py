"""Dates as people write them, where no reader can take the day for the month."""

from __future__ import annotations

import re
from datetime import datetime

from chainrule.data.extras import ArrowColumn, Table, need

_TIME = r"(?:[ T](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?)?"
_SPELLINGS = (
    re.compile(rf"(?P<day>\d\d?)\.(?P<month>\d\d?)\.(?P<year>\d{{4}}){_TIME}"),
    re.compile(rf"(?P<year>\d{{4}})/(?P<month>\d\d?)/(?P<day>\d\d?){_TIME}"),
    re.compile(rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d){_TIME}"),
)
_LOOKED_AT = 100  # rows


def parse_date(text: str) -> datetime | None:
    """The time that ``text`` writes as 31.12.2020, 2020/12/31 or 2020-12-31, with a time or none.

    >>> parse_date("31.12.2020"), parse_date("2020/1/2 03:04")
    (datetime.datetime(2020, 12, 31, 0, 0), datetime.datetime(2020, 1, 2, 3, 4))
    >>> parse_date("31.02.2020"), parse_date("12/31/2020"), parse_date("1.2.3")
    (None, None, None)
    """
    for spelling in _SPELLINGS:
        found = spelling.fullmatch(text.strip())
        if found is not None:
            try:
                parts = {name: int(part) for name, part in found.groupdict("0").items()}
                return datetime(**parts)  # type: ignore[arg-type]  # noqa: DTZ001, as written
            except ValueError:  # the 31st of February
                return None
    return None


def with_dates(table: Table, kept: set[str]) -> Table:
    """The table with dates, or times, for each text column of which every value is one.

    Args:
        table: as it was parsed.
        kept: columns that stay text.
    """
    is_string = need("pyarrow").types.is_string
    for place, field in enumerate(table.schema):
        if field.name not in kept and is_string(field.type):
            dates = _as_dates(table.column(place))
            if dates is not None:
                table = table.set_column(place, field.name, dates)
    return table


def _as_dates(column: ArrowColumn) -> ArrowColumn | None:
    first = column.slice(0, _LOOKED_AT).drop_null().to_pylist()
    if any(parse_date(text) is None for text in first):  # before all rows are gone through
        return None
    pa, pc = need("pyarrow"), need("pyarrow.compute")
    distinct = column.unique().drop_null()
    found = [parse_date(text.as_py()) for text in distinct]
    if not found or None in found:
        return None
    times = pa.array(found, pa.timestamp("s"))
    if all(one is not None and one == datetime(one.year, one.month, one.day) for one in found):  # noqa: DTZ001
        times = times.cast(pa.date32())
    return times.take(pc.index_in(column, value_set=distinct).combine_chunks())
