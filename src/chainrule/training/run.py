"""What a descent reports while it runs and leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a descent stands; given to callbacks every 50-100 ms and at the end of each epoch.

    Attributes:
        epoch, step: how many have been begun and done; ``epochs`` and ``steps`` in all.
        loss: the mean over the steps since the last report.
        seconds, seconds_left: of the descent itself, without compilation.
        epoch_end: whether an epoch has just ended; ``validation_loss`` is then known, if there is
            validation data.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    learning_rate: float
    rows_per_second: float
    seconds: float
    seconds_left: float
    epoch_end: bool
    validation_loss: float | None


Callback: TypeAlias = Callable[[Progress], None]


@dataclass(eq=False)
class History:
    """What was recorded: arrays with one element per step, and one record per epoch.

    Attributes:
        loss: float64[steps], each step's loss on its own batch, before its update.
        learning_rate: float64[steps].
        epochs: dicts of epoch (from 1), step, loss (mean over the epoch), validation_loss (or
            None), learning_rate, seconds.
    """

    loss: np.ndarray = field(default_factory=lambda: np.zeros(0))
    learning_rate: np.ndarray = field(default_factory=lambda: np.zeros(0))
    epochs: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        last = f", last loss {self.loss[-1]:.6g}" if len(self.loss) else ""
        return f"History({len(self.loss)} steps, {len(self.epochs)} epochs{last})"


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """The result of ``train``.

    Attributes:
        model: the trained tree, of the type that was given.
        history: the record.
        stopped: "completed", or "interrupted" by Ctrl-C.
        steps: updates done, those before a resume included.
        seconds: of tracing, compiling and training ("trace", "compile", "train"), this time.
        threads: how many ran the step.
        out: the run folder, if one was asked for.
    """

    model: Any
    history: History
    stopped: Literal["completed", "interrupted"]
    steps: int
    seconds: dict[str, float]
    threads: int
    out: Path | None = None

    def __repr__(self) -> str:
        return f"Run({self.stopped}, {self.steps} steps, {self.history})"
