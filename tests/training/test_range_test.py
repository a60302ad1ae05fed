"""The learning-rate range test suggests rates that train."""

import numpy as np
import pytest

from chainrule import losses, nn, optim
from chainrule.errors import TrainingError
from chainrule.evaluation.examples import take_examples
from chainrule.evaluation.objective import Objective
from chainrule.tracing.trees import flatten
from chainrule.training.range_test import range_test, read
from chainrule.training.step import carry, compile_step, trace_step
from chainrule.training.train import train

GROWING = np.geomspace(1e-7, 10, 300)


def images():
    """8×8 patterns of 4 classes, with noise."""
    rng = np.random.default_rng(0)
    patterns, y = rng.uniform(size=(4, 64)), rng.integers(0, 4, 600)
    x = (patterns[y] + 0.5 * rng.normal(size=(600, 64))).astype(np.float32)
    return nn.MLP([64, 16, 4], rng=0), losses.cross_entropy, (x, y)


def table():
    """Numbers and a category, as of flights: the target is mostly noise."""
    rng = np.random.default_rng(1)
    a, c = rng.normal(size=(1500, 5)), rng.integers(0, 8, 1500)
    y = 2 * a[:, 0] - a[:, 1] ** 2 + np.linspace(-3, 3, 8)[c] + 2 * rng.normal(size=1500)
    x = np.hstack([a, np.eye(8)[c]]).astype(np.float32)
    y = ((y - y.mean()) / y.std())[:, None]
    return nn.MLP([13, 32, 1], rng=0), losses.squared_error, (x, y)


def regression():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 6)) * np.geomspace(1, 0.2, 6)
    y = x @ rng.normal(size=6) + 0.3 * rng.normal(size=400)
    return nn.MLP([6, 1], rng=0, dtype=np.float64), losses.squared_error, (x, y[:, None])


@pytest.mark.parametrize("problem", [images, table, regression])
@pytest.mark.parametrize(
    "made", [optim.SGD, lambda r: optim.SGD(r, momentum=0.9), optim.Adam],
    ids=["SGD", "momentum", "Adam"],
)  # fmt: skip
def test_the_suggestion_trains_nearly_as_well_as_the_best_of_a_grid(problem, made):
    """Of what the best of eight rates lowers the loss by, at least nine tenths."""
    model, loss, data = problem()
    found = range_test(model, loss, data, optimizer=made(0.1), threads=1)
    carried = carry(model, made(0.1))
    examples = take_examples(data, carried.dtype)
    objective = Objective(loss, model, examples, threads=1)
    step = compile_step(
        trace_step(carried, examples, loss, made(0.1)), carried, examples, gathers=True
    )
    steps = 6 * examples.rows // 32
    rows = np.random.default_rng(0).integers(0, examples.rows, 32 * steps).astype(np.int32)

    def reached(rate):
        """The loss over all rows after six epochs at this rate."""
        step.executable.set_state(carried.leaves)
        rates, keys = np.full(steps, rate, carried.dtype), np.zeros(steps, np.int64)
        step.run(rates, keys, rows, examples, 32, 1)
        value = objective.value(step.executable.get_state()[: len(carried.params)])
        return value if np.isfinite(value) else np.inf

    best = min(reached(rate) for rate in np.geomspace(1e-3, 3.0, 12))
    start = objective.value(objective.leaves)
    assert start - reached(found.suggestion) >= 0.9 * (start - best)


