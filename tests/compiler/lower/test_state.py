"""Carried arrays: written over their old values where that is sound, else copied back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from chainrule.compiler.lower.plan import Plan, make_plan
from chainrule.compiler.lower.roles import OutputRole, Roles
from chainrule.compiler.pipeline import compile_graph, simplify
from chainrule.ir.graph import Graph
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.simulate import Simulation, assert_lives_apart

RNG = np.random.default_rng(0)
A, B, C = RNG.normal(size=(3, 5, 18))
#: Wide enough for several granules of rows, so that three threads all have some.
TALL = RNG.normal(size=(40, 6))
SQUARE = RNG.normal(size=(20, 20)) * 0.2
W, X = RNG.normal(size=(20, 24)) * 0.2, RNG.normal(size=(9, 24))
Update = Callable[..., tuple[Any, ...]]


def _swap(a: Any, b: Any) -> Any:
    return b, a


def _rotate(a: Any, b: Any, c: Any) -> Any:
    return b, c, a


def _swap_in_one_nest(a: Any, b: Any, c: Any) -> Any:
    s = np.sin(c)
    return s + b, s + a, c


def _velocity_after_position(w: Any, v: Any) -> Any:
    return w - 0.1 * v, 0.9 * v + np.tanh(w)


def _position_after_velocity(v: Any, w: Any) -> Any:
    new = 0.9 * v + np.tanh(w)
    return new, w - 0.1 * v + 0.01 * new


def _read_by_a_sum_after_the_update(w: Any, total: Any) -> Any:
    return w * 0.5, total + np.sum(w) + np.sum(w * 0.5)


def _unchanged(a: Any, b: Any) -> Any:
    return a, b + a


def _transposed_in_place(a: Any) -> Any:
    return (a.T + 1.0,)


def _shifted_in_place(a: Any) -> Any:
    return (np.concatenate([a[1:], a[:1]]),)


def _own_row_sums(a: Any) -> Any:
    return (a - 0.1 * np.sum(a, axis=1, keepdims=True),)


def _own_column_sums(a: Any) -> Any:
    return (a - 0.1 * np.sum(a, axis=0),)


def _short_softmax(a: Any) -> Any:
    e = np.exp(a - np.max(a, axis=1, keepdims=True))
    return (e / np.sum(e, axis=1, keepdims=True) + 0.1 * a,)


def _product_with_itself(a: Any) -> Any:
    return (0.5 * (a @ a.T) + 0.1 * a,)


def _layer(w: Any, x: Any) -> Any:
    g = np.sin(x @ w.T).T @ x
    return w - 0.1 * g, x


def _clipped_layer(w: Any, x: Any) -> Any:
    g = np.sin(x @ w.T).T @ x
    return w - 0.1 * g / np.sqrt(np.sum(np.ravel(g) ** 2)), x


def _gradient_in_another_shape(w: Any, x: Any) -> Any:
    g = np.sin(x @ w.T).T @ x
    return w - 0.1 * g + 0.1 * np.sin(np.reshape(g, (24, 20))).T, x


def _both_directions(w: Any, x: Any) -> Any:
    h = x @ w.T
    back = np.tanh(h) @ w
    return w + 0.01 * (h.T @ back), x + 0.01 * back


CASES: dict[str, tuple[Update, tuple[np.ndarray, ...]]] = {
    f.__name__.strip("_"): (f, states)
    for f, states in [
        (_swap, (A, B)), (_rotate, (A, B, C)), (_swap_in_one_nest, (A, B, C)),
        (_velocity_after_position, (A, B)), (_position_after_velocity, (A, B)),
        (_read_by_a_sum_after_the_update, (TALL, np.float64(0.0))), (_unchanged, (A, B)),
        (_transposed_in_place, (SQUARE,)), (_shifted_in_place, (TALL,)), (_own_row_sums, (TALL,)),
        (_own_column_sums, (TALL,)), (_short_softmax, (TALL,)), (_product_with_itself, (SQUARE,)),
        (_layer, (W, X)), (_clipped_layer, (W, X)), (_gradient_in_another_shape, (W, X)),
        (_both_directions, (W, X)),
    ]
}  # fmt: skip


def _carrying(f: Update, states: tuple[np.ndarray, ...]) -> tuple[Graph, Roles]:
    traced = trace_types(lambda xs: f(*xs), [array_type(x) for x in states])
    assert not traced.constants
    kinds = tuple(OutputRole("state", k) for k in range(len(states)))
    return traced.graph, Roles(("state",) * len(states), kinds)


def _in_numpy(f: Update, states: tuple[Any, ...], steps: int) -> tuple[Any, ...]:
    for _ in range(steps):
        states = f(*states)
    return states


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_native_steps_are_steps_in_numpy(name, threads):
    f, states = CASES[name]
    executable = compile_graph(*_carrying(f, states))
    executable.set_state(states)
    executable.run([], [], steps=4, threads=threads)
    for got, expected in zip(executable.get_state(), _in_numpy(f, states, 4), strict=True):
        # 1e-12: sums of some dozen terms in another order, four steps of them
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_plan_holds_in_the_worst_order_of_threads(name):
    f, states = CASES[name]
    graph, roles = _carrying(f, states)
    plan = make_plan(simplify(graph), roles)
    assert_lives_apart(plan, 0)
    simulation = Simulation(plan, 0, 3)
    for node, x in zip(plan.graph.inputs, states, strict=True):
        simulation.put(node, np.asarray(x))
    for turns in ((2, 1, 0), (1, 2, 0)):
        simulation.run_step(turns)
    for node, expected in zip(plan.graph.inputs, _in_numpy(f, states, 2), strict=True):
        np.testing.assert_allclose(simulation.get(node), expected, rtol=1e-12, atol=1e-12)


def _copies_at_the_end(plan: Plan) -> int:
    """Nests that only copy a value over a carried one."""
    works = [work for phase in plan.schedule.phases for work in phase]
    return sum([n.op for n in getattr(work, "members", ())] == ["copy"] for work in works)


@pytest.mark.parametrize(
    ("name", "copies"),
    [("position_after_velocity", 0), ("velocity_after_position", 1), ("layer", 1), ("swap", 3)],
)
def test_values_are_written_in_place_where_that_is_sound(name, copies):
    """Where each of two needs the other's old value one waits; what stays is copied onto itself."""
    graph, roles = _carrying(*CASES[name])
    assert _copies_at_the_end(make_plan(simplify(graph), roles)) == copies


def test_carried_arrays_come_back_as_they_were_given():
    """Whatever layout they have inside, and also before the first step."""
    f, states = CASES["both_directions"]
    executable = compile_graph(*_carrying(f, states))
    executable.set_state(states)
    for got, given in zip(executable.get_state(), states, strict=True):
        np.testing.assert_array_equal(got, given)
        assert got.flags.c_contiguous
    first = executable.get_state()
    executable.run([], [], steps=1)
    np.testing.assert_array_equal(first[0], states[0])  # what was handed out is a copy


def test_no_steps_change_nothing():
    f, states = CASES["layer"]
    executable = compile_graph(*_carrying(f, states))
    executable.set_state(states)
    executable.run([], [], steps=0, threads=2)
    np.testing.assert_array_equal(executable.get_state()[0], states[0])
