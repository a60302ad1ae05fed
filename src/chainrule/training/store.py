"""Checkpoints of a descent: what goes into the run folder, and how it is taken up again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import numpy as np

from chainrule.errors import RunError
from chainrule.tracing.trees import named_leaves
from chainrule.training.folder import Checkpoint, RunFolder
from chainrule.training.loop import Descent
from chainrule.training.step import evaluated

#: Before the names of parameters whose weights are an average: where the descent itself stands.
_ITERATE: Final = "iterate/"
#: Seconds between checkpoints.
EVERY: Final = 60.0


@dataclass(eq=False)
class Store:
    """The run folder of a descent."""

    folder: RunFolder
    _last: float = field(default_factory=perf_counter)

    @classmethod
    def begin(
        cls, out: str | Path, resume: bool, descent: Descent, config: Mapping[str, object] | None
    ) -> Store:
        """A new folder, or the descent put where the folder's checkpoint stands.

        Raises:
            RunError: the folder is in use, is not a run, or holds a run of other settings.
        """
        settings = describe(descent)
        if not resume:
            folder = RunFolder.create(Path(out), {**(config or {}), "descent": settings})
            return cls(folder)
        folder = RunFolder.open(Path(out))
        _check_same(folder, settings)
        checkpoint = folder.read_checkpoint()
        if checkpoint is not None:
            _restore(descent, checkpoint, folder)
        return cls(folder)

    def save_if_due(self, descent: Descent) -> None:
        """A checkpoint, if the last one is a minute old."""
        if perf_counter() - self._last >= EVERY:
            self.save(descent, "running")

    def save(self, descent: Descent, status: str) -> None:
        """Write a checkpoint; the one before counts until this one is whole."""
        leaves = descent.leaves()
        params, state = map(_arrays, descent.carried.trees(leaves))
        weights = _arrays(evaluated(descent.carried, descent.optimizer, leaves))
        moving = {name: x for name, x in params.items() if weights[name] is not x}
        state |= {_ITERATE + name: x for name, x in moving.items()}
        record = {
            "loss": descent.losses[: descent.done],
            "learning_rate": descent.rates[: descent.done],
        }
        self.folder.write_checkpoint(
            Checkpoint(descent.done, weights, state, record, descent.records, status)
        )
        self._last = perf_counter()


def describe(descent: Descent) -> dict[str, object]:
    """What must be the same for a descent to be gone on with."""
    digest = hashlib.sha256()
    for array in descent.examples.arrays:
        digest.update(np.ascontiguousarray(array).data)
    return {
        "rows": descent.examples.rows,
        "data_sha256": digest.hexdigest(),
        "batch": descent.order.batch,
        "epochs": descent.epochs,
        "seed": descent.order.seed,
        "optimizer": repr(descent.optimizer),
        "parameters": {name: str(x.shape) for name, x in _named_params(descent).items()},
    }


def _named_params(descent: Descent) -> dict[str, np.ndarray]:
    return _arrays(descent.carried.trees(descent.carried.leaves)[0])


def _arrays(tree: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(x) for name, x in named_leaves(tree).items()}


def _check_same(folder: RunFolder, settings: dict[str, object]) -> None:
    before = folder.config.get("descent")
    if not isinstance(before, dict):
        raise RunError(f"{folder.path}: config.json does not describe a descent")
    for name, value in settings.items():
        if before.get(name) != value:
            raise RunError(
                f"{folder.path}: cannot go on with it: its {name} is {_short(before.get(name))}, "
                f"now it is {_short(value)}",
                "resume with the same data and settings, or train into another folder",
            )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _restore(descent: Descent, checkpoint: Checkpoint, folder: RunFolder) -> None:
    params, state = descent.carried.trees(descent.carried.leaves)
    iterates = {
        name.removeprefix(_ITERATE): x
        for name, x in checkpoint.optimizer.items()
        if name.startswith(_ITERATE)
    }
    leaves = [
        *_in_order(named_leaves(params), {**checkpoint.weights, **iterates}, folder),
        *_in_order(named_leaves(state), checkpoint.optimizer, folder),
    ]
    losses = np.asarray(checkpoint.record["loss"], np.float64)
    records = [dict(epoch) for epoch in checkpoint.epochs]
    descent.restore(leaves, checkpoint.step, losses, records)


def _in_order(
    wanted: Mapping[str, Any], found: Mapping[str, np.ndarray], folder: RunFolder
) -> list[np.ndarray]:
    for name, leaf in wanted.items():
        if name not in found or found[name].shape != np.shape(leaf):
            raise RunError(f"{folder.path}: the checkpoint has no {name} of shape {np.shape(leaf)}")
    return [found[name] for name in wanted]
