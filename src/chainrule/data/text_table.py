"""Read text tables: CSV, TSV and the like, on all cores, with what is wrong said in one line."""

from __future__ import annotations

import csv as plain_csv
import io
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from chainrule.data.dates import with_dates
from chainrule.data.extras import Table, need
from chainrule.data.formats import check_magic
from chainrule.data.header import Header, delimiter_of, header_size, read_header
from chainrule.data.numerals import with_numbers
from chainrule.data.text_stream import BLOCK, CheckedText, LinesInQuotesError, TextFile
from chainrule.data.words import count, printable
from chainrule.errors import DataError

# What stands for a missing value, besides an empty field. "?" is the UCI tables'.
MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
LONGEST_HEADER = 16 << 20
LONGEST_LINE = 1 << 30
_RAGGED = re.compile(r"Expected (\d+) columns, got (\d+)")


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the first megabyte of a table says.

    Fields:
        content: the whole text where it is that short; else None.
        block: how many bytes to parse at a time: some rows at least.
        lines_in_quotes: whether a line end was seen within quotes.
        types: of the columns by their name in the file, those that are known.
    """

    header: Header
    content: bytes | None
    block: int
    lines_in_quotes: bool
    types: dict[str, Any]


def read_text_table(file: TextFile, delimiter: str, text: Collection[str] = ()) -> Table:
    """Read a whole text table.

    Args:
        file: the text.
        delimiter: what its name says; the header may show another.
        text: columns to keep as text, whatever they look like.

    Raises:
        DataError: it is empty, or no table.
    """
    begun = begin(file, delimiter, text)
    table = tidied(file, begun.header, _read(file, begun))
    return with_dates(with_numbers(table, set(text), begun.header.decimal), set(text))


def begin(file: TextFile, delimiter: str, text: Collection[str] = ()) -> Beginning:
    """Look at the beginning of a table.

    Raises:
        DataError: it is empty, or no table.
    """
    with closing(file.open_bytes()) as bytes:
        check_magic(file.source, "text", bytes.read(256))
    with closing(file.open()) as start:
        delimiter = delimiter_of(start.read(1 << 16), delimiter)
    head, whole, lines_in_quotes = _head(file, delimiter)
    if not head or head.isspace():
        raise DataError(f"{file.source}: the file is empty")
    size = header_size(head, delimiter) or len(head)
    try:
        head[:size].decode()
    except UnicodeDecodeError:
        file.refuse_encoding()
    header = read_header(file.source, head, delimiter)
    asked = {raw: need("pyarrow").string() for raw in _raw(header, text)}
    block = min(max(BLOCK, 16 * size), LONGEST_LINE)
    if whole:
        return Beginning(header, head, max(block, len(head)), lines_in_quotes, asked)
    types = {**_types(head, header, lines_in_quotes, asked), **asked}
    return Beginning(header, None, block, lines_in_quotes, types)


def _raw(header: Header, names: Collection[str]) -> list[str]:
    """The names that columns have in the file."""
    wanted = set(names)
    return [raw for raw, name in zip(header.raw, header.names, strict=True) if name in wanted]


def _head(file: TextFile, delimiter: str) -> tuple[bytes, bool, bool]:
    """The first megabyte, more where the header is longer; whether that is all; lines in quotes."""
    head = b""
    with closing(CheckedText(file, delimiter.encode())) as stream:
        while len(head) < BLOCK or (_has_no_end(head, delimiter) and len(head) < LONGEST_HEADER):
            more = stream.read(BLOCK)
            head += more
            if not more:
                return head, True, stream.quotes.has_lines
    if _has_no_end(head, delimiter):
        megabytes = LONGEST_HEADER >> 20
        raise DataError(f"{file.source}: the first line is longer than {megabytes} MiB")
    return head, False, stream.quotes.has_lines


def _has_no_end(head: bytes, delimiter: str) -> bool:
    return header_size(head, delimiter) is None


def _types(
    head: bytes, header: Header, lines_in_quotes: bool, asked: dict[str, Any]
) -> dict[str, Any]:
    """The types of the columns in the first block, but those without a value there.

    With types given, Arrow forgets the text of a block when it is parsed; to infer them from all
    blocks it must keep the text to the end, which takes three times the memory.
    """
    pa = need("pyarrow")
    rows = head[: max(head.rfind(b"\n"), head.rfind(b"\r")) + 1]
    try:
        table = _parse(io.BytesIO(rows), header, len(rows), lines_in_quotes, asked, False)
    except (pa.ArrowInvalid, ValueError):
        return {}
    types = pa.types
    return {
        raw: field.type
        for raw, field in zip(header.raw, table.schema, strict=True)
        if not (types.is_null(field.type) or types.is_binary(field.type))
    }


def _parse(
    stream: Any, header: Header, block: int, lines_in_quotes: bool, types: dict[str, Any],
    threads: bool = True,
) -> Table:  # fmt: skip
    """One pass of the parser. For a short text, starting threads would take longer than parsing."""
    pa, csv = need("pyarrow"), need("pyarrow.csv")
    return csv.read_csv(
        pa.PythonFile(stream, mode="r"),
        csv.ReadOptions(block_size=block, use_threads=threads),
        *options(header, lines_in_quotes, types),
    )


def options(header: Header, lines_in_quotes: bool, types: dict[str, Any]) -> tuple[Any, Any]:
    """How Arrow is to parse and convert a table."""
    csv = need("pyarrow.csv")
    missing = list(MISSING)
    if header.padded:
        missing += [f"{left}{mark}{right}" for mark in MISSING for left, right in _BLANKS]
    parse = csv.ParseOptions(delimiter=header.delimiter, newlines_in_values=lines_in_quotes)
    convert = csv.ConvertOptions(
        column_types=types,
        null_values=missing,
        strings_can_be_null=True,
        decimal_point=header.decimal,
    )
    return parse, convert


_BLANKS = ((" ", ""), ("", " "), (" ", " "))


def _read(file: TextFile, begun: Beginning) -> Table:
    """Read with the types of the first block; where they do not hold, with those of the whole."""
    pa = need("pyarrow")
    lines_in_quotes, types, block = begun.lines_in_quotes, begun.types, begun.block
    asked = {raw: t for raw, t in types.items() if pa.types.is_string(t)}
    threads = begun.content is None
    while True:
        stream = _stream(file, begun, lines_in_quotes)
        try:
            return _parse(stream, begun.header, block, lines_in_quotes, types, threads)
        except (pa.ArrowException, LinesInQuotesError, OSError) as error:
            cause = getattr(stream, "error", None) or error
            if isinstance(cause, LinesInQuotesError):
                lines_in_quotes = True
            elif isinstance(cause, DataError):
                raise cause from None
            elif "straddling" in str(cause) and block < LONGEST_LINE:
                block *= 32
            elif "conversion error" in str(cause) and types != asked:
                types = asked
            else:
                raise refusal(file, begun.header, cause) from None
        finally:
            stream.close()


def _stream(file: TextFile, begun: Beginning, lines_in_quotes: bool) -> Any:
    if begun.content is not None:  # checked already
        return io.BytesIO(begun.content)
    delimiters = begun.header.delimiter.encode()
    return CheckedText(file, delimiters, lines_in_quotes=lines_in_quotes)


def tidied(file: TextFile, header: Header, table: Table) -> Table:
    """The table with safe names, without blanks around its texts, without an empty last column.

    Raises:
        DataError: a column is not UTF-8.
    """
    pa, pc = need("pyarrow"), need("pyarrow.compute")
    if any(pa.types.is_binary(field.type) for field in table.schema):
        file.refuse_encoding()
    table = table.rename_columns(list(header.names))
    if not header.raw[-1].strip() and table.num_columns > 1:
        if table.column(table.num_columns - 1).null_count == table.num_rows:  # a,b, and 1,2,
            table = table.remove_column(table.num_columns - 1)
    if not header.padded:
        return table
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = pc.utf8_trim_whitespace(table.column(place))
            blank = pc.is_in(texts, value_set=pa.array(MISSING))
            table = table.set_column(place, field.name, pc.if_else(blank, None, texts))
    return table


# -- what is wrong ---------------------------------------------------------------------------------


def refusal(file: TextFile, header: Header, error: BaseException) -> DataError:
    """What the parser's error means, with the line."""
    message = printable(str(error).partition("\n")[0] or type(error).__name__)
    if _RAGGED.search(message):
        return _ragged(file, header, message)
    if "invalid UTF8" in message:
        file.refuse_encoding()
    if "straddling" in message:
        return DataError(f"{file.source}: a line is longer than {LONGEST_LINE >> 20:,} MiB")
    return DataError(f"{file.source}: cannot be read: {message[:300]}")


