"""What a check of a table says: one finding, with its figure and one thing to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Severity: TypeAlias = Literal["serious", "warning", "note"]
SEVERITIES: Final[tuple[Severity, ...]] = ("serious", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is worth knowing about a table before training on it.

    Attributes:
        severity: "serious" (the test result will mean little), "warning" (the network will be
            worse than it could be, or not used as it seems), "note" (good to know).
        kind: what it is in a few words, always the same for the same thing.
        column: the one it is about; "" for the rows or for several columns.
        what: one sentence, with the numbers.
        figure: the number that the finding hangs on: a share, a correlation, a count.
        remedy: one thing to do, or nothing.

    Example:
        >>> print(Finding("warning", "mostly missing", "age", "age: 71% missing", 0.71, "drop it"))
        warning: mostly missing: age: 71% missing
          try: drop it
    """

    severity: Severity
    kind: str
    column: str
    what: str
    figure: float
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.severity}: {self.kind}: {self.what}"
        return f"{text}\n  try: {self.remedy}" if self.remedy else text


def sorted_findings(findings: Iterable[Finding]) -> list[Finding]:
    """The serious ones first, else in the order in which they were found."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
