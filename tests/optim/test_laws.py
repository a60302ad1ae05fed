"""The laws of every optimiser: one table, and wrappers around them."""

from dataclasses import replace

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ShapeError
from chainrule.tracing.trees import flatten, tree_map, unflatten

STEPS = 400

# Each with a learning rate that descends on the three problems below within 400 steps.
OPTIMIZERS = {
    "SGD": optim.SGD(0.03),
    "SGD nesterov": optim.SGD(0.01, momentum=0.9, nesterov=True),
    "SGD decoupled": optim.SGD(0.01, momentum=0.9, weight_decay=1e-4, decoupled=True),
    "Adam": optim.Adam(0.05),
    "Adam amsgrad": optim.Adam(0.05, amsgrad=True),
    "AdamW": optim.AdamW(0.05, weight_decay=1e-4),
    "NAdam": optim.NAdam(0.05),
    "RMSprop": optim.RMSprop(optim.cosine(0.02)),
    "RMSprop all": optim.RMSprop(optim.cosine(5e-3), momentum=0.9, centered=True),
    "Adagrad": optim.Adagrad(0.5),
    "Adadelta": optim.Adadelta(10.0),
    "Lion": optim.Lion(optim.cosine(0.03)),
    "LAMB": optim.LAMB(optim.cosine(0.03)),
    "Muon": optim.Muon(optim.cosine(0.1), weight_decay=0.0, rest=1.0),
    "ScheduleFreeSGD": optim.ScheduleFreeSGD(0.05),
    "ScheduleFreeAdamW": optim.ScheduleFreeAdamW(0.1),
    "Prodigy": optim.Prodigy(d0=1e-3),
    "clip_norm": optim.clip_norm(optim.SGD(0.03, momentum=0.5), 5.0),
    "clip_value": optim.clip_value(optim.Adam(0.05), 1.0),
    "accumulate": optim.accumulate(optim.Adam(0.1), 3),
    "ema": optim.average(optim.Adam(0.05), decay=0.9),
    "swa": optim.average(optim.Adam(0.05), "swa", start=200, every=2),
    "suffix": optim.average(optim.Adam(0.05), "suffix"),
    "groups": optim.groups(
        {
            "valley": 0.5,
            "*w?": optim.Adam(0.05),
            "slope": optim.average(optim.Adam(0.05), "suffix"),
        },
        default=optim.AdamW(optim.cosine(0.05)),
    ),
}  # fmt: skip
every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


def problems():
    """(parameters, their three losses): a valley of condition 50, a logistic regression, a net."""
    x = np.sin(np.arange(60) * 1.3).reshape(20, 3)
    label = (x @ np.array([1.0, -2.0, 0.5]) + 0.3 * np.cos(np.arange(20) * 7.0) > 0) * 1.0
    target = np.stack([x[:, 0] * x[:, 1], np.sin(2 * x[:, 2])], axis=1)
    params = {
        "valley": np.array([-1.0, 3.0]),
        "slope": np.zeros(3),
        "w1": np.sin(np.arange(12.0)).reshape(4, 3),
        "w2": np.cos(np.arange(8.0)).reshape(2, 4),
        "b1": np.zeros(4),
    }

    def losses(p):
        z = x @ p["slope"]
        valley = 0.5 * np.sum(np.array([0.5, 25.0]) * (p["valley"] - 1.0) ** 2)
        logistic = np.mean(np.logaddexp(0, z) - label * z) + 0.01 * np.sum(p["slope"] ** 2)
        net = np.mean((np.tanh(x @ p["w1"].T + p["b1"]) @ p["w2"].T - target) ** 2)
        return valley, logistic, net

    return params, losses


def stepping(optimizer, losses):
    def step(params, state, rate):
        grads = cr.grad(lambda p: sum(losses(p)))(params)
        return optimizer.update(grads, state, params, rate)

    return step


def rates_of(optimizer, steps=STEPS):
    """Rates of a run as ``update`` takes them: numbers, or tuples where there are several."""
    rates = optimizer.learning_rates(np.arange(steps), steps)
    return [r if optimizer.rates == 1 else tuple(r) for r in rates]


@every_optimizer
def test_descends_on_three_problems_and_compiled_as_eagerly(optimizer):
    """15 compiled steps are the eager ones, to rounding; after 400 each minimum is near."""
    params, losses = problems()
    step = stepping(optimizer, losses)
    compiled = cr.compile(step)
    eager = native = params, optimizer.init(params)
    for k, rate in enumerate(rates_of(optimizer)):
        native = compiled(*native, rate)
        if k < 15:
            eager = step(*eager, rate)
            assert_close(native, eager)
    valley, logistic, net = losses(optimizer.evaluation(*native))
    assert valley < 0.05  # of 51 at the start
    assert logistic < 0.30  # of 0.693; the minimum is 0.2588
    assert net < 0.15  # of 1.146


