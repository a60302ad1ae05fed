"""Products of matrices against OpenBLAS and MKL, in one run on one thread.

Shapes are square, odd, skinny and tiny, in all four transpositions and both precisions. The three
are interleaved; of each the shortest processor time counts, with results written to memory that is
there. Ours is the native program called as a small one is; the FMA peak takes its turn with them,
for as long as a product takes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import output
from benchmarks.machine import facts, in_words
from chainrule.compiler.native.jit import assemble
from chainrule.compiler.native.target import host
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.tracing.trace import array_type, trace_types

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "products.png"
OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "nn": lambda a, b: a @ b, "nt": lambda a, b: a @ b.T,
    "tn": lambda a, b: a.T @ b, "tt": lambda a, b: a.T @ b.T,
}  # fmt: skip
SQUARE = [4, 8, 16, 31, 32, 64, 100, 128, 200, 256, 300, 384, 512, 777, 1000, 1024, 1536, 2048]
#: rows, inner, columns
OTHERS = [
    (128, 784, 128), (784, 128, 128), (128, 784, 512), (32, 784, 256), (1000, 20, 64),
    (16, 1024, 1024), (12, 2048, 2048), (1024, 1024, 32), (1024, 16, 1024), (60, 2000, 60),
    (7, 300, 500), (333, 5, 777), (2048, 128, 128), (100, 100, 3000),
]  # fmt: skip
#: Operations of the peak's turn beside the largest products.
_LONGEST = 1e9
_CHAINS = 24
_STEPS = 30_000


@dataclass(frozen=True)
class Row:
    """GFLOP/s of one product, and of the FMA peak beside it; None: not installed."""

    operation: str
    dtype: str
    rows: int
    inner: int
    columns: int
    ours: float
    openblas: float
    mkl: float | None
    peak: float

    @property
    def ratio(self) -> float:
        """Ours to the better of the two."""
        return self.ours / max(self.openblas, self.mkl or 0.0)


def shapes() -> Iterator[tuple[str, str, tuple[int, int, int]]]:
    """Every product of the sweep: 256 of them."""
    for dtype in ("float32", "float64"):
        for operation in OPERATIONS:
            for shape in [*((n, n, n) for n in SQUARE), *OTHERS]:
                yield operation, dtype, shape


def peak(dtype: str) -> Callable[[], None]:
    """Independent chains of multiply-adds in registers; a call makes many steps of each."""
    kind, bits = {"float32": ("float", 32), "float64": ("double", 64)}[dtype]
    lanes = host().lanes(bits)
    vector, name = f"<{lanes} x {kind}>", f"@llvm.fma.v{lanes}f{bits}"
    chains = range(_CHAINS)
    phis = "".join(f"  %c{k} = phi {vector} [ %x, %entry ], [ %d{k}, %step ]\n" for k in chains)
    fmas = "".join(
        f"  %d{k} = call {vector} {name}({vector} %x, {vector} %x, {vector} %c{k})\n"
        for k in chains
    )
    stores = "".join(f"  store volatile {vector} %d{k}, ptr %at, align 4\n" for k in chains)
    text = (
        f'target triple = "{host().triple}"\ndeclare {vector} {name}({vector}, {vector}, {vector})'
        f"\ndefine void @run(ptr %at, i64 %n, i64 %m) #0 {{\nentry:\n  %x = load {vector}, ptr %at,"
        f" align 4\n  br label %step\nstep:\n  %i = phi i64 [ 0, %entry ], [ %j, %step ]\n{phis}"
        f"{fmas}  %j = add i64 %i, 1\n  %t = icmp slt i64 %j, %n\n"
        f"  br i1 %t, label %step, label %done\ndone:\n{stores}  ret void\n}}\n"
        'attributes #0 = { nounwind "min-legal-vector-width"="512" "prefer-vector-width"="512" }'
    )
    code, room = assemble(text, host()), np.zeros(64)
    return lambda: code.call(room.ctypes.data, _STEPS, 0)


def peak_flops(dtype: str) -> int:
    """Of one call of ``peak``."""
    return 2 * _STEPS * _CHAINS * host().lanes(np.dtype(dtype).itemsize * 8)


def contenders(operation: str, a: np.ndarray, b: np.ndarray) -> dict[str, Callable[[], Any]]:
    """A call of each on these operands, into memory of its own."""
    f = OPERATIONS[operation]
    graph = trace_types(lambda x: f(*x), [array_type(a), array_type(b)]).graph
    out = np.empty(f(a, b).shape, a.dtype)
    ours = compile_graph(graph, plain_roles(graph)).fixed([a, b], [out])
    x, y = (m.T if t == "t" else m for m, t in zip((a, b), operation, strict=True))
    again = np.empty_like(out)
    found: dict[str, Callable[[], Any]] = {
        "ours": ours, "openblas": lambda: np.matmul(x, y, out=again)
    }  # fmt: skip
    try:
        import torch
    except ImportError:
        return found
    torch.set_num_threads(1)
    left, right, third = torch.from_numpy(x), torch.from_numpy(y), torch.empty(out.shape)
    third = third.to(left.dtype)
    found["mkl"] = lambda: torch.mm(left, right, out=third)
    return found


def measure(operation: str, dtype: str, shape: tuple[int, int, int], seconds: float) -> Row:
    """The shortest of many calls of each, in turn."""
    rng, (m, k, n) = np.random.default_rng(0), shape
    a = rng.random((m, k) if operation[0] == "n" else (k, m)).astype(dtype)
    b = rng.random((k, n) if operation[1] == "n" else (n, k)).astype(dtype)
    calls = contenders(operation, a, b)
    calls["peak"] = peak(dtype)
    flops = dict.fromkeys(calls, 2.0 * m * k * n) | {"peak": float(peak_flops(dtype))}
    times = max(1, int(2e5 / flops["ours"]))  # short calls are timed many at once
    best = dict.fromkeys(calls, float("inf"))
    turns = dict.fromkeys(calls, times)
    turns["peak"] = max(1, int(min(flops["ours"] * times, _LONGEST) / flops["peak"]))
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 3 or time.perf_counter() < end:
        rounds += 1
        for name, call in calls.items():
            best[name] = min(best[name], _timed(call, turns[name]))
    speed = {name: flops[name] / best[name] / 1e9 for name in calls}
    return Row(operation, dtype, m, k, n, speed["ours"], speed["openblas"], speed.get("mkl"),
               speed["peak"])  # fmt: skip


def _timed(call: Callable[[], Any], times: int) -> float:
    start = time.thread_time()
    for _ in range(times):
        call()
    return (time.thread_time() - start) / times


def draw(rows: list[Row], path: Path) -> None:
    """Over a product's size: its ratio to the better of the two, and the share of the peak."""
    import matplotlib.pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 8), sharex=True)
    for dtype, marker in (("float32", "o"), ("float64", "x")):
        found = [row for row in rows if row.dtype == dtype]
        size = [2.0 * row.rows * row.inner * row.columns for row in found]
        above.scatter(size, [row.ratio for row in found], marker=marker, s=18, label=dtype)
        shares = [row.ours / row.peak for row in found]
        below.scatter(size, shares, marker=marker, s=18, label=dtype)
    for axes, lines in ((above, (1.0, 0.9)), (below, (1.0, 0.85))):
        for line, style in zip(lines, ("-", ":"), strict=True):
            axes.axhline(line, color="grey", lw=1, ls=style)
        axes.legend()
    above.set(xscale="log", yscale="log", ylabel="speed against the better of OpenBLAS and MKL")
    below.set(xlabel="operations of the product", ylabel="share of the FMA peak beside it")
    figure.savefig(path, dpi=100, bbox_inches="tight")
    plt.close(figure)


