"""A profile adds up, names what it measures, and leaves the run as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.errors import TrainingError
from chainrule.evaluation.examples import take_examples
from chainrule.profiling.measured import measure_steps
from chainrule.tracing.trees import flatten
from chainrule.training.job import Job

RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(400, 12)).astype(np.float32), RNG.integers(0, 3, 400)


@pytest.fixture(scope="module")
def run():
    return cr.train(
        nn.MLP([12, 16, 3], rng=0), losses.cross_entropy, (X, Y), optimizer=optim.Adam(0.01),
        epochs=2, batch=40, threads=1, validation=0.2,
    )  # fmt: skip


@pytest.fixture(scope="module")
def profile(run):
    return run.profile(seconds=0.1)


def test_the_parts_add_up_to_the_step(profile):
    assert sum(row.seconds for row in profile.rows) == pytest.approx(profile.seconds)
    assert profile.seconds > 0


def test_parts_are_named_by_layers_and_parameters(profile):
    names = [row.name for row in profile.rows]
    assert "Linear 12→16 (layers.0) forward" in names
    assert "Linear 16→3 (layers.1) gradient of its input" in names
    assert "gradient of layers.0.weight + Adam" in names
    assert "gradient of layers.1.bias + Adam" in names
    assert names[0] == "gather the batch's rows"
    assert any("loss and its gradient" in name for name in names)
    assert names[-1] == "between steps, interruptions"


def test_operations_of_products_are_counted_exactly(profile):
    """The bias and ReLU come with the forward product; ReLU is a choice, no operation."""
    (forward,) = [row for row in profile.rows if row.name == "Linear 12→16 (layers.0) forward"]
    assert forward.flops == 2 * 40 * 12 * 16 + 40 * 16
    assert forward.dtype == "f32"
    assert forward.limit > 0
    assert forward.bound in ("FLOPs", "L1", "L2", "L3", "memory")


def test_the_run_stays_as_it_is_and_can_be_profiled_again(run):
    before = [leaf.tobytes() for leaf in flatten(run.model)[0]]
    run.profile(seconds=0.02, threads=2)
    assert [leaf.tobytes() for leaf in flatten(run.model)[0]] == before


def test_the_steps_with_the_clock_end_at_the_same_bits_as_those_without():
    job = Job.prepare(
        nn.MLP([12, 16, 3], rng=0), losses.cross_entropy, (X, Y), None, (), optim.SGD(0.05), 40,
        "reshuffle", 0, (), None,
    )  # fmt: skip
    descent, _ = job.begin(1, 0, 1, "stop")
    measured = measure_steps(job, descent.step, 40, 2, 0.02)
    plain = descent.step.executable.get_state()
    clocked = measured.step.executable.get_state()
    assert [leaf.tobytes() for leaf in plain] == [leaf.tobytes() for leaf in clocked]
    assert measured.laps.shape[0] == 2
    assert (measured.laps >= 0).all()


def test_the_table_shows_every_column_and_the_limits(profile):
    text = str(profile)
    assert "GFLOP/s" in text
    assert "of limit" in text
    assert "Limits, " in text
    assert "Outside of the native loop" in text
    assert max(map(len, text.splitlines())) < 240


def test_python_s_time_is_that_of_the_run(run, profile):
    assert run.spent.steps == run.steps
    assert run.spent.seconds["native loop"] > 0
    assert profile.outside["validation"] == run.spent.seconds["validation"] / run.spent.steps
    assert "native loop" not in profile.outside


def test_numbers_are_json_and_the_picture_is_drawn_beside_them(profile, tmp_path):
    numbers, picture = profile.save(tmp_path)
    read = json.loads(numbers.read_text(encoding="utf-8"))
    assert read["format"] == 1
    assert read["threads"] == 1
    assert {"name", "seconds", "flops", "bytes", "share_of_limit"} <= read["rows"][0].keys()
    text = picture.read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert "gradient of layers.0.weight + Adam" in text


def test_the_rows_are_a_frame(profile):
    frame = profile.frame()
    assert len(frame) == len(profile.rows)
    assert frame["seconds"].sum() == pytest.approx(profile.seconds)


def test_a_model_is_profiled_without_a_run():
    def loss(w, x, y):
        return np.mean((np.tanh(x @ w) - y) ** 2)

    w = np.zeros((12, 3))
    found = cr.profile(w, loss, (X.astype(float), np.zeros((400, 3))), batch="all", seconds=0.05)
    assert found.batch == 400
    assert {row.dtype for row in found.rows if row.flops} == {"f64"}
    assert not any(row.kind == "gather" for row in found.rows)
    assert any("value 12×3" in row.name for row in found.rows)


def test_other_data_and_another_batch_may_be_given(run):
    found = run.profile(data=(X[:100], Y[:100]), batch=20, seconds=0.02)
    assert found.batch == 20


def test_a_run_without_its_data_says_what_to_do(run):
    with pytest.raises(TrainingError, match="neither its loss nor its data") as caught:
        replace(run, _problem=None).profile()
    assert "cr.profile(run.model, loss, data" in str(caught.value)


def test_data_of_another_number_of_arrays_are_refused(run):
    with pytest.raises(TrainingError, match="data has 1 arrays"):
        run.profile(data=(X,))


def test_a_batch_of_more_rows_than_there_are_is_refused(run):
    with pytest.raises(TrainingError, match="more than the"):
        run.profile(batch=4000)


@pytest.mark.parametrize("options", [
    {"threads": 0}, {"threads": -1}, {"threads": 1.5}, {"threads": "2"}, {"threads": True},
    {"seconds": 0}, {"seconds": -1}, {"seconds": "x"}, {"seconds": float("nan")},
    {"seconds": float("inf")}, {"batch": 0}, {"batch": 2.5}, {"batch": "some"},
], ids=str)  # fmt: skip
def test_numbers_that_are_none_are_refused_by_name(run, options):
    (name,) = options
    with pytest.raises(TrainingError, match=name):
        run.profile(**options)
    if name != "batch":
        with pytest.raises(TrainingError, match=name):
            cr.profile(nn.MLP([12, 3], rng=0), losses.cross_entropy, (X, Y), **options)


def test_all_rows_may_be_one_batch(run):
    assert run.profile(batch="all", seconds=0.01).batch == 320


def test_the_rest_of_an_epoch_is_no_step_of_the_profile():
    """400 rows in batches of 96 leave one of 16, which the order "smaller" makes a step of."""
    order = cr.orders.as_order("reshuffle")
    order = replace(order, remainder="smaller")
    run = cr.train(nn.MLP([12, 4, 3], rng=0), losses.cross_entropy, (X, Y), batch=96, order=order,
                   epochs=3)  # fmt: skip
    assert run.profile(seconds=0.02).batch == 96
    assert take_examples((X, Y), np.float32).rows == 400


def test_a_step_of_one_example_is_one_part():
    run = cr.train(nn.MLP([12, 4, 3], rng=0), losses.cross_entropy, (X, Y), batch=1, epochs=1)
    names = [row.name for row in run.profile(seconds=0.02).rows]
    assert "the whole step, of one example" in names
