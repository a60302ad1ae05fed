"""The run folder: everything a run needs to be resumed, used and compared, written atomically.

    RUN/
      config.json                  what was asked for, and the versions of what ran it
      schema.json                  columns, preprocessing and target, where the data are a table
      state.json                   which checkpoint counts, its step and status, a checksum per file
      checkpoint-000001234/
        weights.safetensors        the parameters by name
        optimizer.safetensors      the optimiser's state by name
        record.safetensors         what was recorded at every step (loss, learning rate)
        history.jsonl              one line per epoch
      log.txt                      one line per event, with its time

A checkpoint is several files, so it becomes visible in one move: its folder is written and synced
under another name, renamed, and only then does ``state.json`` point to it. Whenever the machine
stops, the folder holds the old checkpoint or the new one, never a mixture. No file is a pickle.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from chainrule import __version__
from chainrule.errors import RunError

FORMAT = 1
TENSOR_FILES = ("weights", "optimizer", "record")
VERSIONED = ("numpy", "llvmlite", "optree", "safetensors")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run after ``step`` steps.

    Fields:
        weights, optimizer: arrays by name, as ``chainrule.tracing.trees.named_leaves`` gives them.
        record: one array per recorded quantity, one element per step.
        epochs: one record per finished epoch.
        status: "running", "interrupted" or "completed".
    """

    step: int
    weights: Mapping[str, NDArray[Any]]
    optimizer: Mapping[str, NDArray[Any]]
    record: Mapping[str, NDArray[Any]]
    epochs: Sequence[Mapping[str, object]]
    status: str


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
        schema = config.pop("schema", None)
        draft = path.parent / f".{path.name}.new-{os.getpid()}"
        try:
            draft.mkdir(parents=True)
            written = {"format": FORMAT, "created": _now(), "versions": versions()}
            write_file(draft / "config.json", json_bytes({**written, "config": config}))
            if schema is not None:
                write_file(draft / "schema.json", json_bytes(schema))
            if path.is_dir():
                path.rmdir()  # empty, as checked; Windows does not rename onto a folder
            draft.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            raise _cannot("be written", path, error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The run that lies at ``path``."""
        path = Path(path)
        hint = "name the folder that `chainrule train` printed"
        if not path.exists():
            raise RunError(f"{path}: no such run folder", hint=hint)
        if not (path / "config.json").is_file():
            raise RunError(f"{path}: not a run folder: it has no config.json", hint=hint)
        folder = cls(path)
        found = folder.read_json("config.json").get("format")
        if found != FORMAT:
            raise RunError(f"{path}: run format {found}, this version reads {FORMAT}")
        return folder

    @property
    def config(self) -> dict[str, Any]:
        """What the run was created with."""
        return cast(dict[str, Any], self.read_json("config.json").get("config", {}))

    def write_json(self, name: str, value: object) -> None:
        """Write ``value`` as JSON to the file ``name`` of the folder, atomically."""
        try:
            write_file(self.path / name, json_bytes(value))
        except OSError as error:
            raise _cannot("be written", self.path / name, error) from error

    def read_json(self, name: str) -> dict[str, Any]:
        """The JSON object in the file ``name`` of the folder."""
        value = parse_json(self.path / name, self._read(name))
        if not isinstance(value, dict):
            raise RunError(f"{self.path / name}: damaged: expected a JSON object")
        return value

    def log(self, line: str) -> None:
        """Append one line with its time to ``log.txt``."""
        with (self.path / "log.txt").open("a", encoding="utf-8") as file:
            file.write(f"{_now()}  {line}\n")

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Make ``checkpoint`` the folder's checkpoint, or leave the folder as it was."""
        files = _checkpoint_files(checkpoint)
        name = _free_name(self.path, f"checkpoint-{checkpoint.step:09d}")
        try:
            self._write_set(name, files)
            self.write_json("state.json", _state(name, checkpoint, files))
            self._delete_checkpoints_but(name)
        except OSError as error:
            raise _cannot("be written", self.path / name, error) from error

    def read_checkpoint(self) -> Checkpoint | None:
        """The checkpoint that counts; None before the first one."""
        if not (self.path / "state.json").exists():
            return None
        state = self.read_json("state.json")
        try:
            name, step, status = str(state["checkpoint"]), int(state["step"]), str(state["status"])
            digests = dict(state["sha256"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.path / 'state.json'}: damaged: {error!r}") from error
        content = {file: self._read_checked(f"{name}/{file}", digests[file]) for file in digests}
        weights, optimizer, record = (self._tensors(name, part, content) for part in TENSOR_FILES)
        return Checkpoint(step, weights, optimizer, record, self._epochs(name, content), status)

    def _write_set(self, name: str, files: Mapping[str, bytes]) -> None:
        draft = self.path / f".{name}.new-{os.getpid()}"
        try:
            draft.mkdir()
            for file, content in files.items():
                write_file(draft / file, content)
            sync_folder(draft)
            draft.rename(self.path / name)
            sync_folder(self.path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _delete_checkpoints_but(self, name: str) -> None:
        for old in self.path.glob("checkpoint-*"):
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise _cannot("be read", self.path / name, error) from error

    def _read_checked(self, name: str, digest: str) -> bytes:
        content = self._read(name)
        if hashlib.sha256(content).hexdigest() != digest:
            raise RunError(
                f"{self.path / name}: damaged: its checksum is not the one in state.json",
                hint="restore the file from a copy, or train again",
            )
        return content

    def _tensors(
        self, name: str, part: str, content: Mapping[str, bytes]
    ) -> dict[str, NDArray[Any]]:
        try:
            return load_tensors(content[f"{part}.safetensors"])
        except (KeyError, SafetensorError) as error:
            raise RunError(f"{self.path / name}: {part}.safetensors is damaged: {error}") from error

    def _epochs(self, name: str, content: Mapping[str, bytes]) -> list[dict[str, object]]:
        lines = content.get("history.jsonl", b"").splitlines()
        return [parse_json(self.path / name / "history.jsonl", line) for line in lines]


def check_free(path: Path) -> None:
    """Refuse a path at which a new run would overwrite something."""
    if path.is_dir():
        if any(path.iterdir()):
            hint = "choose another --out; or add --resume to continue the run that lies there"
            raise RunError(f"{path}: this folder exists and is not empty", hint=hint)
    elif path.exists() or path.is_symlink():
        raise RunError(f"{path}: a file of this name exists", hint="choose another --out")


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


def write_file(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: a temporary file, synced to disk, then moved into place."""
    draft = path.with_name(f".{path.name}.new-{os.getpid()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make renames in a folder durable, on systems whose folders can be opened (not Windows)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def json_bytes(value: object) -> bytes:
    """``value`` as readable, standard JSON (no NaN), ending in a newline."""
    return (json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode()


def parse_json(path: Path, content: bytes) -> Any:
    """The JSON value in ``content``, read from ``path``."""
    try:
        return json.loads(content)
    except ValueError as error:
        raise RunError(f"{path}: damaged: not JSON: {error}") from error


def plain(value: object) -> object:
    """``value`` in JSON's own types: NumPy scalars and arrays, paths, tuples; NaN becomes null."""
    match value:
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case np.ndarray() | np.generic():
            return plain(value.tolist())
        case list() | tuple():
            return [plain(item) for item in value]
        case float():
            return value if np.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)


def _checkpoint_files(checkpoint: Checkpoint) -> dict[str, bytes]:
    parts = (checkpoint.weights, checkpoint.optimizer, checkpoint.record)
    files = {
        f"{name}.safetensors": save_tensors({key: _dense(array) for key, array in part.items()})
        for name, part in zip(TENSOR_FILES, parts, strict=True)
    }
    lines = [json.dumps(plain(epoch), allow_nan=False) + "\n" for epoch in checkpoint.epochs]
    return {**files, "history.jsonl": "".join(lines).encode()}


def _state(name: str, checkpoint: Checkpoint, files: Mapping[str, bytes]) -> dict[str, object]:
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    return {
        "format": FORMAT,
        "checkpoint": name,
        "step": checkpoint.step,
        "status": checkpoint.status,
        "written": _now(),
        "sha256": digests,
    }


def _dense(array: NDArray[Any]) -> NDArray[Any]:
    # safetensors reads the raw memory; ascontiguousarray would turn a scalar into a vector.
    return np.array(array, order="C", copy=None)


def _free_name(folder: Path, name: str) -> str:
    tries = (name, *(f"{name}-{n}" for n in range(2, 10_000)))
    return next(candidate for candidate in tries if not (folder / candidate).exists())


def _cannot(do: str, path: Path, error: OSError) -> RunError:
    return RunError(f"{path}: cannot {do}: {error.strerror or error}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
