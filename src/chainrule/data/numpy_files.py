"""Tables in NumPy's own files: .npy (one array, memory-mapped) and .npz (several)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    return as_table(_loaded(path, "r"), source=str(path))


def read_npz(path: Path) -> Table:
    """A .npz file whose arrays have the same number of rows.

    A 1-D array is a column with the array's name; a 2-D array ``x`` is the columns x0, x1, ...

    Raises:
        DataError: arrays of different lengths, of other dimensions, or of Python objects.
        ValueError, OSError, BadZipFile: the file is damaged (see ``packed.reading``).
    """
    with path.open("rb") as file:
        check_magic(path, "npz", file.read(64))
    with _loaded(path, None) as arrays:
        columns: dict[str, Any] = {}
        for name in arrays.files:
            columns |= _columns(path, name, arrays[name])
    return as_table(columns, source=str(path))


def _loaded(path: Path, mode: Any) -> Any:
    try:
        return np.load(path, mmap_mode=mode, allow_pickle=False)
    except ValueError as error:
        if not any(said in str(error) for said in _OBJECTS):
            raise
        hint = "save numbers: numpy.save(path, array.astype(float))"
        raise DataError(f"{path}: holds Python objects, which are not loaded", hint=hint) from error


def _columns(path: Path, name: str, array: Any) -> dict[str, Any]:
    match array.ndim:
        case 1:
            return {name: array}
        case 2:
            return {f"{name}{k}": array[:, k] for k in range(array.shape[1])}
        case dimensions:
            raise DataError(f"{path}: array {name!r} has {dimensions} dimensions; expected 1 or 2")
