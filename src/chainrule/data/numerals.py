"""Numbers as people write them: 1,234.50 and 1 234, 12 %, $5. One spelling for a whole column."""

from __future__ import annotations

import math
import re

from chainrule.data.extras import ArrowColumn, Table, need

_GROUPS = r"[1-9]\d{0,2}(?P<mark>[,' \u00a0\u202f\u2019])\d{3}(?:(?P=mark)\d{3})*"
_NUMERAL = re.compile(
    rf"(?P<sign>[-+\u2212]?)(?P<before>[$€£¥]?) ?(?P<whole>{_GROUPS}|\d+)(?P<fraction>\.\d+)?"
    r"[ \u00a0]?(?P<behind>[%$€£¥]?)"
)
_LOOKED_AT = 100  # rows
_SWAP = str.maketrans(",.", ".,")


def parse_numeral(text: str, decimal: str = ".") -> tuple[float, str, str] | None:
    """The number that ``text`` writes, its unit, and the mark between its thousands.

    >>> parse_numeral("1,234.5"), parse_numeral("-12 %"), parse_numeral("$1'000")
    ((1234.5, '', ','), (-12.0, '%', ''), (1000.0, '$', "'"))
    >>> parse_numeral("1.234,5", decimal=","), parse_numeral("1,23"), parse_numeral("007 123")
    ((1234.5, '', ','), None, None)
    """
    if decimal == ",":
        text = text.translate(_SWAP)
    found = _NUMERAL.fullmatch(text.strip())
    if found is None or (found["before"] and found["behind"]):
        return None
    mark = found["mark"] or ""
    whole = found["whole"].replace(mark, "") if mark else found["whole"]
    value = float(f"{whole}{found['fraction'] or ''}")
    signed = -value if found["sign"] in ("-", "\u2212") else value
    return signed, found["before"] or found["behind"], mark


def with_numbers(table: Table, kept: set[str], decimal: str = ".") -> Table:
    """The table with numbers for each text column that writes its values in one such spelling.

    A percent sign or a currency is left out: 12% is 12. A column in which some values have a unit
    and others none, or another one, or two marks between thousands, stays text.

    Args:
        table: as it was parsed.
        kept: columns that stay text.
        decimal: the decimal point.
    """
    is_string = need("pyarrow").types.is_string
    for place, field in enumerate(table.schema):
        if field.name not in kept and is_string(field.type):
            numbers = _as_numbers(table.column(place), decimal)
            if numbers is not None:
                table = table.set_column(place, field.name, numbers)
    return table


def _as_numbers(column: ArrowColumn, decimal: str) -> ArrowColumn | None:
    """The column as numbers, or None where it is text."""
    pa, pc = need("pyarrow"), need("pyarrow.compute")
    distinct = column.unique()
    values, units, marks = [], set(), {""}
    for text in distinct:
        shown = text.as_py()
        found = (math.nan, "", "") if shown is None else parse_numeral(shown, decimal)
        if found is None or (not math.isfinite(found[0]) and shown is not None):
            return None
        values.append(None if shown is None else found[0])
        marks.add(found[2])
        if shown is not None:
            units.add(found[1])
    if len(units) != 1 or len(marks) > 2:
        return None
    whole = all(v is None or (v.is_integer() and abs(v) < 2**53) for v in values)
    kind = pa.int64() if whole else pa.float64()
    numbers = pa.array([v if v is None or not whole else int(v) for v in values], kind)
    return numbers.take(pc.index_in(column, value_set=distinct).combine_chunks())
