"""Read a table from files: text (CSV, TSV), Parquet, Feather (Arrow), NumPy's .npy and .npz."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from chainrule.data.extras import Table, need
from chainrule.data.files import as_paths, joined
from chainrule.data.foreign import as_table
from chainrule.data.formats import (
    DELIMITERS,
    Format,
    check_file,
    check_magic,
    format_of,
    packing_of,
    suffix_of,
    unknown_format,
)
from chainrule.data.names import safe_names
from chainrule.data.numpy_files import read_npy, read_npz
from chainrule.data.packed import open_unpacked, reading, unpacked_name
from chainrule.data.text_stream import TextFile
from chainrule.data.text_table import read_text_table
from chainrule.errors import DataError

Paths = str | Path | Sequence[str | Path]


def read_table(path: Paths, text: Collection[str] = ()) -> Table:
    """Read a whole file, or several of the same columns, into a pyarrow.Table.

    Args:
        path: a .csv, .txt, .tsv, .tab, .parquet, .pq, .feather, .arrow, .arrows, .ipc, .npy or
            .npz file, all but the last two also as .gz, .zst, or alone in a .zip; a pattern such as
            "2013-*.csv"; or a list of these, whose files follow one another.
        text: columns of a text format to keep as text, whatever they look like.

    Returns:
        At least one row; every column has a name of its own, without control characters.

    Raises:
        DataError: a file cannot be read, holds no table, or has other columns than the first.
        MissingExtraError: pyarrow is not installed.
    """
    paths = as_paths(path)
    if len(paths) > 1:
        return joined(paths, [read_file(one, text) for one in paths], read_file, text)
    return read_file(paths[0], text)


def read_bytes(source: str, content: bytes, text: Collection[str] = ()) -> Table:
    """Read a text table that has been read already, such as one on stdin (see ``read_table``).

    Args:
        source: what it is called in messages.
        content: text with commas or other separators.
        text: columns to keep as text.
    """
    with reading(source):
        table = read_text_table(TextFile.of_bytes(source, content), ",", text)
    return _checked(source, table)


def read_file(path: Path, text: Collection[str] = ()) -> Table:
    """Read one file (see ``read_table``)."""
    check_file(path)
    with reading(path):
        name = unpacked_name(path)
        format = format_of(name)
        if format is None:
            raise unknown_format(path, name)
        if format == "text":
            table = read_text_table(TextFile.of_path(path), DELIMITERS[suffix_of(name)], text)
        else:
            table = _read_binary(path, format)
    return _checked(path, table)


def _checked(source: object, table: Table) -> Table:
    if table.num_columns == 0:
        raise DataError(f"{source}: no columns")
    if table.num_rows == 0:
        raise DataError(f"{source}: no rows, only a header")
    return table.rename_columns(safe_names(source, table.column_names))


def _read_binary(path: Path, format: Format) -> Table:
    pa = need("pyarrow")
    if format in ("npy", "npz"):
        if packing_of(path.name):
            raise DataError(f"{path}: a packed .{format} file", hint="unpack it first")
        return read_npy(path) if format == "npy" else read_npz(path)
    with _seekable(path) as source:
        head = source.read(64)
        check_magic(path, format, head)
        _check_end(path, head, source)
        if format == "Parquet":
            # read_table takes columns by their names, and stops at two of one name in words of C++.
            table = need("pyarrow.parquet").ParquetFile(source, pre_buffer=True).read()
            return as_table(table, source=str(path))
        stream = head.startswith(b"\xff\xff\xff\xff")
        table = pa.ipc.open_stream(source).read_all() if stream else _feather(source)
        # Offsets of a damaged file may point anywhere: look before they are followed.
        table.validate(full=True)
        return as_table(table, source=str(path))


def _check_end(path: Path, head: bytes, source: Any) -> None:
    """Parquet and Arrow files end as they begin; one that does not was cut off."""
    mark = next((m for m in (b"PAR1", b"ARROW1") if head.startswith(m)), b"")
    source.seek(max(0, source.size() - len(mark)))
    end = source.read(len(mark))
    source.seek(0)
    if end != mark or source.size() < 2 * len(mark):
        raise DataError(f"{path}: the end is missing: the file was cut off or is damaged")


def _feather(source: Any) -> Table:
    return need("pyarrow.feather").read_table(source, memory_map=False)


def _seekable(path: Path) -> Any:
    """A file for Arrow; one that is packed is unpacked into memory."""
    pa = need("pyarrow")
    if not packing_of(path.name):
        return pa.OSFile(str(path))
    stream, blocks = open_unpacked(path), []
    while block := stream.read(1 << 20):
        blocks.append(block)
    return pa.BufferReader(b"".join(blocks))
