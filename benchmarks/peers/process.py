"""The parent's end of a worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Self

from benchmarks.peers.table import PEERS

PATIENCE = 300.0  # seconds that one answer may take
PAUSE, RESUME = getattr(signal, "SIGSTOP", None), getattr(signal, "SIGCONT", None)


class WorkerError(Exception):
    """A worker that failed, died, or is missing its library."""


class Worker:
    """A process that runs one peer at one number of threads.

    Thread counts are process-wide in PyTorch, XLA and BLAS, so each has its own process. Between
    its answers a worker is stopped by a signal where the system has one: OpenBLAS's threads go on
    spinning for 0.1 s after their work, and would take a core from the peer whose turn is next.
    """

    def __init__(self, peer: str, threads: int, cache: Path | None = None) -> None:
        self.name, self.threads = peer, threads
        self.title = PEERS[peer].title
        self.kinds = frozenset(PEERS[peer].classes)
        self.problem = ""
        self.versions: dict[str, str] = {}
        self.folder = tempfile.TemporaryDirectory()  # for machine code: all begin without any
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in __exit__
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.worker", peer, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            bufsize=1,
            env=environment(threads) | caches(cache or Path(self.folder.name)),
            # A group of its own: Ctrl-C reaches the parent alone, which ends its workers; and the
            # system ends a stopped group whose parent is gone.
            process_group=0 if PAUSE else None,
        )
        self._greet()

    def _greet(self) -> None:
        try:
            greeting = self._read()
        except WorkerError as error:
            self.problem = str(error)
            return
        self.versions = greeting.get("versions", {})
        if "missing" in greeting:
            self.problem = f"missing: {greeting['missing']}"

    @property
    def missing(self) -> bool:
        """Whether the peer is not installed (and did not fail otherwise)."""
        return self.problem.startswith("missing")

    def ask(self, **question: Any) -> dict[str, Any]:
        """A question and its answer.

        Raises:
            WorkerError: the worker failed, is gone, or takes too long.
        """
        if self.problem:
            raise WorkerError(self.problem)
        assert self.process.stdin is not None
        self._signal(RESUME)
        with suppress(BrokenPipeError):  # _read says how the process ended
            self.process.stdin.write(json.dumps(question) + "\n")
        reply = self._read()
        if "error" in reply:
            raise WorkerError(f"failed: {reply['error']}")
        return reply

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        timer = Timer(PATIENCE, self.process.kill)
        timer.start()
        try:
            line = self.process.stdout.readline()
        finally:
            timer.cancel()
            self._signal(PAUSE)
        if not line:
            self.problem = f"died: {self._last_words()}"
            raise WorkerError(self.problem)
        found: dict[str, Any] = json.loads(line)
        return found

    def _signal(self, number: int | None) -> None:
        if number is not None:
            self.process.send_signal(number)

    def _last_words(self) -> str:
        self._signal(RESUME)
        code = self.process.wait()
        self.log.seek(0)
        lines = self.log.read().strip().splitlines()
        return f"exit code {code}" + (f", {lines[-1]}" if lines else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()
        self.log.close()
        self.folder.cleanup()


def caches(folder: Path) -> dict[str, str]:
    """Machine code is kept in this folder, by JAX too however small it is."""
    return {
        "CHAINRULE_CACHE": str(folder),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
    }


def environment(threads: int) -> dict[str, str]:
    """This process's variables, with the peers' numbers of threads.

    The two OPENBLAS variables that choose other kernels or blocks than OpenBLAS itself would are
    taken out. XLA takes the size of its pool from NPROC.
    """
    unset = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_VERBOSE", "XLA_FLAGS")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    counts = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
    several = "true" if threads > 1 else "false"
    return {
        **kept,
        **dict.fromkeys(counts, str(threads)),
        "XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={several}",
    }
