"""The one that writes a run's checkpoints, each in one move, and keeps the last few."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from chainrule.errors import RunError
from chainrule.runs.checkpoints import MANIFEST, Checkpoint, Entry, File, check_finite
from chainrule.runs.files import cannot, discard, write_folder, write_new
from chainrule.runs.json_files import json_bytes, sealed
from chainrule.runs.pieces import Before, Piece, pieces_of

if TYPE_CHECKING:
    from chainrule.runs.folder import RunFolder

#: Checkpoints that are kept.
KEEP: Final = 3


@dataclass(eq=False)
class CheckpointWriter:
    """Writes checkpoints into a run folder; only who holds its lock may.

    What is long and has not changed since the checkpoint before is linked and not written again,
    so the record that is given must begin with the one of the last checkpoint written or read
    here. Whoever goes back to an earlier one reads it with ``read``.

    Args:
        folder: the run.
        keep: how many checkpoints, from 1.
        entries: those there are, the newest first.

    Raises:
        RunError: keep is no whole number from 1.
    """

    folder: RunFolder
    keep: int = KEEP
    entries: list[Entry] = field(default_factory=list)
    _before: Before | None = None

    def __post_init__(self) -> None:
        if type(self.keep) is not int or self.keep < 1:
            raise RunError(f"keep is {self.keep!r}; expected a whole number of checkpoints from 1")

    def forget(self) -> None:
        """Write all of the next checkpoint anew: what was written may not be its beginning."""
        self._before = None

    def read(self) -> Checkpoint | None:
        """The newest checkpoint that is whole; those after it will not be kept."""
        found = self.folder.find_checkpoint()
        if found is None:
            return None
        checkpoint, self._before, self.entries = found
        return checkpoint

    def write(self, checkpoint: Checkpoint) -> Entry:
        """Make ``checkpoint`` the one that counts, or leave the folder as it was.

        Raises:
            TrainingError: a weight is not finite.
            RunError: the folder cannot be written; the checkpoint before is whole.
        """
        check_finite(checkpoint)
        path = _free(self.folder.path / f"checkpoint-{checkpoint.step:09d}")
        pieces, ends = pieces_of(checkpoint, self._before)
        made: list[Entry] = []
        try:
            write_folder(
                path, lambda draft: made.append(self._fill(draft, path, checkpoint, pieces))
            )
            entries = [made[0], *self.entries][: self.keep]
            self.folder.write_state(entries)
        except BaseException as error:
            self._undo(path)
            if isinstance(error, OSError):
                needed = sum(piece.bytes() for piece in pieces.values())
                raise cannot("be written", path, error, needed) from error
            raise
        self.entries = entries
        best = None if checkpoint.best is None else checkpoint.best.weights
        self._before = Before(path, made[0], ends, best)
        self.folder.delete_checkpoints_but({entry.name for entry in entries})
        return made[0]

    def _fill(
        self, draft: Path, path: Path, checkpoint: Checkpoint, pieces: dict[str, Piece]
    ) -> Entry:
        files: dict[str, File] = {name: p.write(draft / name) for name, p in pieces.items()}
        number = self.entries[0].number + 1 if self.entries else 1
        written = datetime.now(UTC).isoformat(timespec="seconds")
        best = None if checkpoint.best is None else (checkpoint.best.step, checkpoint.best.value)
        entry = Entry(path.name, number, checkpoint.step, checkpoint.status, written, files, best)
        write_new(draft / MANIFEST, json_bytes(sealed(entry.to_json())))
        return entry

    def _undo(self, path: Path) -> None:
        """Delete a checkpoint that does not count; that it does may be all that was done."""
        try:
            counts = path.name in {entry.name for entry in self.folder.entries()}
        except RunError:
            counts = True
        if not counts:
            discard(path)


def _free(path: Path) -> Path:
    later = (path.with_name(f"{path.name}-{n}") for n in count(2))
    return next(candidate for candidate in chain([path], later) if not candidate.exists())
