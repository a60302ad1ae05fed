"""`chainrule predict`: the table with its predictions appended."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from chainrule.cli.outcome import OptionError
from chainrule.cli.source import load
from chainrule.cli.terms import Predicted
from chainrule.cli.trained import Trained
from chainrule.data.extras import Table, need
from chainrule.data.target import Target
from chainrule.data.values import spelled
from chainrule.errors import DataError

FORMATS = (".csv", ".parquet")


def run_predict(run: Path, data: str, out: Path | None) -> None:
    """Append predictions to the table and write it to ``out``, or as CSV to stdout.

    Raises:
        ChainruleError: the run or the table cannot be used; ``out`` is not touched.
    """
    if out is not None and out.suffix.lower() not in FORMATS:
        raise OptionError(f"--out {out}: expected a name that ends in .csv or .parquet")
    trained = Trained.open(run)
    table = load(data, trained.schema.text_columns()).table
    for name, column in _columns(trained.schema.target, trained.predict(table)):
        table = table.append_column(_free(name, table.column_names), need("pyarrow").array(column))
    if out is None:
        _write_csv(table, sys.stdout.buffer)
        sys.stdout.flush()
    else:
        _write(table, out)
        print(f"{table.num_rows:,} predictions in {out}", file=sys.stderr)


def _columns(target: Target, predicted: Predicted) -> Iterator[tuple[str, Any]]:
    """The names and the values of the new columns."""
    values = predicted.values
    if predicted.said == "numbers":
        yield "prediction", values
        if predicted.deviation is not None:
            yield "standard_deviation", predicted.deviation
        return
    yield "prediction", [target.classes[k] for k in values.argmax(axis=1)]
    name = "probability" if predicted.said == "probabilities" else "score"
    for k, label in enumerate(target.classes):
        yield f"{name}_{spelled(label)}", values[:, k]


def _free(name: str, names: list[str]) -> str:
    """``name``, or with a number where the table has such a column already."""
    n = 1
    free = name
    while free in names:
        n += 1
        free = f"{name}_{n}"
    return free


def _write(table: Table, out: Path) -> None:
    """Write the whole file or nothing."""
    draft = out.with_name(f".{out.name}.new-{os.getpid()}")
    try:
        with draft.open("wb") as file:
            if out.suffix.lower() == ".parquet":
                need("pyarrow.parquet").write_table(table, file)
            else:
                _write_csv(table, file)
        draft.replace(out)
    except OSError as error:
        raise DataError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)


def _write_csv(table: Table, file: IO[bytes]) -> None:
    try:
        need("pyarrow.csv").write_csv(table, file)
    except need("pyarrow").ArrowInvalid as error:
        hint = "Parquet takes lists and records: --out predictions.parquet"
        raise DataError(f"the table cannot be written as CSV: {error}", hint=hint) from error
