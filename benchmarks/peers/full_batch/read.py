"""Reading the data once, which no gradient can be quicker than."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.linear_models import LinearTask
from benchmarks.peers.full_batch.gradient import FullBatch
from benchmarks.peers.peer import NotComparableError


class Read(FullBatch):
    """The maximum by NumPy, whose loop of vectors waits for the memory; a thread for each part."""

    def __init__(self, task: LinearTask, threads: int) -> None:
        super().__init__(task, threads)
        self.parts = np.array_split(task.x, threads)
        self.pool = ThreadPoolExecutor(threads)

    @staticmethod
    def versions() -> dict[str, str]:
        """NumPy's is told by another."""
        return {}

    def begin_from_task(self) -> None:
        raise NotComparableError("reads the data, computes nothing")

    def gradient(self) -> tuple[Any, Any]:
        for _ in self.pool.map(np.max, self.parts):
            pass
        return np.zeros_like(self.w), np.zeros_like(self.b)
