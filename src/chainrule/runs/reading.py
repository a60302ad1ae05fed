"""A checkpoint out of its files, each of them checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import RunError
from chainrule.runs.checkpoints import Best, Checkpoint, Entry, File
from chainrule.runs.json_files import parse_exact
from chainrule.runs.pieces import Before
from chainrule.runs.tensors import Arrays, parse_tensors


def read_entry(folder: Path, entry: Entry) -> tuple[Checkpoint, Before]:
    """The checkpoint in ``folder``, every file checked, and what the next one may link.

    Raises:
        RunError: a file is missing or damaged.
    """
    content = {name: _read_checked(folder / name, file) for name, file in entry.files.items()}
    tensors = {
        name: parse_tensors(folder / name, data)
        for name, data in content.items()
        if name.endswith(".safetensors")
    }
    lines = {
        name: [parse_exact(folder / name, line) for line in data.splitlines()]
        for name, data in content.items()
        if name.endswith(".jsonl")
    }
    record, record_ends = _joined(folder, "record", tensors, _steps, _join_arrays)
    epochs, epoch_ends = _joined(folder, "history", lines, len, _join_lines)
    decisions, decision_ends = _joined(folder, "decisions", lines, len, _join_lines)
    best = None
    if entry.best is not None and "best.safetensors" in tensors:
        best = Best(*entry.best, tensors["best.safetensors"])
    checkpoint = Checkpoint(
        entry.step, tensors["weights.safetensors"], tensors["optimizer.safetensors"],
        record, epochs, entry.status,
        parse_exact(folder / "position.json", content["position.json"]), decisions, best,
    )  # fmt: skip
    ends = {**record_ends, **epoch_ends, **decision_ends}
    return checkpoint, Before(folder, entry, ends, best.weights if best else None)


def _read_checked(path: Path, file: File) -> bytes:
    hint = "restore the file from a copy, or train again"
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size == file.size else b""
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}", hint) from error
    if size != file.size:
        raise RunError(
            f"{path}: damaged: its checksum cannot be right: it has {size} bytes, {file.size} were"
            " written", hint,
        )  # fmt: skip
    if File.of(content) != file:
        raise RunError(f"{path}: damaged: its checksum is not that of what was written", hint)
    return content


def _joined(
    folder: Path, name: str, found: Mapping[str, Any], length: Callable[[Any], int],
    join: Callable[[list[Any]], Any],
) -> tuple[Any, dict[str, int]]:  # fmt: skip
    """The parts and the rest of what grows, in one; and where each part ends."""
    parts = sorted(file for file in found if file.startswith(f"{name}-"))
    parts.sort(key=lambda file: int(file.split("-")[1].split(".")[0]))
    ends: dict[str, int] = {}
    end = 0
    for file in parts:
        begin = int(file.split("-")[1].split(".")[0])
        if begin != end:
            raise RunError(f"{folder / file}: damaged: the part before it ends at {end}")
        end += length(found[file])
        ends[file] = end
    last = next(file for file in found if file.startswith(f"{name}."))
    try:
        return join([found[file] for file in (*parts, last)]), ends
    except (KeyError, ValueError) as error:
        raise RunError(f"{folder / last}: damaged: not like the parts before it") from error


def _steps(arrays: Arrays) -> int:
    return len(next(iter(arrays.values()))) if arrays else 0


def _join_arrays(parts: list[Arrays]) -> dict[str, NDArray[Any]]:
    if len(parts) == 1:
        return dict(parts[0])
    names = {name: [part[name] for part in parts] for name in parts[-1]}
    return {name: np.concatenate(arrays) for name, arrays in names.items()}


def _join_lines(parts: list[list[Any]]) -> list[Any]:
    return [line for part in parts for line in part]
