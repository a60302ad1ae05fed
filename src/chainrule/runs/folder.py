"""The run folder: everything a run needs to be resumed, used and compared, written atomically.

    RUN/
      config.json                  what was asked for, and the versions and machine that ran it
      extended.json                the same when more epochs were asked for later, if they were
      schema.json                  columns, preprocessing and target, where the data are a table
      state.json                   the checkpoints there are, the newest first, a checksum per file
      checkpoint-000001234/        the last few of them: see ``checkpoints``
      log.txt                      one line per event, with its time

A checkpoint is several files, so it becomes visible in one move: its folder is written and synced
under another name, renamed, and only then does ``state.json`` point to it. Whenever the machine
stops, the folder holds the old checkpoint or the new one, never a mixture. No file is a pickle.

The process that trains holds a lock on ``config.json``, which ends with the process. Whoever gets
that lock may take away what dead ones have left.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final, cast

from chainrule import __version__
from chainrule.compiler.native.target import host
from chainrule.errors import RunError
from chainrule.machine.processor import processor
from chainrule.runs.checkpoints import MANIFEST, NAME, Best, Checkpoint, Entry
from chainrule.runs.files import (
    cannot,
    drafts,
    remove_drafts,
    write_file,
    write_folder,
    write_new,
)
from chainrule.runs.json_files import (
    LARGEST,
    check_seal,
    json_bytes,
    parse_json,
    plain,
    sealed,
)
from chainrule.runs.locks import Lock, lock_of
from chainrule.runs.pieces import Before
from chainrule.runs.reading import read_entry
from chainrule.runs.writer import KEEP, CheckpointWriter

__all__ = ["FORMAT", "Best", "Checkpoint", "RunFolder", "check_free", "plain", "versions"]

FORMAT: Final = 2
EXTENDED: Final = "extended.json"
VERSIONED: Final = ("numpy", "llvmlite", "optree", "safetensors")
#: Seconds to wait for a lock, which somebody may hold to clean up.
_PATIENCE: Final = 1.0
#: Times that a checkpoint is read while another process writes newer ones.
_TRIES: Final = 5
#: Bytes at the end of the log in which the last line about a process is looked for.
_TAIL: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run on disk.

    Raises:
        RunError: the folder cannot be created, is not a run, or a file in it is damaged.
    """

    path: Path

    @classmethod
    def create(cls, path: Path, config: Mapping[str, object]) -> RunFolder:
        """A new run at ``path``, which must not exist or be an empty folder.

        ``config["schema"]``, if there is one, goes to a file of its own, ``schema.json``.
        """
        path = Path(path)
        check_free(path)
        config = dict(config)
        files = {}
        if (schema := config.pop("schema", None)) is not None:
            files["schema.json"] = _limited(path / "schema.json", json_bytes(schema))
        ran = {"versions": versions(), "machine": machine()}
        written = {"format": FORMAT, "created": _now(), **ran, "config": config}
        files["config.json"] = _limited(path / "config.json", json_bytes(written))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_drafts(drafts(path.parent, path.name))
            if sys.platform == "win32" and path.is_dir():
                path.rmdir()  # empty, as checked; Windows does not rename onto a folder
            write_folder(path, lambda draft: _write_all(draft, files))
        except OSError as error:
            raise cannot("be written", path, error, sum(map(len, files.values()))) from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run that lies at ``path``; what dead processes left in it is taken away."""
        path = Path(path)
        hint = "name the folder that `chainrule train` printed"
        if not path.exists():
            raise RunError(f"{path}: no such run folder", hint=hint)
        if not (path / "config.json").is_file():
            raise RunError(f"{path}: not a run folder: it has no config.json", hint=hint)
        folder = cls(path)
        found = folder.read_json("config.json").get("format")
        if found != FORMAT:
            raise RunError(
                f"{path}: run format {found}, this version reads {FORMAT}",
                "train again; weights.safetensors in it can be read by the library of that name",
            )
        folder._clean_if_idle()
        return folder

    @property
    def config(self) -> dict[str, Any]:
        """What the run was created with, or what it was last extended with."""
        name = EXTENDED if (self.path / EXTENDED).is_file() else "config.json"
        found = self.read_json(name).get("config", {})
        if not isinstance(found, dict):
            raise RunError(f"{self.path / name}: damaged: its config is no JSON object")
        return cast(dict[str, Any], found)

    def extend(self, config: Mapping[str, object]) -> None:
        """Ask for more of the run; ``config.json`` keeps what it was created with.

        A file of its own, because the lock of who trains is on ``config.json`` itself.
        """
        kept = {key: value for key, value in config.items() if key != "schema"}
        self.write_json(
            EXTENDED,
            {
                "format": FORMAT, "written": _now(), "versions": versions(),
                "machine": machine(), "config": kept,
            },
        )  # fmt: skip

    def write_json(self, name: str, value: object) -> None:
        """Write ``value`` as JSON to the file ``name`` of the folder, atomically."""
        content = _limited(self.path / name, json_bytes(value))
        try:
            write_file(self.path / name, content)
        except OSError as error:
            raise cannot("be written", self.path / name, error, len(content)) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """The JSON object in the file ``name`` of the folder."""
        value = parse_json(self.path / name, _read_limited(self.path / name))
        if not isinstance(value, dict):
            raise RunError(f"{self.path / name}: damaged: expected a JSON object")
        return value

    def log(self, line: str) -> None:
        """Append one line with its time to ``log.txt``, if it can be written."""
        with suppress(OSError), (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{_now()}  {line}\n")

    # -- checkpoints -------------------------------------------------------------------------------

    def write_checkpoint(self, checkpoint: Checkpoint, keep: int = KEEP) -> None:
        """Make ``checkpoint`` the folder's newest, or leave the folder as it was.

        A run that writes many has a ``CheckpointWriter``.

        Raises:
            TrainingError: a weight is not finite.
            RunError: the folder cannot be written; the checkpoint before is whole.
        """
        CheckpointWriter(self, keep, self.known()[0]).write(checkpoint)

    def read_checkpoint(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; None before the first one.

        A damaged one is passed over with a warning and a line in ``log.txt``.

        Raises:
            RunError: there are checkpoints, and none is whole.
        """
        found = self.find_checkpoint()
        return found[0] if found else None

    def find_checkpoint(self) -> tuple[Checkpoint, Before, list[Entry]] | None:
        """As ``read_checkpoint``; with what the next one may link, and the entries from it on."""
        for _ in range(_TRIES):
            before = _stamp(self.path / "state.json")
            found, problems = self._newest_whole()
            if not problems or before == _stamp(self.path / "state.json"):
                break  # else one who trains has gone on in the meantime
        else:
            found, problems = self._newest_whole()
        if found is not None:
            self._tell(problems, found[1].entry)
        elif problems:
            raise RunError("; ".join(problems), "restore the files from a copy, or train again")
        return found

    def entries(self) -> list[Entry]:
        """What ``state.json`` says of the checkpoints, the newest first.

        Raises:
            RunError: it is damaged.
        """
        path = self.path / "state.json"
        if not path.exists():
            return []
        state = self.read_json("state.json")
        check_seal(path, state)
        listed = state.get("checkpoints")
        if not isinstance(listed, list):
            raise RunError(f"{path}: damaged: it lists no checkpoints")
        return [Entry.from_json(path, value) for value in listed]

    def write_state(self, entries: Sequence[Entry]) -> None:
        """Make these the checkpoints that count, the newest first."""
        newest, listed = entries[0].to_json(), [entry.to_json() for entry in entries]
        first = {key: newest[key] for key in ("checkpoint", "step", "status", "written", "best")}
        self.write_json("state.json", sealed({"format": FORMAT, **first, "checkpoints": listed}))

    def _newest_whole(self) -> tuple[tuple[Checkpoint, Before, list[Entry]] | None, list[str]]:
        """The newest that is whole, and what is wrong with those before it."""
        entries, problems = self.known()
        for k, entry in enumerate(entries):
            try:
                return (*read_entry(self.path / entry.name, entry), entries[k:]), problems
            except RunError as error:
                problems.append(error.message)
        return None, problems

    def known(self) -> tuple[list[Entry], list[str]]:
        """The entries of ``state.json``; where it is damaged, those of the manifests.

        With them what is wrong with those files, in words; the checkpoints' own files are not read.
        """
        try:
            if entries := self.entries():
                return entries, []
            problems = []
        except RunError as error:
            problems = [error.message]
        entries = []
        for path in self.path.glob("checkpoint-*"):
            try:
                entries.append(self._manifest(path))
            except RunError as error:
                problems.append(error.message)
        return sorted(entries, key=lambda entry: -entry.number), problems

    def _manifest(self, path: Path) -> Entry:
        name = f"{path.name}/{MANIFEST}"
        value = self.read_json(name)
        check_seal(self.path / name, value)
        entry = Entry.from_json(self.path / name, value)
        if entry.name != path.name:
            raise RunError(f"{self.path / name}: damaged: it is that of {entry.name}")
        return entry

    def _tell(self, problems: list[str], used: Entry) -> None:
        if not problems:
            return
        line = f"{'; '.join(problems)}; the checkpoint at step {used.step} is used instead"
        self.log(line)
        warnings.warn(line, stacklevel=4)

    # -- one writer at a time ----------------------------------------------------------------------

    def lock(self) -> Lock:
        """Be the one that writes checkpoints, until the lock is closed or the process ends.

        Raises:
            RunError: another process trains into this folder; its number is named.
        """
        lock = lock_of(self.path / "config.json", _PATIENCE)
        if not lock.mine:
            lock.close()
            raise RunError(
                f"{self.path}: {self._holder()} trains into this folder",
                "wait for it, or stop it; or train into another folder",
            )
        self.log(f"process {os.getpid()} on {socket.gethostname()} takes the folder")
        self.clean()
        return lock

    def discard_if_empty(self) -> None:
        """Delete a run that has no checkpoint: one that failed before its first."""
        if not (self.path / "state.json").exists() and not any(self.path.glob("checkpoint-*")):
            shutil.rmtree(self.path, ignore_errors=True)

    def clean(self) -> None:
        """Take away what dead processes left: drafts, and checkpoints that do not count."""
        remove_drafts(drafts(self.path))
        remove_drafts(drafts(self.path.parent, self.path.name))
        with suppress(RunError):
            if counted := {entry.name for entry in self.entries()}:
                self.delete_checkpoints_but(counted)

    def delete_checkpoints_but(self, names: set[str]) -> None:
        """Delete the checkpoints that do not count any more."""
        for old in self.path.glob("checkpoint-*"):
            if old.name not in names and NAME.fullmatch(old.name):
                shutil.rmtree(old, ignore_errors=True)

    def _clean_if_idle(self) -> None:
        if not self._has_litter():
            return
        with lock_of(self.path / "config.json") as lock:
            if lock.mine and os.access(self.path, os.W_OK):
                self.clean()

    def _has_litter(self) -> bool:
        try:
            counted = {entry.name for entry in self.entries()}
        except RunError:
            counted = set()
        there = {path.name for path in self.path.glob("checkpoint-*")}
        left = [*drafts(self.path), *drafts(self.path.parent, self.path.name)]
        return bool(left) or bool(counted and there - counted)

    def _holder(self) -> str:
        content = _tail(self.path / "log.txt").decode(errors="replace")
        found = re.findall(r"process (\d+) on (\S+) takes the folder", content)
        if not found:
            return "another process"
        pid, host = found[-1]
        here = "" if host == socket.gethostname() else f" on {host}"
        mine = " (this one)" if pid == str(os.getpid()) and not here else ""
        return f"process {pid}{here}{mine}"


