"""The spool: a table's rows as the network takes them, encoded once into files of fixed rows.

A folder holds the sample from which a table's columns were fitted (``sample.arrow``) and, for each
way to encode the table, ``KEY-x.npy`` and ``KEY-y.npy``. Files count once they have their names: a
run that is stopped in between leaves drafts, which the next one writes anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from chainrule.data.blocks import Blocks, Tell, release, silent
from chainrule.data.extras import Table, need
from chainrule.data.prepare import Part
from chainrule.data.row_files import RowFile
from chainrule.data.sample import Sample
from chainrule.data.schema import Schema
from chainrule.data.stream import Stream, of_files
from chainrule.data.target import Target
from chainrule.data.values import codes, present, spelled
from chainrule.data.words import count
from chainrule.errors import DataError
from chainrule.machine.memory import shown_size
from chainrule.tracing.trees import flatten

_VERSION: Final = 1
#: Bytes that are encoded at a time.
_ENCODED: Final = 4 << 20
#: Bytes of the header of a file of rows; the number of rows is written at the end.
_HEADER: Final = 128
_MAGIC: Final = b"\x93NUMPY\x01\x00"


@dataclass(eq=False)
class Spool:
    """A table in a folder of its own, as rows of fixed size.

    Attributes:
        folder: of the spool.
        blocks: the table.
        sample: what its columns were fitted from: these rows are not read from the file again.
        notes: in words, what was left out and why.
    """

    folder: Path
    blocks: Blocks
    sample: Sample
    notes: list[str] = field(default_factory=list)

    def stream(
        self, schema: Schema, train: Part, y_of: Callable[[NDArray[Any]], NDArray[Any]],
        memory: int, tell: Tell = silent,
    ) -> Stream:  # fmt: skip
        """The rows to train on: ``train`` and all rows that are not in the sample.

        Args:
            schema: how rows are encoded.
            train: the rows of the sample to train on, encoded.
            y_of: the target as the loss takes it, from the target as the user has it.
            memory: the bound of the stream.
            tell: told how far it is.

        Raises:
            DataError: a row cannot be encoded; the disk is too small.
        """
        y = y_of(train.y)
        key = self._key(schema, y)
        remove_dead(self.folder)
        paths = [self.folder / f"{key}-{name}.npy" for name in "xy"]
        said = self.folder / f"{key}.json"
        if not said.exists():
            self._check_space(schema.width * 4 + y.itemsize, *paths)
            notes = self._write(paths, schema, (train.x, y), y_of, tell)
            write_text(said, json.dumps(notes))
        self.notes = list(json.loads(said.read_text()))
        structure = flatten((0, 0))[1]
        return of_files(tuple(map(RowFile.open, paths)), structure, memory, origin=key)

    def _key(self, schema: Schema, y: NDArray[Any]) -> str:
        """A checksum of all that the rows follow from."""
        sample = (self.sample.seed, self.sample.bound, self.sample.rows)
        stored = json.dumps(schema.to_json(), sort_keys=True, default=str)
        found = hashlib.sha256(repr((_VERSION, self.blocks.digest(), sample, stored)).encode())
        found.update(repr(y.dtype.str).encode() + np.ascontiguousarray(y).tobytes())
        return found.hexdigest()[:24]

    def _check_space(self, row: int, *paths: Path) -> None:
        needed = row * self.sample.rows
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise DataError(
                f"{self.folder}: the encoded table takes {shown_size(needed)}, "
                f"{shown_size(free)} are free",
                "--spool names a folder on another disk",
            )

    def _write(
        self, paths: list[Path], schema: Schema, first: tuple[NDArray[Any], NDArray[Any]],
        y_of: Callable[[NDArray[Any]], NDArray[Any]], tell: Tell,
    ) -> list[str]:  # fmt: skip
        left = {"missing": 0, "unknown": 0}
        with _drafts(paths, first) as write:
            write(*first)
            for x, y in self._encoded(schema, left, tell):
                write(x, y_of(y))
        release()
        name, notes = schema.target.name, []
        if left["missing"]:
            notes.append(f"{count(left['missing'], 'row')} dropped: no value for {name!r}")
        if left["unknown"]:
            rows = count(left["unknown"], "row")
            notes.append(f"{rows} dropped: a class of {name!r} that the sample has not")
        return notes

    def _encoded(
        self, schema: Schema, left: dict[str, int], tell: Tell
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
        """The rows outside of the sample, some megabytes at a time."""
        pa, row = need("pyarrow"), 0
        each = max(1, _ENCODED // (4 * max(1, schema.width)))
        for table in self.blocks.retyped(self.sample.types).tables(tell):
            outside = ~self.sample.holds(row, row + table.num_rows)
            for first in range(0, table.num_rows, each):
                inside = outside[first : first + each]
                part = table.slice(first, each).filter(pa.array(inside))
                known = _known(schema.target, part, left)
                if len(known):
                    with in_rows(self.blocks.path, row + first, row + first + len(inside)):
                        target = schema.target.values(known[schema.target.name])
                        yield schema.encode(known), target
            row += table.num_rows


def _known(target: Target, table: Table, left: dict[str, int]) -> Table:
    """The rows whose target can be learnt; the others are counted."""
    pa = need("pyarrow")
    there = present(table[target.name])
    left["missing"] += int(len(there) - there.sum())
    table = table if there.all() else table.filter(pa.array(there))
    if target.task == "regression" or not len(table):
        return table
    indices, texts = codes(table[target.name])
    classes = {spelled(label) for label in target.classes}
    fits = np.array([text in classes for text in texts], bool)[indices]
    left["unknown"] += int(len(fits) - fits.sum())
    return table if fits.all() else table.filter(pa.array(fits))


@contextmanager
def in_rows(path: Path, first: int, last: int) -> Iterator[None]:
    """Say where in the file a row is that cannot be encoded."""
    try:
        yield
    except DataError as error:
        where = f"{path}, rows {first + 1:,} to {last:,}"
        raise DataError(f"{where}: {error.message}", error.hint) from error


# -- files of rows ---------------------------------------------------------------------------------


@contextmanager
def _drafts(
    paths: list[Path], like: tuple[NDArray[Any], NDArray[Any]]
) -> Iterator[Callable[[NDArray[Any], NDArray[Any]], None]]:
    """Write rows to drafts of these files; they get their names when all is written."""
    drafts = [draft_of(path) for path in paths]
    rows = [0]
    try:
        with drafts[0].open("wb") as x_file, drafts[1].open("wb") as y_file:
            files = x_file, y_file

            def write(*arrays: NDArray[Any]) -> None:
                for file, array, first in zip(files, arrays, like, strict=True):
                    file.write(np.ascontiguousarray(array, first.dtype).data)
                rows[0] += len(arrays[0])

            for file in files:
                file.write(bytes(_HEADER))
            yield write
            for file, first in zip(files, like, strict=True):
                _end(file, (rows[0], *first.shape[1:]), first.dtype)
        for draft, path in zip(drafts, paths, strict=True):
            draft.replace(path)
    except OSError as error:
        raise DataError(
            f"{paths[0].parent}: cannot be written: {error.strerror or error}",
            "--spool names a folder on another disk",
        ) from error
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)


def _end(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Write the header, now that the number of rows is known, and wait until the disk has all."""
    described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    size = _HEADER - len(_MAGIC) - 2
    text = str(described).ljust(size - 1) + "\n"
    assert len(text) == size
    file.seek(0)
    file.write(_MAGIC + size.to_bytes(2, "little") + text.encode())
    file.flush()
    os.fsync(file.fileno())


def remove_dead(folder: Path) -> None:
    """Delete drafts whose writers are dead; on Windows that cannot be asked, and they stay."""
    if os.name != "posix":
        return
    for draft in folder.glob(".*.new-*"):
        with suppress(ValueError, PermissionError):
            try:
                os.kill(int(draft.name.rpartition("-")[2]), 0)
            except ProcessLookupError:
                draft.unlink(missing_ok=True)


def draft_of(path: Path) -> Path:
    """The name under which a file is written before it counts."""
    return path.with_name(f".{path.name}.new-{os.getpid()}")


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    draft = draft_of(path)
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
