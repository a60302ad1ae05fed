"""Batch-size schedules: sequences by hand, bounds, words, states that are plain numbers."""

import json
import math

import pytest

from chainrule import optim
from chainrule.errors import TrainingError
from chainrule.optim import Measurement

N = 10_000


def at(epoch=1.0, batch=32, **more):
    values = {"learning_rate": 0.1, "loss": 1.0, "n": N} | more
    return Measurement(step=int(epoch * 100), epoch=epoch, examples=0, batch=batch, **values)


def follow(schedule, measurements, n=N):
    """The batch and the factor on the rate after each of the measurements."""
    decision, state = schedule.start(n)
    rows, batch, rate = [], decision.batch, decision.rate
    for make in measurements:
        state = json.loads(json.dumps(state))  # what a checkpoint does to it
        decision, state = schedule.observe(make(batch), state)
        if decision is not None:
            batch, rate = decision.batch, decision.rate
        rows.append((batch, rate))
    return rows


SCHEDULES = [
    optim.ConstantBatch(32),
    optim.StepGrowth(32, at=[1, 2]),
    optim.Doubling(32, every=1),
    optim.CABS(32),
    optim.NoiseDriven(32),
]
every_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)


@every_schedule
def test_schedules_are_data_and_begin_with_their_batch(schedule):
    decision, state = schedule.start(N)
    assert isinstance(schedule, optim.BatchSchedule)
    assert decision.batch == 32
    assert "32" in decision.reason
    assert all(isinstance(x, int | float) for x in state.values())
    assert hash(schedule) == hash(schedule)


@every_schedule
def test_more_than_there_are_is_refused(schedule):
    with pytest.raises(TrainingError, match="batches of 32, more than the 20 examples"):
        schedule.start(20)


@every_schedule
def test_observing_changes_no_state_in_place(schedule):
    _, state = schedule.start(N)
    before = dict(state)
    schedule.observe(at(gradient_square=30.0, variance=400.0), state)
    assert state == before


def test_constant_stays():
    assert follow(optim.ConstantBatch(32), [lambda b: at(5, b)] * 4)[-1] == (32, 1.0)


def test_step_growth_lets_the_noise_scale_fall_by_the_factor_each_time():
    """g = ε N / B: by the batch up to its limit, by the rate from there, always by 5."""
    schedule = optim.StepGrowth(32, at=[1, 2, 3, 4], factor=5, limit=1000)
    rows = follow(schedule, [lambda b, e=e: at(e, b) for e in (0.5, 1, 1.5, 2, 3, 4)])
    assert [b for b, _ in rows] == [32, 160, 160, 800, 1000, 1000]
    noise = [rate * N / b for b, rate in rows]
    expected = [N / 32 / 5**k for k in (0, 1, 1, 2, 3, 4)]
    assert noise == pytest.approx(expected, rel=1e-12)


def test_step_growth_catches_up_where_checks_are_rare():
    rows = follow(optim.StepGrowth(32, at=[1, 2], factor=2), [lambda b: at(7, b)])
    assert rows == [(128, 1.0)]


def test_limit_is_a_tenth_of_the_examples_unless_it_is_said():
    rows = follow(optim.Doubling(32, every=1), [lambda b, e=e: at(e, b) for e in range(1, 9)])
    assert [b for b, _ in rows] == [64, 128, 256, 512, 1000, 1000, 1000, 1000]


@pytest.mark.parametrize(("rescale", "factor"), [("none", 1.0), ("linear", 4.0), ("sqrt", 2.0)])
def test_rate_follows_the_batch_by_the_rule_that_is_said(rescale, factor):
    schedule = optim.StepGrowth(10, at=[1], factor=4, rescale=rescale)
    assert follow(schedule, [lambda b: at(1, b)]) == [(40, factor)]


def test_adabatch_doubles_and_decays():
    schedule = optim.Doubling(32, every=20, rate=0.75)
    rows = follow(schedule, [lambda b, e=e: at(e, b) for e in (10, 20, 39, 40)])
    assert rows == [(32, 1.0), (64, 0.75), (64, 0.75), (128, 0.5625)]


