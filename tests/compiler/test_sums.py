"""Sums over whole arrays: right, the same for any number of threads, and beside other work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.compiler.lower.group import Nest
from chainrule.compiler.lower.plan import Plan, make_plan
from chainrule.compiler.lower.roles import OutputRole, Roles
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.pipeline import compile_graph, plain_roles, simplify
from chainrule.ir.graph import Graph
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.guarded import compile_plain, run_plain
from tests.compiler.simulate import Simulation, assert_lives_apart, simulate
from tests.compiler.steps import assert_same_bits

#: Relative to the sum of magnitudes: partial sums keep far below a bit for each term.
TOLERANCE = {np.float32: 1e-6, np.float64: 1e-13}
#: Around one and several vectors, and around what threads share out.
SIZES = st.sampled_from([1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 65, 100, 200])


def _whole(*arrays: Any) -> list[Any]:
    """Sums of which some share their reading, some are over products, one is a mean."""
    x, y = arrays
    return [np.sum(x), np.sum(x * y), np.mean((x - y) ** 2), np.sqrt(np.sum(x * x))]


@st.composite
def _pairs(draw: st.DrawFn) -> list[np.ndarray]:
    shape = draw(st.lists(SIZES, min_size=1, max_size=3))
    while np.prod(shape) > 60_000:
        shape.pop()
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return [rng.normal(size=shape).astype(dtype) for _ in range(2)]


@given(_pairs())
def test_whole_sums_are_numpys_and_the_same_bits_for_any_number_of_threads(pair):
    executable = compile_plain(cr.trace(_whole, *pair))
    alone = run_plain(executable, pair)
    x, y = (a.astype(np.float64) for a in pair)
    sizes = [np.abs(x).sum(), np.abs(x * y).sum(), np.mean((x - y) ** 2), np.sqrt(np.sum(x * x))]
    tolerance = TOLERANCE[pair[0].dtype.type]
    for got, expected, size in zip(alone, _whole(x, y), sizes, strict=True):
        assert abs(got - expected) <= tolerance * size
    for threads in (2, 3):
        assert_same_bits(alone, run_plain(executable, pair, threads=threads), threads)


@given(_pairs(), st.data())
def test_sums_over_any_axes_are_numpys(pair, data):
    x, y = pair
    axes = tuple(data.draw(st.sets(st.integers(0, x.ndim - 1), min_size=1)))
    executable = compile_plain(cr.trace(lambda x, y: np.sum(x * y, axis=axes), x, y))
    alone = run_plain(executable, pair)
    products = x.astype(np.float64) * y
    error = np.abs(alone[0] - np.sum(products, axis=axes))
    assert np.all(error <= TOLERANCE[x.dtype.type] * np.sum(np.abs(products), axis=axes))
    for threads in (2, 3):
        assert_same_bits(alone, run_plain(executable, pair, threads=threads), threads)


@pytest.mark.parametrize("shape", [(5000,), (70, 80), (9, 40, 30), (300, 3)])
def test_sums_of_integers_are_exact(shape):
    x = np.random.default_rng(0).integers(-(2**40), 2**40, shape)
    executable = compile_plain(cr.trace(np.sum, x))
    for threads in (1, 2, 3):
        assert run_plain(executable, [x], threads=threads)[0] == np.sum(x)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 37, 5599])
def test_what_is_not_finite_reaches_the_sum_as_in_numpy(bad, place):
    x = np.random.default_rng(0).normal(size=(70, 80)).astype(np.float32)
    x.flat[place] = bad
    (got,) = run_plain(compile_plain(cr.trace(np.sum, x)), [x], threads=2)
    np.testing.assert_equal(got, np.sum(x))


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0), (40, 0), (3, 0, 4)])
def test_an_empty_sum_is_nothing(shape):
    """Also of a product without columns, whose tiles are none."""
    x = np.zeros(shape)
    (got,) = run_plain(compile_plain(cr.trace(lambda x: np.sum(x * x), x)), [x])
    assert got == 0
    if len(shape) == 2:
        (got,) = run_plain(compile_plain(cr.trace(lambda x: np.sum((x @ x.T @ x) ** 2), x)), [x])
        assert got == 0


# -- beside the update -----------------------------------------------------------------------------


def _descent(record: bool, momentum: bool) -> Any:
    """A layer's step; on demand also |g|², |new - old|², |old|² and their bias's."""

    def step(w: Any, b: Any, v: Any, x: Any) -> tuple[Any, ...]:
        h = np.tanh(x @ w.T + b)
        g, gb = h.T @ x, np.sum(h, axis=0)
        new_v = 0.9 * v + g if momentum else v
        moved = new_v if momentum else g
        new_w, new_b = w - 0.01 * moved, b - 0.01 * gb
        found = (
            np.sum(g * g) + np.sum(gb * gb),
            np.sum((new_w - w) ** 2) + np.sum((new_b - b) ** 2),
            np.sum(w * w) + np.sum(b * b),
        )
        return (new_w, new_b, new_v, x, *(found if record else ()))

    return step


def _compiled(step: Any, states: list[np.ndarray]) -> tuple[Graph, Roles]:
    traced = trace_types(lambda xs: step(*xs), [array_type(x) for x in states])
    outputs = [OutputRole("state", k) for k in range(len(states))]
    outputs += [OutputRole("scalar")] * (len(traced.graph.outputs) - len(states))
    return traced.graph, Roles(("state",) * len(states), tuple(outputs))


def _start(n_in: int, n_out: int, rows: int, dtype: type) -> list[np.ndarray]:
    rng = np.random.default_rng(n_in + 100 * n_out)
    shapes = [(n_out, n_in), (n_out,), (n_out, n_in), (rows, n_in)]
    return [(0.3 * rng.normal(size=shape)).astype(dtype) for shape in shapes]


def _run(
    executable: Executable, states: list[np.ndarray], steps: int, threads: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    executable.set_state(states)
    made = executable.plan.graph.outputs[len(states) :]
    record = [np.zeros(steps, node.type.dtype) for node in made]
    executable.run([], record, steps=steps, threads=threads)
    return executable.get_state(), record


SHAPES = [(1, 1), (2, 16), (16, 2), (33, 17), (100, 40), (7, 130), (130, 3)]


@pytest.mark.parametrize("momentum", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n_in", "n_out"), SHAPES)
def test_norms_of_a_step_are_right_and_change_no_bit_of_it(n_in, n_out, dtype, momentum):
    """Whatever the threads: the tiles in which an element falls do not show in its row's sum."""
    states = _start(n_in, n_out, 20, dtype)
    graph, roles = _compiled(_descent(True, momentum), states)
    recording = compile_graph(graph, roles)
    plain = compile_graph(*_compiled(_descent(False, momentum), states))
    after, record = _run(recording, states, 3, 1)
    assert_same_bits(after, _run(plain, states, 3, 1)[0])
    for threads in (2, 3):
        again, same = _run(recording, states, 3, threads)
        assert_same_bits([*after, *record], [*again, *same], threads)
    for k in range(3):
        old = _run(plain, states, k, 1)[0]
        new = _run(plain, states, k + 1, 1)[0]
        w, b, _, x = (a.astype(np.float64) for a in old)
        h = np.tanh(x @ w.T + b)
        moved = sum(np.sum((p.astype(np.float64) - q) ** 2) for p, q in zip(new, old, strict=True)
                    if p.shape in (w.shape, b.shape) and p is not new[2])  # fmt: skip
        expected = (np.sum((h.T @ x) ** 2) + np.sum(np.sum(h, axis=0) ** 2), moved)
        expected = (*expected, np.sum(w * w) + np.sum(b * b))
        # a gradient of 20 terms has some roundings of its own
        tolerance = 20 * TOLERANCE[dtype]
        np.testing.assert_allclose([r[k] for r in record], expected, rtol=tolerance)


