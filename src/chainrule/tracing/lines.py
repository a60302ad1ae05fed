"""Where in the user's code we are."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Final

import numpy as np

from chainrule.ops.apply import replayed
from chainrule.tracing.foreign import SCIPY

_OURS: Final = (
    str(Path(__file__).resolve().parents[1]) + os.sep,
    str(Path(np.__file__).resolve().parent) + os.sep,
    SCIPY,
    # Files that are none: what Python and NumPy make at run time (a prompt's <stdin> is a user's).
    "<frozen",
    "<string>",
    "<__array_function__",
)
#: Whether a file is one of those, by its name: asked for at every operation.
_is_ours: Final[dict[str, bool]] = {}

#: A file's name and a line in it, or None where no file of the user's is running.
Place = tuple[str, int] | None


def place() -> Place:
    """The line of the nearest caller outside Chainrule and NumPy.

    What is done once more, from a graph, keeps the line at which it was written.
    """
    written = replayed.get()
    if written:
        return written, 0
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        ours = _is_ours.get(name)
        if ours is None:
            ours = is_ours(name)
        if not ours:
            return name, frame.f_lineno
        frame = frame.f_back
    return None


def is_ours(file: str) -> bool:
    """Whether a file's code is Chainrule's, NumPy's or SciPy's, not the user's."""
    if file not in _is_ours:
        _is_ours[file] = file.startswith(_OURS)
    return _is_ours[file]


def line_text(where: Place) -> str:
    """``file.py:14``."""
    if where and not where[1]:
        return where[0]
    return f"{Path(where[0]).name}:{where[1]}" if where else "an unknown line"


def user_line() -> str:
    """``file.py:14`` of the nearest caller outside Chainrule and NumPy."""
    return line_text(place())
