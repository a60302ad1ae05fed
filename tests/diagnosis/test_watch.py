"""Verdicts by the record alone: right where something is wrong, silent where nothing is."""

import numpy as np
import pytest

from chainrule.diagnosis.finding import Finding, in_words, sorted_findings
from chainrule.diagnosis.record import Trend
from chainrule.diagnosis.watch import divergence_advice, watch
from chainrule.evaluation.examples import take_examples
from chainrule.evaluation.objective import Objective

T = np.arange(2000.0)


def noise(size, seed=0):
    return size * np.random.default_rng(seed).standard_normal(len(T))


FINE = {
    "falls fast": np.exp(-T / 100) + 0.1,
    "falls slowly": 2.0 - 0.0005 * T,
    "falls with noise": np.exp(-T / 300) + 0.2 + noise(0.03),
    "falls with much noise": 2 * np.exp(-T / 1000) + noise(0.5),
    "power law": 3.0 / np.sqrt(1 + T) + noise(0.05),
    "below zero": -1.0 - np.log1p(T) + noise(0.1),
    "single spikes": np.exp(-T / 300) + 50.0 * (T % 97 == 13),
    "falls to zero": np.maximum(0.0, 1 - T / 50),
    "bends at the end of a cosine": np.cos(np.pi * T / 4000) + 0.5 + noise(0.02),
    "restart": 0.2 + np.exp(-(T % 1000) / 200),
}


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_said_of_a_record_that_is_fine(name):
    rate = 0.1 * (1 + np.cos(np.pi * (T % 1000) / 1000)) if name == "restart" else 0.1
    assert watch(FINE[name], rate, 32, steps_left=2000, rows=1000) == ()


WRONG = {
    "rate too small": 2.0 - 1e-8 * T,
    "divergence": 0.1 + np.exp(T / 500),
    "no progress": 2.3 + noise(0.1),
    "noise floor": 2 * np.exp(-T / 50) + 0.5 + noise(0.1),
}


@pytest.mark.parametrize("kind", WRONG)
def test_each_fault_is_named(kind):
    (found,) = watch(WRONG[kind], 0.1, 32, steps_left=2000, rows=1000)
    assert found.kind == kind
    assert found.numbers
    assert found.advice


def test_over_all_rows_swings_are_the_rates_doing():
    """The same record over mini-batches would be their noise."""
    swing = 1.0 + 0.2 * (-1.0) ** T
    (found,) = watch(swing, 0.1, 500, rows=500)
    assert found.kind == "oscillation"
    (found,) = watch(3 - T / 1000 + 0.1 * (-1.0) ** T, 0.1, 500, rows=500)
    assert (found.kind, found.severity) == ("overshoot", "note")
    assert "oscillation" not in [f.kind for f in watch(swing, 0.1, 32, rows=500)]


def test_nan_is_named_with_its_step():
    (found,) = watch(np.array([1.0, 2.0, np.nan, 1.0]), 0.3)
    assert (found.severity, found.numbers["step"]) == ("serious", 3)
    assert found.advice == "a learning rate of 0.03"


def test_short_records_say_nothing():
    assert watch(np.array([]), 0.1) == ()
    assert watch(np.array([1.0, 5.0, 9.0]), 0.1) == ()


def test_findings_are_sorted_and_each_kind_is_there_once():
    given = [Finding("note", "a", "1"), Finding("serious", "b", "2"), Finding("note", "a", "3")]
    assert [f.what for f in sorted_findings(given)] == ["2", "1"]


def test_counts_are_written_as_a_person_writes_them():
    wanted = {3.47e7: "3·10⁷", 250.0: "250", 0.001: "0.001", 1e-8: "10⁻⁸", 12345.0: "12345"}
    assert {x: in_words(x) for x in wanted} == wanted


@pytest.mark.parametrize(
    ("rate", "momentum", "words"),
    [
        (0.1, 0.0, "below 2/λ_max = 0.01, this was 0.1; try 0.005"),
        (0.1, 0.9, "below 3.8/λ_max = 0.019, this was 0.1"),
        (0.005, 0.0, "clip_norm"),
    ],
)
def test_after_a_divergence_a_stable_rate_is_named(rate, momentum, words):
    """x² is 100 on average: λ_max = 200."""
    rows = take_examples((np.array([10.0, -10.0]),), np.dtype(float))
    objective = Objective(lambda w, x: np.mean((w * x - x) ** 2), np.array(0.0), rows)
    assert words in divergence_advice(objective, [np.array(1e30)], rate, momentum)
    steep = Objective(lambda w, x: np.mean((w * x) ** 4), np.array(0.0), rows)
    assert "try a learning rate" in divergence_advice(steep, [np.array(np.nan)], rate, momentum)


def test_of_a_long_record_some_losses_of_each_part_are_looked_at():
    """The trend of a million losses is that of each part's medians, to its own noise."""
    rng = np.random.default_rng(0)
    loss = np.linspace(2.0, 1.0, 400_000) + 0.1 * rng.standard_normal(400_000)
    trend = Trend.of(loss)
    expected = [np.median(part) for part in np.array_split(loss, 20)]
    np.testing.assert_allclose(trend.levels, expected, atol=6 * trend.noise)
    assert trend.spread == pytest.approx(0.1, rel=0.05)
    assert trend.noise == pytest.approx(1.25 * 0.1 / np.sqrt(1000), rel=0.1)
