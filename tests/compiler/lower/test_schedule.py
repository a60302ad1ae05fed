"""Phases: what stands between two barriers, for the networks that the plan is made for."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.plan import Plan, make_plan
from chainrule.compiler.lower.roles import OutputRole, Roles
from chainrule.compiler.lower.schedule import Gather
from chainrule.compiler.pipeline import simplify
from chainrule.evaluation.examples import take_examples
from chainrule.ir.graph import specialise
from chainrule.training.step import carry, trace_step
from tests.compiler.interpret import Bounded, assert_agree, run
from tests.compiler.simulate import Simulation, assert_lives_apart

ROWS = 40


def _network(
    sizes: list[int], loss: Any, optimizer: Any, activation: str = "relu"
) -> tuple[Plan, list[np.ndarray], list[np.ndarray]]:
    """(plan of a training step, carried arrays, rows)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, sizes[0]))
    labels = rng.integers(0, sizes[-1], ROWS)
    y = labels if loss is losses.cross_entropy else rng.normal(size=(ROWS, 1))
    model = nn.MLP(sizes, rng=0, activation=activation, dtype=np.float64)
    carried = carry(model, optimizer)
    examples = take_examples((x, y), np.dtype(np.float64))
    traced = trace_step(carried, examples, loss, optimizer)
    count = len(carried.leaves)
    outputs = (*(OutputRole("state", k) for k in range(count)), OutputRole("scalar"))
    roles = Roles((*["state"] * count, *["rows"] * 2, "scalar"), outputs)  # type: ignore[arg-type]
    assert not traced.constants
    return make_plan(simplify(traced.graph), roles), carried.leaves, list(examples.arrays)


NETWORKS = {
    "softmax": ([6, 18, 5], losses.cross_entropy, optim.SGD(0.1)),
    "deep": ([3, 17, 5, 4], losses.cross_entropy, optim.SGD(0.1, momentum=0.9, nesterov=True)),
    "regression": ([5, 8, 1], losses.squared_error, optim.SGD(0.1, weight_decay=0.01)),
    "linear": ([5, 1], losses.squared_error, optim.SGD(0.1)),
}


@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("name", NETWORKS)
def test_step_of_a_network_holds_in_the_worst_order_of_threads(name, activation):
    sizes, loss, optimizer = NETWORKS[name]
    plan, states, rows = _network(sizes, loss, optimizer, activation)
    batch, threads = 18, 2  # a granule of rows for one thread, two rows for the other
    assert_lives_apart(plan, batch)
    order = np.random.default_rng(1).integers(0, ROWS, batch).astype(np.int32)
    simulation = Simulation(plan, batch, threads)
    for node, x in zip(plan.graph.inputs, states, strict=False):
        simulation.put(node, x)
    simulation.put(plan.graph.inputs[-1], np.asarray(0.1))
    simulation.run_step(range(threads)[::-1], rows, order)
    given = [*states, *(x[order] for x in rows), np.asarray(0.1)]
    expected = run(plan.graph, [Bounded.exact(x) for x in given], batch)
    got = [*(simulation.get(n) for n in plan.graph.inputs[: len(states)])]
    got.append(simulation.get(plan.graph.outputs[-1]))
    assert_agree(expected, got)


def test_rows_are_gathered_first_and_only_then_read():
    plan, _, _ = _network(*NETWORKS["softmax"])
    first = next(work for phase in plan.schedule.phases for work in phase)
    assert isinstance(first, Gather)
    assert [node.type.shape[1:] for node in first.inputs] == [(6,), ()]


@pytest.mark.parametrize("name", ["softmax", "deep"])
def test_a_network_needs_few_barriers(name):
    """Rows of the batch forward and backward, then the weights: three phases at most."""
    plan, _, _ = _network(*NETWORKS[name])
    assert len(plan.schedule.phases) <= 3, plan


def test_the_update_is_fused_into_the_product_of_its_gradient():
    plan, _, _ = _network(*NETWORKS["softmax"])
    products = [
        work
        for phase in plan.schedule.phases
        for work in phase
        if isinstance(work, Nest) and work.kind == "dot" and work.shape in ((18, 6), (5, 18))
    ]
    assert len(products) == 2
    for nest in products:
        assert [root.op for root in nest.roots] == ["subtract"], str(nest)


def test_buffers_that_do_not_live_together_share_memory():
    """A chain of layers needs no more scratch than its widest neighbours."""

    def chain(x: Any) -> Any:
        for _ in range(6):
            x = np.sin(x @ x.T)
        return x

    graph = simplify(cr.trace(chain, np.zeros((32, 32))))
    plan = make_plan(graph, Roles(("array",), (OutputRole("array"),)))
    _, total = plan.offsets(0)
    one = 32 * (32 + 16) * 8 + 16 * 8  # rows made longer by a granule, and a granule behind
    assert total <= 3 * one


def test_a_plan_is_read_as_text():
    plan, _, _ = _network(*NETWORKS["linear"])
    lines = str(plan).splitlines()
    assert lines[0] == "phase 0"
    assert lines[1].startswith("  gather f64[batch, 5]")


def test_specialised_graph_has_no_symbol_left():
    plan, _, _ = _network(*NETWORKS["softmax"])
    assert not re.search(r"\bbatch\b", str(specialise(plan.graph, 8)))