def test_cabs_is_rate_times_variance_over_loss():
    """With smoothing 0 the last measurement alone; bounded on both sides."""
    schedule = optim.CABS(32, least=8, limit=500, smoothing=0.0)
    variances = (640.0, 6.4e5, 1.0, 640.0)
    rows = follow(schedule, [lambda b, v=v: at(1, b, variance=v, loss=0.5) for v in variances])
    assert [b for b, _ in rows] == [128, 500, 8, 128]


@pytest.mark.parametrize(("schedule", "least"), [(optim.CABS(32), 16), (optim.CABS(4), 4)])
def test_cabs_does_not_fall_to_batches_that_cost_more_than_they_gain(schedule, least):
    rows = follow(schedule, [lambda b: at(1, b, variance=1e-6, loss=1.0)] * 3)
    assert [b for b, _ in rows] == [least] * 3


def test_cabs_smooths_numerator_and_denominator_apart():
    """Averages of 0.5, corrected for their beginning: 400/0.5, then 333.3/0.8333."""
    schedule = optim.CABS(32, smoothing=0.5)
    rows = follow(
        schedule,
        [
            lambda b: at(1, b, variance=400.0, loss=0.5),
            lambda b: at(1, b, variance=300.0, loss=1.0),
        ],
    )
    assert [b for b, _ in rows] == [round(0.1 * 400 / 0.5), round(0.1 * (1000 / 3) / (2.5 / 3))]


def test_cabs_with_a_loss_of_zero_takes_the_limit():
    rows = follow(optim.CABS(32, limit=77), [lambda b: at(1, b, variance=1.0, loss=0.0)])
    assert rows == [(77, 1.0)]


# -- noise -------------------------------------------------------------------------------------


def noisy(scale, **more):
    """Measurements in which the noise scale is ``scale``, whatever the batch."""
    values = {"epoch": 1, "variance": scale} | more
    return lambda b: at(batch=b, gradient_square=1.0 + scale / b, **values)


def test_noise_driven_doubles_until_the_noise_scale_is_reached():
    """B̂ = 100: 16 -> 32 -> 64 -> 128, each after two checks, and no further."""
    schedule = optim.NoiseDriven(16, times=1, patience=2, wait=0)
    rows = follow(schedule, [noisy(100.0)] * 12)
    assert [b for b, _ in rows] == [16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 128]


def test_one_quiet_check_begins_the_count_anew():
    schedule = optim.NoiseDriven(16, times=1, patience=3, smoothing=0.0, wait=0)
    loud, quiet = noisy(100.0), noisy(1.0)
    rows = follow(schedule, [loud, loud, quiet, loud, loud, loud])
    assert [b for b, _ in rows] == [16, 16, 16, 16, 16, 32]


def test_times_sets_how_much_noise_is_too_much():
    rows = follow(optim.NoiseDriven(16, patience=1, times=4.0, wait=0), [noisy(100.0)] * 5)
    assert [b for b, _ in rows] == [32, 32, 32, 32, 32]


def test_noise_that_drowns_the_gradient_is_an_infinite_scale():
    """|g|² - tr Σ / b may come out below 0."""
    schedule = optim.NoiseDriven(16, patience=1)
    drowned = lambda b: at(1, b, variance=100.0, gradient_square=0.0)  # noqa: E731
    _, state = schedule.start(N)
    decision, _ = schedule.observe(drowned(16), state)
    assert decision.batch == 32
    assert decision.numbers["noise_scale"] == math.inf


def test_at_the_limit_the_rate_decays():
    schedule = optim.NoiseDriven(16, patience=1, limit=40, wait=0)
    rows = follow(schedule, [noisy(1e4)] * 5)
    assert rows == [(32, 1.0), (40, 1.0), (40, 0.5), (40, 0.25), (40, 0.125)]


