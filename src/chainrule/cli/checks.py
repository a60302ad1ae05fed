"""The pre-flight check of a table, shown: what is wrong with it, in words."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from chainrule.cli.layout import section
from chainrule.data.checks.finding import Finding
from chainrule.data.checks.front import joined, most_important
from chainrule.data.words import count

_STYLES: Final = {"serious": "bold red", "warning": "yellow", "note": "cyan"}


def show_short(console: Console, findings: Sequence[Finding], data: str, target: str) -> None:
    """Before training: the serious findings and the warnings; how to see the rest."""
    shown = most_important(findings)
    rest = len(joined(findings)) - len(shown)
    lines: list[Text | str] = [_line(finding) for finding in shown]
    if rest and shown:
        asked = f"{shlex.quote(data)} --target {shlex.quote(target)}"
        more = f"and {count(rest, 'note')}: chainrule inspect {asked}"
        lines.append(more)
    if lines:
        section(console, "Check", *lines)
        console.print()


def show_all(console: Console, findings: Sequence[Finding], scope: str) -> None:
    """Every finding; what was looked at."""
    lines: list[Text | str] = [_line(finding) for finding in joined(findings)]
    if scope:
        lines.append(Text(scope, style="dim"))
    section(console, "Check", *(lines or ["nothing to complain of"]))


def to_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings in JSON's own types."""
    return [asdict(finding) for finding in findings]


def _line(finding: Finding) -> Text:
    text = Text(finding.kind, style=_STYLES[finding.severity])
    text.append(f": {finding.what}", style="not bold default")
    if finding.remedy:
        text.append(f"\ntry: {finding.remedy}", style="not bold dim default")
    return text
