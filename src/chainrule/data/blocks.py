"""Tables in blocks of rows: files that need not fit into memory, read from start to end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from chainrule.data.extras import Table, need
from chainrule.data.foreign import as_table
from chainrule.data.formats import (
    DELIMITERS,
    Format,
    check_file,
    check_magic,
    format_of,
    packing_of,
    suffix_of,
)
from chainrule.data.names import safe_names
from chainrule.data.packed import reading, unpacked_name
from chainrule.data.row_files import RowFile, RowReader, digest_of
from chainrule.data.text_blocks import TypesChanged, text_blocks
from chainrule.data.text_stream import TextFile
from chainrule.errors import DataError
from chainrule.machine.memory import trim_heap

#: Bytes of a block, and its rows at most.
_BLOCK: Final = 4 << 20
_MOST_ROWS: Final = 1 << 14
#: Bytes of a page file read at a time.
_BUFFER: Final = 1 << 16

#: Told how far a pass is, from 0 to 1.
Tell = Callable[[float], None]


def silent(_: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """A table in a file, as blocks of consecutive rows.

    Attributes:
        path: the file. format: of it.
        rows: how many there are, where the file says it.
        size: bytes of the table in memory, about.
        text: columns of a text format to keep as text.
        types: of a text format's columns by their names in the file, as they are known so far.
    """

    path: Path
    format: Format
    rows: int | None
    size: int
    text: tuple[str, ...] = ()
    types: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path, text: tuple[str, ...] = ()) -> Blocks:
        """The table in a file; only what describes it is read.

        Raises:
            DataError: it cannot be read, or is of a format that is read as a whole.
        """
        path = Path(path)
        check_file(path)
        with reading(path):
            format = format_of(unpacked_name(path))
            size = path.stat().st_size
            if format == "text":
                return cls(path, format, None, size, text)
            if format is None or format == "npz" or packing_of(path.name):
                raise DataError(
                    f"{path}: cannot be read in blocks",
                    "Parquet, Arrow, .npy, CSV and packed CSV can; or leave --memory out",
                )
            with path.open("rb") as file:
                check_magic(path, format, file.read(64))
            rows, wide = _OPENED[format](path)
            return cls(path, format, rows, max(size, wide))

    def digest(self) -> str:
        """A checksum of the file's size, its time of change and 32 stretches of it."""
        with reading(self.path):
            return digest_of(self.path, hashlib.sha256(self.format.encode()))

    def tables(self, tell: Tell = silent) -> Iterator[Table]:
        """The rows in their order, a few megabytes at a time, under safe names.

        Raises:
            DataError: the file is damaged. TypesChanged: the types so far do not hold.
        """
        names: list[str] = []
        done = 0
        with reading(self.path):
            for table, share in self._tables():
                names = names or safe_names(self.path, table.column_names)
                if len(names) != table.num_columns:
                    raise DataError(f"{self.path}: other columns from row {done + 1:,} on")
                done += table.num_rows
                if table.num_rows:
                    yield plain(table.rename_columns(names))
                tell(share)

    def retyped(self, types: dict[str, Any]) -> Blocks:
        """The same with other types."""
        return replace(self, types=types)

    def settled(self) -> Blocks:
        """The same with types that hold to the end of the file, by one pass over a text."""
        settled = self
        while self.format == "text":
            try:
                for _ in settled.tables():
                    pass
                break
            except TypesChanged as change:
                settled = settled.retyped(change.types)
        return settled

    def _tables(self) -> Iterator[tuple[Table, float]]:
        if self.format == "text":
            delimiter = DELIMITERS[suffix_of(unpacked_name(self.path))]
            file = TextFile.of_path(self.path)
            return text_blocks(file, delimiter, self.text, self.types, self.size)
        rows = max(1, self.rows or 1)
        each = int(min(max(_BLOCK * rows // max(1, self.size), 256), _MOST_ROWS))
        return _READ[self.format](self.path, each, rows)


def release() -> None:
    """Give back to the system what Arrow and the C library keep of blocks that are gone."""
    need("pyarrow").default_memory_pool().release_unused()
    trim_heap()


def plain(table: Table) -> Table:
    """The table with the values of dictionaries in their places: blocks have their own."""
    types = need("pyarrow").types
    for place, column in enumerate(table.schema):
        if types.is_dictionary(column.type):
            values = table.column(place).cast(column.type.value_type)
            table = table.set_column(place, column.name, values)
    return table


# -- formats ---------------------------------------------------------------------------------------


def _open_parquet(path: Path) -> tuple[int, int]:
    with _parquet(path) as file:
        meta = file.metadata
        groups = range(meta.num_row_groups)
        return meta.num_rows, sum(meta.row_group(k).total_byte_size for k in groups)


def _parquet(path: Path) -> Any:
    """Read page by page: a row group may be larger than memory."""
    parquet = need("pyarrow.parquet")
    return parquet.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=_BUFFER)


def _read_parquet(path: Path, each: int, rows: int) -> Iterator[tuple[Table, float]]:
    pa, done = need("pyarrow"), 0
    with _parquet(path) as file:
        # Each of Arrow's threads keeps memory of its own, which cannot be asked back.
        for batch in file.iter_batches(batch_size=each, use_threads=False):
            done += batch.num_rows
            yield pa.Table.from_batches([batch]), done / rows


def _is_stream(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\xff\xff\xff\xff"


def _open_arrow(path: Path) -> tuple[int, int]:
    pa = need("pyarrow")
    if _is_stream(path):
        with pa.OSFile(str(path)) as source:
            return sum(batch.num_rows for batch in pa.ipc.open_stream(source)), 0
    with pa.OSFile(str(path)) as source:
        file = pa.ipc.open_file(source)
        return sum(file.get_batch(k).num_rows for k in range(file.num_record_batches)), 0


def _read_arrow(path: Path, each: int, rows: int) -> Iterator[tuple[Table, float]]:
    pa, done = need("pyarrow"), 0
    with pa.OSFile(str(path)) as source:
        for batch in _batches(source, _is_stream(path)):
            batch.validate(full=True)  # offsets of a damaged file may point anywhere
            for first in range(0, batch.num_rows, each):
                part = batch.slice(first, each)
                done += part.num_rows
                yield pa.Table.from_batches([part]), done / rows


def _batches(source: Any, is_stream: bool) -> Iterator[Any]:
    ipc = need("pyarrow").ipc
    if is_stream:
        yield from ipc.open_stream(source)
        return
    file = ipc.open_file(source)
    for k in range(file.num_record_batches):
        yield file.get_batch(k)


def _open_npy(path: Path) -> tuple[int, int]:
    file = RowFile.open(path)
    if len(file.shape) != 2:
        raise DataError(f"{path}: {len(file.shape)} dimensions; expected rows and columns")
    return file.rows, file.rows * file.row_bytes


def _read_npy(path: Path, each: int, rows: int) -> Iterator[tuple[Table, float]]:
    file = RowFile.open(path)
    with RowReader(file, np.dtype(file.dtype.newbyteorder("="))) as reader:
        for first in range(0, rows, each):
            out = reader.room(min(each, rows - first))
            reader.read(first, out)
            yield as_table(out, source=str(path)), (first + len(out)) / rows


_OPENED: Final[dict[Format, Callable[[Path], tuple[int, int]]]] = {
    "Parquet": _open_parquet,
    "Arrow": _open_arrow,
    "npy": _open_npy,
}
_READ: Final[dict[Format, Callable[[Path, int, int], Iterator[tuple[Table, float]]]]] = {
    "Parquet": _read_parquet,
    "Arrow": _read_arrow,
    "npy": _read_npy,
}
