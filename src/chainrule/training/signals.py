"""Signals that ask a descent to stop: seen between chunks of native code, never inside one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any


@dataclass(eq=False)
class Asked:
    """Which signal has come, if any."""

    number: int | None = None

    def note(self, number: int, frame: FrameType | None) -> None:
        """Remember a signal: the handler while a descent runs."""
        del frame
        self.number = number

    @property
    def is_set(self) -> bool:
        """Whether the descent is to stop."""
        return self.number is not None


@contextmanager
def stop_signals(terminates: bool) -> Iterator[Asked]:
    """Ctrl-C, and SIGTERM where ``terminates``, are noted while this lasts.

    Afterwards what handled them before does so again, and gets the SIGTERM that came meanwhile:
    the process ends as it would have, with its checkpoint written.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    numbers = [signal.SIGINT, *([signal.SIGTERM] if terminates else [])]
    before: dict[int, Any] = {n: signal.signal(n, asked.note) for n in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if asked.number == signal.SIGTERM:
            signal.raise_signal(signal.SIGTERM)
