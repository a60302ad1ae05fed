"""What a descent decides and what is noticed about it, said as it happens and each thing once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Lines about the batch; a schedule may decide twenty times an epoch.
_MOST: Final = 12
#: A batch is said again when it has changed by this factor since.
_MARKED: Final = 1.5
_STYLES: Final = {"serious": "bold red", "warning": "yellow", "note": "cyan"}

#: What Python's users are told to try, and what of the command line does the same.
_ADVICE: Final = (
    ("optim.StepGrowth or Doubling", "--batch-schedule step-growth or doubling"),
    ("optim.NoiseDriven(32)", "--batch-schedule noise"),
    ("(optim.NoiseDriven)", "(--batch-schedule noise)"),
    ("optim.NoiseDriven", "--batch-schedule noise"),
    ("(optim.cosine)", "(--schedule cosine)"),
    ("optim.cosine", "--schedule cosine"),
    ("optim.clip_norm", "--clip-norm 1"),
    ("cr.range_test", "--learning-rate auto"),
    ("cr.diagnose, which measures why", "--diagnose, which measures why"),
    ("cr.diagnose", "--diagnose"),
    ('on_nan="roll back"', "--on-nan roll-back"),
    ('on_nan="skip"', "--on-nan skip"),
    ("early_stopping=", "--patience "),
    ("max_time=", "--max-time "),
)  # fmt: skip


def for_command_line(text: str) -> str:
    """Advice in the words of the command line.

    >>> for_command_line("let the learning rate fall (optim.cosine)")
    'let the learning rate fall (--schedule cosine)'
    """
    for python, option in _ADVICE:
        text = text.replace(python, option)
    return text


class Announcer:
    """Prints decisions and findings, those of one kind once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines = 0
        self._said: float = 0.0
        self._rate: float = 1.0
        self._kinds: set[str] = set()

    def __call__(self, progress: Any) -> None:
        """The callback: ``progress`` is a ``training.Progress``."""
        for decision in progress.decisions:
            self._decided(decision)
        for finding in progress.findings:
            if finding.kind not in self._kinds:
                self._kinds.add(finding.kind)
                self._print(f"epoch {progress.epoch}", finding_text(finding))

    def _decided(self, decision: Mapping[str, Any]) -> None:
        if not self._is_marked(decision):
            return
        self._lines += 1
        self._said, self._rate = float(decision["batch"]), float(decision["rate"])
        line = Text(for_command_line(str(decision["reason"])))
        if self._lines == _MOST:
            line.append(" (further changes are only counted)", style="dim")
        self._print(f"epoch {decision['epoch']:.2f}", line)

    def _print(self, when: str, what: Text) -> None:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(style="bold")
        grid.add_column(overflow="fold")
        grid.add_row(when, what)
        self._console.print(grid)

    def _is_marked(self, decision: Mapping[str, Any]) -> bool:
        """Whether a decision says something new."""
        if self._lines >= _MOST:
            return False
        batch, rate = float(decision["batch"]), float(decision["rate"])
        before = self._said or float(dict(decision["numbers"]).get("before", batch))
        ratio = max(batch, before) / max(min(batch, before), 1.0)
        return ratio >= _MARKED or rate != self._rate or bool(decision["average"])


def finding_text(finding: Any) -> Text:
    """What is noticed, and what to try."""
    text = Text(finding.kind, style=_STYLES.get(finding.severity, ""))
    text.append(f": {for_command_line(finding.what)}", style="not bold default")
    if finding.advice:
        text.append(f"\ntry: {for_command_line(finding.advice)}", style="not bold default")
    return text
