"""Text tables in blocks of rows, whose types are those of the blocks so far."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import closing
from typing import Any, Final

from chainrule.data.extras import Table, need
from chainrule.data.header import Header
from chainrule.data.text_stream import CheckedText, LinesInQuotesError, TextFile
from chainrule.data.text_table import begin, options, refusal, tidied
from chainrule.errors import DataError

#: "In CSV column #3: CSV conversion error to int64: invalid value '1.5'"
_CONVERSION: Final = re.compile(r"In CSV column #(\d+): CSV conversion error to (\S+)")


class TypesChanged(Exception):  # noqa: N818  no error: the pass begins again
    """A value does not fit the type that its column had so far.

    Attributes:
        types: of the columns whose first block does not say it, that one added.
    """

    def __init__(self, types: dict[str, Any]) -> None:
        super().__init__()
        self.types = types


def text_blocks(
    file: TextFile, delimiter: str, text: Collection[str], types: dict[str, Any], size: int
) -> Iterator[tuple[Table, float]]:
    """The rows of a text table in blocks, and the share of the file that has been read.

    Args:
        file: the text.
        delimiter: what its name says.
        text: columns to keep as text.
        types: of columns, by their names in the file, where they are known.
        size: of the file, in bytes.

    Raises:
        DataError: it is no text table. TypesChanged: a value does not fit its column's type.
    """
    pa, csv = need("pyarrow"), need("pyarrow.csv")
    begun = begin(file, delimiter, text)
    known = {**begun.types, **types}
    parse, convert = options(begun.header, True, known)
    stream = CheckedText(file, begun.header.delimiter.encode())
    read = csv.ReadOptions(block_size=begun.block)
    given = 0
    try:
        with closing(stream):
            for batch in csv.open_csv(pa.PythonFile(stream, mode="r"), read, parse, convert):
                table = pa.Table.from_batches([batch])
                if not known:
                    known = dict(zip(begun.header.raw, table.schema.types, strict=True))
                given += begun.block
                yield tidied(file, begun.header, table), min(1.0, given / max(1, size))
    except (pa.ArrowException, LinesInQuotesError, OSError) as error:
        cause = getattr(stream, "error", None) or error
        if isinstance(cause, DataError):
            raise cause from None
        wider = _wider(begun.header, known, str(cause))
        if wider:
            raise TypesChanged({**types, **wider}) from None
        raise refusal(file, begun.header, cause) from None


def _wider(header: Header, types: dict[str, Any], message: str) -> dict[str, Any]:
    """A wider type for the column that a message names; empty if it names none."""
    found = _CONVERSION.search(message)
    if found is None or int(found[1]) >= len(header.raw):
        return {}
    pa, name = need("pyarrow"), header.raw[int(found[1])]
    before = types.get(name)
    takes_numbers = found[2].startswith(("int", "null")) and before != pa.float64()
    wider = pa.float64() if takes_numbers else pa.string()
    return {name: wider} if before != wider else {}
