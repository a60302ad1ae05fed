"""Parameters on the way, out of the checkpoints that a run folder keeps."""

from __future__ import annotations

from typing import Any

from chainrule.errors import RunError, ShapeError
from chainrule.explain.reports.told import Snapshot
from chainrule.runs.folder import RunFolder
from chainrule.runs.reading import read_entry
from chainrule.tracing.trees import with_leaves


def snapshots_of(folder: RunFolder, model: Any) -> tuple[Snapshot, ...]:
    """The checkpoints that are whole, the oldest first; ``model`` is a tree of the same shapes."""
    found = []
    for entry in reversed(folder.entries()):
        try:
            checkpoint, _ = read_entry(folder.path / entry.name, entry)
            found.append(Snapshot(checkpoint.step, with_leaves(model, checkpoint.weights)))
        except (RunError, ShapeError):  # a damaged one, or of another network: the others do
            continue
    return tuple(found)