def _ragged(file: TextFile, header: Header, message: str) -> DataError:
    expected = len(header.raw)
    found = _first_ragged(file, header)
    if found is None:
        return DataError(f"{file.source}: {message[:200]}")
    line, fields, ends_empty = found
    hint = "a delimiter within a value must stand in quotes"
    if ends_empty and fields == expected + 1:
        hint = "rows end in a delimiter and the header does not: remove it, or add it there too"
    what = f"line {line:,} has {count(fields, 'field')}, the header {expected:,}"
    return DataError(f"{file.source}: {what}", hint=hint)


def _first_ragged(file: TextFile, header: Header) -> tuple[int, int, bool] | None:
    """The first line that does not fit the header: its number, its fields, is the last empty."""
    with closing(file.open()) as stream:
        rows = plain_csv.reader(_lines(stream.read), delimiter=header.delimiter)
        try:
            for row in rows:
                if row and len(row) != len(header.raw):
                    return rows.line_num, len(row), not row[-1]
        except plain_csv.Error:  # a field of more than 131,072 characters
            return None
    return None


def _lines(read: Callable[[int], bytes]) -> Iterator[str]:
    """The lines of a text, each with its line end."""
    rest = ""
    while block := read(BLOCK):
        text = rest + block.decode("latin-1")
        held = "\r" if text.endswith("\r") else ""  # the next block may begin with its line feed
        text = text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n")
        *whole, rest = text.split("\n")
        yield from (f"{line}\n" for line in whole)
        rest += held
    if rest:
        yield rest
