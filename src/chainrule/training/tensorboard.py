"""Event files for TensorBoard, written as a descent goes on."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np

from chainrule.data.extras import need
from chainrule.errors import RunError, TrainingError
from chainrule.training.measures import noise_scale
from chainrule.training.run import Progress

#: Points by step that a run leaves behind, unless ``every`` says otherwise. TensorBoard itself
#: draws 1,000 of a curve.
POINTS: Final = 2000
#: Seconds after which what was written must be on the disk.
_FLUSH: Final = 5.0
#: Quantities that hold until they change: of these the last is written, of others the mean.
_HELD: Final = ("learning_rate", "batch")
#: What the noise scale is made of, and steps of it that are kept: by then an average has forgotten
#: all but 10⁻⁹ of what was before.
_NOISE: Final = ("gradient_norm", "gradient_variance", "batch")
_MEMORY: Final = 2048


class TensorBoard:
    """A callback that writes event files: ``cr.train(..., callbacks=[cr.TensorBoard("logs/a")])``.

    ``tensorboard --logdir logs`` (a program of its own: ``pip install tensorboard``) then draws,
    over the number of updates done: ``step/loss``, ``step/learning_rate``, ``step/batch`` and
    whatever else is recorded of each step, such as ``step/gradient_norm``; at the end of each
    epoch ``epoch/validation_loss`` and the metrics, such as ``epoch/validation_accuracy``; and as
    text the decisions of schedules.

    A run that is resumed writes a further file; steps that the interrupted one was ahead of its
    checkpoint are marked as replaced. The native loop is not slowed: what it recorded is written
    between two of its chunks, one point for ``every`` steps.

    Args:
        logdir: the folder of this run; it is made when the descent begins.
        every: steps to a point; the point is the mean over them (of the learning rate and the
            batch the last). None for about 2,000 points in all. 1 for each step, at about 50 µs
            each.

    Raises:
        MissingExtraError: tensorboardX is not installed: ``pip install 'chainrule[tensorboard]'``.
        TrainingError: ``every`` is no whole number from 1.
        RunError: the files cannot be written.

    Source:
        tensorboardX's writer of records; the format is TFRecord with masked CRC-32C.

    Example:
        >>> import chainrule as cr
        >>> from tempfile import TemporaryDirectory
        >>> def loss(p, x, y):
        ...     return np.mean((p["w"] * x - y) ** 2)
        >>> x = np.linspace(-1, 1, 64)
        >>> with TemporaryDirectory() as logs:
        ...     board = TensorBoard(f"{logs}/first")
        ...     run = cr.train({"w": np.array(0.0)}, loss, (x, 3 * x), callbacks=[board])
        ...     [path.name.split(".")[0] for path in board.logdir.iterdir()]
        ['events']
    """

    def __init__(self, logdir: str | Path, every: int | None = None) -> None:
        if every is not None and (isinstance(every, bool) or not _is_count(every)):
            raise TrainingError(
                f"TensorBoard: every is {every!r}; expected a whole number from 1, or None"
            )
        self.logdir, self.every = Path(logdir), every
        self._file: _EventFile | None = None
        self._windows = _Windows()
        need("tensorboardX", "tensorboard")

    def __call__(self, progress: Progress) -> None:
        """Write what was recorded since the last report; close at the end."""
        file = self._open(progress)
        if progress.first_step != self._windows.step:  # it has gone back to a checkpoint
            file.replace_after(progress.first_step)
            self._windows.go_back(progress.first_step)
        self._windows.take(progress.recorded)
        file.write_points(self._windows.points())
        for decision in progress.decisions:
            file.write_text(int(decision["step"]), "decision", str(decision["reason"]))
        if progress.epoch_end:
            file.write(progress.step, _epoch_scalars(progress))
        file.flush_if_due()
        if progress.step >= progress.steps:
            self.close()

    def close(self) -> None:
        """Write what waits and close the file; a further report opens another one."""
        file, self._file = self._file, None
        if file is not None:
            file.write_points(self._windows.rest())
            file.close()

    def _open(self, progress: Progress) -> _EventFile:
        if self._file is None:
            every = self.every or max(1, -(-progress.steps // POINTS))
            self._windows = _Windows(every, progress.first_step)
            self._file = _EventFile.open(self.logdir)
            if progress.first_step:
                self._file.replace_after(progress.first_step)
        return self._file

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"TensorBoard({str(self.logdir)!r}, every={self.every})"


def _is_count(x: Any) -> bool:
    return isinstance(x, int | np.integer) and int(x) >= 1


def _epoch_scalars(progress: Progress) -> dict[str, float]:
    named = dict(progress.metrics)
    if progress.validation_loss is not None:
        named["validation_loss"] = progress.validation_loss
    return {f"epoch/{name}": value for name, value in sorted(named.items())}


@dataclass(eq=False)
class _Windows:
    """Steps on their way to points: one point for each ``every`` steps, at multiples of it.

    Attributes:
        step: updates taken in; those since the last point wait here.
    """

    every: int = 1
    step: int = 0
    _waiting: dict[str, np.ndarray] = field(default_factory=dict)
    _seen: dict[str, np.ndarray] = field(default_factory=dict)

    def take(self, recorded: Mapping[str, np.ndarray]) -> None:
        """The next steps; of those whose gradients' variance is known, the noise scale too."""
        columns = {name: np.asarray(x, np.float64) for name, x in recorded.items()}
        if all(name in columns for name in _NOISE):
            columns["noise_scale"] = self._noise_scale(columns)
        for name, x in columns.items():
            self._waiting[name] = np.concatenate([self._waiting.get(name, x[:0]), x])
        self.step += max(map(len, columns.values()), default=0)

    def _noise_scale(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        count, seen = len(columns[_NOISE[0]]), self._seen
        parts = [np.concatenate([seen.get(n, np.zeros(0)), columns[n]]) for n in _NOISE]
        self._seen = {n: x[-_MEMORY:] for n, x in zip(_NOISE, parts, strict=True)}
        norm, variance, batch = parts
        scale = noise_scale(norm, variance, batch)
        return scale[len(scale) - count :]

    def points(self) -> Iterator[tuple[int, dict[str, float]]]:
        """(step, mean of each quantity) for each window that is whole."""
        first = self.step - self._count
        return self._upto(
            np.arange((first // self.every + 1) * self.every, self.step + 1, self.every)
        )

    def rest(self) -> Iterator[tuple[int, dict[str, float]]]:
        """A point for the steps that still wait."""
        return self._upto(np.array([self.step][: self._count]))

    def go_back(self, step: int) -> None:
        """Forget the steps after ``step``; from there the descent goes on."""
        kept = self._count - (self.step - step) if step <= self.step else 0
        self._waiting = {name: x[: max(0, kept)] for name, x in self._waiting.items()}
        self._seen, self.step = {}, step

    @property
    def _count(self) -> int:
        return max(map(len, self._waiting.values()), default=0)

    def _upto(self, ends: np.ndarray) -> Iterator[tuple[int, dict[str, float]]]:
        cuts = ends - (self.step - self._count)
        if not len(cuts):
            return iter(())
        means = {name: _means(name, x, cuts) for name, x in self._waiting.items()}
        self._waiting = {name: x[cuts[-1] :] for name, x in self._waiting.items()}
        names, rows = [f"step/{name}" for name in means], zip(*means.values(), strict=True)
        return zip(ends.tolist(), (dict(zip(names, row, strict=True)) for row in rows), strict=True)


def _means(name: str, values: np.ndarray, cuts: np.ndarray) -> list[float]:
    """One number for each window that ends at a cut; NaN where a window holds nothing else."""
    if name in _HELD:
        return [float(x) for x in values[cuts - 1]]
    known, starts = ~np.isnan(values), np.concatenate([[0], cuts[:-1]])
    total = np.add.reduceat(np.where(known, values, 0.0)[: cuts[-1]], starts)
    count = np.add.reduceat(known[: cuts[-1]].astype(np.float64), starts)
    means = np.divide(total, count, out=np.full(len(cuts), np.nan), where=count > 0)
    return [float(x) for x in means]


@dataclass(eq=False)
class _EventFile:
    """One event file, open."""

    path: Path
    writer: Any
    _flushed: float = field(default_factory=time.monotonic)

    @classmethod
    def open(cls, logdir: Path) -> _EventFile:
        """A new file in a folder, which is made."""
        module = need("tensorboardX.event_file_writer", "tensorboard")
        # Names are sorted by time, and two runs within one second are two files.
        suffix = f".{time.time_ns() % 10**9:09d}.{os.getpid()}"
        try:
            logdir.mkdir(parents=True, exist_ok=True)
            return cls(logdir, module.EventsWriter(str(logdir / "events"), suffix))
        except OSError as error:
            raise _cannot_write(logdir, error) from error

    def write_points(self, points: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Scalars by step."""
        for step, scalars in points:
            self.write(step, scalars)

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Scalars after ``step`` updates, in one record; those that are NaN are left out."""
        summary = need("tensorboardX.proto.summary_pb2", "tensorboard").Summary
        values = [
            summary.Value(tag=tag, simple_value=value)
            for tag, value in scalars.items()
            if not math.isnan(value)
        ]
        if values:
            self._append(step, summary=summary(value=values))

    def write_text(self, step: int, tag: str, text: str) -> None:
        """A line of text."""
        self._append(step, summary=need("tensorboardX.summary", "tensorboard").text(tag, text))

    def replace_after(self, step: int) -> None:
        """Mark what the folder's files say of steps after ``step`` as replaced by what follows."""
        log = need("tensorboardX.proto.event_pb2", "tensorboard").SessionLog
        self._append(step + 1, session_log=log(status=log.START))

    def flush_if_due(self) -> None:
        """Bring to the disk what was written some seconds ago."""
        if time.monotonic() - self._flushed >= _FLUSH:
            self._try(self.writer.flush)
            self._flushed = time.monotonic()

    def close(self) -> None:
        """Bring everything to the disk."""
        self._try(self.writer.close)

    def _append(self, step: int, **content: Any) -> None:
        event = need("tensorboardX.proto.event_pb2", "tensorboard").Event
        record = event(wall_time=time.time(), step=step, **content)
        self._try(lambda: self.writer.write_event(record))

    def _try(self, write: Any) -> None:
        try:
            write()
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def _cannot_write(path: Path, error: OSError) -> RunError:
    return RunError(f"{path}: event files cannot be written: {error.strerror or error}")
