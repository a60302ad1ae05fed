"""Matrices in strips of columns: that makes steps faster and does not change one bit."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.compiler.lower import strips
from chainrule.compiler.lower.roles import OutputRole, Roles
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.target import Target, host
from chainrule.compiler.pipeline import compile_graph
from chainrule.evaluation.examples import take_examples
from chainrule.training.step import StepPlan, carry, trace_step
from tests.compiler.steps import assert_same_bits

STEPS, BATCH = 3, 37
#: Hidden layers of odd sizes; each direction of the middle one needs its own layout.
SIZES = [21, 35, 50, 3]
OPTIMIZERS = {
    "momentum": optim.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": optim.AdamW(0.01, weight_decay=0.1),
    "clipped": optim.clip_norm(optim.SGD(0.1), 0.5),
}
WIDTHS = (512, 256, 128)


class Case:
    """A network's step for a target, with its first arrays and its examples."""

    def __init__(self, optimizer: Any, dtype: Any, target: Target, measures: tuple[str, ...] = ()):
        rng = np.random.default_rng(0)
        model = nn.MLP(SIZES, rng=0, dtype=dtype)
        data = rng.normal(size=(60, SIZES[0])).astype(dtype), rng.integers(0, SIZES[-1], 60)
        self.carried = carry(model, optimizer)
        self.examples = take_examples(data, np.dtype(dtype))
        traced = trace_step(
            self.carried, self.examples, losses.cross_entropy, optimizer, StepPlan(measures)
        )
        count, graph = len(self.carried.leaves), traced.graph
        inputs = (*["state"] * count, *["rows"] * 2, "scalar")
        records = len(graph.outputs) - count
        states = [OutputRole("state", k) for k in range(count)]
        outputs = (*states, *[OutputRole("scalar")] * records)
        self.records = [node.type.dtype for node in graph.outputs[count:]]
        self.executable = compile_graph(graph, Roles(inputs, outputs), target)  # type: ignore[arg-type]
        self.dtype = dtype

    def run(self, threads: int) -> list[np.ndarray]:
        """What is carried after some steps from the start, and what they record."""
        executable: Executable = self.executable
        executable.set_state(self.carried.leaves)
        recorded = [np.zeros(STEPS, dtype) for dtype in self.records]
        order = np.random.default_rng(1).integers(0, 60, STEPS * BATCH).astype(np.int32)
        executable.run(
            [np.full(STEPS, 0.1, self.dtype)], recorded, batch=BATCH, steps=STEPS, order=order,
            rows=self.examples.arrays, threads=threads,
        )  # fmt: skip
        return [*executable.get_state(), *recorded]

    def in_strips(self) -> list[tuple[int, ...]]:
        """The shapes of the carried matrices that lie in strips."""
        return [b.type.shape for b in self.executable.plan.state_buffers() if b.strip]  # type: ignore[misc]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_strips_change_no_bit(name, dtype, width, monkeypatch):
    """Whole rows and strips, on one thread and on three: the same sums in the same order."""
    measures = ("gradient", "update") if name == "adam" else ()
    monkeypatch.setattr(strips, "_LARGE", 1 << 40)
    whole = Case(OPTIMIZERS[name], dtype, host(width), measures)
    assert not whole.in_strips()
    monkeypatch.setattr(strips, "_LARGE", 1)
    case = Case(OPTIMIZERS[name], dtype, host(width), measures)
    assert case.in_strips()
    expected = whole.run(1)
    for threads in (1, 3):
        assert_same_bits(case.run(threads), expected, threads)


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_of_a_batch_in_parts_change_no_bit(width, monkeypatch):
    """A second cache of few rows: the strips pass by several times."""
    monkeypatch.setattr(strips, "_LARGE", 1)
    target, step = host(width), OPTIMIZERS["momentum"]
    many, one = (Case(step, np.float32, replace(target, far=far)) for far in (4 << 10, 1 << 30))
    assert_same_bits(many.run(2), one.run(1))


def test_weights_and_what_is_updated_beside_them_lie_in_strips(monkeypatch):
    monkeypatch.setattr(strips, "_LARGE", 1)
    found = Case(OPTIMIZERS["adam"], np.float32, host()).in_strips()
    for n_in, n_out in pairwise(SIZES):
        assert found.count((n_out, n_in)) == 3, "the weight and its two moments"


def test_small_matrices_have_whole_rows():
    assert not Case(OPTIMIZERS["adam"], np.float32, host()).in_strips()


def test_arrays_come_back_as_they_were_put(monkeypatch):
    monkeypatch.setattr(strips, "_LARGE", 1)
    case = Case(OPTIMIZERS["adam"], np.float64, host())
    rng = np.random.default_rng(2)
    arrays = [rng.normal(size=np.shape(x)).astype(x.dtype) for x in case.carried.leaves]
    case.executable.set_state(arrays)
    assert_same_bits(case.executable.get_state(), arrays)


def test_a_matrix_that_is_read_in_pieces_has_whole_rows(monkeypatch):
    """A slice begins in the middle of a strip."""
    monkeypatch.setattr(strips, "_LARGE", 1)
    w = np.random.default_rng(0).normal(size=(30, 40))

    def loss(p: Any, x: Any) -> Any:
        return np.mean(np.tanh(x @ p.T) ** 2) + 0.1 * np.sum(p[:, 3:20] ** 2)

    optimizer = optim.SGD(0.1)
    carried = carry(w, optimizer)
    examples = take_examples((np.zeros((60, 40)),), np.dtype(np.float64))
    graph = trace_step(carried, examples, loss, optimizer).graph
    roles = Roles(("state", "rows", "scalar"), (OutputRole("state", 0), OutputRole("scalar")))
    assert not compile_graph(graph, roles).plan.state_buffers()[0].strip


def test_losses_and_outputs_read_strips(monkeypatch):
    """What only reads a model carries its matrices too."""
    x, y = np.random.default_rng(0).normal(size=(50, SIZES[0])), np.arange(50) % SIZES[-1]
    model = nn.MLP(SIZES, rng=0, dtype=np.float64)

    def loss() -> Any:
        run = cr.train(model, losses.cross_entropy, (x, y), validation=(x, y), epochs=2, batch=25)
        return [epoch["validation_loss"] for epoch in run.history.epochs]

    expected = loss()
    monkeypatch.setattr(strips, "_LARGE", 1)
    np.testing.assert_array_equal(loss(), expected)
