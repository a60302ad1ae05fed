"""Checkpoints of a descent: what goes into the run folder, and how it is taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from chainrule.errors import RunError
from chainrule.runs.checkpoints import Best, Checkpoint
from chainrule.runs.folder import RunFolder
from chainrule.runs.json_files import exact, restored
from chainrule.runs.locks import Lock
from chainrule.runs.writer import KEEP, CheckpointWriter
from chainrule.tracing.trees import named_leaves, unflatten
from chainrule.training.descent import Descent
from chainrule.training.longer import check_longer
from chainrule.training.step import evaluated

#: Before the names of parameters whose weights are an average: where the descent itself stands.
_ITERATE: Final = "iterate/"
#: What differs where a checksum does.
_OTHER: Final = {
    "data_sha256": "the data are not those that it was begun with",
    "validation_sha256": "the validation data are not those that it was begun with",
    "program_sha256": "the loss or the model computes something else than when it was begun",
}
#: Whether to go on with a run; "replan": also where more epochs ask for other learning rates.
Resume: TypeAlias = bool | Literal["replan"]
#: Seconds between checkpoints.
EVERY: Final = 60.0


@dataclass(eq=False)
class Store:
    """The run folder of a descent, which nobody else writes to until ``close``.

    Attributes:
        folder: the run. every: seconds between checkpoints.
    """

    folder: RunFolder
    every: float
    _writer: CheckpointWriter
    _lock: Lock
    _is_new: bool = False
    _best: Best | None = None
    _decisions: int = 0
    _last: float = field(default_factory=perf_counter)

    @classmethod
    def begin(
        cls, out: str | Path, resume: Resume, descent: Descent,
        config: Mapping[str, object] | None = None, keep: int = KEEP, every: float = EVERY,
    ) -> Store:  # fmt: skip
        """A new folder, or the descent put where the folder's checkpoint stands.

        Args:
            out: the folder.
            resume: whether to go on with what lies there; "replan": also where more epochs ask for
                other learning rates, see ``longer``.
            descent: what is to be kept; with ``resume`` it is moved to where the run stands.
            config: what else the folder is to say of the run.
            keep: how many checkpoints are kept, from 1.
            every: seconds between two.

        Raises:
            RunError: the folder is in use, is not a run, or holds a run of other settings.
        """
        settings = dict(descent.settings())
        before = descent.cursor.epochs
        if not resume:
            stored = {**(config or {}), "descent": exact(settings)}
            folder = RunFolder.create(Path(out), stored)
        else:
            folder = RunFolder.open(Path(out))
            before = _check_same(folder, settings)
        lock = folder.lock()
        try:
            writer = CheckpointWriter(folder, int(keep))
            store = cls(folder, every, writer, lock, _is_new=not resume)
            if resume:
                store._take_up(descent)
            if before < descent.cursor.epochs:
                check_longer(folder.path, descent, before, resume == "replan")
                folder.extend({**folder.config, **(config or {}), "descent": exact(settings)})
        except BaseException:
            lock.close()
            raise
        return store

    def close(self) -> None:
        """Let others train into the folder."""
        self._lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        if error is not None and self._is_new:
            self.folder.discard_if_empty()
        self.close()

    # -- writing -----------------------------------------------------------------------------------

    def save_if_due(self, descent: Descent) -> None:
        """A checkpoint, if the last one is old."""
        if perf_counter() - self._last >= self.every:
            self.save(descent, "running")

    def save_best(self, descent: Descent) -> None:
        """Keep the weights of the epoch that has just ended: they go into the checkpoints to come.

        They are not written at once: an epoch may take less time than a file.
        """
        ended, watch = descent.epochs[-1], descent.watch
        assert watch.best is not None and watch.stopping is not None
        weights = _arrays(unflatten(descent.carried.params_structure, watch.best))
        self._best = Best(int(ended["step"]), float(ended[watch.stopping.watch]), weights)

    def save(self, descent: Descent, status: str) -> None:
        """Write a checkpoint; the one before counts until this one is whole.

        Raises:
            TrainingError: a weight is not finite. RunError: the folder cannot be written.
        """
        if self._has_rolled_back(descent):
            self._writer.forget()
        self._writer.write(self._checkpoint(descent, status))
        self._last = perf_counter()

    def _has_rolled_back(self, descent: Descent) -> bool:
        """Whether steps that a checkpoint may hold have been taken again since."""
        decisions = descent.deciding.decisions
        new, self._decisions = decisions[self._decisions :], len(decisions)
        return any(decision.get("rule") == "roll back" for decision in new)

    def _checkpoint(self, descent: Descent, status: str) -> Checkpoint:
        leaves = descent.leaves()
        params, state = map(_arrays, descent.carried.trees(leaves))
        weights = _arrays(evaluated(descent.carried, descent.optimizer, leaves))
        moving = {name: x for name, x in params.items() if weights[name] is not x}
        state |= {_ITERATE + name: x for name, x in moving.items()}
        state |= descent.faults.arrays()
        return Checkpoint(
            descent.done, weights, state, descent.record.since(0), descent.epochs, status,
            descent.position(), descent.deciding.decisions, self._best,
        )  # fmt: skip

    # -- going on ----------------------------------------------------------------------------------

    def _take_up(self, descent: Descent) -> None:
        checkpoint = self._writer.read()
        if checkpoint is None:
            return
        self._best, self._decisions = checkpoint.best, len(checkpoint.decisions)
        try:
            _restore(descent, checkpoint, self.folder)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, RunError):
                raise
            raise RunError(
                f"{self.folder.path}: the checkpoint at step {checkpoint.step} does not fit this"
                f" descent: {error!r}",
                "resume with the version of Chainrule that is named in config.json",
            ) from error


def _arrays(tree: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(x) for name, x in named_leaves(tree).items()}


def _check_same(folder: RunFolder, settings: dict[str, object]) -> int:
    """Refuse other settings, but for more epochs; the epochs that the run has."""
    before = folder.config.get("descent")
    if not isinstance(before, dict):
        raise RunError(f"{folder.path}: config.json does not describe a descent")
    before = restored(before)
    for name, value in restored(exact(settings)).items():
        if not _is_same(before.get(name), value) and not _is_longer(name, before, value):
            found = f"its {name} is {_short(before.get(name))}, now it is {_short(value)}"
            raise RunError(
                f"{folder.path}: cannot go on with it: {_OTHER.get(name, found)}",
                "resume with the same data and settings, or train into another folder",
            )
    return int(before["epochs"])


def _is_longer(name: str, before: Mapping[str, Any], value: Any) -> bool:
    epochs = before.get("epochs")
    return name == "epochs" and isinstance(epochs, int) and epochs < value


def _is_same(before: object, value: object) -> bool:
    return before == value or exact(before) == exact(value)  # NaN is no equal of itself


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
    wanted = named_leaves(params)
    leaves = [
        *_in_order(wanted, {**checkpoint.weights, **iterates}, folder),
        *_in_order(named_leaves(state), checkpoint.optimizer, folder),
    ]
    best = None if checkpoint.best is None else _in_order(wanted, checkpoint.best.weights, folder)
    descent.restore(
        leaves, checkpoint.position, checkpoint.record,
        [dict(epoch) for epoch in checkpoint.epochs],
        [dict(decision) for decision in checkpoint.decisions], best, checkpoint.optimizer,
    )  # fmt: skip


def _in_order(
    wanted: Mapping[str, Any], found: Mapping[str, np.ndarray], folder: RunFolder
) -> list[np.ndarray]:
    for name, leaf in wanted.items():
        if name not in found or found[name].shape != np.shape(leaf):
            raise RunError(f"{folder.path}: the checkpoint has no {name} of shape {np.shape(leaf)}")
    return [found[name] for name in wanted]
