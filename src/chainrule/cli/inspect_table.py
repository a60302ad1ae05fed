"""A table as training would take it: what its columns are and what is done with each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from chainrule.cli import checks
from chainrule.cli.layout import section
from chainrule.cli.report import MOST_COLUMNS, spread
from chainrule.cli.source import Source, load
from chainrule.cli.view import View
from chainrule.data.checks.front import preflight, scope
from chainrule.data.extras import ArrowColumn, Table
from chainrule.data.infer import How, fit_column
from chainrule.data.prepare import check_names, with_target
from chainrule.data.target import Target, find_target
from chainrule.data.values import present
from chainrule.data.words import count
from chainrule.errors import DataError


def inspect_a_table(data: str, target: str | None, view: View) -> None:
    """Show it.

    Raises:
        ChainruleError: it cannot be read, or has no such target.
    """
    with view.busy("reading the table"):
        source = load(data)
        asked = target or source.target
        found = None if asked is None else _target(source.table, asked)
        most = None if view.json else MOST_COLUMNS
        columns = [_column(source, name) for name in source.table.column_names[:most]]
    with view.busy("checking the table"):
        findings = [] if found is None else preflight(source.table, found.name, drop=source.drop)
    _show(view.console, source, columns, found)
    if found is not None:
        size = (source.table.num_rows, source.table.num_columns)
        checks.show_all(view.console, findings, scope(*size))
    view.result(
        {
            "data": data, "path": str(source.path), "sha256": source.sha256,
            "checks": checks.to_json(findings),
            "rows": source.table.num_rows, "columns": columns, "notes": list(source.notes),
            "target": None if found is None else {
                "name": found.name, "task": found.task, "reason": found.reason,
                "classes": list(found.classes), "rates": list(found.rates),
            },
        }
    )  # fmt: skip


def _target(table: Table, name: str) -> Target:
    check_names(table, name)
    kept, _ = with_target(table, name)
    found = find_target(name, kept[name])
    return found.fit(found.values(kept[name]))


def _column(source: Source, name: str) -> dict[str, Any]:
    """What a column is, and what becomes of it."""
    column = source.table[name]
    found: dict[str, Any] = {
        "name": name,
        "type": str(column.type),
        "missing": int(len(column) - present(column).sum()),
        "different": _different(column),
        "examples": [str(x) for x in column.slice(0, 3).to_pylist() if x is not None],
    }
    if name in source.drop:
        return {**found, "kind": "dropped", "found": "", "treatment": source.drop[name]}
    try:
        fitted = fit_column(name, column, how=How("auto", embed=True))
    except DataError as error:
        return {**found, "kind": "wrong", "found": "", "treatment": error.message}
    return {**found, "kind": fitted.kind, "found": fitted.found, "treatment": fitted.treatment}


def _different(column: ArrowColumn) -> int | None:
    """How many different values; None where they cannot be counted (lists, records)."""
    try:
        return len(column.drop_null().unique())
    except (NotImplementedError, TypeError):
        return None


def _show(
    console: Console, source: Source, columns: list[dict[str, Any]], target: Target | None
) -> None:
    rows, names = source.table.num_rows, source.table.column_names
    size = f"{count(rows, 'row')} × {count(len(names), 'column')}"
    section(console, "Table", f"{source.path}: {size}", *source.notes)
    if target is not None:
        section(console, "Target", f"{target.name}: {target.words} ({target.reason})")
        section(console, "", spread(target, "all rows"))
    section(console, "Columns", "types, values, and what training would do with each")
    console.print(_table(columns, rows, target, len(names)))
    if target is None:
        console.print()
        section(console, "Next", "--target COLUMN says what task it makes")


def _table(columns: list[dict[str, Any]], rows: int, target: Target | None, of: int) -> RichTable:
    table = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(" ")
    for name, share in (("column", 3), ("type", None), ("missing", None), ("different", None)):
        right = "right" if name in ("missing", "different") else "left"
        table.add_column(name, ratio=share, overflow="fold", justify=right)  # type: ignore[arg-type]
    table.add_column("values", ratio=3, overflow="fold")
    table.add_column("as an input", ratio=4, overflow="fold")
    for column in columns:
        is_target = target is not None and column["name"] == target.name
        treatment = "the target" if is_target else column["treatment"]
        values = column["found"] or ", ".join(column["examples"])[:40]
        cells = (column["name"], column["type"], *_counts(column, rows), values, treatment)
        table.add_row("", *(Text(cell) for cell in cells))
    if of > len(columns):
        more = f"and {of - len(columns):,} more"
        table.add_row("", more, "", "", "", "", "--json shows all of them", style="dim")
    return table


def _counts(column: Mapping[str, Any], rows: int) -> tuple[str, str]:
    missing, different = int(column["missing"]), column["different"]
    shown = "" if different is None else f"{different:,}"
    return f"{missing / rows:.1%}" if missing else "–", shown
