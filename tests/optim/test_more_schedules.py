"""Schedules against PyTorch's, laws of all, joining, and the plateau that measures."""

import json
from pathlib import Path

import numpy as np
import pytest

from chainrule import optim
from chainrule.errors import TrainingError
from chainrule.optim import Measurement

TORCH = json.loads((Path(__file__).parent / "references" / "schedules.json").read_text())
STEPS = 40
SCHEDULES = {
    "step": optim.step(0.8, every=7, factor=0.5),
    "multi_step": optim.multi_step(0.8, at=[5, 20, 33], factor=0.3),
    "exponential": optim.exponential(0.8, factor=0.9),
    "polynomial": optim.polynomial(0.8, power=2.0),
    "cosine": optim.cosine(0.8, end=0.05),
    "warm_restarts": optim.warm_restarts(0.8, period=5, growth=2, end=0.05),
    "warm_restarts 1": optim.warm_restarts(0.8, period=6),
    "one_cycle": optim.one_cycle(0.8),
    "one_cycle linear": optim.one_cycle(0.8, rise=0.2, first=10, last=100, linear=True),
    "join": optim.join([0.2, optim.exponential(0.8, 0.9)], at=[10]),
}
OTHERS = {
    "inverse_time": optim.inverse_time(0.8, decay=0.1),
    "warm_up": optim.warm_up(optim.cosine(0.8), 7),
    "warm_up of a number": optim.warm_up(0.8, 7, begin=0.1),
    "plateau": optim.plateau(0.8),
    "three": optim.join(
        [optim.warm_up(0.8, 3), optim.cosine(0.8), optim.plateau(0.1)], at=[10, 30]
    ),
}
every_schedule = pytest.mark.parametrize(
    "schedule", (SCHEDULES | OTHERS).values(), ids=SCHEDULES | OTHERS
)


@pytest.mark.parametrize(("name", "schedule"), SCHEDULES.items(), ids=SCHEDULES)
def test_rates_are_pytorchs(name, schedule):
    rates = optim.learning_rates(schedule, np.arange(STEPS), STEPS)
    np.testing.assert_allclose(rates, TORCH[name], rtol=1e-12, atol=1e-14)


@every_schedule
def test_all_steps_at_a_time_are_each_step_alone(schedule):
    together = schedule(np.arange(STEPS), STEPS)
    assert (together.shape, together.dtype) == ((STEPS,), np.float64)
    np.testing.assert_allclose(together, [schedule(k, STEPS) for k in range(STEPS)], rtol=1e-15)
    np.testing.assert_array_equal(schedule(np.arange(20, 30), STEPS), together[20:30])


@every_schedule
@pytest.mark.parametrize("total", [31, 40, 1000])
def test_rates_are_finite_and_no_larger_than_the_largest(schedule, total):
    rates = optim.learning_rates(schedule, np.arange(total), total)
    assert rates.min() >= 0
    assert rates.max() <= 0.8 + 1e-12


@every_schedule
def test_schedules_print_as_they_are_written(schedule):
    names = {name: getattr(optim, name) for name in optim.__all__}
    assert eval(repr(schedule), names) == schedule


def test_each_joined_schedule_comes_to_its_own_end():
    """A cosine of 20 steps after 10 of another is a cosine of a run of 20."""
    rates = optim.join([0.1, optim.cosine(0.5), 0.2], at=[10, 30])(np.arange(40), 40)
    np.testing.assert_array_equal(rates[10:30], optim.cosine(0.5)(np.arange(20), 20))
    np.testing.assert_array_equal(rates[[0, 9, 30, 39]], [0.1, 0.1, 0.2, 0.2])


def test_a_run_may_end_before_the_last_schedule_begins():
    rates = optim.join([0.1, optim.cosine(0.5), 0.2], at=[10, 30])(np.arange(20), 20)
    np.testing.assert_array_equal(rates[10:], optim.cosine(0.5)(np.arange(10), 10))


def test_warm_up_is_what_cosine_has_built_in():
    built_in = optim.cosine(0.5, end=0.1, warmup=4)(np.arange(20), 20)
    joined = optim.warm_up(optim.cosine(0.5, end=0.1), 4)(np.arange(20), 20)
    np.testing.assert_allclose(joined, built_in, rtol=1e-15)


@pytest.mark.parametrize(
    ("schedule", "holds"),
    [
        (optim.inverse_time(0.1, decay=1.0), True),
        (optim.inverse_time(0.1, decay=1.0, power=0.6), True),
        (optim.inverse_time(0.1, decay=1.0, power=0.5), False),
        (optim.inverse_time(0.1, decay=1.0, power=1.1), False),
        (optim.inverse_time(0.1, decay=0.0), False),
        (optim.warm_up(optim.inverse_time(0.1, 1.0), 5), True),
        (optim.join([0.1, optim.inverse_time(0.1, 1.0)], at=[5]), True),
        (optim.constant(0.1), False),
        (optim.exponential(0.1, 0.9), False),
        (optim.cosine(0.1), False),
    ],
    ids=repr,
)
def test_robbins_monro_conditions_are_named_where_they_hold(schedule, holds):
    """Σ rate = ∞ and Σ rate² < ∞: for a power p of 1/t both need 1/2 < p <= 1."""
    assert schedule.robbins_monro is holds