def main() -> None:
    """Measure, and publish."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.products", description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.2, help="for each product")
    parser.add_argument("--picture", action="store_true", help=f"write {PICTURE.name}")
    output.add_options(parser)
    args = parser.parse_args()
    with threadpool_limits(1):
        rows = [measure(*product, args.seconds) for product in shapes()]
    if args.picture:
        draw(rows, PICTURE)
    ratios = sorted(row.ratio for row in rows)
    share = sum(r >= 0.9 for r in ratios) / len(ratios)
    header = ["product", "GFLOP/s", "OpenBLAS", "MKL", "ratio", "of the peak"]
    title = f"{len(rows)} products, one thread"
    table = output.Table(title, header, [_cells(row) for row in rows])
    found = facts()
    foot = (
        f"At 0.9 or more of the better of the two: {share:.0%}; median"
        f" {ratios[len(ratios) // 2]:.2f}. {in_words(found)}"
    )
    record = {"machine": found, "rows": [{**asdict(row), "ratio": row.ratio} for row in rows]}
    output.publish(args, "products", [table], record, foot)


def _cells(row: Row) -> list[str]:
    mkl = "missing" if row.mkl is None else f"{row.mkl:.1f}"
    return [
        f"{row.dtype} {row.operation} {row.rows}x{row.inner}x{row.columns}", f"{row.ours:.1f}",
        f"{row.openblas:.1f}", mkl, f"{row.ratio:.2f}", f"{row.ours / row.peak:.2f}",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
