"""The first lines of a text table: its delimiter, the names of its columns, its spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from chainrule.data.extras import need
from chainrule.data.names import safe_names
from chainrule.data.words import listed
from chainrule.errors import DataError

SEPARATORS = (",", ";", "\t", "|")
_MARKS = re.compile(rb'"+|\r\n|\r|\n')
_QUOTE = ord('"')
_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Header:
    """How a text table is written.

    Fields:
        delimiter: between the columns.
        raw: the names as the file has them.
        names: the same made safe, each of its own.
        size: of the header in bytes, its line end included.
        decimal: the decimal point, "." or ",".
        padded: whether blanks stand beside delimiters, which are then no part of the values.
    """

    delimiter: str
    raw: tuple[str, ...]
    names: tuple[str, ...]
    size: int
    decimal: str
    padded: bool


def header_size(head: bytes, delimiters: str = "".join(SEPARATORS)) -> int | None:
    """How long the first line that is not empty is, quotes respected; None: it goes on.

    >>> header_size(b'"two' + bytes([10]) + b'lines",b' + bytes([10]) + b"1,2"), header_size(b"a")
    (14, None)
    """
    inside, begun, before_field = False, False, (delimiters + "\r\n").encode()
    for found in _MARKS.finditer(head):
        start, stop = found.span()
        if head[start] == _QUOTE:
            opens = inside or start == 0 or head[start - 1] in before_field
            inside ^= opens and (stop - start) % 2 == 1
            begun = True
        elif not inside and (begun or head[:start].strip(b"\r\n")):
            return stop
    return None


def read_header(source: object, head: bytes, delimiter: str) -> Header:
    """How a table is written that begins with ``head``, in UTF-8 up to the end of its header.

    Raises:
        DataError: the header has a name twice, or is a row of numbers.
    """
    size = header_size(head, delimiter) or len(head)
    raw = _fields(head[:size], delimiter)
    _check_is_header(source, raw)
    names = safe_names(source, raw)
    sample = head[size : size + (1 << 16)]
    return Header(
        delimiter, tuple(raw), tuple(names), size, _decimal(sample, delimiter),
        _is_padded(sample, delimiter),
    )  # fmt: skip


def delimiter_of(head: bytes, expected: str) -> str:
    """What separates the columns: ``expected``, unless the header has only other separators.

    >>> delimiter_of(b"a;b" + bytes([10]) + b"1,5;2,5", ","), delimiter_of(b"a;b,c", ",")
    (';', ',')
    """
    line = head[: header_size(head) or len(head)]
    others = [d for d in SEPARATORS if d.encode() in line]
    return others[0] if others and expected not in others else expected


def _fields(line: bytes, delimiter: str) -> list[str]:
    """The fields of the header, as the parser of the rows takes them."""
    pa, csv = need("pyarrow"), need("pyarrow.csv")
    text = line.strip(b"\r\n") + b"\n"
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    block = csv.ReadOptions(block_size=len(text) + 16, use_threads=False)
    columns: Any = csv.read_csv(pa.BufferReader(text), block, parse)
    return list(columns.column_names)


def _check_is_header(source: object, names: Sequence[str]) -> None:
    """A row of numbers is no header, but for 0, 1, 2, ... or years: whole numbers that rise."""
    if not all(_NUMBER.fullmatch(name) for name in names):
        return
    values = [float(name) for name in names]
    whole = all(name.strip().isdecimal() for name in names)
    if whole and all(a < b for a, b in pairwise(values)):
        return
    raise DataError(
        f"{source}: the first line holds only numbers ({listed(names, 4)}): there is no header",
        hint="add a first line with the names of the columns",
    )


def _decimal(sample: bytes, delimiter: str) -> str:
    """A comma, where it is not the delimiter and numbers are written with it and none with a point.

    >>> _decimal(b"1,5;2,25;x", ";"), _decimal(b"1,5;2.25", ";"), _decimal(b"1,5", ",")
    (',', '.', '.')
    """
    if delimiter == ",":
        return "."
    edge = re.escape(delimiter.encode()) + rb'\r\n"'
    with_mark = rb"(?:^|[%b])\s*[-+]?\d+%b\d+\s*(?=[%b]|$)"
    commas = re.search(with_mark % (edge, b",", edge), sample)
    points = re.search(with_mark % (edge, rb"\.", edge), sample)
    return "," if commas and not points else "."


def _is_padded(sample: bytes, delimiter: str) -> bool:
    edge = delimiter.encode()
    return (b" " + edge) in sample or (edge + b" ") in sample
