"""The live bar of a descent."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from chainrule.cli.announce import Announcer

REFRESH = 0.1  # seconds
LEAST_BAR = 8  # characters
QUIET_LINES = 20  # lines at most where there is no terminal to redraw


class Bar:
    """Shows progress: ``with Bar(console) as bar: cr.train(..., callbacks=(bar,))``.

    In a terminal one line is redrawn and disappears at the end; elsewhere, and where metrics are
    asked for, there is a line at some epochs' ends. What is decided and noticed has lines that
    stay.
    """

    def __init__(self, console: Console, title: str = "", metrics: bool = False) -> None:
        self._console = console
        self._title = title
        self._prints = metrics or not console.is_terminal
        self._validation: float | None = None  # of the last epoch that has ended
        self._announcer = Announcer(console)
        self._drawn = 0.0
        self._last = -1  # steps at the last report
        self._sum, self._rows = 0.0, 0  # of the epoch's losses so far, over its examples
        self._live = Live(console=console, auto_refresh=False, transient=True)

    def __enter__(self) -> Bar:
        if self._console.is_terminal and not self._console.quiet:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def __call__(self, progress: Any) -> None:
        """The callback: ``progress`` is a ``training.Progress``."""
        if not self._title:
            self._announcer(progress)
            if self._prints:
                self._print(progress)
        if progress.validation_loss is not None:
            self._validation = progress.validation_loss
        if self._console.is_terminal and time.monotonic() - self._drawn >= REFRESH:
            self._drawn = time.monotonic()
            line = bar_line(progress, self._console.width, self._title, self._validation)
            self._live.update(line, refresh=True)

    def _print(self, progress: Any) -> None:
        if self._last < 0:  # a resumed run does not begin at step 0
            self._last = progress.step - 1
        rows = (progress.step - self._last) * max(progress.batch, 1)
        self._sum, self._rows = self._sum + progress.loss * rows, self._rows + rows
        self._last = progress.step
        if not progress.epoch_end:
            return
        every = max(1, -(-progress.epochs // QUIET_LINES))
        last = progress.epoch == progress.epochs
        if progress.epoch % every == 0 or last:
            self._console.print(epoch_line(progress, self._sum / max(self._rows, 1)))
        self._sum, self._rows = 0.0, 0


def bar_line(progress: Any, width: int, title: str = "", validation: float | None = None) -> Text:
    """One line for a terminal of ``width`` characters; parts are left out where it is narrow."""
    head = f"{title or 'epoch'} {progress.epoch}/{progress.epochs} "
    digits = len(f"{progress.steps:,}")  # of one width, so that the bar keeps its length
    parts = [
        f"loss {steady(progress.loss)}",
        f"{duration(max(round(progress.seconds_left), 1)):>4} left",
        f"step {progress.step:>{digits},}",
        f"rate {steady(progress.learning_rate)}",
        f"{short(progress.rows_per_second)} rows/s",
        "" if validation is None else f"validation {steady(validation)}",
    ]
    parts = [part for part in parts if part]
    room = width - len(head) - LEAST_BAR
    while parts and len(" ".join(["", *parts])) > room:
        parts.pop()
    order = [p for p in (2, 0, 5, 3, 4, 1) if p < len(parts)]
    tail = "  ".join(["", *(parts[p] for p in order)])
    if len(tail) > room:
        tail = " ".join(["", *(parts[p] for p in order)])
    line = Text(head, style="bold", no_wrap=True)
    line.append_text(_bar(progress.step / max(progress.steps, 1), width - len(head) - len(tail)))
    return line.append(tail, style="not bold")


def _bar(share: float, width: int) -> Text:
    full = int(min(max(share, 0.0), 1.0) * width)
    bar = Text("━" * full, style="cyan not bold")
    return bar.append("━" * (width - full), style="bright_black not bold")


def epoch_line(progress: Any, loss: float) -> str:
    """One line at an epoch's end, where there is no terminal; ``loss`` is the epoch's mean."""
    shown = [f"epoch {progress.epoch}/{progress.epochs}", f"loss {loss:.4g}"]
    if progress.validation_loss is not None:
        shown.append(f"validation {progress.validation_loss:.4g}")
    for name, value in progress.metrics.items():
        shown.append(f"{name.removeprefix('validation_')} {value:.4g}")
    return "  ".join(shown)


def duration(seconds: float) -> str:
    """A time, to what matters.

    >>> duration(0.0042), duration(4.2), duration(75), duration(7300)
    ('4.2 ms', '4.2 s', '1 min 15 s', '2 h 01 min')
    """
    if isinstance(seconds, int) and seconds < 60:
        return f"{seconds} s"
    if seconds < 0.1:
        return f"{1000 * seconds:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"
    return f"{int(seconds) // 3600} h {int(seconds) % 3600 // 60:02} min"


def steady(number: float) -> str:
    """A number in six characters, as long as it is of a usual size.

    >>> steady(0.5196), steady(12.3), steady(1.9e-05), steady(123456.0)
    ('0.5196', '12.300', '1.9e-5', '1.2e+5')
    """
    if 1e-3 <= abs(number) < 1e3:
        return f"{number:.4f}"[:6]
    return f"{number:.1e}".replace("e-0", "e-").replace("e+0", "e+")


def short(number: float) -> str:
    """A large number with its unit.

    >>> short(812_345), short(1_240_000), short(950)
    ('812k', '1.24M', '950')
    """
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}"