def assert_close(one, other):
    for x, y in zip(flatten(one)[0], flatten(other)[0], strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-11)


@every_optimizer
def test_a_run_from_the_middle_is_the_run_that_never_stopped(optimizer):
    """Bit for bit: all that a run knows is in parameters and state, arrays of a fixed type."""
    params, losses = problems()
    step, now = stepping(optimizer, losses), (params, optimizer.init(params))
    rates = rates_of(optimizer, 12)
    for rate in rates[:7]:
        now = step(*now, rate)
    leaves, structure = flatten(now)
    stored = [np.array(leaf) for leaf in leaves]
    again = unflatten(structure, stored)
    for rate in rates[7:]:
        now, again = step(*now, rate), step(*again, rate)
    for one, other in zip(flatten(now)[0], flatten(again)[0], strict=True):
        np.testing.assert_array_equal(one, other)


def mixed():
    """A tree of dicts, lists, layers and numbers, of float32 and float64."""
    return {
        "layer": nn.Linear.init(3, 2, rng=0), "scale": np.ones((), np.float32),
        "wide": [np.ones(2), (np.ones((2, 2), np.float32),)], "valley": np.ones(3, np.float32),
        "w1": np.ones((3, 2)), "slope": np.ones(1),
    }  # fmt: skip


@every_optimizer
@pytest.mark.parametrize("kind", [float, np.float32, np.float64, np.array])
def test_structure_shapes_and_dtypes_stay_as_they_were(optimizer, kind):
    """Of parameters, state and evaluation, whatever the type of the rate."""
    params = mixed()
    rates = [kind(0.1)] * optimizer.rates
    before = params, optimizer.init(params)
    rate = rates[0] if optimizer.rates == 1 else rates
    after = optimizer.update(params, before[1], params, rate)
    assert flatten(after)[1] == flatten(before)[1]
    for old, new in zip(flatten(before)[0], flatten(after)[0], strict=True):
        assert (new.shape, new.dtype) == (old.shape, old.dtype)
    for old, new in zip(flatten(params)[0], flatten(optimizer.evaluation(*after))[0], strict=True):
        assert (new.shape, new.dtype) == (old.shape, old.dtype)


@every_optimizer
def test_arguments_are_left_as_they_were(optimizer):
    params = mixed()
    grads, state = tree_map(np.cos, params), optimizer.init(params)
    kept = [np.array(leaf) for leaf in flatten((params, grads, state))[0]]
    rate = 0.1 if optimizer.rates == 1 else (0.1,) * optimizer.rates
    optimizer.update(grads, state, params, rate)
    for leaf, copied in zip(flatten((params, grads, state))[0], kept, strict=True):
        np.testing.assert_array_equal(leaf, copied)


@every_optimizer
def test_a_traced_float32_update_has_no_array_of_float64(optimizer):
    """Only scalars that count, correct or measure are wider."""
    model = {"valley": np.ones(3, np.float32), "w1": np.ones((3, 2), np.float32)}
    model |= {"slope": np.ones(2, np.float32)}
    rates = [np.float64(0.1)] * optimizer.rates
    rate = rates[0] if optimizer.rates == 1 else rates
    graph = cr.trace(optimizer.update, model, optimizer.init(model), model, rate)
    wide = [n for n in graph.nodes if n.type.dtype == np.float64 and n.type.shape]
    assert wide == []


@every_optimizer
def test_a_gradient_of_zero_is_taken_without_nan(optimizer):
    params = mixed()
    zeros = tree_map(np.zeros_like, params)
    state = optimizer.init(params)
    for rate in rates_of(optimizer, 3):
        params, state = optimizer.update(zeros, state, params, rate)
    for leaf in flatten((params, state))[0]:
        assert np.isfinite(leaf).all()


@every_optimizer
def test_trees_that_differ_are_refused(optimizer):
    params = {"valley": np.ones(2), "w1": np.ones((2, 2)), "slope": np.ones(1)}
    state = optimizer.init(params)
    rate = 0.1 if optimizer.rates == 1 else (0.1,) * optimizer.rates
    with pytest.raises(ShapeError, match=r"differ|leaves"):
        optimizer.update({"other": np.ones(2)}, state, params, rate)


@every_optimizer
def test_settings_are_data(optimizer):
    """They print as a person reads them, the same in every run, and equal ones are equal."""
    assert "0x" not in repr(optimizer)
    assert optimizer == replace(optimizer)


def test_a_schedule_of_a_function_prints_by_its_name():
    def mine(step, total):
        return 0.1 + 0 * step

    assert "mine" in repr(optim.Adam(mine))
    assert "0x" not in repr(optim.Adam(mine))
