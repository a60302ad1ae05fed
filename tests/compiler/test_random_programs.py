"""Properties of random graphs: what a stage does to a program, the program means the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.compiler.lower.plan import make_plan
from chainrule.compiler.pipeline import PASSES, plain_roles, simplify
from chainrule.errors import GradientError
from chainrule.ir.graph import Graph
from chainrule.ir.text import parse, to_text
from chainrule.ops import verify
from chainrule.tracing.trace import array_type, trace_types
from tests.compiler.guarded import compile_plain, run_plain
from tests.compiler.interpret import Bounded, assert_agree, evaluate, run
from tests.compiler.programs import F64, Program, as_function, programs
from tests.compiler.simulate import simulate
from tests.compiler.steps import Step, assert_same_bits, training_steps

#: Threads beside the one: as many as here are processors, and more than that.
TEAMS = (2, 3)
#: Less than a vector, one short of it, a vector, one more, several.
BATCHES = (1, 2, 15, 16, 17, 100)
#: Where nothing is compiled an example costs little.
MANY = settings(max_examples=4 * settings.default.max_examples)


def _expected(graph: Graph, inputs: list[np.ndarray], batch: int = 0) -> list[Bounded]:
    return run(graph, [Bounded.exact(x) for x in inputs], batch)


@given(programs(fewest=20, most=40))
def test_native_result_is_numpys_and_the_same_bits_for_any_number_of_threads(program):
    executable, inputs = compile_plain(program.graph), program.inputs()
    alone = run_plain(executable, inputs)
    assert_agree(_expected(program.graph, inputs), alone, executable.plan)
    for threads in TEAMS:
        assert_same_bits(alone, run_plain(executable, inputs, threads=threads), threads)


@given(programs(batched=True))
def test_one_program_serves_every_batch(program):
    """The batch is a bound of the native loop: no size of it may read or write a neighbour."""
    executable = compile_plain(program.graph)
    for batch in BATCHES:
        inputs = program.inputs(batch)
        alone = run_plain(executable, inputs, batch=batch)
        assert_agree(_expected(program.graph, inputs, batch), alone, batch)
        for threads in TEAMS:
            together = run_plain(executable, inputs, batch=batch, threads=threads)
            assert_same_bits(alone, together, (batch, threads))


@MANY
@given(programs(batched=True))
def test_no_pass_changes_the_meaning(program):
    batch, graph = 5, program.graph
    inputs = program.inputs(batch)
    expected = _expected(graph, inputs, batch)
    for name, rewrite in PASSES:
        graph = rewrite(graph)
        verify(graph)
        assert_agree(expected, evaluate(graph, inputs, batch), name)


@MANY
@given(programs(batched=True))
def test_passes_leave_nothing_for_a_second_round(program):
    once = simplify(program.graph)
    assert to_text(simplify(once)) == to_text(once)


@MANY
@given(programs(batched=True))
def test_text_reads_back_as_the_same_graph(program):
    again = parse(to_text(program.graph))
    verify(again)
    assert to_text(again) == to_text(program.graph)
    inputs = program.inputs(3)
    assert_same_bits(evaluate(program.graph, inputs, 3), evaluate(again, inputs, 3))


@given(programs(batched=True, most=14), st.sampled_from([1, 2, 3]))
def test_plan_holds_for_threads_that_take_their_turns_in_the_worst_order(program, threads):
    """Whole phases of one thread after another, last thread first, on memory that is poisoned."""
    batch = 19  # one granule of rows and a rest
    graph = simplify(program.graph)
    inputs = program.inputs(batch)
    got = simulate(make_plan(graph, plain_roles(graph)), inputs, batch, threads)
    assert_agree(_expected(program.graph, inputs, batch), got)


# -- gradients -------------------------------------------------------------------------------------


def _weighted_sum(program: Program) -> Any:
    """f(inputs, weights): the sum of all floating outputs, each element with its weight."""
    graph = program.graph
    function = as_function(graph)

    def f(inputs: list[Any], weights: list[Any]) -> Any:
        total: Any = 0.0
        for w, y in zip(weights, function(*inputs), strict=True):
            if y.dtype.kind == "f":
                total = total + np.sum(w * y)
        return total

    return f


def _weights(program: Program, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        np.asarray(rng.normal(size=n.type.shape), n.type.dtype if n.type.is_float else F64)
        for n in program.graph.outputs
    ]


def _gradient(program: Program) -> Any:
    """(inputs, weights) -> gradients of the weighted sum by the floating inputs, or nothing."""
    f = _weighted_sum(program)

    def gradient(inputs: list[Any], weights: list[Any]) -> Any:
        chosen = [k for k, x in enumerate(inputs) if x.dtype.kind == "f"]

        def of_chosen(xs: list[Any]) -> Any:
            full = list(inputs)
            for k, x in zip(chosen, xs, strict=True):
                full[k] = x
            return f(full, weights)

        return cr.grad(of_chosen)([inputs[k] for k in chosen])

    return gradient


def _graph_of_gradient(program: Program, arguments: list[np.ndarray]) -> tuple[Graph, list[Any]]:
    count = len(program.graph.inputs)
    gradient = _gradient(program)
    try:
        traced = trace_types(
            lambda xs: gradient(xs[:count], xs[count:]), [array_type(x) for x in arguments]
        )
    except GradientError:  # all that comes from the inputs went through a comparison
        assume(False)
    return traced.graph, [*arguments, *traced.constants]


@given(programs(most=18, smooth=True))
def test_compiled_gradient_is_the_eager_gradient(program):
    """Reverse mode on arrays, on the graph, and the graph as machine code."""
    inputs, weights = program.inputs(), _weights(program, 1)
    graph, arguments = _graph_of_gradient(program, [*inputs, *weights])
    expected = _expected(graph, arguments)
    gradient = _gradient(program)
    assert_agree(expected, gradient(inputs, weights), "eager")
    assert_agree(expected, cr.compile(gradient, threads=1)(inputs, weights), "compiled")


@given(programs(dtype=F64, most=18, smooth=True))
def test_gradient_is_linear_in_the_cotangent(program):
    """Jᵀ(a u + b v) = a Jᵀu + b Jᵀv."""
    a, b = 1.5, -0.75
    inputs, u, v = program.inputs(), _weights(program, 1), _weights(program, 2)
    both = [a * x + b * y for x, y in zip(u, v, strict=True)]
    found = []
    for weights in (u, v, both):
        graph, arguments = _graph_of_gradient(program, [*inputs, *weights])
        found.append(_expected(graph, arguments))
    for of_u, of_v, of_both in zip(*found, strict=True):
        # The two sides round apart by what either may be off.
        bound = abs(a) * of_u.bound + abs(b) * of_v.bound + of_both.bound
        combined = Bounded(a * of_u.value + b * of_v.value, bound)
        assert combined.allows(of_both.value).all()


# -- training steps --------------------------------------------------------------------------------


@given(training_steps())
def test_twenty_native_steps_are_twenty_steps_in_numpy(step):
    """Carried arrays updated in place, exchanged or kept; rows gathered; the same bits always."""
    executable = step.compile()
    for batch, steps in ((19, 20), (1, 3)):
        expected, record = step.in_numpy(batch, steps)
        states, found = step.natively(executable, batch, steps, 1)
        assert_agree([*expected, record], [*states, found], executable.plan)
        for threads in TEAMS:
            again, same = step.natively(executable, batch, steps, threads)
            assert_same_bits([*states, found], [*again, same], (batch, threads))


@given(training_steps(most=10))
def test_plan_of_a_step_holds_in_the_worst_order(step):
    batch, steps = 19, 2
    expected, record = step.in_numpy(batch, steps)
    states, found = step.simulated(batch, steps, threads=2)
    assert_agree([*expected, record], [*states, found])


@pytest.mark.parametrize("batch", [1, 16, 37])
def test_bits_do_not_depend_on_what_ran_before(batch):
    """Scratch memory is used again and again: what lay there must not matter."""
    w = np.random.default_rng(0).normal(size=(20, 7))
    step = _layer_step(w)
    executable = step.compile()
    first = step.natively(executable, batch, 3, 1)
    step.natively(executable, 50, 2, 2)
    again = step.natively(executable, batch, 3, 1)
    assert_same_bits([*first[0], first[1]], [*again[0], again[1]])


def _layer_step(w: np.ndarray) -> Step:
    from chainrule.ir.types import BATCH, ArrayType
    from chainrule.tracing.batch import trace_batch

    def f(xs: list[Any]) -> list[Any]:
        w, x, rate = xs
        h = np.tanh(x @ w.T)
        return [w - rate * (h.T @ x) / len(x), np.mean(h)]

    types = [array_type(w), ArrayType(F64, (BATCH, w.shape[1])), ArrayType(F64, ())]
    return Step(trace_batch(f, types).graph, 1, 1, seed=3)