def _nests(plan: Plan) -> list[Nest]:
    return [w for phase in plan.schedule.phases for w in phase if isinstance(w, Nest)]


@pytest.mark.parametrize("momentum", [False, True])
def test_recorded_norms_leave_the_gradient_in_registers_and_the_update_in_place(momentum):
    """One pass: nothing of the gradient's shape is stored that a step without record stores not."""
    states = _start(100, 40, 20, np.float32)
    sizes = []
    for record in (False, True):
        graph, roles = _compiled(_descent(record, momentum), states)
        plan = make_plan(simplify(graph), roles)
        stored = [root for nest in _nests(plan) for root in nest.roots]
        sizes.append(sorted(str(root.type) for root in stored if root.type.rank == 2))
    assert sizes[0] == sizes[1]
    assert sum(len(nest.sums) for nest in _nests(plan)) == 3, str(plan)


@pytest.mark.parametrize("momentum", [False, True])
def test_plan_of_recorded_norms_holds_in_the_worst_order_of_threads(momentum):
    states = _start(18, 33, 20, np.float64)
    step = _descent(True, momentum)
    graph, roles = _compiled(step, states)
    plan = make_plan(simplify(graph), roles)
    assert_lives_apart(plan, 0)
    simulation = Simulation(plan, 0, 3)
    for node, x in zip(plan.graph.inputs, states, strict=True):
        simulation.put(node, x)
    expected = list(states)
    for turns in ((2, 1, 0), (1, 2, 0)):
        simulation.run_step(turns)
        expected, found = step(*expected)[:4], step(*expected)[4:]
        for node, x in zip(plan.graph.inputs, expected, strict=True):
            # 1e-12: sums of some dozen terms in another order
            np.testing.assert_allclose(simulation.get(node), x, rtol=1e-12, atol=1e-12)
        for node, x in zip(plan.graph.outputs[4:], found, strict=True):
            np.testing.assert_allclose(simulation.get(node), x, rtol=1e-12)


