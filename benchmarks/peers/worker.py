"""The process of one peer at one number of threads: a question and an answer a line, in JSON.

It is started by ``process.Worker``. Its first line says whether the peer is there. After that:
``build`` a row's task, take a ``turn`` of some epochs, give the ``losses`` of some epochs.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from benchmarks.peers import rows
from benchmarks.peers.peer import MissingError, NotComparableError, Peer, Turn
from benchmarks.peers.table import PEERS, Entry

Reply = dict[str, Any]


class Server:
    """Holds the peer that was built last, and answers."""

    def __init__(self, entry: Entry, threads: int) -> None:
        self.entry = entry
        self.threads = threads
        self.peer: Peer | None = None

    def build(self, row: str, turn_seconds: float) -> Reply:
        """Set up, run an epoch cold and one warm, and choose how many epochs make a turn."""
        asked = rows.ALL[row]
        self.peer = None  # let go of the last one's data first
        task = asked.make()
        self.peer = self.entry.load(asked.kind)(task, self.threads)
        cold, warm = self.peer.run(1), self.peer.run(1)
        compiling = cold.compile_seconds
        if compiling is None:
            compiling = max(0.0, cold.seconds - warm.seconds)
        bits, peak = digest(self.peer.weights_now()), peak_bytes()
        self.epochs = self.enough(1, warm, turn_seconds)
        self.epochs = self.enough(self.epochs, self.peer.run(self.epochs), turn_seconds)
        return {
            "compile_seconds": compiling,
            "epochs": self.epochs,
            "digest": bits,
            "peak_bytes": peak,
            "data_bytes": task.data_bytes,
        }

    @staticmethod
    def enough(epochs: int, turn: Turn, seconds: float) -> int:
        """How many make a turn. Asked twice: one epoch says more of a call than of its steps."""
        return max(1, round(epochs * seconds / turn.seconds))

    def turn(self) -> Reply:
        """Microseconds a step, and how many cores were busy on the average."""
        assert self.peer is not None, "build comes before turn"
        wall, cpu = time.perf_counter(), time.process_time()
        done: Turn = self.peer.run(self.epochs)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {
            "microseconds": 1e6 * done.seconds / done.steps,
            "cores_busy": cpu / wall,
            "other_seconds": done.other_seconds,
        }

    def losses(self, row: str, epochs: int) -> Reply:
        """The loss before and after some epochs of a task in which the order of rows is no matter.

        They are one run: the state of an optimiser does not outlive one in every peer.
        """
        asked = rows.ALL[row]
        task = asked.make_check()
        self.peer = self.entry.load(asked.kind)(task, self.threads)
        self.peer.begin_from_task()
        before = task.loss(self.peer.weights_now())
        self.peer.run(epochs)
        return {"losses": [before, task.loss(self.peer.weights_now())]}

    def answer(self, question: dict[str, Any]) -> Reply:
        """What was asked for, or why not."""
        known: dict[str, Callable[..., Reply]]
        known = {"build": self.build, "turn": self.turn, "losses": self.losses}
        try:
            return known[question.pop("do")](**question)
        except NotComparableError as error:
            return {"problem": f"other model: {error}"}
        except Exception as error:  # noqa: BLE001  whatever it is, the other peers go on
            return {"error": f"{type(error).__name__}: {error}".splitlines()[0]}


def digest(tree: Any) -> str:
    """A hash of the bits of all arrays: equal where the numbers are."""
    found = hashlib.sha256()
    for array in arrays(tree):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def arrays(tree: Any) -> Iterator[Any]:
    """The arrays of lists, tuples and dicts."""
    if isinstance(tree, dict | list | tuple):
        for part in tree.values() if isinstance(tree, dict) else tree:
            yield from arrays(part)
    else:
        yield np.asarray(tree)


def peak_bytes() -> int:
    """The most memory that this process has held.

    From /proc where there is one: ru_maxrss also counts the process that this one was forked from.
    """
    status = Path("/proc/self/status")
    if status.exists():
        found = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(found["VmHWM"].split()[0]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def take_stdout() -> TextIO:
    """Standard output for our answers alone; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def greet(entry: Entry) -> Reply:
    """The peer's versions, or what is missing."""
    try:
        return {"versions": entry.load(next(iter(entry.classes))).versions()}
    except (ImportError, MissingError) as error:
        return {"missing": str(error)}


def main(name: str, threads: int) -> None:
    """Answer until the questions end."""
    answers = take_stdout()
    greeting = greet(PEERS[name])
    print(json.dumps(greeting), file=answers)
    if "missing" in greeting:
        return
    server = Server(PEERS[name], threads)
    for line in sys.stdin:
        print(json.dumps(server.answer(json.loads(line))), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
