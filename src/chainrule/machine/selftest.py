"""Programs run as native code and by NumPy, which must agree: a test of this machine.

The operations' NumPy meanings are what the native code is held against. The programs are small, of
odd sizes, and together use products of all transpositions, sums in both directions, elementary
functions, choices, gathering, loops, and a whole training step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from chainrule.compiler.native.target import Target
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.gradients.reverse import value_and_grad
from chainrule.ir.types import sized
from chainrule.tracing.control import scan
from chainrule.tracing.functions import logsumexp
from chainrule.tracing.trace import trace
from chainrule.tracing.trees import flatten

#: The largest difference from NumPy, as a part of the largest value: sums go in other orders.
_TOLERANCE: Final = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 2e-13}
F32: Final = (np.dtype(np.float32),)
FLOATS: Final = (*F32, np.dtype(np.float64))


@dataclass(frozen=True, slots=True)
class Failure:
    """A program whose native results are not NumPy's, and how they differ."""

    program: str
    threads: int
    what: str


def _products(x: Any, y: Any, w: Any) -> Any:
    return x @ w, w.T @ x.T, (x @ w).T @ x, x @ x.T, y @ (x @ w)


def _elementary(x: Any, y: Any, w: Any) -> Any:
    z = np.abs(x) + 0.5
    return (
        np.exp(x), np.log(z), np.tanh(x), np.sqrt(z), np.sin(x), np.cos(x), np.expm1(x),
        np.log1p(z), np.arctan(x), np.power(z, x), 1 / z, np.hypot(x, z),
    )  # fmt: skip


def _sums(x: Any, y: Any, w: Any) -> Any:
    return (
        np.sum(x), np.sum(x, axis=0), np.sum(x * x, axis=1), np.max(x, axis=0), np.max(x, axis=1),
        np.mean(w), np.var(x, axis=1), logsumexp(x, axis=1), np.cumsum(x, axis=0),
    )  # fmt: skip


def _choices(x: Any, y: Any, w: Any) -> Any:
    return (
        np.where(x > y[:, None], x, -x), np.clip(x, -0.5, 0.5), np.sign(x), np.floor(3 * x),
        np.sort(x, axis=1), np.concatenate([x, 2 * x], axis=1), x[::2], x[1:, :3],
    )  # fmt: skip


def _repeats(x: Any, y: Any, w: Any) -> Any:
    def step(state: Any, row: Any) -> tuple[Any, Any]:
        after = np.tanh(w.T @ row + state)
        return after, np.sum(after)

    return scan(step, y[: w.shape[1]], x)


def _network(x: Any, y: Any, w: Any) -> Any:
    def loss(v: Any) -> Any:
        hidden = np.maximum(x @ v, 0)
        return np.mean(logsumexp(hidden, axis=1) - hidden[:, 0]) + np.mean(y) * np.sum(v**2)

    value, gradient = value_and_grad(loss)(w)
    return value, w - 0.1 * gradient


PROGRAMS: Final[dict[str, Callable[..., Any]]] = {
    "products": _products,
    "elementary functions": _elementary,
    "sums": _sums,
    "choices and moves": _choices,
    "a loop": _repeats,
    "a training step": _network,
}


def self_test(
    target: Target, dtypes: tuple[np.dtype, ...], threads: tuple[int, ...]
) -> Iterator[list[Failure]]:
    """What is wrong with each program, as they are done.

    Args:
        target: the processor to write for: this one, or with narrower vectors.
        dtypes: of the programs' numbers, some of ``FLOATS``.
        threads: numbers of threads, each of which must give the same bits.
    """
    for name, program in PROGRAMS.items():
        for dtype in dtypes:
            yield _failures(f"{name}, {dtype}", program, dtype, target, threads)


def _failures(
    name: str, program: Callable[..., Any], dtype: np.dtype, target: Target,
    threads: tuple[int, ...],
) -> list[Failure]:  # fmt: skip
    rng = np.random.default_rng(7)
    x, y, w = (rng.normal(size=shape).astype(dtype) for shape in ((67, 33), (67,), (33, 19)))
    try:
        executable, wanted = _compiled(program, (x, y, w), target)
        results = [executable(count) for count in threads]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test has found
        return [Failure(name, threads[0], f"{type(error).__name__}: {error}")]
    found = []
    for count, got in zip(threads, results, strict=True):
        what = _difference(got, wanted, _TOLERANCE[dtype]) or _other_bits(got, results[0])
        found += [Failure(name, count, what)] if what else []
    return found


def _compiled(
    program: Callable[..., Any], arguments: tuple[np.ndarray, ...], target: Target
) -> tuple[Callable[[int], list[np.ndarray]], list[np.ndarray]]:
    """The native program for any number of threads, and NumPy's results."""
    wanted = [np.asarray(leaf) for leaf in flatten(program(*arguments))[0]]
    graph = trace(program, *arguments)
    assert len(graph.inputs) == len(arguments), "a program takes what it is given"
    executable = compile_graph(graph, plain_roles(graph), target)

    def run(threads: int) -> list[np.ndarray]:
        types = [node.type for node in graph.outputs]
        outputs = [np.zeros(sized(type_.shape), type_.dtype) for type_ in types]
        executable.run(list(arguments), outputs, threads=threads)
        return outputs

    return run, wanted


def _difference(got: list[np.ndarray], wanted: list[np.ndarray], tolerance: float) -> str:
    for k, (a, b) in enumerate(zip(got, wanted, strict=True)):
        if a.shape != b.shape:
            return f"result {k} is {a.shape}, NumPy's {b.shape}"
        far = float(np.max(np.abs(a - b.astype(a.dtype)), initial=0.0))
        if not far <= tolerance * max(1.0, float(np.max(np.abs(b), initial=0.0))):
            return f"result {k} differs by {far:.3g}"
    return ""


def _other_bits(got: list[np.ndarray], first: list[np.ndarray]) -> str:
    same = all(a.tobytes() == b.tobytes() for a, b in zip(got, first, strict=True))
    return "" if same else "other bits than on one thread"
