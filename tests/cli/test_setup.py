"""From names to a descent: every name is known, and the same setup makes the same descent."""

from dataclasses import replace

import numpy as np
import pytest

from chainrule.cli import names
from chainrule.cli.batches import batch_schedule, batch_words, largest_batch, order_of
from chainrule.cli.optimizers import METHODS, optimizer_words
from chainrule.cli.rates import LEAST_STEPS, read, rule, with_rate
from chainrule.cli.schedules import SCHEDULES, Span, in_words, schedule_of
from chainrule.cli.setup import Setup
from chainrule.losses import LOSSES
from chainrule.optim import BatchSchedule
from chainrule.orders import Order
from chainrule.training.faults import POLICIES
from chainrule.training.measures import MEASURES
from chainrule.training.range_test import RangeTest

SETUP = Setup(
    sizes=(3, 8, 1), activation="relu", loss="squared_error", loss_options={}, constant=(0.0,),
    optimizer="sgd", learning_rate=0.1, rate_rule="as asked", rate_found=False, momentum=None,
    weight_decay=None, clip_norm=None, average="none", schedule="cosine", warmup=0, batch=32,
    batch_schedule="constant", order="reshuffle", remainder="drop", rows=640, steps=400, epochs=20,
    patience=None, on_nan="stop", metrics=(), record=(), seed=0, threads=None,
)  # fmt: skip


def test_every_name_stands_for_something():
    assert tuple(METHODS) == names.OPTIMIZERS
    assert ("auto", *SCHEDULES) == names.SCHEDULES
    assert set(names.LOSSES) - {"auto"} == set(LOSSES) - {"kl_divergence"}
    assert tuple(MEASURES) == names.MEASURES
    assert tuple(name.replace("-", " ") for name in names.ON_NAN) == POLICIES
    with_momentum = {n for n, m in METHODS.items() if "momentum" in m.make.__dataclass_fields__}
    assert set(names.WITH_MOMENTUM) == with_momentum


@pytest.mark.parametrize("name", names.OPTIMIZERS)
def test_an_optimizer_takes_what_is_given_and_says_it(name):
    """A resumed run is refused if its optimiser prints otherwise, so the same must print alike."""
    setup = replace(SETUP, optimizer=name, weight_decay=0.125, clip_norm=2.0, average="ema")
    if name in names.WITH_MOMENTUM:
        setup = replace(setup, momentum=0.625)
        assert "momentum=0.625" in repr(setup.descent())
    made = repr(setup.descent())
    assert made == repr(Setup.from_json(setup.to_json()).descent())
    assert "weight_decay=0.125" in made
    assert "max_norm=2.0" in made
    assert "weight decay 0.125" in optimizer_words(name, None, 0.125)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_reaches_its_rate_and_fits_any_run(name, steps):
    """The largest rate is the one that was chosen; each is finite and not below 0."""
    span = Span(steps, epochs=1)
    rates = np.asarray(schedule_of(name, 0.5, span)(np.arange(steps), steps))
    rates = np.broadcast_to(rates, (steps,))
    assert ((rates >= 0) & (rates <= 0.5 + 1e-12)).all()
    if name != "one-cycle" or steps > 50:
        assert rates.max() == pytest.approx(0.5, rel=0.01)
    assert in_words(name, span)


@pytest.mark.parametrize("name", [n for n in SCHEDULES if n != "one-cycle"])
def test_a_warm_up_climbs_before_any_schedule(name):
    rates = schedule_of(name, 0.5, Span(100, 20), warmup=10)(np.arange(100), 100)
    assert (np.diff(np.asarray(rates)[:10]) > 0).all()
    assert "after a climb of 10 steps" in in_words(name, Span(100, 20), 10)


@pytest.mark.parametrize("rows", [50, 1000, 100_000])
@pytest.mark.parametrize("name", names.BATCH_SCHEDULES[1:])
def test_a_batch_schedule_begins_at_the_batch_and_can_grow(name, rows):
    made = batch_schedule(name, 32, rows, epochs=20)
    assert isinstance(made, BatchSchedule)
    assert made.start(rows)[0].batch == 32
    assert 32 < largest_batch(32, rows) <= rows
    assert f"{largest_batch(32, rows):,} rows" in batch_words(name, 32, rows, 20)


@pytest.mark.parametrize("remainder", names.REMAINDERS)
@pytest.mark.parametrize("name", names.ORDERS)
def test_an_order_has_its_remainder(name, remainder):
    order = order_of(name, remainder, np.arange(10) % 2)
    assert isinstance(order, Order)
    assert order.remainder == remainder


def test_a_stochastic_weight_average_begins_at_the_last_quarter():
    assert "start=300" in repr(replace(SETUP, average="swa").descent())
    grows = replace(SETUP, average="swa", batch_schedule="noise")
    assert "start=None" in repr(grows.descent())
    assert grows.batches().then == "average"


def test_a_network_of_counts_begins_at_their_mean():
    """e to the power of a random number near 0 is no guess at a count of thousands."""
    setup = replace(SETUP, loss="poisson", constant=(float(np.log(4000.0)),))
    output = setup.network()(np.ones((5, 3), np.float32))
    np.testing.assert_allclose(np.exp(output), 4000.0, rtol=1e-5)


# -- the automatic rate ----------------------------------------------------------------------------


def table(rows=640):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    return x, (x[:, 0] - x[:, 1] * x[:, 2]).astype(np.float32) / 2


def test_a_rate_is_found_by_trying_and_is_the_same_each_time():
    found = [with_rate(SETUP, table()) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].rate_found
    assert "tried" in found[0].rate_rule
    assert 1e-4 < found[0].learning_rate < 0.1


def test_a_short_run_and_one_that_estimates_go_by_rule():
    short = with_rate(replace(SETUP, steps=LEAST_STEPS - 1), table())
    assert (short.learning_rate, short.rate_found) == (0.025, False)
    assert "the run is short" in short.rate_rule
    assert with_rate(replace(SETUP, optimizer="prodigy"), table()).learning_rate == 1.0


def test_the_rule_grows_with_the_batch_and_falls_with_momentum():
    assert rule(replace(SETUP, batch=128)) == pytest.approx(2 * rule(SETUP))
    assert rule(replace(SETUP, momentum=0.95)) == pytest.approx(rule(SETUP) / 2)
    assert rule(replace(SETUP, loss="huber")) == pytest.approx(2 * rule(SETUP))
    poisson = replace(SETUP, loss="poisson", constant=(float(np.log(1000.0)),))
    assert rule(poisson) == pytest.approx(rule(replace(SETUP, loss="huber")) / 4000)


def test_a_test_is_believed_within_bounds_and_kept_below_where_the_loss_rises():
    def test(half, lowest, diverged):
        none = np.zeros(0)
        return RangeTest(none, none, none, 1.0, "", half, lowest, diverged)

    assert read(test(0.01, 10.0, None), 0.01)[0] == pytest.approx(0.02)
    assert read(test(1e-7, 1e-6, 1.0), 0.01)[0] == pytest.approx(0.005)
    assert read(test(0.01, 0.02, 0.024), 0.01)[0] == pytest.approx(0.008)
    assert read(test(None, None, None), 0.01) is None
    assert read(test(None, None, 0.05), 0.01)[0] == pytest.approx(0.005)
