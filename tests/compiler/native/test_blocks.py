"""Packed blocks of products: the same bits as tiles that read the operands where they lie."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.target import Target, host
from chainrule.compiler.pipeline import compile_graph, plain_roles
from chainrule.ir.types import BATCH, ArrayType
from chainrule.tracing.batch import trace_batch
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.guarded import run_plain
from tests.compiler.steps import Step, assert_same_bits

WIDTHS = (512, 256, 128)
RNG = np.random.default_rng(0)
#: Every product that is beyond a small part of this cache is packed, in small blocks.
TINY = {"near": 1024, "far": 16 << 10}
HUGE = {"near": 1 << 40, "far": 1 << 40}

PRODUCTS = {
    "nn": lambda a, b: a @ b,
    "tn": lambda a, b: a.T @ b,
    "nt": lambda a, b: a @ b.T,
    "tt": lambda a, b: a.T @ b.T,
    "followed": lambda a, b: np.maximum(a @ b + 0.5, 0.0),
    "long": lambda a, b: np.tanh(a.T @ b),
    "summed": lambda a, b: ((a @ b) ** 2, np.sum((a @ b) ** 2)),
}
#: (rows, inner, columns): odd ones, some that are whole tiles and blocks, more than a panel's.
SHAPES = [(61, 53, 131), (48, 64, 256), (97, 200, 70), (13, 130, 333), (50, 33, 2100)]
#: Few rows, columns or steps of the contracted axis: less than a tile, a vector, a block.
SMALL = [
    (1, 3, 2),
    (2, 1, 5),
    (3, 40, 17),
    (40, 2, 31),
    (5, 7, 1),
    (0, 3, 4),
    (3, 0, 20),
    (4, 3, 0),
]


def _operands(name: str, shape: tuple[int, int, int], dtype: str) -> list[np.ndarray]:
    m, k, n = shape
    first = (k, m) if name in ("tn", "tt", "long") else (m, k)
    second = (n, k) if name in ("nt", "tt") else (k, n)
    return [RNG.standard_normal(s).astype(dtype) for s in (first, second)]


def _with_lanes_contiguous(name: str, inputs: list[np.ndarray]) -> tuple[str, list[np.ndarray]]:
    """The same product of a second operand that no tile has to turn."""
    if name not in ("nt", "tt"):
        return name, inputs
    a, b = inputs
    return name[0] + "n", [a, np.ascontiguousarray(b.T)]


def _compiled(f: Any, inputs: list[np.ndarray], target: Target) -> Executable:
    graph = trace_types(lambda x: f(*x), [array_type(x) for x in inputs]).graph
    return compile_graph(graph, plain_roles(graph), target)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", PRODUCTS)
def test_packed_products_have_the_bits_of_tiles_alone(name, dtype, width):
    """The chain of multiply-adds of an element does not depend on where its operands lie."""
    for shape in SHAPES[:: 1 if width == 512 and dtype == "f4" else 3]:
        inputs = _operands(name, shape, dtype)
        packed = _compiled(PRODUCTS[name], inputs, replace(host(width), **TINY))
        other, turned = _with_lanes_contiguous(name, inputs)
        plain = _compiled(PRODUCTS[other], turned, replace(host(width), **HUGE))
        assert "%panels" in packed.text
        assert "%panels" not in plain.text
        expected, found = run_plain(plain, turned), run_plain(packed, inputs)
        assert_same_bits(expected[:1], found[:1], shape)
        for x, y in zip(expected, found, strict=True):  # sums along rows: strips of other widths
            np.testing.assert_allclose(x, y, rtol=1e-4 if dtype == "f4" else 1e-12)
        assert_same_bits(found, run_plain(packed, inputs, threads=3), shape)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["nt", "tt"])
def test_an_operand_that_lies_across_is_turned_whatever_its_size(name, dtype, width):
    """Packed on every machine, in blocks of any size: the bits of the product of a copy."""
    for shape in [*SMALL, SHAPES[0]]:
        inputs = _operands(name, shape, dtype)
        other, turned = _with_lanes_contiguous(name, inputs)
        expected = run_plain(
            _compiled(PRODUCTS[other], turned, replace(host(width), **HUGE)), turned
        )
        np.testing.assert_allclose(expected[0], PRODUCTS[name](*inputs), rtol=1e-4, atol=1e-4)
        for cache in (TINY, HUGE, {}):
            compiled = _compiled(PRODUCTS[name], inputs, replace(host(width), **cache))
            assert_same_bits(expected, run_plain(compiled, inputs), (shape, cache))


def _loss(w: Any, v: Any, x: Any, y: Any) -> Any:
    return np.mean((np.maximum(x @ w, 0.0) @ v - y) ** 2)


def _descent() -> Step:
    """Two layers: the batch gives rows forward, and is contracted over in the update in place."""

    def one(given: list[Any]) -> list[Any]:
        w, v, x, y, rate = given
        g, h = cr.grad(_loss, argnums=(0, 1))(w, v, x, y)
        return [w - rate * g, v - rate * h, np.sum(g * g)]

    shapes = [(70, 90), (90, 40), (BATCH, 70), (BATCH, 40), ()]
    graph = trace_batch(one, [ArrayType(np.dtype("f4"), s) for s in shapes]).graph
    return Step(graph, 2, 2, 0)


def test_descent_through_packed_blocks_has_the_bits_of_the_one_without():
    """For batches of any length, shorter and longer than a block, on any number of threads."""
    step = _descent()
    packed, plain = (
        compile_graph(step.graph, step.roles, replace(host(), **x)) for x in (TINY, HUGE)
    )
    assert "%panels" in packed.text
    for batch in (1, 13, 64, 150):
        (states, record), *others = [
            step.natively(which, batch, 3, threads)
            for which, threads in ((plain, 1), (packed, 1), (packed, 2), (packed, 3), (packed, 8))
        ]
        for other, other_record in others:
            assert_same_bits(states, other, batch)
            np.testing.assert_allclose(record, other_record, rtol=1e-5)
