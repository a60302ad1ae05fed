"""A progress bar for descents that are run from Python, in a terminal or a notebook."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from chainrule.training.run import Progress as Report


class ProgressBar:
    """A callback that draws where a descent stands: epoch, loss, examples per second, time left.

    It costs the native loop nothing: it is called every 50-100 ms. What schedules decide and what
    is noticed has lines of its own above the bar.

    Args:
        console: where to draw; by default standard error.

    Example:
        >>> import io
        >>> import numpy as np
        >>> import chainrule as cr
        >>> from rich.console import Console
        >>> bar = ProgressBar(Console(file=io.StringIO()))
        >>> loss = lambda p, x: np.mean((p - x) ** 2)
        >>> run = cr.train(np.array(0.0), loss, (np.ones(64),), callbacks=[bar])
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._drawn: Progress | None = None
        self._task: Any = None

    def __call__(self, progress: Report) -> None:
        """Draw a report."""
        if self._drawn is None:
            self._begin(progress)
        assert self._drawn is not None
        for decision in progress.decisions:
            self._console.print(decision["reason"], style="dim", highlight=False)
        for finding in progress.findings:
            self._console.print(str(finding), style="yellow", highlight=False)
        self._drawn.update(
            self._task, completed=progress.step, total=progress.steps, words=_words(progress)
        )

    def close(self) -> None:
        """Leave the last line as it is."""
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None

    def _begin(self, progress: Report) -> None:
        self._drawn = Progress(
            BarColumn(bar_width=24), TextColumn("{task.fields[words]}"), TimeRemainingColumn(),
            console=self._console,
        )  # fmt: skip
        self._task = self._drawn.add_task("", total=progress.steps, words="")
        self._drawn.start()


def _words(progress: Report) -> str:
    """Epoch, loss, validation loss and metrics where they are known, rate."""
    parts = [f"epoch {progress.epoch}/{progress.epochs}", f"loss {progress.loss:.4g}"]
    if progress.validation_loss is not None:
        parts.append(f"validation {progress.validation_loss:.4g}")
    parts += [f"{k.removeprefix('validation_')} {v:.4g}" for k, v in progress.metrics.items()]
    return "  ".join([*parts, f"{progress.rows_per_second:,.0f} rows/s"])