def check_free(path: Path) -> None:
    """Refuse a path at which a new run would overwrite something."""
    if path.is_dir():
        if any(path.iterdir()):
            hint = "choose another folder, or go on with what lies there: resume=True, --resume"
            raise RunError(f"{path}: this folder exists and is not empty", hint=hint)
    elif path.exists() or path.is_symlink():
        raise RunError(f"{path}: a file of this name exists", hint="choose another folder")


def versions() -> dict[str, str]:
    """The versions that decide what a run computes."""
    found = {
        "chainrule": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for name in VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def machine() -> dict[str, object]:
    """What of the machine decides how fast a run is, and with other vectors its rounding."""
    of, vectors = processor(), host()
    return {"processor": of.name, "cores": of.allowed, "vector_bits": vectors.vector_bits}


def _write_all(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        write_new(folder / name, content)


def _limited(path: Path, content: bytes) -> bytes:
    if len(content) > LARGEST:
        raise RunError(
            f"{path}: cannot be written: {len(content) / 1e6:.3g} MB of JSON, at most"
            f" {LARGEST / 1e6:.3g} MB are read"
        )
    return content


def _read_limited(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise RunError(f"{path}: damaged: {size} bytes of JSON, at most {LARGEST} are read")
        return path.read_bytes()
    except OSError as error:
        raise cannot("be read", path, error) from error


def _tail(path: Path) -> bytes:
    """The last bytes of a file, none if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read(_TAIL)
    except OSError:
        return b""


def _stamp(path: Path) -> tuple[int, ...]:
    """What is another after a file has been replaced."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
