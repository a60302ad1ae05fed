"""Sections with a label at their left, and tables below them."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

LABEL = 9  # width of the labels at the left


def section(console: Console, label: str, *lines: str | Text, style: str = "") -> None:
    """Lines with a label at their left."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=LABEL, style="bold")
    grid.add_column(style=style, overflow="fold")
    for k, line in enumerate(lines):
        grid.add_row(label if k == 0 else "", line if isinstance(line, Text) else Text(line))
    console.print(grid)


def table_of(*names: str, justify: Any = "left") -> Table:
    """A table whose first column is the section's label."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", width=LABEL, style="bold", no_wrap=True)
    table.add_column(names[0], overflow="fold")
    for name in names[1:]:
        table.add_column(name, overflow="fold", justify=justify)
    return table
