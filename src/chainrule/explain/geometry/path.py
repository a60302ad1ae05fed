"""``Path``: the weights that a descent went through, kept while it runs or read from a folder."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.runs.folder import RunFolder
from chainrule.runs.reading import read_entry
from chainrule.tracing.trees import flatten, paths
from chainrule.training.run import Progress

#: Bytes that the kept weights may take; above, every second one is let go.
MEMORY: Final = 1 << 28
_LEAST: Final = 8


class Path:
    """A callback that keeps the weights as the descent goes: ``callbacks=[path]``.

    Called with each report: every 50-100 ms, and at the end of an epoch that takes longer; so a
    descent that is over sooner leaves few points. When it holds ``most``
    of them, or as many as ``MEMORY`` takes, it lets go of every second one and keeps half as
    often from then on, so that the whole way is kept however long it is. The last is always kept.

    Args:
        start: the model before training, the first point of the path; None to begin with the
            first report.
        every: keep each report, or every second one, and so on.
        most: how many at most, from 8.

    Attributes:
        steps: updates done at each point. losses: the mean loss reported there; NaN at the start.

    Raises:
        TrainingError: every below 1 or most below 8.

    Example:
        >>> import chainrule as cr
        >>> x = np.linspace(-1.0, 1.0, 32)
        >>> model, path = {"w": np.array(0.0)}, Path({"w": np.array(0.0)})
        >>> def loss(p, x, y):
        ...     return np.mean((p["w"] * x - y) ** 2)
        >>> run = cr.train(model, loss, (x, 3 * x), epochs=5, batch=8, callbacks=[path])
        >>> path.steps[0], path.steps[-1], len(path.points) == len(path.steps)
        (0, 20, True)
    """

    def __init__(self, start: Any = None, every: int = 1, most: int = 200) -> None:
        if every < 1 or most < _LEAST:
            raise TrainingError(
                f"Path: every={every!r}, most={most!r}; expected every from 1 and most"
                f" from {_LEAST}"
            )
        self.every, self.most = every, most
        self.steps: list[int] = []
        self.losses: list[float] = []
        self._points: list[list[np.ndarray]] = []
        self._reports = 0
        self._last: tuple[int, float, list[np.ndarray]] | None = None
        if start is not None:
            self._keep(0, float("nan"), _arrays(start))

    def __call__(self, progress: Progress) -> None:
        """Keep what stands now, if it is its turn."""
        self._reports += 1
        found = (progress.step, float(progress.loss), _arrays(progress.model()))
        self._last = found
        if self._reports % self.every == 0 and (not self.steps or progress.step > self.steps[-1]):
            self._keep(*found)

    @property
    def points(self) -> list[list[np.ndarray]]:
        """The leaves at each point, in order; the last report is always among them."""
        if self._last is None or (self.steps and self._last[0] <= self.steps[-1]):
            return list(self._points)
        return [*self._points, self._last[2]]

    def _keep(self, step: int, loss: float, leaves: list[np.ndarray]) -> None:
        self.steps.append(step)
        self.losses.append(loss)
        self._points.append(leaves)
        size = sum(leaf.nbytes for leaf in leaves) * len(self.steps)
        if len(self.steps) > self.most or (size > MEMORY and len(self.steps) > _LEAST):
            del self.steps[1::2], self.losses[1::2], self._points[1::2]
            self.every *= 2


def _arrays(tree: Any) -> list[np.ndarray]:
    return [np.array(leaf) for leaf in flatten(tree)[0]]


def leaves_of_path(source: Any, model: Any) -> list[list[np.ndarray]]:
    """Leaves like the model's at each point of a path.

    Args:
        source: a ``Path``; a run folder, whose kept checkpoints are read; or a list of trees.
        model: the tree.

    Raises:
        TrainingError: fewer than two points, or trees of other shapes. RunError: the folder.
    """
    if isinstance(source, Path):
        found = source.points
    elif isinstance(source, str | pathlib.Path):
        found = _checkpoints(pathlib.Path(source), paths(model))
    else:
        found = [_arrays(tree) for tree in source]
    shapes = [np.shape(leaf) for leaf in flatten(model)[0]]
    if any([leaf.shape for leaf in leaves] != shapes for leaves in found):
        raise TrainingError("path: its weights have other shapes than the model's")
    if len(found) < 2:
        raise TrainingError(
            f"path: {len(found)} points; expected at least two",
            "keep them while training: path = explain.Path(model); cr.train(..., callbacks=[path])",
        )
    return found


def _checkpoints(folder: pathlib.Path, names: Sequence[str]) -> list[list[np.ndarray]]:
    run = RunFolder.open(folder)
    found = []
    for entry in reversed(run.entries()):
        weights = read_entry(run.path / entry.name, entry)[0].weights
        if set(weights) < set(names):
            raise TrainingError(f"path: {folder}: its weights are not those of this model")
        found.append([np.asarray(weights[name]) for name in names])
    return found
