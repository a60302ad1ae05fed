"""stdout and stderr as they may be: closed, full, left by their reader, of an old encoding."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TextIO


def make_ready() -> None:
    """Let anything be written: to nowhere if a stream is closed, and in any encoding."""
    if sys.stdout is None:
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # In UTF-8 only names of files that are no Unicode cannot be written.
            reconfigure(errors="backslashreplace" if is_unicode(stream) else "replace")
    warnings.showwarning = show_warning


def is_unicode(stream: Any) -> bool:
    """Whether a stream can write any character."""
    return (getattr(stream, "encoding", None) or "").lower().replace("_", "-").startswith("utf")


def forget(stream: IO[str]) -> None:
    """Write to nowhere from here on: Python must not try again when it ends."""
    with suppress(OSError, ValueError):  # a stream of a test has no number
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def show_warning(message: Warning | str, *place: object, **more: object) -> None:
    """A warning as the user reads it: without its place in our code."""
    del place, more
    with suppress(OSError):
        print(f"warning: {message}", file=sys.stderr)
