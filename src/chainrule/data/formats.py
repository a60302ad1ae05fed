"""Which format a file is of: what its name says, and what its first bytes say."""

from __future__ import annotations

import re
import stat
from pathlib import Path, PurePath
from typing import Literal, TypeAlias

from chainrule.data.words import listed, nearest
from chainrule.errors import DataError

Format: TypeAlias = Literal["text", "Parquet", "Arrow", "npy", "npz"]

DELIMITERS = {".csv": ",", ".txt": ",", ".tsv": "\t", ".tab": "\t"}
FORMATS: dict[str, Format] = {
    **dict.fromkeys(DELIMITERS, "text"),
    **dict.fromkeys((".parquet", ".pq"), "Parquet"),
    **dict.fromkeys((".feather", ".arrow", ".arrows", ".ipc"), "Arrow"),
    ".npy": "npy",
    ".npz": "npz",
}
PACKED = (".gz", ".zst", ".zip")

# What a file begins with. The first that fits is taken; longer ones stand before shorter ones.
_MAGIC: dict[bytes, str] = {
    b"PAR1": "a Parquet file",
    b"PARE": "an encrypted Parquet file",
    b"ARROW1": "an Arrow (Feather) file",
    b"FEA1": "a Feather file of version 1",
    b"\xff\xff\xff\xff": "an Arrow stream",
    b"\x93NUMPY": "a NumPy .npy file",
    b"\x1f\x8b": "packed by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"PK\x03\x04": "a zip archive (as .xlsx, .ods and .npz files are)",
    b"PK\x05\x06": "an empty zip archive",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"7z\xbc\xaf\x27\x1c": "packed by 7-Zip",
    b"SQLite format 3\0": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"\x80\x04\x95": "a Python pickle",
    b"\x80\x05\x95": "a Python pickle",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"{\\rtf": "an RTF document",
    b"version https://git-lfs.github.com": "a pointer of Git LFS, not the file itself",
}
_OWN: dict[str, tuple[bytes, ...]] = {
    "Parquet": (b"PAR1",),
    "Arrow": (b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"),
    "npy": (b"\x93NUMPY",),
    "npz": (b"PK\x03\x04", b"PK\x05\x06"),
    ".gz": (b"\x1f\x8b",),
    ".zst": (b"\x28\xb5\x2f\xfd",),
    ".zip": (b"PK\x03\x04", b"PK\x05\x06"),
}
_MARKUP = re.compile(rb"\s*<(!doctype|html|\?xml|table|script)", re.IGNORECASE)
_JSON = re.compile(rb'\s*(\{\s*"[^"]*"\s*:|\{\s*\}|\[\s*[\[{"\]]|\[\s*-?\d)')
_RENAME = ("a Parquet", "an Arrow", "a Feather", "a NumPy", "packed by gzip", "packed by zstd")
_HINTS = {
    **dict.fromkeys(_RENAME, "rename it after its format"),
    "a zip": "a workbook: save it as CSV; a packed table: name it .csv.zip",
    "an HTML": "it may be an error page: download the file again",
    "a JSON": "turn it into a table first: pandas.read_json, then DataFrame.to_parquet",
    "a pointer": "git lfs pull",
    "": "save the table as CSV or Parquet",
}


def format_of(name: str) -> Format | None:
    """The format of a file by its name, packed or not; None where the name says none.

    >>> format_of("table.csv.gz"), format_of("table.PQ"), format_of("notes")
    ('text', 'Parquet', None)
    """
    return FORMATS.get(suffix_of(name))


def suffix_of(name: str) -> str:
    """The suffix that says the format: ".csv" for table.csv.gz."""
    path = PurePath(name)
    return (path.with_suffix("") if packing_of(name) else path).suffix.lower()


def packing_of(name: str) -> str:
    """How a file is packed: ".gz", ".zst", ".zip", or "" for not at all."""
    suffix = PurePath(name).suffix.lower()
    return suffix if suffix in PACKED else ""


def kind_of(head: bytes) -> str:
    """What a file is by its first bytes, in words; "" for text and whatever is not known.

    >>> kind_of(b"PAR1..."), kind_of(b"<!DOCTYPE html>"), kind_of(b"a,b")
    ('a Parquet file', 'an HTML or XML page', '')
    """
    for magic, what in _MAGIC.items():
        if head.startswith(magic):
            return what
    if _MARKUP.match(head):
        return "an HTML or XML page"
    return "a JSON file" if _JSON.match(head) else ""


def check_magic(path: object, format: str, head: bytes) -> None:
    """Refuse a file that begins as no file of its ``format`` (or packing) does.

    Raises:
        DataError: it says what the file is instead, where that is known.
    """
    own, what = _OWN.get(format, ()), kind_of(head)
    if head.startswith(own) if own else not what:
        return
    expected = {"text": "a text table"}.get(format, f"a file of the format {format.strip('.')}")
    found = f"this is {what}" if what else "its first bytes are of another format"
    hint = next(hint for kind, hint in _HINTS.items() if what.startswith(kind))
    raise DataError(f"{path}: {found}; by its name it is {expected}", hint=hint)


def check_file(path: Path) -> None:
    """Refuse what is no file of a known format.

    Raises:
        DataError: there is no such file (the nearest name is the hint), it is a folder, a pipe or
            a device, it may not be looked at, or its name ends in nothing that is read.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise _not_there(path) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{str(path)!r:.300}: cannot be read: {reason}") from error
    if stat.S_ISDIR(mode):
        hint = f"name one file in it, or several of one format: '{path / '*.csv'}'"
        raise DataError(f"{path}: this is a folder, not a table", hint=hint)
    if not stat.S_ISREG(mode):
        hint = "write it into a file first"
        raise DataError(f"{path}: not a regular file (a pipe or a device)", hint=hint)
    if format_of(path.name) is None and packing_of(path.name) != ".zip":
        raise unknown_format(path, path.name)


def unknown_format(path: object, name: str) -> DataError:
    """The error for a name that says no format."""
    known = listed(list(FORMATS), 20)
    return DataError(
        f"{path}: the name {name!r} does not say how to read it; known are {known}",
        hint="rename the file after its format; it may also end in .gz, .zst or .zip",
    )


def _not_there(path: Path) -> DataError:
    if path.is_symlink():
        return DataError(f"{path}: a symbolic link to a file that is not there")
    return DataError(f"{path}: no such file", hint=_neighbour(path))


def _neighbour(path: Path) -> str:
    try:
        names = [p.name for p in path.parent.iterdir()]
    except OSError:
        return f"there is no folder {path.parent}"
    near = nearest(path.name, names)
    # A common ending such as .csv makes short names alike that are not.
    is_alike = near and nearest(path.name.split(".")[0], [near.split(".")[0]])
    return f"did you mean {path.parent / near}?" if is_alike else ""
