"""SGD: PyTorch's numbers, a loop by hand, and the laws of every optimiser."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn, optim
from chainrule.errors import ShapeError, TrainingError
from chainrule.tracing.trees import flatten, tree_map

# Parameters after 20 steps of torch.optim.SGD (PyTorch 2.13.0, float64) on
# ½ (w₀² + 10 w₁²) - w₀ from (3, -2) with the rate 0.05 / (1 + t) at step t.
TORCH = {
    "plain": ({}, (2.6673127503235943, -0.2507413752391585)),
    "momentum": ({"momentum": 0.9}, (1.9158303873884244, -0.16254693096608352)),
    "nesterov": (
        {"momentum": 0.9, "nesterov": True}, (1.8059862952451011, -0.10478243009858026),
    ),
    "dampening": (
        {"momentum": 0.9, "dampening": 0.5}, (2.296608966038476, 0.26606896452799034),
    ),
    "weight decay": ({"weight_decay": 0.1}, (2.620367919912276, -0.2445852417155483)),
    "momentum and weight decay": (
        {"momentum": 0.9, "weight_decay": 0.1}, (1.7790315172502196, -0.17086417726734707),
    ),
    "nesterov and weight decay": (
        {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        (1.66304373324655, -0.10571615925585078),
    ),
}  # fmt: skip
every_option = pytest.mark.parametrize(
    "options", [options for options, _ in TORCH.values()], ids=TORCH
)


def valley(w):
    return (w[0] ** 2 + 10 * w[1] ** 2) / 2 - w[0]


@pytest.mark.parametrize(("options", "expected"), TORCH.values(), ids=TORCH)
def test_sgd_walks_as_pytorchs_does(options, expected):
    """Equal to rounding after 20 steps with a rate that changes at every one."""
    optimizer = optim.SGD(lambda step, total: 0.05 / (1 + step), **options)
    w = np.array([3.0, -2.0])
    state = optimizer.init(w)
    for rate in optimizer.learning_rates(np.arange(20), 20):
        w, state = optimizer.update(cr.grad(valley)(w), state, w, rate)
    np.testing.assert_allclose(w, expected, rtol=1e-13)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_equals_a_loop_by_hand(nesterov):
    """b = 0.8 b + g, then p -= r b, or r (g + 0.8 b), one number at a time."""
    grads = np.random.default_rng(0).normal(size=(10, 3))
    optimizer = optim.SGD(0.1, momentum=0.8, nesterov=nesterov)
    params = {"w": np.zeros(3)}
    state = optimizer.init(params)
    by_hand, buffer = [0.0] * 3, [0.0] * 3
    for g in grads:
        params, state = optimizer.update({"w": g}, state, params, 0.1)
        for k in range(3):
            buffer[k] = 0.8 * buffer[k] + g[k]
            by_hand[k] -= 0.1 * (g[k] + 0.8 * buffer[k] if nesterov else buffer[k])
    np.testing.assert_allclose(params["w"], by_hand, rtol=1e-14)
    np.testing.assert_allclose(state["momentum"]["w"], buffer, rtol=1e-14)


# -- laws --------------------------------------------------------------------------------------


@every_option
@pytest.mark.parametrize("rate", [0.1, np.float64(0.1), np.float32(0.1), np.array(0.1)])
def test_structure_shapes_and_dtypes_stay_as_they_were(options, rate):
    """Of parameters and state, for float32 and float64 leaves and any dtype of the rate."""
    params = {
        "layer": nn.Linear.init(3, 2, rng=0), "scale": np.ones((), np.float32),
        "wide": [np.ones(2), (np.zeros((2, 2), np.float32),)],
    }  # fmt: skip
    optimizer = optim.SGD(np.float64(0.1), **{k: np.float64(v) for k, v in options.items()})
    before = params, optimizer.init(params)
    after = optimizer.update(params, before[1], params, rate)
    assert flatten(after)[1] == flatten(before)[1]
    for old, new in zip(flatten(before)[0], flatten(after)[0], strict=True):
        assert (new.shape, new.dtype) == (old.shape, old.dtype)


@every_option
def test_arguments_are_left_as_they_were(options):
    params, grads = {"w": np.ones(3)}, {"w": np.full(3, 2.0)}
    optimizer = optim.SGD(0.1, **options)
    state = optimizer.init(params)
    kept = [leaf.copy() for leaf in flatten((params, grads, state))[0]]
    optimizer.update(grads, state, params, 0.1)
    for leaf, copied in zip(flatten((params, grads, state))[0], kept, strict=True):
        np.testing.assert_array_equal(leaf, copied)


@every_option
def test_traced_float32_update_has_no_float64_but_the_rate(options):
    model, optimizer = nn.MLP([3, 4, 2]), optim.SGD(0.1, **options)
    state = optimizer.init(model)
    graph = cr.trace(optimizer.update, model, state, model, np.float64(0.1))
    wide = [n for n in graph.nodes if n.type.dtype == np.float64]
    assert [n.op for n in wide] == ["input"]
    assert len(graph.outputs) == len(flatten((model, state))[0])


@every_option
def test_descent_ends_in_the_minimum(options):
    """On ½ (w₀² + 10 w₁²) - w₀ + d/2 |w|² it is (1 / (1 + d), 0) for a weight decay d."""
    optimizer = optim.SGD(0.1, **options)
    w = np.array([3.0, -2.0])
    state = optimizer.init(w)
    for _ in range(500):
        w, state = optimizer.update(cr.grad(valley)(w), state, w, 0.1)
    expected = 1 / (1 + options.get("weight_decay", 0.0))
    np.testing.assert_allclose(w, [expected, 0.0], atol=1e-9)


def test_without_momentum_there_is_no_state():
    params = nn.MLP([3, 4, 2])
    optimizer = optim.SGD(0.1)
    assert optimizer.init(params) == ()
    assert optimizer.update(params, (), params, 0.1)[1] == ()


def test_plain_step_is_the_lectures_rule():
    """w - r dL/dw, to the bit."""
    model = nn.MLP([3, 4, 2])
    grads = tree_map(np.cos, model)
    stepped, _ = optim.SGD(0.1).update(grads, (), model, 0.1)
    expected = tree_map(lambda p, g: p - np.float32(0.1) * g, model, grads)
    for got, wanted in zip(flatten(stepped)[0], flatten(expected)[0], strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_trees_that_differ_are_refused():
    with pytest.raises(ShapeError, match="trees differ"):
        optim.SGD(0.1).update({"a": np.ones(2)}, (), {"b": np.ones(2)}, 0.1)


# -- arguments ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"learning_rate": -0.1}, "SGD: learning_rate is -0.1; expected a finite number >= 0"),
        ({"learning_rate": float("nan")}, "SGD: learning_rate is nan"),
        ({"learning_rate": float("inf")}, "SGD: learning_rate is inf"),
        ({"learning_rate": "auto"}, "SGD: learning_rate is 'auto'"),
        ({"momentum": 1.0}, "SGD: momentum is 1.0; expected a number >= 0 and below 1"),
        ({"momentum": -0.1}, "SGD: momentum is -0.1"),
        ({"momentum": True}, "SGD: momentum is True"),
        ({"dampening": 1.5}, "SGD: dampening is 1.5"),
        ({"weight_decay": -1e-4}, "SGD: weight_decay is -0.0001"),
        ({"nesterov": True}, "nesterov with momentum 0.0"),
        ({"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening 0.1"),
    ],
)
def test_arguments_outside_of_their_range_are_refused(options, words):
    with pytest.raises(TrainingError, match=words):
        optim.SGD(**({"learning_rate": 0.1} | options))


def test_settings_are_data():
    """Equal settings are equal and print as they are written, NumPy's numbers as plain ones."""
    sgd = optim.SGD(optim.cosine(np.float64(0.1)), momentum=np.float32(0.5))
    assert sgd == optim.SGD(optim.cosine(0.1), momentum=0.5)
    assert repr(sgd) == (
        "SGD(learning_rate=cosine(0.1, end=0.0, warmup=0), momentum=0.5, nesterov=False,"
        " dampening=0.0, weight_decay=0.0, decoupled=False)"
    )
