"""Files as streams of bytes, unpacked on the way, with a bound on what may come out."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePath
from typing import Any, Protocol

from chainrule.data.extras import need
from chainrule.data.formats import check_magic, packing_of
from chainrule.data.words import listed, printable
from chainrule.errors import DataError

# What a packed file may hold: this much in any case, and beyond it this many times its own size.
# Tables of text pack 3 to 30 times; a file made to fill the memory packs 1,000 times and more.
MOST_UNPACKED = 256 << 20
MOST_TIMES = 200


class Bytes(Protocol):
    """A stream of bytes."""

    def read(self, size: int, /) -> bytes:
        """At most ``size`` bytes; none at the end."""

    def close(self) -> None:
        """Close the file."""


@contextmanager
def reading(path: object) -> Iterator[None]:
    """Turn whatever a library says about a bad file into an error that names the file.

    Raises:
        DataError: the file cannot be read, in one line.
    """
    pa = need("pyarrow")
    try:
        yield
    except DataError:
        raise
    except (MemoryError, pa.ArrowMemoryError) as error:
        raise DataError(f"{path}: too large for the memory") from error
    except _bad_files() as error:
        reason = getattr(error, "strerror", None) or _first_line(error)
        raise DataError(f"{path}: cannot be read: {reason}") from error


def _bad_files() -> tuple[type[Exception], ...]:
    # RuntimeError and NotImplementedError are zipfile's for encryption and rare compressions;
    # ValueError and TypeError NumPy's for a damaged header.
    arrow: type[Exception] = need("pyarrow").ArrowException
    return (
        OSError, EOFError, zlib.error, zipfile.BadZipFile, LZMAError, RuntimeError,
        NotImplementedError, ValueError, TypeError, arrow,
    )  # fmt: skip


def _first_line(error: BaseException) -> str:
    return printable(str(error).partition("\n")[0][:300]) or type(error).__name__


def unpacked_name(path: Path) -> str:
    """The name of the file inside a packed one; of a plain file its own.

    Raises:
        DataError: an archive that cannot be read, or holds not exactly one file.
    """
    match packing_of(path.name):
        case "":
            return path.name
        case ".zip":
            with reading(path), _archive(path) as archive:
                return PurePath(_member(path, archive).filename).name
        case _:
            return path.stem


def open_unpacked(path: Path) -> Bytes:
    """The content of a file as a stream, out of its .gz, .zst or .zip.

    The stream raises what zlib, zipfile and pyarrow raise for a damaged file (see ``reading``).

    Raises:
        DataError: the file cannot be opened; while reading, more comes out than the bound allows.
    """
    with reading(path):
        match packing_of(path.name):
            case "":
                return path.open("rb", buffering=0)
            case ".zip":
                return _Bounded(path, _open_member(path))
            case packing:
                with path.open("rb") as file:
                    check_magic(path, packing, file.read(64))
                pa = need("pyarrow")
                codec = {".gz": "gzip", ".zst": "zstd"}[packing]
                return _Bounded(path, pa.CompressedInputStream(pa.OSFile(str(path)), codec))


class _Bounded:
    """A stream that refuses to give more than a packed file may hold."""

    def __init__(self, path: Path, source: Any) -> None:
        self.path, self.source = path, source
        packed = path.stat().st_size
        self.most = max(MOST_UNPACKED, MOST_TIMES * packed)
        self.given = 0

    def read(self, size: int) -> bytes:
        block: bytes = self.source.read(size)
        self.given += len(block)
        if self.given > self.most:
            raise DataError(
                f"{self.path}: unpacks to more than {self.most >> 20:,} MiB, which is more than "
                f"{MOST_TIMES} times its size",
                hint="if this is meant to be, unpack it and name the file",
            )
        return block

    def close(self) -> None:
        self.source.close()


def _archive(path: Path) -> zipfile.ZipFile:
    with path.open("rb") as file:
        check_magic(path, ".zip", file.read(64))
    return zipfile.ZipFile(path)


def _open_member(path: Path) -> Any:
    archive = _archive(path)
    try:
        return archive.open(_member(path, archive))
    finally:
        archive.close()  # the member keeps the file open


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [m for m in archive.infolist() if not _is_litter(m.filename)]
    if len(members) != 1:
        inside = listed([repr(m.filename) for m in members]) or "none"
        raise DataError(
            f"{path}: expected one file in the archive, found {len(members)}: {inside}",
            hint="unpack it and name one of its files",
        )
    return members[0]


def _is_litter(name: str) -> bool:
    return name.endswith("/") or name.startswith("__MACOSX/")