def test_the_model_stays_and_the_same_seed_suggests_the_same():
    """Dropout and BatchNorm are in it: a copy is trained."""
    model = nn.Sequential(
        nn.Linear.init(6, 8, rng=0), nn.BatchNorm.init(8), nn.relu, nn.Dropout(0.2),
        nn.Linear.init(8, 1, rng=1),
    )  # fmt: skip
    _, loss, data = regression()
    before = [x.copy() for x in flatten(model)[0]]
    one, other = (optim.range_test(model, loss, data, seed=3, threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.losses, other.losses)
    assert one.suggestion == other.suggestion
    for old, new in zip(before, flatten(model)[0], strict=True):
        np.testing.assert_array_equal(old, new)
    assert f"{one.half:.2g}" in one.reason


def falling(rates, bound=1.0):
    """1 until about 10⁻³, then down to 0.1 at 0.3, and up from the bound on."""
    fall = 0.9 / (1 + (3e-3 / rates))
    return 1.0 - fall + np.maximum(0, rates / bound - 1) ** 2


def test_a_single_bad_batch_is_no_divergence():
    losses_ = falling(GROWING)
    plain = read(GROWING, losses_)
    for at in (5, 100, 200):
        spiked = losses_.copy()
        spiked[at] = 1e6
        assert 0.5 < read(GROWING, spiked).suggestion / plain.suggestion < 2.0


def test_the_parts_of_the_curve_are_found():
    found = read(GROWING, falling(GROWING))
    assert 1e-3 < found.half < 1e-2
    assert 0.05 < found.lowest < 1.5
    assert 0.3 < found.diverged < 3.0
    assert found.half < found.suggestion < found.lowest


def test_a_loss_that_never_falls_gives_a_safe_rate_and_says_so():
    rng = np.random.default_rng(0)
    found = read(GROWING, 1.0 + 0.1 * rng.normal(size=300))
    assert "does not fall" in found.reason
    assert found.suggestion <= 1e-2
    rising = read(GROWING, 1.0 + GROWING)
    assert "does not fall" in rising.reason
    np.testing.assert_allclose(rising.suggestion, rising.diverged / 10)


def test_a_loss_that_diverges_at_every_rate_gives_less_than_the_least_and_says_so():
    model, loss, data = regression()
    huge = (data[0] * 1e100, data[1])
    found = range_test(model, loss, huge, least=1e-3, threads=1)
    assert 0 < found.suggestion < 1e-3
    assert found.diverged is not None
    assert "no rate was found that does not diverge: standardise" in found.reason


def test_a_list_cut_short_by_divergence_suggests_a_rate_well_below():
    """Flat, then three losses that explode: a tenth of the rate at which they leave."""
    rates = GROWING[:120]
    exploding = np.concatenate([np.ones(117), [6e9, 7e13, 5e26]])
    found = read(rates, exploding, cut=True)
    np.testing.assert_allclose(found.diverged, rates[117])
    np.testing.assert_allclose(found.suggestion, rates[117] / 10)
    assert "nor does it rise" not in found.reason


@pytest.mark.parametrize("features", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("targets", [1e-6, 1.0, 1e4, 1e6])
@pytest.mark.parametrize(
    "made", [optim.SGD, lambda r: optim.SGD(r, momentum=0.9), optim.Adam],
    ids=["SGD", "momentum", "Adam"],
)  # fmt: skip
def test_the_suggestion_lowers_the_loss_whatever_the_units_of_the_data(features, targets, made):
    """The loss of a hundred steps at the suggestion ends below where it began."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    y = np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]
    data = (np.float32(features) * x, np.float32(targets) * y)
    model = nn.MLP([6, 16, 1], rng=0)
    found = range_test(model, losses.squared_error, data, optimizer=made(0.1), threads=1)
    ran = train(
        model, losses.squared_error, data, optimizer=made(found.suggestion), epochs=40, threads=1
    )
    begun = np.mean(losses.squared_error(model(data[0]), data[1]))
    assert np.mean(ran.history.loss[-7:]) < begun


@pytest.mark.parametrize("wrong", ["adam", optim.Adam, 1e-3])
def test_an_optimizer_that_is_none_is_refused(wrong):
    with pytest.raises(TrainingError, match="expected an optimiser such as"):
        range_test(*regression(), optimizer=wrong)


def test_groups_keep_the_ratio_of_their_rates():
    optimizer = optim.groups(
        {"layers.0.*": optim.SGD(optim.constant(0.2))}, default=optim.SGD(optim.constant(0.02))
    )
    found = range_test(*table(), optimizer=optimizer, steps=60, threads=1)
    assert found.suggestion > 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"least": 0.0}, "0 < least < most"),
        ({"least": 1.0, "most": 0.5}, "0 < least < most"),
        ({"steps": 5}, "from 20"),
        ({"batch": 500}, "400 rows"),
        ({"batch": 0}, "from 1"),
    ],
)
def test_arguments_outside_of_their_range_are_refused(wrong, words):
    with pytest.raises(TrainingError, match=words):
        range_test(*regression(), **wrong)


def test_a_loss_that_is_not_finite_at_the_start_is_refused():
    model, loss, (x, y) = regression()
    with pytest.raises(TrainingError, match="before the first update"):
        range_test(model, loss, (np.where(x > 2, np.nan, x), y), batch="all")
