"""Several files as one table: patterns, lists, and columns that must agree."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeAlias

from chainrule.data.extras import Table, need
from chainrule.data.formats import DELIMITERS, check_file, suffix_of
from chainrule.data.values import is_moment, is_number, is_text
from chainrule.data.words import listed
from chainrule.errors import DataError

Reader: TypeAlias = Callable[[Path, Collection[str]], Table]


def as_paths(path: str | Path | Sequence[str | Path]) -> list[Path]:
    """The files that a path, a pattern or a list of them names, in order.

    The files of a pattern are in the order of their names, numbers by their value:
    part-2 comes before part-10. A name that exists is no pattern, whatever characters it has.

    Raises:
        DataError: nothing is named, a pattern fits no file, or files are of different formats.
    """
    given = [path] if isinstance(path, str | Path) else list(path)
    paths = [found for one in given for found in _expanded(one)]
    if not paths:
        raise DataError("no file was named")
    if len(paths) > 1:
        for one in paths:
            check_file(one)
        suffixes = {suffix_of(one.name): one for one in reversed(paths)}
        if len(suffixes) > 1:
            names = listed([str(one) for one in suffixes.values()])
            raise DataError(f"files of different formats: {names}; expected one format")
    return paths


def is_there(path: str | Path) -> bool:
    """Whether a path is a file, or a pattern that fits one."""
    try:
        return all(one.is_file() for one in as_paths(path))
    except DataError:
        return False


def _expanded(path: str | Path) -> list[Path]:
    text = str(path)
    if not glob.has_magic(text) or "\0" in text or Path(text).exists():
        return [Path(path)]
    names = glob.glob(text, recursive=True)  # noqa: PTH207, Path.glob takes no absolute pattern
    found = [Path(name) for name in names if Path(name).is_file()]
    if not found:
        raise DataError(f"{text}: no file fits this pattern")
    return sorted(found, key=_by_numbers)


def _by_numbers(path: Path) -> list[tuple[int, str]]:
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", str(path))
    ]


def joined(
    paths: Sequence[Path], tables: list[Table], read: Reader, text: Collection[str]
) -> Table:
    """One table of several: columns by the names of the first, numbers of a type that holds all.

    Of text files, a column that is text in one and numbers in another is read as text in all.

    Raises:
        DataError: a file has other columns than the first, or values of another kind.
    """
    names = tables[0].column_names
    for path, table in zip(paths[1:], tables[1:], strict=True):
        _check_columns(paths[0], names, path, table.column_names)
    mixed = [name for name in names if len({_kind(table, name) for table in tables} - {""}) > 1]
    if mixed and suffix_of(paths[0].name) in DELIMITERS:
        tables = [read(path, [*text, *mixed]) for path in paths]
    pa, chosen = need("pyarrow"), [_with_times(table.select(names), tables) for table in tables]
    try:
        return pa.concat_tables(chosen, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise _other_type(paths, tables, mixed or names) from error


def _with_times(table: Table, others: list[Table]) -> Table:
    """The table with times where it has days and another table has times."""
    pa = need("pyarrow")
    for place, field in enumerate(table.schema):
        if pa.types.is_date(field.type):
            kinds = [other.schema.field(field.name).type for other in others]
            times = [kind for kind in kinds if pa.types.is_timestamp(kind)]
            if times:
                table = table.set_column(place, field.name, table.column(place).cast(times[0]))
    return table


def _kind(table: Table, name: str) -> str:
    """What a column holds, as far as two files may not differ: "" if it is empty."""
    kind = table.schema.field(name).type
    if need("pyarrow").types.is_null(kind):
        return ""
    if is_number(kind):
        return "number"
    if is_moment(kind):
        return "time"
    return "text" if is_text(kind) else str(kind)


def _check_columns(first: Path, names: list[str], path: Path, others: list[str]) -> None:
    known, found = set(names), set(others)
    gone = [repr(name) for name in names if name not in found]
    new = [repr(name) for name in others if name not in known]
    if gone or new:
        lacks = f"lacks {listed(gone)}" if gone else ""
        has = f"has {listed(new)} besides" if new else ""
        difference = " and ".join(part for part in (lacks, has) if part)
        raise DataError(f"{path}: {difference}; expected the columns of {first}")


def _other_type(paths: Sequence[Path], tables: list[Table], names: Collection[str]) -> DataError:
    for name in names:
        first = tables[0].schema.field(name).type
        for path, table in zip(paths, tables, strict=True):
            kind = table.schema.field(name).type
            if kind != first:
                what = f"column {name!r} is of the type {kind}, in {paths[0]} {first}"
                return DataError(f"{path}: {what}")
    return DataError(f"{paths[0]} and others: their columns cannot be joined")