def test_a_rate_that_has_fallen_counts_as_a_batch_that_has_grown():
    """B̂ = 1000 > 10 · 16 / r for r = 1, 0.5, 0.25, and no longer for 0.125."""
    schedule = optim.NoiseDriven(16, times=10, patience=1, limit=16, wait=0)
    rows = follow(schedule, [noisy(1000.0)] * 6)
    assert rows == [(16, 0.5), (16, 0.25), (16, 0.125), *[(16, 0.125)] * 3]


def test_after_a_change_the_averages_are_given_an_epoch():
    """Ten checks an epoch: none counts from 0.3 to 1.3, then three do, and again."""
    checks = [lambda b, k=k: noisy(1e4, epoch=k / 10)(b) for k in range(1, 30)]
    rows = follow(optim.NoiseDriven(16), checks)
    assert [b for b, _ in rows] == [16] * 2 + [32] * 12 + [64] * 12 + [128] * 3


def test_at_the_limit_the_iterates_may_be_averaged_once():
    schedule = optim.NoiseDriven(16, patience=1, limit=16, then="average", wait=0)
    assert schedule.averages
    _, state = schedule.start(N)
    first, state = schedule.observe(noisy(1e4)(16), state)
    second, state = schedule.observe(noisy(1e4)(16), state)
    assert first.average
    assert "16 is the limit: iterates averaged" in first.reason
    assert second is None


def test_batch_stops_where_the_machine_gains_nothing():
    """1000, 1900 and 1950 examples a second: the doubling to 64 did not pay, so none follows."""
    throughput = {16: 1000.0, 32: 1900.0, 64: 1950.0}
    schedule = optim.NoiseDriven(16, patience=1, knee=1.1, wait=0)
    measurements = [lambda b: noisy(1e4, throughput=throughput[b])(b)] * 4
    rows = follow(schedule, measurements)
    assert rows == [(32, 1.0), (64, 1.0), (64, 0.5), (64, 0.25)]


def test_decision_says_the_rule_and_its_numbers():
    schedule = optim.NoiseDriven(16, times=2, patience=1, rescale="sqrt")
    _, state = schedule.start(N)
    decision, _ = schedule.observe(noisy(100.0)(16), state)
    assert decision.rule == "noise"
    assert decision.reason == (
        "noise: B̂ = tr Σ 100 / |G|² 1 = 100 > 2 · 16 at 1 checks: batch 16 -> 32,"
        " learning rate times 1.41"
    )
    assert decision.numbers["noise_scale"] == pytest.approx(100.0)


@pytest.mark.parametrize("schedule", [optim.CABS(32), optim.NoiseDriven(32)], ids=repr)
def test_what_was_not_measured_is_missed_and_what_is_not_finite_is_skipped(schedule):
    _, state = schedule.start(N)
    with pytest.raises(TrainingError, match="not measured"):
        schedule.observe(at(), state)
    nan = at(variance=math.nan, gradient_square=1.0)
    assert schedule.observe(nan, state) == (None, state)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: optim.ConstantBatch(0), "ConstantBatch: batch is 0"),
        (lambda: optim.StepGrowth(32, at=[]), "StepGrowth: at is"),
        (lambda: optim.StepGrowth(32, at=[1], factor=1), "StepGrowth: factor is 1"),
        (lambda: optim.StepGrowth(32, at=[1], rescale="cubic"), "rescale is 'cubic'"),
        (lambda: optim.Doubling(32, every=0), "Doubling: every is 0"),
        (lambda: optim.CABS(32, smoothing=1.0), "CABS: smoothing is 1.0"),
        (lambda: optim.CABS(32, least=1), "CABS: least is 1"),
        (lambda: optim.NoiseDriven(1), "NoiseDriven: batch is 1"),
        (lambda: optim.NoiseDriven(32, then="stop"), "NoiseDriven: then is 'stop'"),
        (lambda: optim.NoiseDriven(32, knee=1.0), "NoiseDriven: knee is 1.0"),
        (lambda: optim.NoiseDriven(32, factor=0.0), "NoiseDriven: factor is 0.0"),
    ],
)
def test_schedules_refuse_what_means_nothing(make, words):
    with pytest.raises(TrainingError, match=words):
        make()