# -- plateau -----------------------------------------------------------------------------------


def measured(loss, epoch=1, **more):
    return Measurement(epoch * 10, epoch, epoch * 100, 100, 10, 0.1, loss, **more)


def test_plateau_falls_where_pytorchs_does():
    schedule = optim.plateau(0.8, factor=0.5, patience=2, cooldown=1, least=0.15)
    state, rate, rates = schedule.start(), 1.0, []
    for loss in TORCH["plateau losses"]:
        decision, state = schedule.observe(measured(loss), state)
        rate = decision.rate if decision else rate
        rates.append(0.8 * rate)
    np.testing.assert_allclose(rates, TORCH["plateau"], rtol=1e-12)


def test_plateau_watches_the_validation_loss_where_there_is_one():
    schedule = optim.plateau(1.0, patience=0)
    state = schedule.start()
    _, state = schedule.observe(measured(1.0, validation_loss=2.0), state)
    decision, _ = schedule.observe(measured(0.5, validation_loss=2.0), state)
    assert decision.rate == 0.1
    assert "the validation loss has not fallen below 2" in decision.reason


def test_plateau_for_a_negative_loss_asks_for_a_fall():
    """PyTorch's relative threshold would take -1 after -1 for worse, and -1.00001 for a fall."""
    schedule = optim.plateau(1.0, patience=0, threshold=0.1)
    _, state = schedule.observe(measured(-1.0), schedule.start())
    decision, _ = schedule.observe(measured(-1.05), state)
    assert decision is not None
    decision, _ = schedule.observe(measured(-1.2), state)
    assert decision is None


def test_nan_is_no_improvement():
    schedule = optim.plateau(1.0, patience=0)
    _, state = schedule.observe(measured(1.0), schedule.start())
    decision, _ = schedule.observe(measured(float("nan")), state)
    assert decision.rate == 0.1


@pytest.mark.parametrize(
    "schedule",
    [
        optim.plateau(0.1),
        optim.warm_up(optim.plateau(0.1), 5),
        optim.join([1.0, optim.plateau(0.1)], at=[3]),
    ],
    ids=repr,
)
def test_what_measures_is_found_inside_of_optimisers_and_schedules(schedule):
    wrapped = optim.clip_norm(optim.average(optim.Adam(schedule)), 1.0)
    assert wrapped.observer == optim.plateau(0.1)
    assert optim.groups({"b*": 0.1}, optim.Adam(schedule)).observer is not None
    with pytest.raises(TrainingError, match="only some of them"):  # it would lower b's rate too
        _ = optim.groups({"b*": optim.SGD(0.1)}, optim.Adam(schedule)).observer
    assert optim.Adam(0.1).observer is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.step(0.1, every=0), "step: every is 0; expected a whole number from 1"),
        (lambda: optim.step(0.1, 3, factor=1.5), "step: factor is 1.5"),
        (lambda: optim.multi_step(0.1, at=[5, 5]), "multi_step: at is .* numbers that rise"),
        (lambda: optim.multi_step(0.1, at=[]), "at least one"),
        (lambda: optim.exponential(-1, 0.9), "exponential: start is -1"),
        (lambda: optim.inverse_time(0.1, -1), "inverse_time: decay is -1"),
        (lambda: optim.polynomial(0.1, power=0), "polynomial: power is 0"),
        (lambda: optim.warm_restarts(0.1, 0), "warm_restarts: period is 0"),
        (lambda: optim.one_cycle(0.1, rise=1.0), "one_cycle: rise is 1.0"),
        (lambda: optim.join([0.1, 0.2], at=[1, 2]), "2 schedules at 2 steps"),
        (lambda: optim.join([0.1, -0.2], at=[1]), r"join: schedules\[1\] is -0.2"),
        (lambda: optim.warm_up(0.1, -1), "warm_up: steps is -1"),
        (lambda: optim.warm_up(0.1, 10)(np.arange(5), 5), "takes 10 steps and the run has 5"),
        (lambda: optim.plateau(0.1, factor=1.0), "plateau: factor is 1.0"),
        (lambda: optim.plateau(0.1, watch="accuracy"), "watch is 'accuracy'; expected 'valid"),
    ],
)
def test_schedules_refuse_what_means_nothing(make, words):
    with pytest.raises(TrainingError, match=words):
        make()
