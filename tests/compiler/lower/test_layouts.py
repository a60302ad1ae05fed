"""Where matrices lie and what is stored: no product gathers its lanes, no random bits twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chainrule.compiler.lower.contraction import lane_side
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.plan import Plan, make_plan
from chainrule.compiler.lower.roles import OutputRole, Roles
from chainrule.compiler.lower.views import source_of
from chainrule.compiler.pipeline import compile_graph, simplify
from chainrule.nn import training
from chainrule.nn.dropout import dropout
from chainrule.optim.muon import newton_schulz
from chainrule.tracing.trace import array_type, trace_types

RNG = np.random.default_rng(0)


def _plan(step: Any, states: list[np.ndarray]) -> Plan:
    traced = trace_types(lambda xs: step(*xs), [array_type(x) for x in states])
    outputs = tuple(OutputRole("state", k) for k in range(len(states)))
    return make_plan(simplify(traced.graph), Roles(("state",) * len(states), outputs))


def _nests(plan: Plan) -> list[Nest]:
    return [w for phase in plan.schedule.phases for w in phase if isinstance(w, Nest)]


def _orthogonal_step(w: Any, x: Any) -> tuple[Any, Any]:
    g = np.tanh(x @ w.T).T @ x
    return w - 0.1 * newton_schulz(g), x


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (24, 24)])
def test_products_of_an_orthogonal_step_read_their_lanes_next_to_one_another(shape):
    """Where the weights decide the layout nothing between the products is copied into another."""
    plan = _plan(_orthogonal_step, [RNG.normal(size=shape), RNG.normal(size=(30, shape[1]))])
    products = [nest for nest in _nests(plan) if nest.kind == "dot"]
    assert len(products) >= 15
    for nest in products:
        assert nest.anchor is not None
        side, axis = lane_side(nest.anchor, nest.order)
        source, labels = source_of(nest.anchor.inputs[side])
        assert labels[plan.memory.of[source].order[-1]] == axis, str(nest)
    copies = [n for n in _nests(plan) if [m.op for m in n.members] == ["copy"]]
    assert len(copies) <= 1 or shape[0] > shape[1], str(plan)


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (24, 24)])
def test_orthogonal_steps_are_numpys(shape):
    states = [RNG.normal(size=shape), RNG.normal(size=(30, shape[1]))]
    plan = _plan(_orthogonal_step, states)
    executable = compile_graph(plan.graph, plan.roles)
    for threads in (1, 2, 3):
        executable.set_state(states)
        executable.run([], [], steps=2, threads=threads)
        expected = _orthogonal_step(*_orthogonal_step(*states))
        for got, x in zip(executable.get_state(), expected, strict=True):
            # 1e-9: some dozen products in a row in another order
            np.testing.assert_allclose(got, x, rtol=1e-9, atol=1e-9)


def test_a_mask_is_drawn_once_and_kept_for_the_way_back():
    """As booleans: of the words that it is made of nothing is stored."""

    def step(w: Any, x: Any, key: Any) -> tuple[Any, ...]:
        with training(key):
            h = dropout(np.tanh(x @ w.T), 0.5)
        back = np.where(h != 0, h, 0.1) @ w  # stands for a second reader
        with training(key):
            again = dropout(back @ w.T, 0.5)
        return w - 0.1 * (again.T @ x), x, key + 1

    states = [RNG.normal(size=(20, 30)), RNG.normal(size=(40, 30)), np.asarray(7)]
    plan = _plan(step, states)
    stored = [root for nest in _nests(plan) for root in nest.roots]
    assert not [root for root in stored if root.type.dtype == np.int32 and root.type.rank == 2]
    drawing = [n for n in _nests(plan) if any(m.op == "greater_equal" for m in n.members)]
    assert len(drawing) == 1, str(plan)
