"""`chainrule predict`: the table with its predictions appended."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.cli.job import Clock, nothing
from chainrule.cli.large import Told, bound_for, size_of
from chainrule.cli.outcome import OptionError
from chainrule.cli.source import load
from chainrule.cli.terms import Predicted
from chainrule.cli.trained import Trained
from chainrule.cli.view import View
from chainrule.cli.written import BlockWriter, check_out, print_csv, write_table
from chainrule.data.blocks import Blocks, Tell
from chainrule.data.extras import Table, need
from chainrule.data.spool import in_rows
from chainrule.data.target import Target
from chainrule.data.text_blocks import TypesChanged
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
        memory: the bound within which the table is read in blocks, if one is asked for.
    """

    run: Path
    data: str
    out: Path | None
    only: bool
    keep: Sequence[str]
    memory: str | None = None


def run_predict(options: PredictOptions, view: View) -> None:
    """Append predictions to the table and write it, whole or not at all.

    Raises:
        ChainruleError: the run or the table cannot be used; ``out`` is not touched.
    """
    _check(options, view)
    clock = Clock()
    with view.busy("predicting") as status:
        with clock.measure("open the run"):
            trained = Trained.open(options.run)
        bound = bound_for(options.data, options.memory, trained)
        if bound is None:
            made = _whole(options, trained, clock)
        else:
            tell = Told(getattr(status, "update", nothing), "predicting", size_of(options.data))
            made = _in_blocks(options, trained, bound, clock, tell)
    if options.out is not None and not view.quiet:
        print(f"{made.rows:,} predictions in {options.out}", file=sys.stderr)
    view.show_details(clock.seconds, trained.versions)
    view.result(_summary(options, trained, made, clock))


@dataclass(slots=True)
class _Made:
    """What has been predicted so far.

    Fields:
        rows: how many. total: the sum of predicted numbers. classes: rows of each class.
        columns: all that are written. added: the new ones.
    """

    rows: int = 0
    total: float = 0.0
    classes: NDArray[np.int64] | None = None
    columns: Sequence[str] = ()
    added: Sequence[str] = ()

    def add(self, table: Table, added: list[str], target: Target, predicted: Predicted) -> None:
        """Count the rows of a block."""
        self.rows += table.num_rows
        self.columns, self.added = table.column_names, added
        if predicted.said == "numbers":
            self.total += float(np.sum(predicted.values))
            return
        found = np.bincount(predicted.values.argmax(axis=1), minlength=len(target.classes))
        self.classes = found if self.classes is None else self.classes + found


def _whole(options: PredictOptions, trained: Trained, clock: Clock) -> _Made:
    """Read, predict and write a table at once."""
    source = load(options.data, trained.schema.text_columns())
    clock.add("read", source.seconds)
    _check_kept(options.keep, source.table)
    made, target = _Made(), trained.schema.target
    with clock.measure("predict"):
        predicted = trained.predict(source.table)
    table, added = _appended(options, source.table, target, predicted)
    made.add(table, added, target, predicted)
    with clock.measure("write"):
        if options.out is None:
            print_csv(table)
        else:
            write_table(table, options.out)
    return made


def _in_blocks(
    options: PredictOptions, trained: Trained, memory: int, clock: Clock, tell: Tell
) -> _Made:
    """Read, predict and write a table block by block."""
    blocks = Blocks.open(options.data, tuple(trained.schema.text_columns()))
    if options.out is None:  # what is printed cannot be taken back
        blocks = blocks.settled()
    with clock.measure("predict"):
        while True:
            try:
                return _predict_blocks(options, trained, memory, blocks, tell)
            except TypesChanged as change:
                blocks = blocks.retyped(change.types)


def _predict_blocks(
    options: PredictOptions, trained: Trained, memory: int, blocks: Blocks, tell: Tell
) -> _Made:
    made, target = _Made(), trained.schema.target
    each = max(1, memory // 8 // (4 * max(1, trained.schema.width)))
    with BlockWriter(options.out) as writer:
        for block in blocks.tables(tell):
            _check_kept(options.keep, block)
            for first in range(0, block.num_rows, each):
                part = block.slice(first, each)
                with in_rows(blocks.path, made.rows, made.rows + part.num_rows):
                    predicted = trained.predict(part)
                table, added = _appended(options, part, target, predicted)
                made.add(table, added, target, predicted)
                writer.write(table)
    return made


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
    options: PredictOptions, trained: Trained, made: _Made, clock: Clock
) -> dict[str, object]:
    target = trained.schema.target
    found: dict[str, object] = {
        "run": str(options.run), "data": options.data, "out": str(options.out),
        "rows": made.rows, "columns": list(made.columns), "added": list(made.added),
        "target": target.name, "seconds": clock.seconds,
    }  # fmt: skip
    if made.classes is None:
        return {**found, "mean": made.total / max(1, made.rows)}
    classes = [spelled(label) for label in target.classes]
    return {**found, "classes": dict(zip(classes, made.classes.tolist(), strict=True))}
