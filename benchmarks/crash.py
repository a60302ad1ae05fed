"""Runs killed at any moment: nothing acknowledged is lost, nothing is unreadable, no litter.

    python -m benchmarks.crash [--kills N] [--sizes 1,50] [--seed S] [--json FILE|-]

A run writes a checkpoint after every few milliseconds of training and says so when each is
written. It is killed (SIGKILL) at a random moment, looked at, resumed and killed again. The laws,
after each kill:

- the checkpoint that is read is one that was acknowledged last, or a later one;
- a step has the same weights whenever it is reached, in whichever process;
- at most one draft lies about, and none, nor a checkpoint that does not count, once the folder has
  been opened;
- a run that comes to its end has the bits of one that was never stopped.

The exit code is 1 if one of them is broken. The processes are forked, so Windows is left out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

import chainrule as cr
from benchmarks.output import Table, add_options, publish
from chainrule import losses, nn, optim
from chainrule.errors import RunError
from chainrule.runs.files import drafts
from chainrule.runs.folder import RunFolder
from chainrule.tracing.trees import named_leaves
from chainrule.training import pace
from chainrule.training.store import Store

#: Features of a linear map by the megabytes of its checkpoint (weights and momentum, float32).
FEATURES: Final = {0.01: 36, 1: 360, 50: 2500}
#: Updates of a run by the same.
STEPS: Final = {0.01: 4000, 1: 2000, 50: 160}
ROWS: Final = 64
#: Seconds after the first checkpoint in which a run is killed, in units of one checkpoint's.
CHECKPOINTS: Final = 6
#: Broken laws after which it is enough.
MOST_BROKEN: Final = 5
#: How many runs of ten are killed while they start.
EARLY: Final = 2


@dataclass(eq=False)
class Tally:
    """What was seen.

    Attributes:
        acknowledged: checkpoints that the killed processes said were written.
        newer: kills after which a newer one was read.
        drafts, uncounted: kills that left a draft, or a checkpoint that does not count.
        finished: runs that came to their end. broken: laws that did not hold, in words.
        seconds: of each checkpoint, as the run took them.
    """

    kills: int = 0
    acknowledged: int = 0
    newer: int = 0
    drafts: int = 0
    uncounted: int = 0
    finished: int = 0
    broken: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """A checksum of arrays by name."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()


def descend(size: float, out: Path | None, every: float) -> Any:
    """The run: a linear map, momentum, dropout, a new order each epoch."""
    n = FEATURES[size]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, n), np.float32)
    model = nn.Sequential(nn.Linear.init(n, n, rng=1), nn.Dropout(0.1))
    resume = out is not None and out.exists()
    return cr.train(
        model, losses.squared_error, (x, np.roll(x, 1, 1)), optimizer=optim.SGD(0.01, momentum=0.9),
        batch=4, epochs=STEPS[size] * 4 // ROWS, threads=1, out=out, resume=resume,
        checkpoint_every=every,
    )  # fmt: skip


def acknowledging(pipe: int) -> None:
    """Let each save write its step, weights' checksum and seconds to the pipe when it is done."""
    save = Store.save

    def told(self: Store, descent: Any, status: str) -> None:
        begin = time.perf_counter()
        save(self, descent, status)
        seconds = time.perf_counter() - begin
        names = named_leaves(descent.model())
        line = f"{descent.done} {digest(names)} {seconds:.6f}\n"
        os.write(pipe, line.encode())

    Store.save = told  # type: ignore[method-assign]


