"""A table as a file, whole or not at all, or on stdout."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
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
    with _replaced(out) as file:
        WRITERS[out.suffix.lower()](table, file)


@contextmanager
def _replaced(out: Path) -> Iterator[IO[bytes]]:
    """A file under a name that does not count until all is written."""
    draft = draft_of(out)
    try:
        with draft.open("wb") as file:
            yield file
            file.flush()
            sync_file(file.fileno())
        draft.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        discard(draft)


class BlockWriter:
    """Writes a table block by block: a file, whole or not at all; or CSV to stdout.

    To be used in a ``with`` block. Later blocks take the types of the first.

    Args:
        out: the file; None for stdout.
    """

    def __init__(self, out: Path | None) -> None:
        self._out, self._opened = out, ExitStack()
        self._file: IO[bytes] = sys.stdout.buffer
        self._writer: Any = None
        self._schema: Any = None

    def __enter__(self) -> BlockWriter:
        if self._out is not None:
            self._file = self._opened.enter_context(_replaced(self._out))
        else:
            sys.stdout.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:  # fmt: skip
        if self._writer is not None and kind is None:
            self._writer.close()
        if self._out is None and kind is None:
            self._file.flush()
        return self._opened.__exit__(kind, error, trace)

    def write(self, table: Table) -> None:
        """Write a block.

        Raises:
            DataError: a column is a list or a record, in CSV.
        """
        suffix = ".csv" if self._out is None else self._out.suffix.lower()
        pa = need("pyarrow")
        try:
            if self._writer is None:
                self._schema = table.schema
                self._writer = _BLOCK_WRITERS[suffix](self._file, table.schema)
            self._writer.write_table(table.cast(self._schema))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _no_text(error) from error


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
        raise _no_text(error) from error


def _no_text(error: Exception) -> DataError:
    hint = "Parquet takes lists and records: --out predictions.parquet"
    return DataError(f"the table cannot be written as CSV: {error}", hint=hint)


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


def _open_csv(file: IO[bytes], schema: Any, delimiter: str = ",") -> Any:
    csv = need("pyarrow.csv")
    return csv.CSVWriter(file, schema, write_options=csv.WriteOptions(delimiter=delimiter))


def _open_tsv(file: IO[bytes], schema: Any) -> Any:
    return _open_csv(file, schema, "\t")


def _open_parquet(file: IO[bytes], schema: Any) -> Any:
    return need("pyarrow.parquet").ParquetWriter(file, schema)


def _open_feather(file: IO[bytes], schema: Any) -> Any:
    return need("pyarrow").ipc.new_file(file, schema)


_BLOCK_WRITERS: Final[Mapping[str, Callable[[IO[bytes], Any], Any]]] = {
    ".csv": _open_csv,
    ".tsv": _open_tsv,
    ".parquet": _open_parquet,
    ".pq": _open_parquet,
    ".feather": _open_feather,
    ".arrow": _open_feather,
    ".ipc": _open_feather,
}
