"""Files of rows of one size: ``.npy``, read in stretches of rows and never held as a whole."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from chainrule.errors import DataError
from chainrule.ir.types import DTYPE_NAMES

#: Stretches that a digest reads, spread evenly over the file, and the bytes of each.
_PLACES: Final = 32
_STRETCH: Final = 1 << 16
#: Bytes read at a time where values are converted on their way.
_STAGE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class RowFile:
    """An array in a ``.npy`` file, row-major, one row per example.

    Attributes:
        path: the file. offset: of its first row, in bytes.
        dtype: of its elements. shape: rows first.
    """

    path: Path
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]

    @classmethod
    def open(cls, path: str | Path) -> RowFile:
        """The array that a ``.npy`` file holds; only its header is read.

        Raises:
            DataError: there is no such file, it is no ``.npy`` file, it does not hold rows of
                numbers in row-major order, or it is shorter than its header says.
        """
        path = Path(path)
        try:
            with path.open("rb") as file:
                shape, by_columns, dtype = _header(file)
                offset, size = file.tell(), os.fstat(file.fileno()).st_size
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            what = str(error).splitlines()[0]
            raise DataError(f"{path}: no .npy file: {what}", "numpy.save writes one") from error
        made = cls(path, offset, dtype, shape)
        made._check(by_columns, size)
        return made

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.shape[0]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in the file."""
        return self.dtype.itemsize * math.prod(self.shape[1:])

    def taken_as(self, floating: np.dtype) -> np.dtype:
        """The dtype in which its elements are taken: floating-point numbers as ``floating``."""
        if self.dtype.kind == "f":
            return floating
        native = self.dtype.newbyteorder("=")
        return native if native in DTYPE_NAMES else np.dtype(np.int64)

    def digest(self) -> str:
        """A checksum of its type, its time of change, and 32 stretches of it."""
        return digest_of(self.path, hashlib.sha256(repr((self.dtype.str, self.shape)).encode()))

    def _check(self, by_columns: bool, size: int) -> None:
        if self.dtype.kind not in "fiub" or not self.shape:
            shape = list(self.shape)
            raise DataError(f"{self.path}: {self.dtype}{shape}; expected numbers, one row each")
        if by_columns and math.prod(self.shape[1:]) > 1:
            hint = "numpy.save(path, numpy.ascontiguousarray(x)) writes rows"
            raise DataError(f"{self.path}: the array lies column by column", hint)
        needed = self.offset + self.rows * self.row_bytes
        if size < needed:
            raise DataError(
                f"{self.path}: {size:,} bytes of {needed:,}: the file is truncated",
                "write it again",
            )


def digest_of(path: Path, begun: Any) -> str:
    """A checksum, as begun, of a file's size, its time of change, and 32 stretches of it."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        begun.update(repr((stat.st_size, stat.st_mtime_ns)).encode())
        last = max(0, stat.st_size - _STRETCH)
        for place in range(_PLACES):
            file.seek(last * place // (_PLACES - 1))
            begun.update(file.read(_STRETCH))
    return str(begun.hexdigest())


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


class RowReader:
    """Reads rows of one file into arrays: for one thread at a time.

    Reading lets other Python threads run. Elements of another type are converted on their way, a
    megabyte at a time. To be used in a ``with`` block, which closes the file.
    """

    def __init__(self, file: RowFile, floating: np.dtype) -> None:
        self.file, self.dtype = file, file.taken_as(floating)
        self._handle = file.path.open("rb", buffering=0)
        self._stage: np.ndarray | None = None
        if self.dtype != file.dtype:
            rows = max(1, _STAGE // max(1, file.row_bytes))
            self._stage = np.empty((min(rows, file.rows), *file.shape[1:]), file.dtype)

    def room(self, rows: int) -> np.ndarray:
        """An array for so many rows."""
        return np.empty((rows, *self.file.shape[1:]), self.dtype)

    def read(self, first: int, out: np.ndarray) -> None:
        """Fill ``out`` with the rows from ``first`` on.

        Raises:
            DataError: the file cannot be read, or has become shorter.
        """
        if self._stage is None:
            self._fill(first, out)
            return
        for begin in range(0, len(out), len(self._stage)):
            part = out[begin : begin + len(self._stage)]
            given = self._stage[: len(part)]
            self._fill(first + begin, given)
            part[...] = given

    def __enter__(self) -> RowReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def _fill(self, first: int, out: np.ndarray) -> None:
        file = self.file
        if not out.nbytes:
            return
        view = out.reshape(-1).view(np.uint8).data
        try:
            self._handle.seek(file.offset + first * file.row_bytes)
            while len(view):
                count = self._handle.readinto(view)
                if not count:
                    row = f"{first:,} to {first + len(out):,}"
                    raise DataError(f"{file.path}: rows {row} are gone: it has become shorter")
                view = view[count:]
        except OSError as error:
            raise DataError(f"{file.path}: cannot be read: {error.strerror or error}") from error


def open_leaf(leaf: Any, where: str) -> RowFile:
    """The file that a leaf of a stream's arguments names.

    Raises:
        DataError: it names none.
    """
    if not isinstance(leaf, str | Path):
        raise DataError(
            f"{where} is {type(leaf).__name__}; expected the path of a .npy file",
            'numpy.save("x.npy", x), then data.stream("x.npy", "y.npy")',
        )
    return RowFile.open(leaf)
