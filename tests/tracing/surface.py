"""One program run as NumPy, as its graph node by node, under ``grad`` and compiled: all agree."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import chainrule as cr
from chainrule.errors import ChainruleError
from chainrule.ir.graph import Graph
from chainrule.ops import PRIMITIVES, verify
from chainrule.tracing.trace import array_type, trace_types
from chainrule.tracing.trees import flatten

F32, F64, I32, I64, BOOL = (np.dtype(d) for d in ("f4", "f8", "i4", "i8", "?"))
DTYPES = (F64, F32, I64, I32, BOOL)
#: Roundings of a handful of operations, which NumPy may order otherwise.
TOLERANCE = {F32: 3e-5, F64: 1e-12}


def evaluate(graph: Graph, arguments: list[np.ndarray]) -> list[np.ndarray]:
    """The outputs of a graph by the NumPy meaning of each node."""
    verify(graph)
    values: dict[Any, Any] = dict(zip(graph.inputs, arguments, strict=True))
    with np.errstate(all="ignore"):
        for node in graph.nodes:
            if node not in values:
                operands = [values[x] for x in node.inputs]
                made = PRIMITIVES[node.op].evaluate(*operands, **node.attributes)
                values[node] = made
                assert np.shape(made) == node.type.shape, node
                assert np.asarray(made).dtype == node.type.dtype, node
    return [np.asarray(values[output]) for output in graph.outputs]


def graph_of(f: Any, *xs: np.ndarray) -> tuple[Graph, list[np.ndarray]]:
    """The graph of f and what it is run on."""
    traced = trace_types(lambda tracers: f(*tracers), [array_type(x) for x in xs])
    return traced.graph, [*xs, *traced.constants]


def same(got: Any, expected: Any, where: str = "") -> None:
    """Shape, dtype and values; floats within a few roundings, NaN at the same places."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, where
    assert got.dtype == expected.dtype, where
    if expected.dtype.kind == "f":
        rtol = TOLERANCE[expected.dtype]
        finite = np.abs(expected[np.isfinite(expected)])
        size = finite.max() if finite.size else 0.0
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol * size, err_msg=where)
    else:
        np.testing.assert_array_equal(got, expected, err_msg=where)


def numpys(f: Any, *xs: np.ndarray) -> list[np.ndarray] | None:
    """What NumPy makes of plain arrays; None where it refuses or has a dtype that graphs lack."""
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            found = flatten(f(*xs))[0]
    except (TypeError, ValueError, IndexError):
        return None
    leaves = [np.asarray(x) for x in found]
    return leaves if all(x.dtype in DTYPES for x in leaves) else None


def check_graph(f: Any, *xs: np.ndarray) -> None:
    """The graph means what NumPy computes. A refusal is allowed of whole numbers alone."""
    expected = numpys(f, *xs)
    try:
        graph, arguments = graph_of(f, *xs)
    except ChainruleError:
        if expected is None or xs[0].dtype.kind != "f":
            return
        raise
    if expected is None:
        return
    for got, wanted in zip(evaluate(graph, arguments), expected, strict=True):
        same(got, wanted)


def check_compiled(f: Any, *xs: np.ndarray) -> None:
    """The native code computes what NumPy does."""
    expected = numpys(f, *xs)
    if expected is None:
        return
    try:
        got = flatten(cr.compile(f)(*xs))[0]
    except ChainruleError:
        if xs[0].dtype.kind != "f":
            return
        raise
    for mine, wanted in zip(got, expected, strict=True):
        same(mine, wanted)


def weighted(f: Any) -> Any:
    """The sum of the floating results, each element with a weight of its own."""

    def total(*xs: Any) -> Any:
        leaves = [y for y in flatten(f(*xs))[0] if y.dtype.kind == "f"]
        weights = [np.cos(np.arange(y.size, dtype=float)).reshape(y.shape) for y in leaves]
        return sum((np.sum(y * w) for y, w in zip(leaves, weights, strict=True)), 0.0)

    return total


def check_derivative(f: Any, *xs: np.ndarray) -> None:
    """Along a random direction of all arguments the gradient is the central difference."""
    g = weighted(f)
    rng = np.random.default_rng(1)
    v = [rng.normal(size=x.shape) for x in xs]
    h = 1e-6  # balances truncation h² with rounding eps / h in f64
    with warnings.catch_warnings(action="ignore"):
        ahead, behind = (g(*(x + s * h * u for x, u in zip(xs, v, strict=True))) for s in (1, -1))
    gradients = cr.grad(g, argnums=tuple(range(len(xs))))(*xs)
    along = sum(np.sum(d * u) for d, u in zip(gradients, v, strict=True))
    np.testing.assert_allclose(along, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-7)
    assert all((d.shape, d.dtype) == (x.shape, x.dtype) for d, x in zip(gradients, xs, strict=True))
