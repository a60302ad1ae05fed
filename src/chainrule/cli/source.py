"""DATA of the command line: a file, or the name of an example."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from chainrule.cli.outcome import OptionError
from chainrule.data.examples import EXAMPLES
from chainrule.data.extras import Table
from chainrule.data.files import as_paths
from chainrule.data.prepare import check_names
from chainrule.data.read import read_bytes, read_table

#: What DATA is called where the table is piped in, as CSV.
STDIN: Final = "-"


@dataclass(frozen=True, slots=True)
class Source:
    """A table and where it is from.

    Fields:
        name: short, for the run's folder.
        target: the column to predict, where the source knows it.
        drop: columns not to be used, each with the reason.
        path: of the file, or the pattern that names several.
        sha256: of the file, or of the files in order.
        seconds: taken to read it.
    """

    name: str
    path: Path
    table: Table
    sha256: str
    seconds: float
    target: str | None = None
    drop: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load(data: str, text: Collection[str] = ()) -> Source:
    """Read DATA; columns in ``text`` stay text.

    Raises:
        DataError: it cannot be read.
        MissingExtraError: a library or the example's package is not installed.
    """
    start = time.perf_counter()
    path = Path(data)
    if data == STDIN:
        return _load_stdin(text)
    if is_example(data):
        example = EXAMPLES[data]()
        more = (example.target, example.drop, example.notes)
        return Source(
            data, example.path, example.table, sha256_of([example.path]), _since(start), *more
        )
    table, files = read_table(path, text), as_paths(path)
    return Source(stem(files[0]), path, table, sha256_of(files), _since(start))


def _load_stdin(text: Collection[str]) -> Source:
    start = time.perf_counter()
    if sys.stdin is None or sys.stdin.isatty():
        raise OptionError("DATA is -, and nothing is piped in", hint="cat new.csv | chainrule ...")
    # In pieces: between two of them Ctrl-C is seen, which one long read may miss.
    content = b"".join(iter(lambda: sys.stdin.buffer.read(1 << 16), b""))
    table = read_bytes("stdin", content, text)
    digest = hashlib.sha256(content).hexdigest()
    return Source("stdin", Path(STDIN), table, digest, _since(start))


def is_example(data: str) -> bool:
    """Whether DATA is the name of an example, and no file that is called so."""
    return data in EXAMPLES and not Path(data).exists()


def with_options(source: Source, target: str | None, drop: Collection[str]) -> Source:
    """The source with what the user asked for.

    Raises:
        OptionError: there is no target; or an example has another one.
        DataError: the table has no such column.
    """
    names = source.table.column_names
    if source.target and target not in (None, source.target):
        hint = f"leave --target out; or read {source.path} as a file of its own"
        raise OptionError(f"the example {source.name} predicts {source.target!r}", hint=hint)
    chosen = target or source.target
    if chosen is None:
        hint = f"add --target COLUMN; the columns are {', '.join(names[:20])}"
        raise OptionError("which column is to be predicted?", hint=hint)
    check_names(source.table, chosen, drop)
    asked = {**source.drop, **dict.fromkeys(drop, "as asked")}
    return replace(source, target=chosen, drop=asked)


def stem(path: Path) -> str:
    """A file's name up to its first dot."""
    return path.name.split(".")[0] or "table"


def sha256_of(paths: Sequence[Path]) -> str:
    """The digest of one file, or of several as if they were one."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _since(start: float) -> float:
    return time.perf_counter() - start
