"""`chainrule predict`: the table with its predictions appended."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.cli.job import Clock
from chainrule.cli.outcome import OptionError
from chainrule.cli.source import load
from chainrule.cli.terms import Predicted
from chainrule.cli.trained import Trained
from chainrule.cli.view import View
from chainrule.cli.written import check_out, print_csv, write_table
from chainrule.data.extras import Table, need
from chainrule.data.target import Target
from chainrule.data.values import spelled
from chainrule.data.words import did_you_mean
from chainrule.errors import DataError


@dataclass(frozen=True, slots=True)
class PredictOptions:
    """The options as they were given, see ``arguments``.

    Fields:
        data: a table, or "-" for CSV on stdin.
        out: the file to write; None for CSV on stdout.
        only: leave out the table's own columns.
        keep: columns of the table that stay all the same; with one of them all others go.
    """

    run: Path
    data: str
    out: Path | None
    only: bool
    keep: Sequence[str]


def run_predict(options: PredictOptions, view: View) -> None:
    """Append predictions to the table and write it, whole or not at all.

    Raises:
        ChainruleError: the run or the table cannot be used; ``out`` is not touched.
    """
    _check(options, view)
    clock = Clock()
    with view.busy("predicting"):
        with clock.measure("open the run"):
            trained = Trained.open(options.run)
        source = load(options.data, trained.schema.text_columns())
        clock.add("read", source.seconds)
        _check_kept(options.keep, source.table)
        with clock.measure("predict"):
            predicted = trained.predict(source.table)
        table, added = _appended(options, source.table, trained.schema.target, predicted)
    with clock.measure("write"):
        if options.out is None:
            print_csv(table)
        else:
            write_table(table, options.out)
    if options.out is not None and not view.quiet:
        print(f"{table.num_rows:,} predictions in {options.out}", file=sys.stderr)
    view.show_details(clock.seconds, trained.versions)
    view.result(_summary(options, trained, table, added, predicted, clock))


def _check(options: PredictOptions, view: View) -> None:
    if options.out is not None:
        check_out(options.out)
    elif view.json:
        raise OptionError(
            "--json: stdout has the predictions already", hint="--out predictions.csv"
        )


def _check_kept(names: Sequence[str], table: Table) -> None:
    for name in names:
        if name not in table.column_names:
            hint = did_you_mean(name, table.column_names)
            raise DataError(f"--id {name}: no column {name!r} in the table", hint=hint)


def _appended(
    options: PredictOptions, table: Table, target: Target, predicted: Predicted
) -> tuple[Table, list[str]]:
    """The table to be written, and the names of the new columns."""
    pa = need("pyarrow")
    kept = list(dict.fromkeys(options.keep)) if options.only or options.keep else None
    columns = {name: table[name] for name in (table.column_names if kept is None else kept)}
    added = []
    for name, values in _columns(target, predicted):
        added.append(_free(name, columns))
        columns[added[-1]] = pa.array(values)
    return pa.table(columns), added


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


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """``name``, or with a number where the table has such a column already."""
    n = 1
    free = name
    while free in taken:
        n += 1
        free = f"{name}_{n}"
    return free


def _summary(
    options: PredictOptions, trained: Trained, table: Table, added: list[str],
    predicted: Predicted, clock: Clock,
) -> dict[str, object]:  # fmt: skip
    target = trained.schema.target
    found: dict[str, object] = {
        "run": str(options.run), "data": options.data, "out": str(options.out),
        "rows": table.num_rows, "columns": table.column_names, "added": added,
        "target": target.name, "seconds": clock.seconds,
    }  # fmt: skip
    if predicted.said == "numbers":
        return {**found, "mean": float(np.mean(predicted.values))}
    rows = np.bincount(predicted.values.argmax(axis=1), minlength=len(target.classes))
    classes = [spelled(label) for label in target.classes]
    return {**found, "classes": dict(zip(classes, rows.tolist(), strict=True))}
