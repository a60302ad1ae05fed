"""Read a table from a file: CSV and TSV (also .gz or .zip), Parquet, Feather (Arrow)."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path, PurePath
from typing import Any

from chainrule.data.extras import Table, need
from chainrule.data.words import count, listed, nearest
from chainrule.errors import DataError

DELIMITERS = {".csv": ",", ".txt": ",", ".tsv": "\t", ".tab": "\t"}
PARQUET = (".parquet", ".pq")
FEATHER = (".feather", ".arrow", ".ipc")
PACKED = (".gz", ".zip")
# What stands for a missing value in a CSV file, besides an empty field. "?" is the UCI tables'.
MISSING = ("", "?", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
LATIN = "save the file as UTF-8; it may be Latin-1 or Windows-1252"


def read_table(path: str | Path, text: Collection[str] = ()) -> Table:
    """Read a whole file into a pyarrow.Table.

    Args:
        path: a .csv, .txt, .tsv, .tab, .parquet, .pq, .feather, .arrow or .ipc file; the text
            formats also as .gz, or alone in a .zip.
        text: columns of a text format to keep as text, whatever they look like.

    Returns:
        At least one row; every column has a name of its own.

    Raises:
        DataError: the file cannot be read, or holds no table.
        MissingExtraError: pyarrow is not installed.
    """
    path = Path(path)
    check_file(path)
    name, content = unpacked(path)
    if not content or content.isspace():
        raise DataError(f"{path}: the file is empty")
    table = _parse(path, name, content, text)
    if table.num_columns == 0 or table.num_rows == 0:
        raise DataError(f"{path}: no rows: the file holds only a header")
    _check_names(path, table.column_names)
    return table


def check_file(path: Path) -> None:
    """Refuse what is no file of a known format.

    Raises:
        DataError: there is no such file (the nearest name is the hint), it is a folder, or its
            name ends in nothing that is read.
    """
    if path.is_dir():
        hint = "name one file in it, for example a .csv or .parquet file"
        raise DataError(f"{path}: this is a folder, not a table", hint=hint)
    if not path.exists():
        raise DataError(f"{path}: no such file", hint=_neighbour(path))
    if not path.is_file():
        raise DataError(f"{path}: not a regular file")
    if _format(path) not in (*DELIMITERS, *PARQUET, *FEATHER, ".zip"):
        raise _unknown_format(path, path.name)


def unpacked(path: Path) -> tuple[str, bytes]:
    """The name and the content of a file, out of its .gz or .zip."""
    try:
        if path.suffix.lower() == ".zip":
            return _from_zip(path)
        if path.suffix.lower() == ".gz":
            return path.stem, gzip.decompress(path.read_bytes())
        return path.name, path.read_bytes()
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error


def _from_zip(path: Path) -> tuple[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if not _is_litter(m.filename)]
        if len(members) != 1:
            inside = listed([m.filename for m in members]) or "none"
            raise DataError(
                f"{path}: expected one file in the archive, found {len(members)}: {inside}",
                hint="unpack it and name one of its files",
            )
        try:
            return PurePath(members[0].filename).name, archive.read(members[0])
        except (RuntimeError, NotImplementedError) as error:  # encrypted, unknown compression
            raise DataError(f"{path}: cannot be unpacked: {error}") from error


def _is_litter(name: str) -> bool:
    return name.endswith("/") or name.startswith("__MACOSX/")


def _format(path: PurePath) -> str:
    """The suffix that says how to read a file: .csv for table.csv.gz."""
    packed = path.suffix.lower() == ".gz"
    return (path.with_suffix("") if packed else path).suffix.lower()


def _unknown_format(path: Path, name: str) -> DataError:
    known = listed([*DELIMITERS, *PARQUET, *FEATHER])
    return DataError(
        f"{path}: the name {name!r} does not say how to read it; known are {known}",
        hint="rename the file after its format; text formats may also end in .gz or .zip",
    )


def _neighbour(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {path.parent}"
    near = nearest(path.name, names)
    return f"did you mean {path.parent / near}?" if near else ""


def _parse(path: Path, name: str, content: bytes, text: Collection[str]) -> Table:
    pa = need("pyarrow")
    try:
        match _format(PurePath(name)):
            case suffix if suffix in DELIMITERS:
                return _parse_csv(path, content, DELIMITERS[suffix], text)
            case suffix if suffix in PARQUET:
                return need("pyarrow.parquet").read_table(pa.BufferReader(content))
            case suffix if suffix in FEATHER:
                return need("pyarrow.feather").read_table(pa.BufferReader(content))
            case _:
                raise _unknown_format(path, name)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read: {_first_line(error)}") from error


def _parse_csv(path: Path, content: bytes, delimiter: str, text: Collection[str]) -> Table:
    _check_encoding(path, content)
    pa, csv = need("pyarrow"), need("pyarrow.csv")
    header = content[: 1 << 20].split(b"\n", 1)[0]
    # Looking for line ends inside quotes halves the speed, so only where there are quotes.
    quotes = b'"' in content
    parse = csv.ParseOptions(delimiter=_delimiter(header, delimiter), newlines_in_values=quotes)
    convert = csv.ConvertOptions(
        column_types={name: pa.string() for name in text},
        null_values=list(MISSING),
        strings_can_be_null=True,
    )

    whole = content if b"\n" in content else content + b"\n"  # else a lone header is an error

    def read(block: int) -> Table:
        options = csv.ReadOptions(block_size=block)
        return csv.read_csv(pa.BufferReader(whole), options, parse, convert)

    table = _with_types_of_the_whole(read, len(content))
    _check_utf8(path, table)
    return table


def _with_types_of_the_whole(read: Callable[[int], Table], size: int) -> Table:
    """Read in blocks on all cores; where the first block's types do not hold, as one block."""
    pa = need("pyarrow")
    block = 1 << 20
    try:
        return read(block)
    except pa.ArrowInvalid:
        if size <= block:
            raise
        return read(min(size + 1, 2**31 - 1))


def _delimiter(header: bytes, expected: str) -> str:
    """What separates the columns: ``expected``, unless the header has only other separators."""
    others = [d for d in (",", ";", "\t", "|") if d.encode() in header]
    return others[0] if others and expected not in others else expected


def _check_encoding(path: Path, content: bytes) -> None:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path}: the text is UTF-16, expected UTF-8", hint="save it as UTF-8")
    at = content.find(b"\0")
    if at >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise DataError(f"{path}: line {line} holds a NUL byte: this is not a text table")
    try:
        content.split(b"\n", 1)[0].decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the header is not UTF-8", hint=LATIN) from error


def _check_utf8(path: Path, table: Table) -> None:
    """Arrow reads a text column that is not UTF-8 as bytes."""
    types = need("pyarrow").types
    for field in table.schema:
        if types.is_binary(field.type):
            hint = "save the file as UTF-8; it may be Latin-1 or Windows-1252"
            raise DataError(
                f"{path}: column {field.name!r} holds text that is not UTF-8", hint=hint
            )


def _check_names(path: Path, names: list[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(
            f"{path}: {count(len(twice), 'column name')} twice in the header: {listed(twice)}",
            hint="give every column a name of its own",
        )


def _first_line(error: BaseException) -> str:
    line: Any = str(error).splitlines()
    return line[0] if line else type(error).__name__
