"""A checkpoint as the files of one folder, and back.

    checkpoint-000001234/
      weights.safetensors            the parameters by name: those to evaluate and to keep
      optimizer.safetensors          the optimiser's state by name
      best.safetensors               the best parameters so far, if there are any
      record.safetensors             what was recorded at every step
      history.jsonl                  one line per epoch
      decisions.jsonl                one line per change of batch or rate
      position.json                  where the descent stands
      manifest.json                  step, status, and the length and checksum of each file

A record grows with the steps, so what is long is put away in parts that do not change any more:
``record-000065536.safetensors`` is the record from that step on, and ``record.safetensors`` what
comes after the last part. The next checkpoint has the same parts under a second name (a hard
link), so that a checkpoint costs what has been added since the last. What is smaller than a
megabyte is written anew each time: damage then hits one checkpoint and not all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from chainrule.errors import RunError, TrainingError
from chainrule.runs.json_files import exact, restored
from chainrule.runs.tensors import Arrays

NAME: Final = re.compile(r"checkpoint-[0-9]{9,18}(-[0-9]{1,9})?")
MANIFEST: Final = "manifest.json"
_FILE: Final = re.compile(
    r"(weights|optimizer|best)\.safetensors|position\.json"
    r"|record(-[0-9]{9,18})?\.safetensors|(history|decisions)(-[0-9]{9,18})?\.jsonl"
)
_NEEDED: Final = {
    "weights.safetensors", "optimizer.safetensors", "record.safetensors", "history.jsonl",
    "decisions.jsonl", "position.json",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Best:
    """The best parameters so far.

    Attributes:
        step: updates done when they were; value: of what is watched, then.
        weights: arrays by name.
    """

    step: int
    value: float
    weights: Arrays


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run after ``step`` steps.

    Attributes:
        weights, optimizer: arrays by name, as ``chainrule.tracing.trees.named_leaves`` gives them.
        record: one array per recorded quantity, one element per step.
        epochs: one record per finished epoch.
        status: "running", "interrupted" or "completed".
        position: where the descent stands: numbers and texts by name, not finite ones too.
        decisions: one record per change of batch or rate.
        best: the best parameters so far, if any were marked.
    """

    step: int
    weights: Arrays
    optimizer: Arrays
    record: Arrays
    epochs: Sequence[Mapping[str, Any]]
    status: str
    position: Mapping[str, Any] = field(default_factory=dict)
    decisions: Sequence[Mapping[str, Any]] = ()
    best: Best | None = None


@dataclass(frozen=True, slots=True)
class File:
    """Length in bytes and SHA-256 of a file, as written."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> File:
        """Those of this content."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of a checkpoint: by its own manifest, and by ``state.json``.

    Attributes:
        name: of its folder. number: how many were written before it, in the whole run.
        written: the time. files: by name.
        best: (step, value) of the best parameters in it.
    """

    name: str
    number: int
    step: int
    status: str
    written: str
    files: Mapping[str, File]
    best: tuple[int, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """In JSON's types."""
        files = {name: {"bytes": f.size, "sha256": f.sha256} for name, f in self.files.items()}
        best = None if self.best is None else {"step": self.best[0], "value": exact(self.best[1])}
        return {
            "checkpoint": self.name, "number": self.number, "step": self.step,
            "status": self.status, "written": self.written, "best": best, "files": files,
        }  # fmt: skip

    @classmethod
    def from_json(cls, path: Path, value: Any) -> Entry:
        """What ``to_json`` gave, read from ``path``.

        Raises:
            RunError: it is not that.
        """
        try:
            files = {str(k): File(int(f["bytes"]), str(f["sha256"])) for k, f in _files(value)}
            best = value["best"]
            found = cls(
                str(value["checkpoint"]), int(value["number"]), int(value["step"]),
                str(value["status"]), str(value["written"]), files,
                None if best is None else (int(best["step"]), float(restored(best["value"]))),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise RunError(f"{path}: damaged: {error!r}") from error
        found.check(path)
        return found

    def check(self, path: Path) -> None:
        """Refuse names that lead elsewhere, and a checkpoint that lacks a file."""
        if not NAME.fullmatch(self.name):
            raise RunError(f"{path}: damaged: {self.name[:80]!r} is no name of a checkpoint")
        strange = [name for name in self.files if not _FILE.fullmatch(name)]
        missing = sorted(_NEEDED - self.files.keys())
        if strange or missing:
            words = f"unknown files {strange[:3]}" if strange else f"no {', '.join(missing)}"
            raise RunError(f"{path}: damaged: {self.name} has {words}")


def _files(value: Any) -> Any:
    return dict(value["files"]).items()


def check_finite(checkpoint: Checkpoint) -> None:
    """Refuse weights that are not finite: they would take the place of weights that are.

    Raises:
        TrainingError: naming the array.
    """
    for name, array in checkpoint.weights.items():
        finite = np.isfinite(array)
        if not finite.all():
            at = np.unravel_index(int(np.argmin(finite)), array.shape)
            place = f"{name}[{', '.join(map(str, at))}]" if array.shape else name
            raise TrainingError(
                f"the weights after step {checkpoint.step} are not kept: {place} is {array[at]}",
                "go on from the checkpoint before, with a lower learning rate",
            )
