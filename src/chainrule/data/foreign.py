"""Tables of other libraries as Arrow tables: NumPy, pandas, polars, Arrow, dicts, SciPy sparse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.data.extras import Table, need
from chainrule.data.names import safe_names
from chainrule.data.words import count, printable
from chainrule.errors import DataError

MOST_DENSE = 2 << 30  # bytes of a sparse matrix written out


def as_table(x: Any, names: Sequence[str] | None = None, *, source: str = "the table") -> Table:
    """A table of any library as a pyarrow.Table; columns are shared where that is possible.

    Args:
        x: a pyarrow Table or RecordBatch; a pandas DataFrame (its index is not a column) or any
            object with ``__arrow_c_stream__``, such as those of polars and DuckDB; a dict of
            columns; a 2-D array, a structured array; a SciPy sparse matrix or array.
        names: of the columns; else those that ``x`` has, or x0, x1, ... for an array.
        source: what to call it in an error.

    Returns:
        A table whose column names are safe to show, each of its own. It may have no rows.

    Raises:
        DataError: no table: other dimensions, columns of different lengths, values that no
            column can hold, two columns of the same name.
        MissingExtraError: pyarrow is not installed.

    Example:
        >>> import numpy as np
        >>> as_table(np.zeros((3, 2))).column_names
        ['x0', 'x1']
    """
    with _refusals(source):
        table = _convert(x, source)
    if names is not None:
        if len(names) != table.num_columns:
            expected = count(table.num_columns, "column")
            raise DataError(f"{source}: {count(len(names), 'name')} for {expected}")
        table = table.rename_columns([str(name) for name in names])
    return table.rename_columns(safe_names(source, table.column_names))


def _convert(x: Any, source: str) -> Table:
    pa = need("pyarrow")
    if isinstance(x, pa.Table):
        return x
    if isinstance(x, pa.RecordBatch):
        return pa.Table.from_batches([x])
    if type(x).__module__.partition(".")[0] == "pandas":
        return _of_pandas(x, source)
    if hasattr(x, "__arrow_c_stream__"):
        return pa.table(x)
    if isinstance(x, Mapping):
        return _of_columns({str(name): column for name, column in x.items()}, source)
    if hasattr(x, "tocsc") and hasattr(x, "nnz"):
        return _of_sparse(x, source)
    return _of_array(x, source)


def _of_pandas(frame: Any, source: str) -> Table:
    pa = need("pyarrow")
    if getattr(frame, "ndim", 0) != 2:
        raise DataError(f"{source}: expected a DataFrame, got a {type(frame).__name__}")
    named = frame.set_axis([str(name) for name in frame.columns], axis=1)
    safe_names(source, list(named.columns))
    return pa.Table.from_pandas(named, preserve_index=False).replace_schema_metadata(None)


def _of_array(x: Any, source: str) -> Table:
    array = x if isinstance(x, np.ma.MaskedArray) else np.asarray(x)
    if array.dtype.names and array.ndim == 1:
        return _of_columns({name: array[name] for name in array.dtype.names}, source)
    if array.ndim != 2 or array.dtype.names:
        what = f"shape {array.shape}, type {array.dtype}"
        hint = "" if array.ndim != 1 else "for one column: x[:, None]"
        raise DataError(f"{source}: expected a 2-D or a structured array, got {what}", hint=hint)
    return _of_columns({f"x{k}": array[:, k] for k in range(array.shape[1])}, source)


def _of_sparse(x: Any, source: str) -> Table:
    rows, columns = x.shape
    size = rows * columns * x.dtype.itemsize
    if size > MOST_DENSE:
        raise DataError(
            f"{source}: {rows:,} x {columns:,} values written out take {size >> 20:,} MiB, more "
            f"than {MOST_DENSE >> 20:,}",
            hint="use fewer columns: a selection or a projection of them, such as TruncatedSVD's",
        )
    by_column = x.tocsc()
    return _of_columns({f"x{k}": by_column[:, [k]].toarray()[:, 0] for k in range(columns)}, source)


def _of_columns(columns: Mapping[str, Any], source: str) -> Table:
    pa = need("pyarrow")
    made = {name: _column(name, values, source) for name, values in columns.items()}
    lengths = {len(column) for column in made.values()}
    if len(lengths) > 1:
        shown = ", ".join(f"{name}: {len(column):,}" for name, column in list(made.items())[:4])
        raise DataError(f"{source}: columns of different lengths ({shown})")
    return pa.table(made)


def _column(name: str, values: Any, source: str) -> Any:
    pa = need("pyarrow")
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        kind = type(values).__name__
        raise DataError(
            f"{source}: column {name!r} is of the type {kind}; expected its values, one per row"
        )
    try:
        if isinstance(values, np.ndarray):
            return _of_one_array(name, values, source)
        return pa.array(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, DataError):
            raise
        reason = printable(str(error).partition("\n")[0][:200])
        raise DataError(f"{source}: column {name!r} cannot be used: {reason}") from error


def _of_one_array(name: str, values: Any, source: str) -> Any:
    pa = need("pyarrow")
    if values.ndim != 1:
        raise DataError(f"{source}: column {name!r} has shape {values.shape}; expected one axis")
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    plain = np.asarray(values)
    if plain.dtype.kind == "S":  # bytes: text, if they are UTF-8
        plain = np.char.decode(plain, "utf-8")
    if not plain.dtype.isnative:
        plain = plain.astype(plain.dtype.newbyteorder("="))
    return pa.array(plain, mask=mask)


@contextmanager
def _refusals(source: str) -> Iterator[None]:
    """What Arrow, pandas or NumPy say about a table, as one line."""
    pa = need("pyarrow")
    try:
        yield
    except DataError:
        raise
    except (pa.ArrowException, ValueError, TypeError, OverflowError, MemoryError) as error:
        reason = printable(str(error).partition("\n")[0][:300]) or type(error).__name__
        raise DataError(f"{source}: cannot be used as a table: {reason}") from error
