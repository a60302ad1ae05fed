"""Schedules of the learning rate: closed forms, ends, arrays of steps, errors."""

import math

import numpy as np
import pytest

from chainrule import optim
from chainrule.errors import TrainingError

SCHEDULES = {
    "constant": optim.constant(0.1),
    "cosine": optim.cosine(0.1),
    "cosine to an end": optim.cosine(0.1, end=0.01),
    "cosine with warm-up": optim.cosine(0.1, end=0.01, warmup=30),
}
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


@every_schedule
def test_all_steps_at_a_time_are_each_step_alone(schedule):
    steps = np.arange(100)
    together = schedule(steps, 100)
    assert (together.shape, together.dtype) == ((100,), np.float64)
    assert together.tolist() == [float(schedule(k, 100)) for k in range(100)]


@every_schedule
def test_rates_of_some_steps_are_those_of_the_whole_run(schedule):
    """A run that goes on from its middle walks on with the same rates."""
    whole = optim.learning_rates(schedule, np.arange(100), 100)
    np.testing.assert_array_equal(
        optim.learning_rates(schedule, np.arange(40, 60), 100), whole[40:60]
    )


@every_schedule
def test_rates_lie_between_zero_and_the_largest(schedule):
    rates = schedule(np.arange(100), 100)
    assert rates.min() > 0
    assert rates.max() == 0.1


def test_cosine_is_equation_5_of_its_paper():
    """end + (start - end) (1 + cos(π t / T)) / 2."""
    got = optim.cosine(0.3, end=0.1)(np.arange(10), 10)
    expected = [0.1 + 0.5 * (0.3 - 0.1) * (1 + math.cos(math.pi * t / 10)) for t in range(10)]
    np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_cosine_ends_where_it_should_and_stays_there():
    schedule = optim.cosine(0.3, end=0.1)
    assert [schedule(step, 10) for step in (0, 10, 99)] == [0.3, 0.1, 0.1]
    assert schedule(5, 10) == pytest.approx(0.2)


def test_warm_up_climbs_evenly_and_reaches_the_start_once():
    rates = optim.cosine(0.5, warmup=4)(np.arange(20), 20)
    np.testing.assert_allclose(rates[:5], [0.1, 0.2, 0.3, 0.4, 0.5], rtol=1e-15)
    assert np.argmax(rates) == 4
    assert (np.diff(rates[4:]) < 0).all()


def test_wave_after_a_warm_up_is_the_wave_of_a_shorter_run():
    long, short = optim.cosine(0.5, warmup=4), optim.cosine(0.5)
    np.testing.assert_array_equal(long(np.arange(4, 20), 20), short(np.arange(16), 16))


def test_warm_up_as_long_as_the_run_is_refused():
    with pytest.raises(TrainingError, match="warmup takes 10 steps and the run has 10"):
        optim.learning_rates(optim.cosine(0.1, warmup=10), np.arange(10), 10)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.constant(-1), "constant: value is -1; expected a finite number >= 0"),
        (lambda: optim.cosine(float("nan")), "cosine: start is nan"),
        (lambda: optim.cosine(0.1, end=-0.1), "cosine: end is -0.1"),
        (lambda: optim.cosine(0.1, warmup=-1), "cosine: warmup is -1; expected a whole number"),
        (lambda: optim.cosine(0.1, warmup=0.5), "cosine: warmup is 0.5"),
    ],
)
def test_schedules_refuse_what_is_no_rate(make, words):
    with pytest.raises(TrainingError, match=words):
        make()


def test_schedules_are_data():
    assert optim.cosine(0.1, warmup=3) == optim.cosine(0.1, warmup=3)
    assert optim.cosine(0.1) != optim.constant(0.1)
    assert repr(optim.cosine(0.1, 0.0, 3)) == "cosine(0.1, end=0.0, warmup=3)"
    assert repr(optim.constant(0.1)) == "constant(0.1)"


# -- learning_rates ----------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.1, lambda step, total: 0.1, lambda step, total: step * 0 + 0.1])
def test_a_number_or_a_schedule_gives_one_rate_per_step(rate):
    rates = optim.SGD(rate).learning_rates(np.arange(3), 3)
    assert rates.dtype == np.float64
    assert rates.tolist() == [0.1, 0.1, 0.1]
    assert rates.flags.owndata
    assert rates.flags.writeable


def test_no_steps_have_no_rates():
    assert optim.learning_rates(optim.cosine(0.1), np.arange(0), 10).shape == (0,)


def test_a_schedule_with_a_condition_is_refused_with_the_spelling_that_works():
    def stairs(step, total):
        return 0.1 if step < 100 else 0.01

    with pytest.raises(TrainingError, match=r"hint: write it with NumPy: np\.where\(step < 100"):
        optim.learning_rates(stairs, np.arange(200), 200)


@pytest.mark.parametrize("wrong", [-0.5, np.nan, np.inf])
def test_a_rate_that_is_none_names_its_step(wrong):
    def schedule(step, total):
        return np.where(step == 7, wrong, 0.1)

    with pytest.raises(TrainingError, match=f"the learning rate at step 7 is {wrong} by"):
        optim.learning_rates(schedule, np.arange(5, 10), 10)


def test_rates_of_another_number_of_steps_are_refused():
    with pytest.raises(TrainingError, match=r"returned shape \(2,\) for 3 steps"):
        optim.learning_rates(lambda step, total: [0.1, 0.2], np.arange(3), 3)
