"""How a command ends: its exit code, and one clear message where it fails."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from chainrule.cli import streams
from chainrule.errors import ChainruleError

OK, UNEXPECTED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class OptionError(ChainruleError, ValueError):
    """An option whose value cannot be used."""


class InterruptedRunError(ChainruleError):
    """Ctrl-C or SIGTERM; the message says what is kept, the hint how to go on."""

    def __init__(self, message: str, hint: str = "", code: int = INTERRUPTED) -> None:
        super().__init__(message, hint)
        self.code = code


class Terminated(BaseException):
    """SIGTERM."""


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Let SIGTERM raise ``Terminated`` while this lasts, so that it too ends in a message."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: FrameType | None) -> NoReturn:
        del number, frame
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class ReportingGroup(TyperGroup):
    """Commands whose errors end in a message and an exit code, not in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            with sigterm_raises():
                found = super().invoke(ctx)
                sys.stdout.flush()
                return found
        except BaseException as error:
            if _is_of_typer(error):
                raise
            code = report(error)
            if ctx.params.get("debug") and not isinstance(error, KeyboardInterrupt | Terminated):
                traceback.print_exception(error)
        raise typer.Exit(code)


def report(error: BaseException) -> int:
    """Say what ended a command in one line, and a hint; its exit code."""
    match error:
        case InterruptedRunError():
            return _say(error.message, error.hint, error.code)
        case KeyboardInterrupt():
            return _say("interrupted; nothing was written", "", INTERRUPTED)
        case Terminated():
            return _say("terminated; nothing was written", "", TERMINATED)
        case BrokenPipeError():  # `chainrule predict ... | head`: enough was read
            streams.forget(sys.stdout)
            return OK
        case ChainruleError():
            return _say(f"error: {error.message}", error.hint, BAD_INPUT)
        case OSError():
            streams.forget(sys.stdout)
            where = f"{error.filename}: " if error.filename else ""
            return _say(f"error: {where}{error.strerror or error}", "", BAD_INPUT)
        case MemoryError():
            return _say("error: not enough memory", "", BAD_INPUT)
    # Whatever else happens, the user gets one line; --debug shows the rest.
    return _say(_unexpected(error), "chainrule --debug ... shows the traceback", UNEXPECTED)


def _is_of_typer(error: BaseException) -> bool:
    """Whether typer shows this one itself: a wrong option, or an exit."""
    return isinstance(error, typer.Abort | SystemExit) or hasattr(error, "exit_code")


def _unexpected(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"error: unexpected {type(error).__name__}{': ' + text[0] if text else ''}"


def _say(message: str, hint: str, code: int) -> int:
    from rich.console import Console

    from chainrule.data.words import printable

    message, hint = printable(message), printable(hint)  # names of files and columns may be odd
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    head, colon, rest = message.partition(": ")
    style = "bold red" if head == "error" else "bold yellow"
    try:
        console.print(head, style=style, end="", markup=False)
        console.print(f"{colon}{rest}", markup=False)
        if hint:
            console.print(f"  hint: {hint}", style="dim", markup=False)
    except OSError:  # nobody can be told
        streams.forget(sys.stderr)
    return code


def leave(code: int) -> NoReturn:
    """End the process, at once after a signal: taking Python's modules down takes a while.

    Everything that is to be kept has been written and synced by now.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            streams.forget(stream)
    if code in (INTERRUPTED, TERMINATED):
        os._exit(code)
    sys.exit(code)
