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
            return super().invoke(ctx)
        except InterruptedRunError as stop:
            code = _say(stop.message, stop.hint, stop.code)
        except KeyboardInterrupt:
            code = _say("interrupted; nothing was written", "", INTERRUPTED)
        except Terminated:
            code = _say("terminated; nothing was written", "", TERMINATED)
        except BrokenPipeError:
            code = _reader_left()
        except ChainruleError as error:
            code = _say(f"error: {error.message}", error.hint, BAD_INPUT)
            _trace(ctx)
        # Whatever else happens, the user gets one line; --debug shows the rest.
        except Exception as error:
            if _is_of_typer(error):
                raise
            code = _say(_unexpected(error), "chainrule --debug ... shows the traceback", UNEXPECTED)
            _trace(ctx)
        raise typer.Exit(code)


def _is_of_typer(error: Exception) -> bool:
    """Whether typer shows this one itself: a wrong option, or an exit."""
    return hasattr(error, "exit_code") or isinstance(error, typer.Abort)


def _unexpected(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"error: unexpected {type(error).__name__}{': ' + text[0] if text else ''}"


def _say(message: str, hint: str, code: int) -> int:
    from rich.console import Console

    from chainrule.data.words import printable

    message, hint = printable(message), printable(hint)  # names of files and columns may be odd
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    head, colon, rest = message.partition(": ")
    style = "bold red" if head == "error" else "bold yellow"
    console.print(head, style=style, end="", markup=False)
    console.print(f"{colon}{rest}", markup=False)
    if hint:
        console.print(f"  hint: {hint}", style="dim", markup=False)
    return code


def _trace(ctx: Any) -> None:
    if ctx.params.get("debug"):
        traceback.print_exc()


def _reader_left() -> int:
    """`chainrule predict ... | head`: enough was read. Python must not flush to it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def leave_at_once(code: int) -> None:
    """End the process without taking Python's modules down, which takes a good part of a second.

    Everything that is to be kept has been written and synced by now.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
