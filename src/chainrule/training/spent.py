"""What the time of a descent goes to: the native loop, and what Python does between its chunks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

#: The part that is not Python.
NATIVE: Final = "native loop"
#: For rows of a stream that were not yet read.
WAITING: Final = "waiting for rows"


@dataclass(eq=False)
class Spent:
    """Seconds by what they went to, in the order in which it was first done.

    ``steps`` is how many were done in them.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    steps: int = 0

    @contextmanager
    def all(self) -> Iterator[None]:
        """What of the time inside is counted nowhere else becomes "other"."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds["other"] = perf_counter() - start - sum(self.seconds.values())

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count the time inside."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[what] = self.seconds.get(what, 0.0) + perf_counter() - start