def start(size: float, out: Path | None, every: float) -> tuple[int, int]:
    """(process, pipe) of a run that has been begun or resumed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = 1
    try:
        pace.CHUNK = 0.001  # type: ignore[misc]
        acknowledging(writing)
        run = descend(size, out, every)
        weights = named_leaves(run.model)
        os.write(writing, f"end {digest(weights)} 0\n".encode())
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        sys.stderr.flush()
        os._exit(status)


def read_until(pipe: int, seconds: float, first: bool) -> bytes:
    """What comes through the pipe in so many seconds, or until its first line."""
    content, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and not (first and b"\n" in content):
        if select.select([pipe], [], [], left)[0]:
            piece = os.read(pipe, 65536)
            if not piece:
                break
            content += piece
    return content


def end(pid: int, pipe: int) -> tuple[bytes, int]:
    """(what was still in the pipe, exit status) of a process that ends or was killed."""
    content = b""
    while piece := os.read(pipe, 65536):
        content += piece
    os.close(pipe)
    return content, os.waitpid(pid, 0)[1]


@dataclass(eq=False)
class Kills:
    """One run after another, each killed until it ends."""

    size: float
    out: Path
    rng: np.random.Generator
    tally: Tally = field(default_factory=Tally)
    known: dict[int, str] = field(default_factory=dict)
    whole: str = ""
    last: int = 0

    def run(self, kills: int) -> Tally:
        """Kill so often, then go on to the end."""
        self.whole = self._finish(None)
        while self.tally.kills < kills and len(self.tally.broken) < MOST_BROKEN:
            self._one()
        self._check_end(self._finish(self.out))
        return self.tally

    def _one(self) -> None:
        pid, pipe = start(self.size, self.out, 0.0)
        if self.rng.integers(10) < EARLY:
            content = read_until(pipe, float(self.rng.uniform(0, 1.0)), first=False)
        else:
            content = read_until(pipe, 120.0, first=True)
            content += read_until(pipe, self._delay(), first=False)
        os.kill(pid, signal.SIGKILL)
        rest, status = end(pid, pipe)
        self._hear(content + rest)
        if status == 0:
            self._check_end((content + rest).decode().split("\n")[-2].split()[1])
        elif status != signal.SIGKILL:
            self.tally.broken.append(f"a run failed by itself: status {status}")
        else:
            self.tally.kills += 1
            self._look()

    def _delay(self) -> float:
        seconds = float(np.median(self.tally.seconds)) if self.tally.seconds else 0.02
        return float(self.rng.uniform(0, CHECKPOINTS * seconds))

    def _hear(self, content: bytes) -> None:
        for line in content.decode().split("\n")[:-1]:
            step, found, seconds = line.split()
            if step != "end":
                self._same(int(step), found)
                self.last = int(step)
                self.tally.acknowledged += 1
                self.tally.seconds.append(float(seconds))

    def _same(self, step: int, found: str) -> None:
        if self.known.setdefault(step, found) != found:
            self.tally.broken.append(
                f"step {step} has other weights than when it was first reached"
            )

    def _look(self) -> None:
        """The laws, on what the killed process has left."""
        left = [*drafts(self.out), *drafts(self.out.parent, self.out.name)]
        self.tally.drafts += len(left) > 0
        if len(left) > 1:
            self.tally.broken.append(f"{len(left)} drafts after a kill")
        if not self.out.exists():
            if self.last:
                self.tally.broken.append("the folder is gone")
            return
        before = self._checkpoints()
        try:
            folder = RunFolder.open(self.out)
            read = folder.read_checkpoint()
        except (RunError, UserWarning) as error:
            self.tally.broken.append(f"not readable: {error}")
            return
        self.tally.uncounted += before != self._checkpoints()
        if self._checkpoints() != {entry.name for entry in folder.entries()}:
            self.tally.broken.append("checkpoints that do not count are left")
        if [*drafts(self.out), *drafts(self.out.parent, self.out.name)]:
            self.tally.broken.append("drafts are left after the folder was opened")
        step = 0 if read is None else read.step
        if step < self.last:
            self.tally.broken.append(f"step {self.last} was acknowledged, {step} was read")
        if read is not None:
            self._same(step, digest(read.weights))
        self.tally.newer += step > self.last
        self.last = step

    def _checkpoints(self) -> set[str]:
        return {path.name for path in self.out.glob("checkpoint-*")}

    def _finish(self, out: Path | None) -> str:
        content, status = end(*start(self.size, out, 60.0))
        if status:
            self.tally.broken.append(f"a run that nobody killed failed: status {status}")
            return ""
        return content.decode().split("\n")[-2].split()[1]

    def _check_end(self, found: str) -> None:
        self.tally.finished += 1
        if found != self.whole:
            self.tally.broken.append("a resumed run ended elsewhere than one that never stopped")
        shutil.rmtree(self.out, ignore_errors=True)
        self.last = 0


def row(size: float, tally: Tally) -> list[str]:
    """A line of the table."""
    seconds = f"{1e3 * float(np.median(tally.seconds)):.1f}" if tally.seconds else "-"
    counts = (tally.kills, tally.acknowledged, tally.newer, tally.drafts, tally.uncounted)
    return [
        f"{size:g} MB", *map(str, counts), str(tally.finished), seconds, str(len(tally.broken)),
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Kill, look, resume; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=200, help="kills of each size")
    parser.add_argument("--sizes", default="1,50", help="megabytes of a checkpoint: 0.01, 1, 50")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary folder")
    add_options(parser)
    args = parser.parse_args(arguments)
    tallies = {}
    for size in map(float, args.sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=args.folder) as place:
            rng = np.random.default_rng(args.seed)
            tallies[size] = Kills(size, Path(place) / "run", rng).run(args.kills)
    header = [
        "checkpoint", "kills", "acknowledged", "newer read", "drafts left", "uncounted left",
        "ended", "ms each", "broken laws",
    ]  # fmt: skip
    table = Table("Killed runs", header, [row(*item) for item in tallies.items()])
    record = {size: asdict(tally) for size, tally in tallies.items()}
    broken = [law for tally in tallies.values() for law in tally.broken]
    publish(args, "crash", [table], {"seed": args.seed, "sizes": record}, "\n".join(broken[:20]))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
