"""How long a chunk is and how many threads run it, by what the last chunks took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: Seconds that a chunk should last.
CHUNK: Final = 0.07
#: Seconds between looks at another number of threads: the first, and the longest.
_FIRST_LOOK: Final = 0.1
_LONGEST_WAIT: Final = 5.0


@dataclass(eq=False)
class Pace:
    """The next chunk's length and threads.

    Results are the same bits for any number of threads, so the number may change under way: when
    another process takes a processor, threads that wait for one another lose more than they gain.

    Attributes:
        threads: how many run the next chunk.
        others: numbers to try now and then; empty where the caller has fixed it.
    """

    threads: int
    others: tuple[int, ...] = ()
    _chunk: int = 1
    _seconds: dict[int, float] = field(default_factory=dict)
    _best: int = 0
    _wait: float = _FIRST_LOOK
    _since: float = 0.0

    def __post_init__(self) -> None:
        self._best = self.threads

    @property
    def chosen(self) -> int:
        """The number of threads it has settled on: not one that it only looks at."""
        return self._best

    def steps(self, most: int) -> int:
        """Steps of the next chunk; a look at another number of threads is short."""
        looking = self.threads != self._best
        return max(1, min(self._chunk // 4 if looking else self._chunk, most))

    def rescale(self, ratio: float) -> None:
        """Each step does ``ratio`` times the work from here on."""
        self._chunk = max(1, int(self._chunk / ratio))
        self._seconds = {threads: ratio * s for threads, s in self._seconds.items()}

    def took(self, steps: int, seconds: float) -> None:
        """Learn from a chunk that has been run."""
        self._seconds[self.threads] = seconds / steps
        self._fit_chunk(steps, seconds)
        if self.others:
            self._choose(seconds)

    def _fit_chunk(self, steps: int, seconds: float) -> None:
        """Towards ``CHUNK`` seconds, at most fourfold at a time."""
        if self.threads == self._best and (steps >= self._chunk or seconds > CHUNK):
            self._chunk = int(max(1, min(steps * CHUNK / max(seconds, 1e-7), 4 * steps)))

    def _choose(self, seconds: float) -> None:
        """Stay with the faster number; look at the other after a while, ever more seldom."""
        if self.threads != self._best:
            changed = self._seconds[self.threads] < 0.95 * self._seconds[self._best]
            self._wait = _FIRST_LOOK if changed else min(2 * self._wait, _LONGEST_WAIT)
            self._best = self.threads if changed else self._best
            self.threads, self._since = self._best, 0.0
            return
        self._since += seconds
        if self._since >= self._wait:
            self.threads = next(n for n in self.others if n != self._best)


def pace(asked: int | None, guess: int, available: int) -> Pace:
    """The pace of a run: as asked for, or beginning with a guess."""
    if asked is not None or available == 1:
        return Pace(asked or 1)
    return Pace(guess, (1, available))
