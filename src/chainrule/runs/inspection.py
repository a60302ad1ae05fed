"""What lies in a run folder, also in one that is damaged: each file is looked at on its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainrule.errors import RunError
from chainrule.runs.checkpoints import Checkpoint, Entry
from chainrule.runs.folder import EXTENDED, RunFolder
from chainrule.runs.locks import lock_of
from chainrule.runs.reading import read_entry


@dataclass(frozen=True, slots=True)
class Held:
    """One checkpoint of a run.

    Attributes:
        name, step, status, written: as its manifest says.
        bytes: of its files.
        problem: what is wrong with it, in words; "" where it is whole.
    """

    name: str
    step: int
    status: str
    written: str
    bytes: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """A run folder as it was found.

    Attributes:
        path: the folder.
        about: format, created, versions, machine, as far as they can be read.
        config: what was asked for; empty where it cannot be read.
        schema: of the table; None where there is none, or it cannot be read.
        result: of `chainrule train`; None where the run has none yet.
        checkpoints: the newest first.
        newest: the newest that is whole.
        is_training: whether a process trains into it now.
        problems: what is wrong, each in a sentence that names the file.
    """

    path: Path
    about: dict[str, Any]
    config: dict[str, Any]
    schema: dict[str, Any] | None
    result: dict[str, Any] | None
    checkpoints: tuple[Held, ...]
    newest: Checkpoint | None
    is_training: bool
    problems: tuple[str, ...]

    @property
    def can_be_used(self) -> bool:
        """Whether there are weights, and what it takes to read them."""
        return bool(self.config) and self.newest is not None


def inspect_run(path: str | Path) -> Inspection:
    """Look at a run folder; what is wrong with it is among ``problems`` and no error.

    Raises:
        RunError: there is no such folder, or nothing of a run lies in it.
    """
    path = Path(path)
    _check_is_run(path)
    folder, problems = RunFolder(path), []
    is_training = _is_held(path / "config.json")
    if (path / "config.json").is_file() and not is_training:
        problems += _opened(path)

    def read(name: str) -> dict[str, Any]:
        try:
            return folder.read_json(name)
        except RunError as error:
            problems.append(error.message)
            return {}

    about = read("config.json")
    config = read(EXTENDED).get("config") if (path / EXTENDED).is_file() else about.get("config")
    if about and not isinstance(config, dict):
        problems.append(f"{path / 'config.json'}: damaged: it says nothing of what was asked for")
    entries = _entries(folder, problems)
    held, newest = _checkpoints(path, entries)
    problems += [checkpoint.problem for checkpoint in held if checkpoint.problem]
    return Inspection(
        path, {name: value for name, value in about.items() if name != "config"},
        config if isinstance(config, dict) else {},
        read("schema.json") or None if _has(path, "schema.json") else None,
        read("result.json") or None if _has(path, "result.json") else None,
        tuple(held), newest, is_training, tuple(dict.fromkeys(problems)),
    )  # fmt: skip


def _check_is_run(path: Path) -> None:
    hint = "name the folder that `chainrule train` printed"
    if not path.exists():
        raise RunError(f"{path}: no such run folder", hint)
    if not path.is_dir():
        raise RunError(f"{path}: not a folder", hint)
    try:
        names = [entry.name for entry in path.iterdir()]
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    if "config.json" not in names and not any(n.startswith("checkpoint-") for n in names):
        raise RunError(f"{path}: not a run folder: it has no config.json", hint)


def _has(path: Path, name: str) -> bool:
    return (path / name).is_file()


def _opened(path: Path) -> list[str]:
    """Open it as all others do: what dead processes left is taken away."""
    try:
        RunFolder.open(path)
    except RunError as error:
        return [error.message]
    return []


def _is_held(path: Path) -> bool:
    with lock_of(path) as lock:
        return path.exists() and not lock.mine


def _entries(folder: RunFolder, problems: list[str]) -> list[Entry]:
    """What ``state.json`` lists; where it is damaged, what the checkpoints say themselves."""
    if not (folder.path / "state.json").exists() and not any(folder.path.glob("checkpoint-*")):
        return []
    entries, found = folder.known()
    problems += found
    return entries


def _checkpoints(path: Path, entries: list[Entry]) -> tuple[list[Held], Checkpoint | None]:
    held, newest = [], None
    for entry in entries:
        problem = ""
        try:
            checkpoint = read_entry(path / entry.name, entry)[0]
            newest = checkpoint if newest is None else newest
        except RunError as error:
            problem = error.message
        size = sum(file.size for file in entry.files.values())
        held.append(Held(entry.name, entry.step, entry.status, entry.written, size, problem))
    return held, newest
