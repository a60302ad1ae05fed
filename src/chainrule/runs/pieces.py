"""The files of a checkpoint: what is written, and what the checkpoint before holds already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chainrule.runs.checkpoints import Checkpoint, Entry, File
from chainrule.runs.files import link_file, write_new
from chainrule.runs.json_files import exact, exact_lines, json_bytes
from chainrule.runs.tensors import Arrays, tensor_bytes

#: Elements of what grows that make a part: steps of the record, lines of the others.
PART: Final = {"record": 1 << 16, "history": 1 << 12, "decisions": 1 << 12}
#: Bytes from which a file that has not changed is linked and not written again.
LINKED: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """One file to be: its content, or what it is already called."""

    make: Callable[[], bytes]
    same: tuple[Path, File] | None = None

    def write(self, path: Path) -> File:
        """Write and sync it, or link it, where that is allowed."""
        if self.same is not None and link_file(self.same[0], path):
            return self.same[1]
        content = self.make()
        write_new(path, content)
        return File.of(content)

    def bytes(self) -> int:
        """What it takes on the disk, roughly."""
        return 0 if self.same is not None else len(self.make())


@dataclass(frozen=True)
class Before:
    """What the checkpoint before holds, for what has not changed since.

    Attributes:
        folder: where it lies. entry: what is in it.
        ends: where each part of what grows ends, by the part's file.
        best: the very mapping whose arrays lie in its ``best.safetensors``.
    """

    folder: Path
    entry: Entry
    ends: Mapping[str, int]
    best: Arrays | None

    def linkable(self, name: str) -> tuple[Path, File] | None:
        """The file of this name, if it is there and large."""
        file = self.entry.files.get(name)
        return (self.folder / name, file) if file is not None and file.size >= LINKED else None


def pieces_of(
    checkpoint: Checkpoint, before: Before | None
) -> tuple[dict[str, Piece], dict[str, int]]:
    """(the files of a checkpoint, where each part of what grows ends)."""
    pieces: dict[str, Piece] = {
        "weights.safetensors": Piece(lambda: tensor_bytes(checkpoint.weights)),
        "optimizer.safetensors": Piece(lambda: tensor_bytes(checkpoint.optimizer)),
        "position.json": Piece(lambda: json_bytes(exact(checkpoint.position))),
    }
    best = checkpoint.best
    if best is not None:
        is_same = before is not None and before.best is best.weights
        same = before.linkable("best.safetensors") if before is not None and is_same else None
        pieces["best.safetensors"] = Piece(lambda: tensor_bytes(best.weights), same)
    ends: dict[str, int] = {}
    for grown in _grown(checkpoint):
        found = grown.pieces(before)
        pieces |= {name: piece for name, (piece, _) in found.items()}
        ends |= {name: end for name, (_, end) in found.items()}
    return pieces, ends


@dataclass(frozen=True, slots=True)
class Grown:
    """What grows with the run: ``make(begin, end)`` is a stretch of it as a file."""

    name: str
    suffix: str
    length: int
    make: Callable[[int, int], bytes]

    def pieces(self, before: Before | None) -> dict[str, tuple[Piece, int]]:
        """The files and where each ends: the parts that were, a new one if it is time, the rest."""
        found: dict[str, tuple[Piece, int]] = {}
        begin = 0
        for name, end in self._parts(before):
            assert before is not None
            found[name] = (self._piece(begin, end, before.linkable(name)), end)
            begin = end
        if self.length - begin >= PART[self.name]:
            found[f"{self.name}-{begin:09d}.{self.suffix}"] = self._of(begin, self.length)
            begin = self.length
        found[f"{self.name}.{self.suffix}"] = self._of(begin, self.length)
        return found

    def _parts(self, before: Before | None) -> list[tuple[str, int]]:
        """The parts that there were and that end where we have not passed yet, in order."""
        ends = {} if before is None else before.ends
        parts = [(name, end) for name, end in ends.items() if name.startswith(f"{self.name}-")]
        return [(name, end) for name, end in sorted(parts, key=_by_end) if end <= self.length]

    def _of(self, begin: int, end: int) -> tuple[Piece, int]:
        return self._piece(begin, end, None), end

    def _piece(self, begin: int, end: int, same: tuple[Path, File] | None) -> Piece:
        return Piece(lambda: self.make(begin, end), same)


def _by_end(part: tuple[str, int]) -> int:
    return part[1]


def _grown(checkpoint: Checkpoint) -> tuple[Grown, ...]:
    record, epochs, decisions = checkpoint.record, checkpoint.epochs, checkpoint.decisions
    lengths = {name: len(array) for name, array in record.items()}
    assert len(set(lengths.values())) <= 1, lengths

    def arrays(begin: int, end: int) -> bytes:
        return tensor_bytes({name: array[begin:end] for name, array in record.items()})

    steps = next(iter(lengths.values()), 0)
    return (
        Grown("record", "safetensors", steps, arrays),
        Grown("history", "jsonl", len(epochs), lambda a, b: exact_lines(epochs[a:b])),
        Grown("decisions", "jsonl", len(decisions), lambda a, b: exact_lines(decisions[a:b])),
    )
