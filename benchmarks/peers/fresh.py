"""New processes: seconds to compile, with and without machine code on disk, and peak memory."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.output import Table
from benchmarks.peers.process import Worker, WorkerError
from benchmarks.peers.rounds import progress
from benchmarks.peers.rows import Row
from benchmarks.peers.table import COMPILERS, OURS, PEERS, READ

MB: Final = 1e6


@dataclass(frozen=True)
class Start:
    """Two epochs of one peer in a process of its own, or why there are none."""

    peer: str
    compile_seconds: float = 0.0
    cached_seconds: float | None = None
    peak_bytes: int = 0
    data_bytes: int = 0
    problem: str = ""

    @property
    def own_bytes(self) -> int:
        """What the process held at most beside the examples."""
        return self.peak_bytes - self.data_bytes


def measure(row: Row, peers: Sequence[str], threads: int) -> list[Start]:
    """Each peer that takes part in the row."""
    taking_part = [name for name in peers if row.kind in PEERS[name].classes and name != READ]
    found = []
    for name in taking_part:
        progress(f"{row.name}: new processes of {name}")
        found.append(start(row, name, threads))
    progress("")
    return found


def start(row: Row, peer: str, threads: int) -> Start:
    """With an empty folder for machine code, and for who keeps some, once more with it filled."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            cold = built(row, peer, threads, Path(folder))
            cached = built(row, peer, threads, Path(folder)) if peer in COMPILERS else {}
        except WorkerError as error:
            return Start(peer, problem=str(error))
    return Start(
        peer, cold["compile_seconds"], cached.get("compile_seconds"), cold["peak_bytes"],
        cold["data_bytes"],
    )  # fmt: skip


def built(row: Row, peer: str, threads: int, cache: Path) -> dict[str, Any]:
    """What a new process says after two epochs."""
    with Worker(peer, threads, cache) as worker:
        return worker.ask(do="build", row=row.name, turn_seconds=0.0)


def table(row: Row, starts: Sequence[Start]) -> Table:
    """One row's table."""
    header = ("peer", "compile", "from disk", "peak MB", "beside the data")
    return Table(f"{row.name}: new processes", header, [line(s) for s in starts], words(starts))


def line(s: Start) -> list[str]:
    """One peer's line."""
    title = PEERS[s.peer].title
    if s.problem:
        return [title, s.problem.partition(":")[0], "", "", ""]
    cached = "" if s.cached_seconds is None else f"{s.cached_seconds:.3f} s"
    memory = [f"{s.peak_bytes / MB:,.0f}", f"{s.own_bytes / MB:,.0f}"]
    return [title, f"{s.compile_seconds:.2f} s", cached, *memory]


def words(starts: Sequence[Start]) -> str:
    """Memory against PyTorch's, and what went wrong."""
    known = {s.peer: s for s in starts if not s.problem}
    found = [f"{PEERS[s.peer].title}: {s.problem}." for s in starts if s.problem]
    if OURS in known and "torch" in known:
        ratio = known[OURS].own_bytes / known["torch"].own_bytes
        found.insert(0, f"Chainrule holds {ratio:.2f} of PyTorch's memory beside the data.")
    return " ".join(found)


def record(row: Row, starts: Sequence[Start]) -> dict[str, Any]:
    """For JSON."""
    return {"row": row.name, "starts": [s.__dict__ for s in starts]}
