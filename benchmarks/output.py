"""Where results go: tables as text or Markdown, records as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Table:
    """Cells of text under a header; the first column is aligned left, the others right."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        """For a terminal: columns of equal width."""
        lines = [self.header, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        body = [self._line(line, widths) for line in lines]
        return "\n".join([self.title, *body, self.note]).rstrip() + "\n"

    @staticmethod
    def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "  " + "  ".join(padded).rstrip()

    def markdown(self) -> str:
        """For a page."""
        rule = ["---", *["---:"] * (len(self.header) - 1)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.header, rule, *self.rows)]
        note = ["", self.note] if self.note else []
        return "\n".join([f"**{self.title}**", "", *lines, *note]) + "\n"


def add_options(parser: argparse.ArgumentParser) -> None:
    """--json and --markdown, the same for every benchmark."""
    parser.add_argument("--json", metavar="FILE|-", help="write the whole record as JSON")
    parser.add_argument(
        "--markdown",
        metavar="FILE|-",
        help="write the tables as Markdown; a FILE holds the marks <!-- NAME --> <!-- end NAME -->",
    )


def publish(
    args: argparse.Namespace, name: str, tables: Sequence[Table], record: dict[str, Any], foot: str
) -> None:
    """Print the tables, or write what --json and --markdown ask for."""
    page = "\n".join(table.markdown() for table in tables) + f"\n{foot}\n"
    if args.json:
        write(args.json, json.dumps(record, indent=1) + "\n")
    if args.markdown == "-":
        sys.stdout.write(page)
    elif args.markdown:
        replace_section(Path(args.markdown), name, page)
    if "-" not in (args.json, args.markdown):
        print("\n".join([*(table.text() for table in tables), foot]))


def write(target: str, content: str) -> None:
    """To standard output for "-", else to a file."""
    if target == "-":
        sys.stdout.write(content)
    else:
        Path(target).write_text(content, encoding="utf-8")


def replace_section(page: Path, name: str, content: str) -> None:
    """Put the content between the page's marks for this name; a page that is not there is made.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end {name} -->"
    text = page.read_text(encoding="utf-8") if page.exists() else f"{begin}\n{end}\n"
    if begin not in text or end not in text:
        raise ValueError(f"{page}: no lines {begin} and {end} to write between")
    before, after = text.split(begin)[0], text.split(end)[1]
    page.write_text(f"{before}{begin}\n{content}{end}{after}", encoding="utf-8")
