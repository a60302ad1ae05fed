"""Arrow columns as NumPy values, with errors that name the column, the row and the value."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.extras import ArrowColumn, need
from chainrule.data.numerals import parse_numeral
from chainrule.errors import DataError


def numbers(name: str, column: ArrowColumn) -> NDArray[np.float64]:
    """A column as finite numbers, NaN where a value is missing: (n,).

    Booleans are 0 and 1, durations are seconds, text is parsed.

    Raises:
        DataError: a value is no number, or infinite.
    """
    pa = need("pyarrow")
    kind = column.type
    if is_text(kind):
        values = _parsed_numbers(name, column)
    elif pa.types.is_duration(kind):
        values = _floats(column.cast(pa.duration("us")).cast(pa.int64())) / 1e6
    elif is_number(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        values = _floats(column)
    else:
        raise _wrong(name, column, 0, "a number")
    _check_finite(name, values)
    return values


def moments(name: str, column: ArrowColumn, zone: str) -> ArrowColumn:
    """A column as timestamps in the time zone ``zone`` ("" for none).

    Raises:
        DataError: a value is no date or time.
    """
    pa = need("pyarrow")
    kind, wanted = column.type, pa.timestamp("us", tz=zone or None)
    if pa.types.is_time(kind):
        ticks = column.cast(pa.time64("us")).cast(pa.int64())
        return ticks.cast(pa.timestamp("us")).cast(wanted)
    if is_text(kind):
        column = as_text(column)
        try:
            return column.cast(pa.timestamp("us")).cast(wanted)
        except pa.ArrowInvalid as error:
            raise _wrong(name, column, _first_no_date(column), "a date or time") from error
    if not (pa.types.is_temporal(kind) or pa.types.is_null(kind)) or pa.types.is_duration(kind):
        raise _wrong(name, column, 0, "a date or time")
    return column.cast(wanted)


def codes(column: ArrowColumn) -> tuple[NDArray[np.int64], list[str]]:
    """A column as categories: the index of each row's text (-1: missing), and the texts."""
    pc = need("pyarrow.compute")
    encoded = as_text(column).combine_chunks().dictionary_encode()
    indices = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    return indices.astype(np.int64), encoded.dictionary.to_pylist()


def as_text(column: ArrowColumn) -> ArrowColumn:
    """A column cast to text; whole numbers without a decimal point."""
    pa = need("pyarrow")
    if not pa.types.is_floating(column.type):
        return column.cast(pa.string())
    # Each different number is spelled once.
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    texts = pa.array([None if math.isnan(v) else spelled(v) for v in values], pa.string())
    return pa.chunked_array([texts.take(encoded.indices)])


def spelled(value: Any) -> str:
    """The text of one value: the same for 1 and 1.0, and for True and "true".

    >>> spelled(1.0), spelled(True), spelled("red")
    ('1', 'true', 'red')
    """
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def is_text(kind: Any) -> bool:
    """Whether an Arrow type is text, plain or as a dictionary."""
    types = need("pyarrow").types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_number(kind: Any) -> bool:
    """Whether an Arrow type is integer, floating or decimal."""
    types = need("pyarrow").types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def is_moment(kind: Any) -> bool:
    """Whether an Arrow type is a date, a time of day or both."""
    types = need("pyarrow").types
    return bool(types.is_date(kind) or types.is_timestamp(kind) or types.is_time(kind))


def present(column: ArrowColumn) -> NDArray[np.bool_]:
    """Where a column has a value: neither null nor NaN."""
    pc = need("pyarrow.compute")
    found = pc.invert(pc.is_null(column, nan_is_null=True))
    values: NDArray[np.bool_] = found.to_numpy()
    return values


def _floats(column: ArrowColumn) -> NDArray[np.float64]:
    pa, pc = need("pyarrow"), need("pyarrow.compute")
    if not column.null_count and (pa.types.is_integer(column.type) or column.type == pa.float64()):
        return np.array(column.to_numpy(), dtype=np.float64)  # two calls of Arrow less
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    values = pc.fill_null(pc.cast(column, pa.float64(), safe=False), math.nan).to_numpy()
    return np.array(values, dtype=np.float64)


def _parsed_numbers(name: str, column: ArrowColumn) -> NDArray[np.float64]:
    indices, texts = codes(column)
    parsed = np.array([_parsed(text) for text in texts] + [math.nan])
    bad = [i for i, text in enumerate(texts) if math.isnan(parsed[i]) and not _is_blank(text)]
    if bad:
        row = int(np.flatnonzero(np.isin(indices, bad))[0])
        raise _wrong(name, column, row, "a number")
    return parsed[indices]


def _parsed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        written = parse_numeral(text)
        return written[0] if written else math.nan


def _is_blank(text: str) -> bool:
    return text.strip().lower() in ("", "nan")


def _first_no_date(column: ArrowColumn) -> int:
    pa = need("pyarrow")
    for row, value in enumerate(column):
        try:
            value.cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            return row
    return 0


def _check_finite(name: str, values: NDArray[np.float64]) -> None:
    infinite = np.isinf(values)
    if infinite.any():
        row = int(np.flatnonzero(infinite)[0])
        raise DataError(
            f"column {name!r}, row {row + 1:,}: the value is infinite or beyond 1.8e308",
            hint="correct it, leave it empty, or drop the column with --drop",
        )


def _wrong(name: str, column: ArrowColumn, row: int, expected: str) -> DataError:
    value = column[row].as_py() if len(column) else None
    return DataError(
        f"column {name!r}, row {row + 1:,}: expected {expected}, got {value!r:.60}",
        hint="correct the value, or leave it empty for a missing one",
    )
