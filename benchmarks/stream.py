"""Training from files larger than memory: what it takes, and how fast it is beside arrays.

    python -m benchmarks.stream --size 2.5GB --memory 250MB --folder /tmp
    python -m benchmarks.stream --size 200MB --memory 20MB --parts npy

Writes a file of random rows, trains on it in a process of its own within the bound, and measures
that process's largest resident memory above what it was when all libraries were loaded and a small
network had been trained. ``npy``
is ``cr.train(data=stream(...))``; ``parquet`` is ``chainrule train FILE --memory``, spool
included. ``speed`` trains a network on the same rows as arrays and as a stream in turn, one
process, the file in the page cache. The files are removed at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import chainrule as cr
from benchmarks.machine import facts, in_words
from chainrule import losses, nn, optim
from chainrule.data import stream
from chainrule.machine.memory import parse_size, shown_size

#: Columns of the files, as the code below has it.
WIDTH = 20
_BLOCK = 100_000
#: (name, sizes of the network, batch, threads)
NETWORKS = (
    ("20-64-64-2", (WIDTH, 64, 64, 2), 32, None),
    ("20-64-64-2", (WIDTH, 64, 64, 2), 256, None),
    ("784-128-10, one thread", (784, 128, 10), 128, 1),
    ("784-128-10", (784, 128, 10), 128, None),
)
_ROUNDS = 5

#: The largest resident memory since the libraries were in use (Linux; elsewhere since the start).
_MEMORY = """
import json, resource, sys

def status(name):
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name)) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def begin():
    import numpy as np
    import chainrule as cr
    from chainrule import losses, nn

    few = np.zeros((64, 2), np.float32), np.zeros(64, np.int64)
    cr.train(nn.MLP([2, 3, 2], rng=0), losses.cross_entropy, few, epochs=1)
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass
    return status("VmRSS")
"""
_NPY = """
import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.data import stream
base = begin()
data = stream(sys.argv[1] + "/x.npy", sys.argv[1] + "/y.npy", memory=int(sys.argv[2]))
run = cr.train(nn.MLP([20, 64, 64, 2], rng=0), losses.cross_entropy, data=data, epochs=1,
               batch=256, optimizer=optim.SGD(0.1), validation=0.01)
print(json.dumps(dict(base=base, peak=status("VmHWM"), rows=data.rows,
                      seconds=dict(run.seconds))))
"""
_PARQUET = """
import pandas, pyarrow.parquet, pyarrow.csv, sklearn.model_selection, sklearn.metrics
import chainrule.cli.train, chainrule.cli.app
base = begin()
folder, memory = sys.argv[1:3]
chainrule.cli.app.app(
    ["train", folder + "/t.parquet", "--target", "y", "--memory", memory, "--epochs", "1",
     "--batch", "256", "--out", folder + "/run", "--quiet"], standalone_mode=False)
with open(folder + "/run/result.json") as file:
    result = json.load(file)
print(json.dumps(dict(base=base, peak=status("VmHWM"), rows=256 * result["steps"],
                      seconds=result["seconds"])))
"""


def main(arguments: list[str] | None = None) -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="2.5GB", help="of the files")
    parser.add_argument("--memory", default="250MB", help="the bound")
    parser.add_argument("--folder", default=None, help="where the files are written")
    parser.add_argument("--parts", default="npy,parquet,speed", help="npy, parquet, speed")
    asked = parser.parse_args(arguments)
    size, memory = parse_size(asked.size), parse_size(asked.memory)
    assert size is not None
    assert memory is not None
    print(in_words(facts()))
    for part in asked.parts.split(","):
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            PARTS[part](Path(folder), size, memory)


# -- memory ----------------------------------------------------------------------------------------


def peak_of_npy(folder: Path, size: int, memory: int) -> dict[str, Any]:
    """The largest memory of ``cr.train`` on two ``.npy`` files."""
    rows = size // (4 * WIDTH + 1)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (rows, WIDTH))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.uint8, (rows,))
    for first, block in _blocks(rows):
        x[first : first + len(block)] = block
        y[first : first + len(block)] = _labels(block)
    del x, y
    return _said("cr.train, .npy", _NPY, folder, size, memory)


def peak_of_parquet(folder: Path, size: int, memory: int) -> dict[str, Any]:
    """The largest memory of ``chainrule train`` on a Parquet file, encoding it included."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, writer = size // (4 * WIDTH), None
    for _, block in _blocks(rows):
        columns: dict[str, Any] = {f"x{k}": block[:, k] for k in range(WIDTH)}
        table = pa.table({**columns, "y": np.where(_labels(block), "yes", "no")})
        # Random numbers neither repeat nor shrink.
        plain = {"use_dictionary": False, "compression": "none"}
        writer = writer or pq.ParquetWriter(folder / "t.parquet", table.schema, **plain)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return _said("chainrule train, Parquet", _PARQUET, folder, size, memory)


def _blocks(rows: int) -> Any:
    rng = np.random.default_rng(0)
    for first in range(0, rows, _BLOCK):
        count = min(_BLOCK, rows - first)
        yield first, rng.standard_normal((count, WIDTH), dtype=np.float32)


def _labels(x: np.ndarray) -> np.ndarray:
    return np.asarray(x[:, 0] + x[:, 1] * x[:, 2] > 0)


def _said(name: str, code: str, folder: Path, size: int, memory: int) -> dict[str, Any]:
    """Run the code, and print what it took."""
    command = [sys.executable, "-c", _MEMORY + code, str(folder), str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["above"] = found["peak"] - found["base"]
    seconds = ", ".join(f"{name} {value:.1f}" for name, value in found["seconds"].items())
    print(
        f"{name}: {shown_size(size)}, bound {shown_size(memory)}: at most "
        f"{shown_size(found['above'])} above the {shown_size(found['base'])} of the "
        f"libraries; {found['rows']:,} rows; seconds: {seconds}",
        flush=True,
    )
    return found


# -- speed -----------------------------------------------------------------------------------------


def compare_speed(folder: Path, size: int, memory: int) -> None:
    """Seconds of an epoch from a stream over those from arrays, interleaved."""
    for name, sizes, batch, threads in NETWORKS:
        rows = min(size, 200_000_000) // (4 * sizes[0])
        rng = np.random.default_rng(0)
        x = rng.standard_normal((rows, sizes[0]), dtype=np.float32)
        y = _labels(x).astype(np.int64)
        np.save(folder / "x.npy", x)
        np.save(folder / "y.npy", y)
        bound = x.nbytes // 4  # a window is a quarter of it: sixteen windows and more
        given = stream(folder / "x.npy", folder / "y.npy", memory=bound)
        model, seconds = nn.MLP(sizes, rng=0), []
        for _ in range(_ROUNDS):
            each = []
            for data in ((x, y), given):
                run = cr.train(model, losses.cross_entropy, data, epochs=1, batch=batch,
                               optimizer=optim.SGD(0.01), threads=threads)  # fmt: skip
                each.append(run.seconds["train"])
            seconds.append(each)
        ratio = statistics.median(b / a for a, b in seconds)
        arrays, streamed = (statistics.median(part) for part in zip(*seconds, strict=True))
        print(
            f"{name}, batch {batch}: {rows:,} rows as arrays {arrays:.3f} s, as a stream of "
            f"{shown_size(bound)} {streamed:.3f} s: {ratio:.2f} times as long"
        )


PARTS = {"npy": peak_of_npy, "parquet": peak_of_parquet, "speed": compare_speed}

if __name__ == "__main__":
    main()
