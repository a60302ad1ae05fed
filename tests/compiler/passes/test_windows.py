"""Convolutions after the passes: no overlapping sums, transposes outwards, no copied windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.compiler.lower.plan import make_plan
from chainrule.compiler.passes.outwards import regrouped
from chainrule.compiler.pipeline import plain_roles, simplify
from chainrule.ir.graph import Graph
from chainrule.ir.text import to_text
from chainrule.ir.types import BATCH
from tests.compiler.interpret import Bounded, run

RNG = np.random.default_rng(5)
#: (image, kernel, options of nn.conv)
CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "plain": ((2, 3, 7, 6), (4, 3, 3, 3), {}),
    "padded": ((2, 3, 7, 6), (4, 3, 3, 2), {"padding": 1}),
    "same": ((1, 2, 5, 5), (3, 2, 3, 3), {"padding": "same"}),
    "much padding": ((2, 2, 4, 4), (3, 2, 2, 2), {"padding": 3}),
    "dilated": ((3, 2, 9, 8), (3, 2, 3, 2), {"dilation": (2, 3), "padding": (2, 1)}),
    "strided": ((2, 2, 9, 8), (3, 2, 3, 3), {"stride": (2, 1), "padding": 1}),
    "unused margin": ((2, 2, 8, 8), (3, 2, 3, 3), {"stride": 2}),
    "groups": ((2, 4, 6, 5), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    "one axis": ((2, 3, 9), (4, 3, 3), {"padding": 1}),
    "three axes": ((2, 2, 4, 5, 4), (3, 2, 2, 3, 2), {"padding": (0, 1, 1)}),
}


def gradient_of(name: str) -> tuple[Graph, list[np.ndarray], Any]:
    image, kernel, options = CASES[name]
    x, w = RNG.normal(size=image), RNG.normal(size=kernel)
    bias = RNG.normal(size=kernel[0])

    def loss(x: Any, w: Any, b: Any) -> Any:
        return np.sum(np.tanh(nn.conv(x, w, b, **options)) ** 2)

    f = cr.grad(loss, argnums=(0, 1, 2))
    return cr.trace(f, x, w, bias), [x, w, bias], f


@pytest.mark.parametrize("name", CASES)
def test_passes_and_native_code_keep_the_gradients_of_a_convolution(name):
    """float64: some hundred roundings."""
    graph, arrays, f = gradient_of(name)
    expected = f(*arrays)
    known = [Bounded(a, np.zeros_like(a)) for a in arrays]
    for found, right in zip(run(simplify(graph), known), expected, strict=True):
        np.testing.assert_allclose(found.value, right, rtol=1e-11, atol=1e-11)
    for got, right in zip(cr.compile(f)(*arrays), expected, strict=True):
        np.testing.assert_allclose(got, right, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["plain", "padded", "same", "much padding", "dilated"])
def test_windows_one_place_apart_need_no_overlapping_sums_and_no_copy(name):
    graph = simplify(gradient_of(name)[0])
    assert not any(node.op == "unshear" for node in graph.nodes)
    nests = [n for phase in make_plan(graph, plain_roles(graph)).schedule.phases for n in phase]
    assert max(root.type.rank for nest in nests for root in nest.roots) <= 4


def test_transposes_are_behind_what_follows_a_product():
    """Bias and activation are worked out with the channels last."""
    graph = simplify(gradient_of("padded")[0])
    ranks = {node.type.shape for node in graph.nodes if node.op == "tanh"}
    assert ranks == {(2, 7, 7, 4)}


def test_axes_are_regrouped_where_they_are_cut_or_joined_one_by_one():
    assert regrouped((BATCH, 4, 6), (BATCH, 2, 2, 6)) == [([0], [0]), ([1], [1, 2]), ([2], [3])]
    assert regrouped((3, 2, 5), (6, 5)) == [([0, 1], [0]), ([2], [1])]
    assert regrouped((4, 6), (6, 4)) is None
    assert regrouped((BATCH, 4), (4, BATCH)) is None


def test_axes_that_would_only_change_places_between_operands_stay() -> None:
    """Moved outwards they would come back in a second round, and so on."""

    def f(x: Any) -> Any:
        y = np.tanh(x)
        return np.sum(y * np.transpose(np.exp(y), (1, 0, 2)))

    once = simplify(cr.trace(f, np.zeros((5, 5, 3))))
    assert to_text(simplify(once)) == to_text(once)
