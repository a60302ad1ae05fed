"""Where a command writes: for a person, as JSON, or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from rich.console import Console

from chainrule.cli.outcome import OptionError
from chainrule.cli.programs import Programs
from chainrule.cli.streams import forget, is_unicode
from chainrule.runs.folder import plain

MAX_WIDTH = 110


@dataclass(frozen=True, slots=True)
class View:
    """The places to write to.

    Fields:
        console: what a person reads, on stdout; silent with --json and --quiet.
        bar: the live bar; with --json it is on stderr.
        details: what --verbose adds, on stderr; else silent.
        json: whether the result is printed as JSON on stdout.
        quiet: whether nothing but errors is to be said.
        programs: what counts them for --verbose.
    """

    console: Console
    bar: Console
    details: Console
    json: bool
    quiet: bool = False
    programs: Programs | None = None

    @classmethod
    def of(cls, json: bool, quiet: bool, verbose: bool = False) -> View:
        """The view that the options --json, --quiet and --verbose ask for.

        Raises:
            OptionError: quiet and verbose at once.
        """
        if quiet and verbose:
            raise OptionError("--quiet and --verbose: one or the other", hint="leave one out")
        console = _console(quiet=json or quiet)
        bar = _console(quiet=quiet or not sys.stderr.isatty(), stderr=True) if json else console
        details = _console(quiet=not verbose, stderr=True)
        programs = Programs().listen() if verbose else None
        return cls(console, bar, details, json, quiet, programs)

    def busy(self, what: str) -> AbstractContextManager[object]:
        """A line that says what is going on, in a terminal, until the block ends."""
        if not self.bar.is_terminal or self.bar.quiet:
            return nullcontext()
        return self.bar.status(what, spinner="dots", spinner_style="cyan")

    def show_details(
        self, seconds: Mapping[str, float], versions: Mapping[str, object], *lines: str
    ) -> None:
        """What --verbose adds: seconds by stage, programs, versions, and further lines."""
        if self.programs is None:
            return
        self.programs.stop()
        of = ", ".join(f"{name} {version}" for name, version in versions.items())
        stages = [f"{value:9.4f} s  {name}" for name, value in seconds.items()]
        for line in (*stages, f"programs: {self.programs}", f"versions: {of}", *lines):
            self.details.print(line, markup=False, soft_wrap=True)

    def result(self, value: Mapping[str, object]) -> None:
        """Print the one JSON object, if it was asked for."""
        if self.json:
            ascii = not is_unicode(sys.stdout)
            text = json.dumps(plain(value), ensure_ascii=ascii, allow_nan=False)
            sys.stdout.write(text + "\n")


class _Console(Console):
    """One whose reader may leave: rich's own would end the process, and a training with it."""

    def on_broken_pipe(self) -> None:
        """Say nothing more."""
        self.quiet = True
        forget(self.file)


def _console(quiet: bool, stderr: bool = False) -> Console:
    console = _Console(quiet=quiet, stderr=stderr, highlight=False)
    if console.width > MAX_WIDTH:
        console.width = MAX_WIDTH  # longer lines are harder to read
    return console
