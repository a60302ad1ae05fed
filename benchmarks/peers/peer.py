"""What a peer is: it takes a task, descends whole epochs, and can show its weights."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


class MissingError(Exception):
    """The peer is not installed, or not far enough."""


class NotComparableError(Exception):
    """The peer computes another thing on this network."""


@dataclass(frozen=True)
class Turn:
    """Some epochs of descent: seconds without compilation, and the steps that were made.

    compile_seconds is given by a peer that compiles in every turn and says how long that took;
    None means that compilation is what the first turn takes above the second. other_seconds are
    the part of seconds that the peer itself does not count as training, for the record.
    """

    seconds: float
    steps: int
    compile_seconds: float | None = None
    other_seconds: float = 0.0


class Peer(ABC):
    """A descent on shuffled mini-batches, ⌊n/b⌋ steps an epoch on a fresh permutation.

    The task says how many steps an epoch has, and the loss of weights in its layout.
    """

    def __init__(self, task: Any, threads: int) -> None:
        self.task = task
        self.threads = threads

    @staticmethod
    @abstractmethod
    def versions() -> dict[str, str]:
        """Versions and other facts that the figures depend on."""

    def begin_from_task(self) -> None:
        """Make sure that the weights are the task's; most peers are built with them.

        Raises:
            NotComparableError: the peer computes another thing on this network.
        """
        return

    @abstractmethod
    def epoch(self) -> None:
        """Shuffle, then one step for each batch; may return before the work is done."""

    @abstractmethod
    def weights_now(self) -> Any:
        """The weights so far, a tree of arrays in the layout of the task."""

    def wait(self) -> None:
        """Until all that was started is done; only for peers that work in the background."""
        return

    def run(self, epochs: int) -> Turn:
        """Epochs, by the clock."""
        start = time.perf_counter()
        for _ in range(epochs):
            self.epoch()
        self.wait()
        return Turn(time.perf_counter() - start, epochs * self.task.steps)
