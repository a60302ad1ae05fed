"""What a shell completes: run folders, tables, examples, values of options.

Only names are looked at, no file is opened: a shell waits for this at each press of the key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

#: Ends of the names of tables.
_TABLES: Final = (
    ".csv", ".tsv", ".txt", ".tab", ".parquet", ".pq", ".feather", ".arrow", ".arrows", ".ipc",
    ".npy", ".npz", ".gz", ".zst", ".zip",
)  # fmt: skip
_EXAMPLES: Final = ("flights",)
#: Where `chainrule train` puts runs unless it is told otherwise.
_RUNS: Final = "runs"


def runs(incomplete: str) -> list[str]:
    """Folders of runs, and folders on the way to them."""
    found = [path for path in _beside(incomplete) if path.is_dir()]
    if not incomplete and Path(_RUNS).is_dir():
        found += [path for path in sorted(Path(_RUNS).iterdir()) if path.is_dir()]
    return _not_folders_alone([str(path) if _is_run(path) else f"{path}/" for path in found])


def tables(incomplete: str) -> list[str]:
    """Tables, the names of examples, and folders."""
    examples = [name for name in _EXAMPLES if name.startswith(incomplete)]
    return _not_folders_alone(examples + _files(incomplete, _TABLES))


def runs_or_tables(incomplete: str) -> list[str]:
    """Either."""
    return list(dict.fromkeys([*runs(incomplete), *tables(incomplete)]))


def tomls(incomplete: str) -> list[str]:
    """TOML files, and folders."""
    return _not_folders_alone(_files(incomplete, (".toml",)))


def _not_folders_alone(found: list[str]) -> list[str]:
    """Nothing where only folders fit: a shell goes into folders better by itself."""
    return found if any(not name.endswith("/") for name in found) else []


def one_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """What completes the value of an option."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in known if name.startswith(incomplete)]

    return complete


def some_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    """What completes a list with commas."""

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        left = [name for name in known if name.startswith(last) and name not in given]
        return [f"{before}{comma}{name}" for name in left]

    return complete


def _files(incomplete: str, suffixes: Iterable[str]) -> list[str]:
    ends = tuple(suffixes)
    found = []
    for path in _beside(incomplete):
        if path.is_dir():
            found.append(f"{path}/")
        elif path.name.lower().endswith(ends):
            found.append(str(path))
    return found


def _beside(incomplete: str) -> list[Path]:
    """What lies there whose name begins so; hidden names only where a dot was typed."""
    folder, _, name = incomplete.rpartition("/")
    place = Path(folder or ("/" if incomplete.startswith("/") else "."))
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return []
    shown = [path for path in entries if name.startswith(".") or not path.name.startswith(".")]
    return [path for path in shown if path.name.startswith(name)]


def _is_run(path: Path) -> bool:
    return (path / "config.json").is_file()
