"""The perturbed descent leaves saddle points and is a pure function of its state."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.errors import TrainingError
from chainrule.tracing.trees import flatten

SADDLE = {"x": np.array(0.0), "y": np.array(0.0)}


def saddle(p):
    """Its minima are at (0, ±√2), its saddle at 0."""
    return p["x"] ** 2 - p["y"] ** 2 + p["y"] ** 4 / 4


def stepping(optimizer):
    def step(params, state):
        return optimizer.update(cr.grad(saddle)(params), state, params, 0.1)

    return step


def descend(step, params, state, steps):
    for _ in range(steps):
        params, state = step(params, state)
    return params, state


def test_plain_descent_stays_on_the_saddle_and_the_perturbed_one_reaches_a_minimum():
    plain = optim.SGD(0.1)
    assert descend(stepping(plain), SADDLE, plain.init(SADDLE), 20)[0] == SADDLE
    ends = []
    for seed in range(4):
        optimizer = optim.escape(plain, seed=seed)
        step = cr.compile(stepping(optimizer)) if seed == 0 else stepping(optimizer)
        found = descend(step, SADDLE, optimizer.init(SADDLE), 90)[0]
        np.testing.assert_allclose([found["x"], abs(found["y"])], [0, 2**0.5], atol=1e-6)
        ends.append(float(found["y"]) > 0)
    assert len(set(ends)) == 2  # either side, by the seed


@pytest.mark.parametrize("inner", [optim.SGD(0.1, momentum=0.5), optim.Adam(0.1)])
def test_compiled_is_eager_and_a_resume_is_the_run_that_never_stopped(inner):
    """To rounding, and bit for bit: the counter and the wait are in the state."""
    optimizer = optim.escape(inner, wait=7, gradient=1.0)
    compiled, start = cr.compile(stepping(optimizer)), optimizer.init(SADDLE)
    native = descend(compiled, SADDLE, start, 30)
    eager = descend(stepping(optimizer), SADDLE, start, 30)
    for one, other in zip(flatten(native)[0], flatten(eager)[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    half = descend(compiled, SADDLE, start, 11)
    assert flatten(descend(compiled, *half, 19))[0] == flatten(native)[0]


def test_noise_is_uniform_in_the_ball_and_waits_between():
    """In d dimensions a share u^d of it lies within u of the radius."""
    optimizer = optim.escape(optim.SGD(0.1), radius=2.0, wait=5)
    params = {"a": np.zeros(2), "b": np.zeros((1, 1), np.float32)}
    zero, state, lengths = params, optimizer.init(params), []
    for k in range(1500):
        moved, state = optimizer.update(zero, state, params, 0.1)
        length = np.sqrt(sum(np.sum(np.float64(x) ** 2) for x in moved.values()))
        assert (length > 0) == (k % 5 == 0)
        lengths += [length] if length else []
    assert moved["b"].dtype == np.float32
    assert max(lengths) <= 2.0
    share = np.mean(np.array(lengths) < 1.0)
    assert abs(share - 1 / 8) < 4 * np.sqrt(1 / 8 * 7 / 8 / 300)  # four standard deviations


def test_a_large_gradient_is_left_alone():
    params = np.array([1.0])
    optimizer = optim.escape(optim.SGD(0.1), gradient=0.5)
    moved, _ = optimizer.update(np.array([0.6]), optimizer.init(params), params, 0.1)
    np.testing.assert_array_equal(moved, params - 0.1 * np.array([0.6]))


@pytest.mark.parametrize("wrong", [{"radius": 0.0}, {"gradient": -1.0}, {"wait": 0}, {"seed": -1}])
def test_arguments_outside_of_their_range_are_refused(wrong):
    with pytest.raises(TrainingError, match=next(iter(wrong))):
        optim.escape(optim.SGD(0.1), **wrong)
