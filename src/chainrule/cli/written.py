"""A table as a file, whole or not at all, or on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Final

from chainrule.cli.outcome import OptionError
from chainrule.data.extras import Table, need
from chainrule.errors import DataError
from chainrule.runs.files import discard, draft_of, sync_file


def check_out(out: Path) -> None:
    """Refuse a name that does not say how to write, before anything is computed.

    Raises:
        OptionError: its end is none that is known, it is a folder, or its folder is not there.
    """
    if out.suffix.lower() not in WRITERS:
        known = ", ".join(WRITERS)
        raise OptionError(f"--out {out}: expected a name that ends in one of {known}")
    if out.is_dir():
        raise OptionError(f"--out {out}: this is a folder", hint=f"--out {out / 'predicted.csv'}")
    if not out.parent.is_dir():
        raise OptionError(f"--out {out}: there is no folder {out.parent}")


def write_table(table: Table, out: Path) -> None:
    """Write the whole file or nothing; one that was there is replaced in one move.

    Raises:
        DataError: it cannot be written.
    """
    draft = draft_of(out)
    try:
        with draft.open("wb") as file:
            WRITERS[out.suffix.lower()](table, file)
            file.flush()
            sync_file(file.fileno())
        draft.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        discard(draft)


def print_csv(table: Table) -> None:
    """Write CSV to stdout.

    Raises:
        DataError: a column is a list or a record.
        OSError: whoever reads has left, or the disk is full.
    """
    sys.stdout.flush()
    _csv(table, sys.stdout.buffer)
    sys.stdout.buffer.flush()


def _csv(table: Table, file: IO[bytes], delimiter: str = ",") -> None:
    options = need("pyarrow.csv").WriteOptions(delimiter=delimiter)
    pa = need("pyarrow")
    try:
        need("pyarrow.csv").write_csv(table, file, options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        hint = "Parquet takes lists and records: --out predictions.parquet"
        raise DataError(f"the table cannot be written as CSV: {error}", hint=hint) from error


def _tsv(table: Table, file: IO[bytes]) -> None:
    _csv(table, file, "\t")


def _parquet(table: Table, file: IO[bytes]) -> None:
    need("pyarrow.parquet").write_table(table, file)


def _feather(table: Table, file: IO[bytes]) -> None:
    need("pyarrow.feather").write_feather(table, file)


#: What writes each format, by the end of a file's name.
WRITERS: Final[Mapping[str, Callable[[Any, IO[bytes]], None]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
    ".pq": _parquet,
    ".feather": _feather,
    ".arrow": _feather,
    ".ipc": _feather,
}
