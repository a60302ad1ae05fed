"""Steps of one example that are written out: what they compute, and which steps are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainrule import losses, nn, optim
from chainrule.compiler.native.clocked import Clocked
from chainrule.compiler.native.executable import Executable
from chainrule.compiler.native.target import host
from chainrule.compiler.pipeline import compile_graph
from chainrule.evaluation.examples import Examples, take_examples
from chainrule.training.step import Step, StepPlan, carry, compile_step, trace_step

STEPS, ROWS = 40, 30


def _line(p: Any, x: Any, y: Any) -> Any:
    return np.mean(0.5 * (x @ p["w"] + p["b"] - y) ** 2)


def _logistic(p: Any, x: Any, y: Any) -> Any:
    z = x @ p["w"] + p["b"]
    return np.mean(np.logaddexp(0.0 * z, z) - (y > 0) * z)


def _weights(n: int) -> dict[str, np.ndarray]:
    return {"w": np.linspace(-1.0, 1.0, n), "b": np.array(0.5)}


def _tanh(model: Any, x: Any, y: Any) -> Any:
    return np.mean((np.tanh(x @ model["v"].T) @ model["w"] - y) ** 2) + 1e-3 * np.sum(
        model["v"] ** 2
    )


TANH = {"v": np.linspace(-0.5, 0.5, 19 * 7).reshape(19, 7), "w": np.linspace(-1.0, 1.0, 19)}
#: model, loss, features, classes (0: a number), optimiser.
CASES = {
    "line": (_weights(20), _line, 20, 0, optim.SGD(0.01)),
    "one feature": (_weights(1), _line, 1, 0, optim.SGD(0.01)),
    "logistic of 37": (_weights(37), _logistic, 37, 0, optim.SGD(0.01)),
    "logistic of 200": (_weights(200), _logistic, 200, 0, optim.SGD(0.01, momentum=0.9)),
    "two classes": (nn.MLP([2, 16, 16, 2], rng=0), losses.cross_entropy, 2, 2, optim.SGD(0.05)),
    "five classes": (nn.MLP([9, 21, 5], rng=0), losses.cross_entropy, 9, 5, optim.Adam(0.01)),
    "nesterov": (
        nn.MLP([3, 17, 1], rng=0), losses.squared_error, 3, 0,
        optim.SGD(0.01, momentum=0.9, nesterov=True),
    ),
    "penalty": (TANH, _tanh, 7, 0, optim.SGD(0.02)),
}  # fmt: skip


def _examples(features: int, classes: int, dtype: Any) -> Examples:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(ROWS, features))
    y = rng.integers(0, classes, ROWS) if classes else np.tanh(x @ np.ones(features))
    return take_examples((x, y), dtype)


def _model(model: Any, dtype: Any) -> Any:
    if isinstance(model, dict):
        return {name: x.astype(dtype) for name, x in model.items()}
    return model


def _compiled(name: str, dtype: Any, batch: int | None, record: StepPlan = StepPlan()) -> Any:  # noqa: B008
    model, loss, features, classes, optimizer = CASES[name]
    examples = _examples(features, classes, dtype)
    carried = carry(_model(model, dtype), optimizer)
    traced = trace_step(carried, examples, loss, optimizer, record)
    return compile_step(traced, carried, examples, True, batch=batch), examples, carried, traced


def _run(step: Step, executable: Executable, carried: Any, examples: Examples, threads: int) -> Any:
    executable.set_state(carried.leaves)
    order = np.random.default_rng(4).integers(0, ROWS, STEPS).astype(np.int32)
    rates, keys = np.full(STEPS, 0.01, carried.dtype), np.arange(STEPS)
    same = Step(executable, step.constants, step.gathered, step.draws, step.recorded)
    return [*same.run(rates, keys, order, examples, 1, threads), *executable.get_state()]


@pytest.mark.parametrize("width", [512, 256, 128])
@pytest.mark.parametrize("name", CASES)
def test_a_step_that_is_written_out_is_the_step_of_any_batch(name, width):
    """In float64, where the order of a sum shows in the last places alone."""
    model = CASES[name][0]
    dtype = np.float64 if isinstance(model, dict) else np.float32
    step, examples, carried, traced = _compiled(name, dtype, None)
    roles = step.executable.plan.roles
    straight = compile_graph(traced.graph, replace(roles, batch=1), host(width))
    assert str(straight.plan).startswith("phase 0\n  straight")
    expected = _run(step, step.executable, carried, examples, 1)
    found = _run(step, straight, carried, examples, 1)
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    for x, y in zip(expected, found, strict=True):
        assert x.dtype == y.dtype
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", ["line", "two classes", "five classes"])
def test_any_number_of_threads_and_the_clock_change_no_bit(name):
    step, examples, carried, _ = _compiled(name, np.float32, 1)
    expected = _run(step, step.executable, carried, examples, 1)
    others = [_run(step, step.executable, carried, examples, threads) for threads in (2, 3, 8)]
    others.append(_run(step, Clocked(step.executable), carried, examples, 1))
    for found in others:
        for x, y in zip(expected, found, strict=True):
            assert x.tobytes() == y.tobytes()


def test_numbers_of_a_step_are_recorded_as_of_any_batch():
    """Sums over whole matrices, old and new values of them."""
    record = StepPlan(("gradient", "update", "parameters"))
    runs = []
    for batch in (None, 1):
        step, examples, carried, _ = _compiled("two classes", np.float32, batch, record)
        runs.append(_run(step, step.executable, carried, examples, 1))
    for x, y in zip(*runs, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-5)


def test_rows_of_the_callers_are_read_to_their_end_and_no_further():
    """What stands behind the last example, NaN here, is in no result."""
    step, examples, carried, _ = _compiled("line", np.float64, 1)
    expected = _run(step, step.executable, carried, examples, 1)
    x = np.full((ROWS + 1, 20), np.nan)
    x[:ROWS] = examples.arrays[0]
    guarded = take_examples((x[:ROWS], examples.arrays[1]), np.float64)
    for a, b in zip(expected, _run(step, step.executable, carried, guarded, 1), strict=True):
        assert a.tobytes() == b.tobytes()


def test_larger_models_and_batches_are_not_written_out():
    model, examples = nn.MLP([20, 64, 64, 2], rng=0), _examples(20, 2, np.float32)
    carried = carry(model, optim.SGD(0.1))
    traced = trace_step(carried, examples, losses.cross_entropy, optim.SGD(0.1))
    step = compile_step(traced, carried, examples, True, batch=1)
    assert "straight" not in str(step.executable.plan)
    small = _compiled("two classes", np.float32, 2)[0]
    assert "straight" not in str(small.executable.plan)
