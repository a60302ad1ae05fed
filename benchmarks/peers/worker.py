"""The process of one peer at one number of threads: a question and an answer a line, in JSON.

It is started by ``process.Worker``. Its first line says whether the peer is there. After that:
``build`` a network, take a ``turn`` of some epochs, give the ``losses`` of some steps.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from benchmarks.networks import NETWORKS, make_task, mean_loss
from benchmarks.peers.peer import MissingError, NotComparableError, Peer, Turn
from benchmarks.peers.table import PEERS

CHECK_RATE = 0.1  # large enough that each of a few steps changes the loss in its second digit
Reply = dict[str, Any]


class Server:
    """Holds the peer that was built last, and answers."""

    def __init__(self, cls: type[Peer], threads: int) -> None:
        self.cls = cls
        self.threads = threads
        self.peer: Peer | None = None

    def build(self, network: str, turn_seconds: float) -> Reply:
        """Set up, run an epoch cold and one warm, and choose how many epochs make a turn."""
        self.peer = None  # let go of the last one's data first
        self.peer = self.cls(make_task(NETWORKS[network]), self.threads)
        cold, warm = self.peer.run(1), self.peer.run(1)
        compiling = cold.compile_seconds
        if compiling is None:
            compiling = max(0.0, cold.seconds - warm.seconds)
        self.epochs = max(1, round(turn_seconds / warm.seconds))
        return {"compile_seconds": compiling, "epochs": self.epochs}

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

    def losses(self, network: str, steps: int) -> Reply:
        """The loss after each of some steps on one batch, where the order of rows is no matter."""
        task = make_task(NETWORKS[network], steps=1, learning_rate=CHECK_RATE)
        self.peer = self.cls(task, self.threads)
        self.peer.begin_from_task()
        found = [mean_loss(self.peer.layers(), task.x, task.y)]
        for _ in range(steps):
            self.peer.run(1)
            found.append(mean_loss(self.peer.layers(), task.x, task.y))
        return {"losses": found}

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


def take_stdout() -> TextIO:
    """Standard output for our answers alone; what libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def greet(name: str) -> tuple[Reply, type[Peer] | None]:
    """Versions and the peer's class, or what is missing."""
    try:
        cls = PEERS[name].load()
    except (ImportError, MissingError) as error:
        return {"missing": str(error)}, None
    return {"versions": cls.versions()}, cls


def main(name: str, threads: int) -> None:
    """Answer until the questions end."""
    answers = take_stdout()
    greeting, cls = greet(name)
    print(json.dumps(greeting), file=answers)
    if cls is None:
        return
    server = Server(cls, threads)
    for line in sys.stdin:
        print(json.dumps(server.answer(json.loads(line))), file=answers)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
