"""The threads that run a program together: one pool, as many as the step is worth."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from chainrule.compiler.native.limits import available
from chainrule.errors import TrainingError

#: A step of fewer operations than this is faster on one thread: a barrier costs microseconds.
WORTH_SHARING = 8_000_000


def choose(threads: int | None, operations: float) -> int:
    """The number of threads: as asked for, else one or all by the work of a step."""
    if threads is not None:
        return max(1, threads)
    return available() if operations >= WORTH_SHARING else 1


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    """Threads that have all begun: a team of which the system refuses one would wait for ever.

    Raises:
        TrainingError: it gives no more threads.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="chainrule")
    meeting = threading.Barrier(workers + 1)
    try:
        for _ in range(workers):
            pool.submit(meeting.wait)
        meeting.wait()
    except BaseException as error:
        meeting.abort()
        pool.shutdown(wait=False)
        if not isinstance(error, RuntimeError):
            raise
        message = f"the system gives this process no {workers + 1} threads: {error}"
        raise TrainingError(message, "threads=1") from error
    return pool


#: Held while a team is asked for: of two half teams in the pool neither could ever begin.
_asking = threading.Lock()


def _start_anew() -> None:
    """After a fork the child has none of its parent's threads."""
    global _asking
    _asking = threading.Lock()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)


def run_together(run: Any, table: int, threads: int) -> None:
    """Call ``run(table, k, threads)`` for every k at once and wait for them all.

    The threads wait for one another inside, so once one has begun all must: an interrupt in
    between is delivered after they have come back.
    """
    if threads == 1:
        run(table, 0, 1)
        return
    pool, others = _pool(threads - 1), iter(range(1, threads))
    futures: list[Future[None]] = []
    joined = False
    try:
        with _asking:
            try:
                futures += (pool.submit(run, table, k, threads) for k in others)
            finally:  # after an interrupt: those that are still missing
                futures += (pool.submit(run, table, k, threads) for k in others)
        joined = True
        run(table, 0, threads)
    finally:
        if futures and not joined:
            run(table, 0, threads)
        for future in futures:
            future.result()
