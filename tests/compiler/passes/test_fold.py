"""Golden text of graphs before and after folding: what each rule is there for."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.passes.fold import fold
from chainrule.compiler.pipeline import PASSES, Stages, simplify
from chainrule.ir.graph import Graph
from chainrule.ir.text import parse, to_text
from tests.compiler.interpret import evaluate
from tests.compiler.programs import values

GOLDEN = {
    "a transposed operand is a product along its other axis": (
        """
        graph(%0: f32[batch, 3], %1: f32[5, 3]) {
          %2: f32[3, 5] = transpose(%1) {axes=(1, 0)}
          %3: f32[batch, 5] = dot(%0, %2) {a_axes=(1,); a_batch=(); b_axes=(0,); b_batch=()}
          return %3
        }
        """,
        """
        graph(%0: f32[batch, 3], %1: f32[5, 3]) {
          %2: f32[batch, 5] = dot(%0, %1) {a_axes=(1,); a_batch=(); b_axes=(1,); b_batch=()}
          return %2
        }
        """,
    ),
    "a transposed product is the product the other way round": (
        """
        graph(%0: f32[4, 3], %1: f32[5, 3]) {
          %2: f32[4, 5] = dot(%0, %1) {a_axes=(1,); a_batch=(); b_axes=(1,); b_batch=()}
          %3: f32[5, 4] = transpose(%2) {axes=(1, 0)}
          return %3
        }
        """,
        """
        graph(%0: f32[4, 3], %1: f32[5, 3]) {
          %2: f32[5, 4] = dot(%1, %0) {a_axes=(1,); a_batch=(); b_axes=(1,); b_batch=()}
          return %2
        }
        """,
    ),
    "a product with a vector is a sum of products": (
        """
        graph(%0: f32[batch, 3], %1: f32[3]) {
          %2: f32[batch] = dot(%0, %1) {a_axes=(1,); a_batch=(); b_axes=(0,); b_batch=()}
          return %2
        }
        """,
        """
        graph(%0: f32[batch, 3], %1: f32[3]) {
          %2: f32[batch, 3] = broadcast(%1) {axes=(1,); shape=(batch, 3)}
          %3: f32[batch, 3] = multiply(%0, %2)
          %4: f32[batch] = sum(%3) {axes=(1,)}
          return %4
        }
        """,
    ),
    "a product over an axis of size one is no sum at all": (
        """
        graph(%0: f32[batch, 1], %1: f32[1, 5]) {
          %2: f32[batch, 5] = dot(%0, %1) {a_axes=(1,); a_batch=(); b_axes=(0,); b_batch=()}
          return %2
        }
        """,
        """
        graph(%0: f32[batch, 1], %1: f32[1, 5]) {
          %2: f32[batch] = reshape(%0) {shape=(batch,)}
          %3: f32[batch, 5] = broadcast(%2) {axes=(0,); shape=(batch, 5)}
          %4: f32[5] = reshape(%1) {shape=(5,)}
          %5: f32[batch, 5] = broadcast(%4) {axes=(1,); shape=(batch, 5)}
          %6: f32[batch, 5] = multiply(%3, %5)
          return %6
        }
        """,
    ),
    "what is repeated alike is worked out once and repeated afterwards": (
        """
        graph(%0: f32[5], %1: f32[5]) {
          %2: f32[batch, 5] = broadcast(%0) {axes=(1,); shape=(batch, 5)}
          %3: f32[batch, 5] = exp(%2)
          %4: f32[batch, 5] = broadcast(%1) {axes=(1,); shape=(batch, 5)}
          %5: f32[batch, 5] = multiply(%3, %4)
          return %5
        }
        """,
        """
        graph(%0: f32[5], %1: f32[5]) {
          %2: f32[5] = exp(%0)
          %3: f32[5] = multiply(%2, %1)
          %4: f32[batch, 5] = broadcast(%3) {axes=(1,); shape=(batch, 5)}
          return %4
        }
        """,
    ),
    "what is repeated along different axes stays": (
        """
        graph(%0: f32[5], %1: f32[4]) {
          %2: f32[4, 5] = broadcast(%0) {axes=(1,); shape=(4, 5)}
          %3: f32[4, 5] = broadcast(%1) {axes=(0,); shape=(4, 5)}
          %4: f32[4, 5] = add(%2, %3)
          return %4
        }
        """,
        """
        graph(%0: f32[5], %1: f32[4]) {
          %2: f32[4, 5] = broadcast(%0) {axes=(1,); shape=(4, 5)}
          %3: f32[4, 5] = broadcast(%1) {axes=(0,); shape=(4, 5)}
          %4: f32[4, 5] = add(%2, %3)
          return %4
        }
        """,
    ),
    "a chain of reshapes is one, or none": (
        """
        graph(%0: f64[6]) {
          %1: f64[2, 3] = reshape(%0) {shape=(2, 3)}
          %2: f64[3, 2] = reshape(%1) {shape=(3, 2)}
          %3: f64[6] = reshape(%2) {shape=(6,)}
          %4: f64[6, 1] = reshape(%3) {shape=(6, 1)}
          return %3, %4
        }
        """,
        """
        graph(%0: f64[6]) {
          %1: f64[6, 1] = reshape(%0) {shape=(6, 1)}
          return %0, %1
        }
        """,
    ),
    "a chain of broadcasts and one of transposes are one": (
        """
        graph(%0: f64[3], %1: f64[2, 3, 4]) {
          %2: f64[2, 3] = broadcast(%0) {axes=(1,); shape=(2, 3)}
          %3: f64[2, 3, 4] = broadcast(%2) {axes=(0, 1); shape=(2, 3, 4)}
          %4: f64[3, 4, 2] = transpose(%1) {axes=(1, 2, 0)}
          %5: f64[4, 2, 3] = transpose(%4) {axes=(1, 2, 0)}
          return %3, %5
        }
        """,
        """
        graph(%0: f64[3], %1: f64[2, 3, 4]) {
          %2: f64[2, 3, 4] = broadcast(%0) {axes=(1,); shape=(2, 3, 4)}
          %3: f64[4, 2, 3] = transpose(%1) {axes=(2, 0, 1)}
          return %2, %3
        }
        """,
    ),
    "which of two transposes comes first matters": (
        """
        graph(%0: f64[2, 3, 4]) {
          %1: f64[3, 2, 4] = transpose(%0) {axes=(1, 0, 2)}
          %2: f64[3, 4, 2] = transpose(%1) {axes=(0, 2, 1)}
          return %2
        }
        """,
        """
        graph(%0: f64[2, 3, 4]) {
          %1: f64[3, 4, 2] = transpose(%0) {axes=(1, 2, 0)}
          return %1
        }
        """,
    ),
    "numbers are worked out, and times one is nothing": (
        """
        graph(%0: f64[]) {
          %1: f64[] = constant() {dtype='f64'; value=2.0}
          %2: f64[] = constant() {dtype='f64'; value=3.5}
          %3: f64[] = multiply(%1, %2)
          %4: f64[] = constant() {dtype='f64'; value=1.0}
          %5: f64[] = multiply(%0, %4)
          %6: f64[] = divide(%5, %4)
          %7: f64[] = add(%6, %3)
          return %7
        }
        """,
        """
        graph(%0: f64[]) {
          %1: f64[] = constant() {dtype='f64'; value=7.0}
          %2: f64[] = add(%0, %1)
          return %2
        }
        """,
    ),
    "one over x is no x": (
        """
        graph(%0: f64[]) {
          %1: f64[] = constant() {dtype='f64'; value=1.0}
          %2: f64[] = divide(%1, %0)
          return %2
        }
        """,
        """
        graph(%0: f64[]) {
          %1: f64[] = constant() {dtype='f64'; value=1.0}
          %2: f64[] = divide(%1, %0)
          return %2
        }
        """,
    ),
    "zero times x stays: x may be infinite": (
        """
        graph(%0: f64[]) {
          %1: f64[] = constant() {dtype='f64'; value=0.0}
          %2: f64[] = multiply(%0, %1)
          %3: f64[] = add(%2, %1)
          return %3
        }
        """,
        """
        graph(%0: f64[]) {
          %1: f64[] = constant() {dtype='f64'; value=0.0}
          %2: f64[] = multiply(%0, %1)
          %3: f64[] = add(%2, %1)
          return %3
        }
        """,
    ),
    "what changes nothing is gone": (
        """
        graph(%0: f32[4, 3]) {
          %1: f32[3, 4] = transpose(%0) {axes=(1, 0)}
          %2: f32[4, 3] = transpose(%1) {axes=(1, 0)}
          %3: f32[4, 3] = copy(%2)
          %4: f32[4, 3] = stop_gradient(%3)
          %5: f32[4, 3] = cast(%4) {dtype='f32'}
          %6: f32[4, 3] = negative(%5)
          return %6
        }
        """,
        """
        graph(%0: f32[4, 3]) {
          %1: f32[4, 3] = negative(%0)
          return %1
        }
        """,
    ),
    "axes of size one need no sum and no room in a loop": (
        """
        graph(%0: f32[batch, 1]) {
          %1: f32[batch, 1] = tanh(%0)
          %2: f32[batch] = sum(%1) {axes=(1,)}
          return %2
        }
        """,
        """
        graph(%0: f32[batch, 1]) {
          %1: f32[batch] = reshape(%0) {shape=(batch,)}
          %2: f32[batch] = tanh(%1)
          return %2
        }
        """,
    ),
}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


@pytest.mark.parametrize("what", GOLDEN)
def test_graph_folds_to_what_is_written_here(what):
    before, after = GOLDEN[what]
    graph = parse(before)
    assert _lines(to_text(fold(graph))) == _lines(after)
    rng = np.random.default_rng(0)
    inputs = [values(node.type, 3, rng) for node in graph.inputs]
    for a, b in zip(evaluate(graph, inputs, 3), evaluate(parse(after), inputs, 3), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)  # f32, sums in another order


def test_the_lectures_linear_regression_is_a_handful_of_nodes():
    """∂/∂w and ∂/∂b of mean (x w + b - y)², with the update, after all passes."""

    def step(w, b, x, y):
        gw, gb = cr.grad(lambda w, b: np.mean((x @ w + b - y) ** 2), argnums=(0, 1))(w, b)
        return w - 0.1 * gw, b - 0.1 * gb

    w, b, x, y = np.zeros(2), 0.0, np.zeros((8, 2)), np.zeros(8)
    text = to_text(simplify(cr.trace(step, w, b, x, y)))
    assert _lines(text) == _lines(
        """
        graph(%0: f64[2], %1: f64[], %2: f64[8, 2], %3: f64[8]) {
          %4: f64[] = constant() {dtype='f64'; value=0.1}
          %5: f64[2] = broadcast(%4) {axes=(); shape=(2,)}
          %6: f64[] = constant() {dtype='f64'; value=0.125}
          %7: f64[8] = broadcast(%6) {axes=(); shape=(8,)}
          %8: f64[8, 2] = broadcast(%0) {axes=(1,); shape=(8, 2)}
          %9: f64[8, 2] = multiply(%2, %8)
          %10: f64[8] = sum(%9) {axes=(1,)}
          %11: f64[8] = broadcast(%1) {axes=(); shape=(8,)}
          %12: f64[8] = add(%10, %11)
          %13: f64[8] = subtract(%12, %3)
          %14: f64[8] = multiply(%7, %13)
          %15: f64[8] = add(%14, %14)
          %16: f64[8, 2] = broadcast(%15) {axes=(0,); shape=(8, 2)}
          %17: f64[8, 2] = multiply(%2, %16)
          %18: f64[2] = sum(%17) {axes=(0,)}
          %19: f64[2] = multiply(%5, %18)
          %20: f64[2] = subtract(%0, %19)
          %21: f64[] = sum(%15) {axes=(0,)}
          %22: f64[] = multiply(%4, %21)
          %23: f64[] = subtract(%1, %22)
          return %20, %23
        }
        """
    )


def test_every_stage_can_be_looked_at():
    stages = Stages()
    graph = cr.trace(lambda x: np.mean(x * 2.0), np.zeros(3))
    simplify(graph, stages)
    assert list(stages.graphs) == list(stages.seconds) == [name for name, _ in PASSES]


def test_a_pass_that_breaks_a_graph_is_named_with_both_graphs(monkeypatch):
    def drop_a_transpose(graph: Graph) -> Graph:
        (output,) = graph.outputs
        wrong = parse(to_text(graph).replace("(1, 0)", "(0, 1)"))
        assert output.op == "transpose"
        return wrong

    monkeypatch.setattr("chainrule.compiler.pipeline.PASSES", (("drop", drop_a_transpose),))
    graph = cr.trace(lambda x: x.T, np.zeros((2, 3)))
    with pytest.raises(
        AssertionError, match=r"(?s)pass 'drop' broke a graph.*transpose.*transpose"
    ):
        simplify(graph)