@pytest.mark.parametrize("f", [_whole])
@pytest.mark.parametrize("shape", [(40, 130), (19, 8, 40), (6000,)])
def test_plan_of_whole_sums_holds_in_the_worst_order_of_threads(f, shape):
    pair = list(np.random.default_rng(0).normal(size=(2, *shape)))
    graph = simplify(cr.trace(f, *pair))
    got = simulate(make_plan(graph, plain_roles(graph)), pair, 0, 3)
    np.testing.assert_allclose(got, f(*pair), rtol=1e-12, atol=1e-12)


def test_a_step_that_is_clipped_by_its_norm_is_numpys():
    """A sum that the update waits for, over arrays that the update writes over."""

    def step(w: Any, x: Any) -> tuple[Any, ...]:
        g = np.tanh(x @ w.T).T @ x
        scale = 1 / (1 + np.sqrt(np.sum(g * g)) + np.sqrt(np.sum(w * w)))
        new = w - scale * g
        return new, x, np.sum((new - w) ** 2) + np.sum(w * g)

    w, _, _, x = _start(100, 40, 20, np.float64)
    executable = compile_graph(*_compiled(step, [w, x]))
    alone = _run(executable, [w, x], 2, 1)
    for threads in (2, 3):
        again = _run(executable, [w, x], 2, threads)
        assert_same_bits([*alone[0], *alone[1]], [*again[0], *again[1]])
    expected = []
    for _ in range(2):
        w, x, norm = step(w, x)
        expected.append(norm)
    np.testing.assert_allclose(alone[0][0], w, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(alone[1][0], expected, rtol=1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("length", [7, 17, 255])
def test_a_sum_that_a_condition_chooses_has_all_its_lanes(length: int, dtype: type) -> None:
    """LLVM 22 lost the last of the turns by which lanes were joined, and added one half twice."""

    def f(a: Any, b: Any) -> Any:
        s, t = np.sum(a), np.sum(b)
        both = np.logical_and(s > 0, t > 0)
        return np.where(both, s / np.where(both, t, np.ones_like(t)), np.ones_like(t))

    a, b = np.random.default_rng(0).random((2, length)).astype(dtype)
    np.testing.assert_allclose(cr.compile(f)(a, b), f(a, b), rtol=1e-5)
