"""Tables in NumPy's own files: .npy (one array, memory-mapped) and .npz (several)."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from chainrule.data.extras import Table
from chainrule.data.foreign import as_table
from chainrule.data.formats import check_magic
from chainrule.errors import DataError

_OBJECTS = ("allow_pickle", "Object arrays", "Python objects")  # how NumPy says it


def read_npy(path: Path) -> Table:
    """A .npy file: a 2-D array, whose columns are x0, x1, ...; or a structured array.

    The file is mapped into memory, not read at once: only the columns that are made exist twice.

    Raises:
        DataError: an array of other dimensions, or of Python objects.
        ValueError, OSError: the file is damaged (see ``packed.reading``).
    """
    with path.open("rb") as file:
        check_magic(path, "npy", file.read(64))
    with _header_refused(path):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    return as_table(array, source=str(path))


def read_npz(path: Path) -> Table:
    """A .npz file whose arrays have the same number of rows.

    A 1-D array is a column with the array's name; a 2-D array ``x`` is the columns x0, x1, ...

    Raises:
        DataError: arrays of different lengths, of other dimensions, or of Python objects.
        ValueError, OSError, BadZipFile: the file is damaged (see ``packed.reading``).
    """
    columns: dict[str, Any] = {}
    with path.open("rb") as file:
        check_magic(path, "npz", file.read(64))
        file.seek(0)
        for name, array in _arrays(path, file):
            columns |= _columns(path, name, array)
    return as_table(columns, source=str(path))


def _arrays(path: Path, file: Any) -> Iterator[tuple[str, Any]]:
    with _header_refused(path):
        archive = np.load(file, allow_pickle=False)
    for name in archive.files:
        with _header_refused(path):
            array = archive[name]
        yield name, array


@contextmanager
def _header_refused(path: Path) -> Iterator[None]:
    """Arrays of objects, and headers that are none."""
    try:
        with warnings.catch_warnings():
            # Of a header that NumPy takes for one of Python 2, and of types that are deprecated.
            warnings.simplefilter("ignore")
            yield
    except (OSError, MemoryError, BadZipFile, zlib.error):
        raise
    # A header is parsed as Python, so a damaged one raises whatever the tokenizer and ast raise.
    except Exception as error:
        if any(said in str(error) for said in _OBJECTS):
            hint = "save numbers: numpy.save(path, array.astype(float))"
            raise DataError(
                f"{path}: holds Python objects, which are not loaded", hint=hint
            ) from error
        if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
            raise
        raise DataError(f"{path}: the header of an array is damaged") from error


def _columns(path: Path, name: str, array: Any) -> dict[str, Any]:
    match array.ndim:
        case 1:
            return {name: array}
        case 2:
            return {f"{name}{k}": array[:, k] for k in range(array.shape[1])}
        case dimensions:
            raise DataError(f"{path}: array {name!r} has {dimensions} dimensions; expected 1 or 2")
