"""Noise along a descent; one example, mini-batches, all rows; steps as ``cr.train`` makes them."""

from __future__ import annotations

import json
from xml.dom import minidom

import numpy as np
import pytest

import chainrule as cr
from chainrule import explain, losses, nn, optim
from chainrule.errors import ChainruleError, NotRecordedError, TrainingError
from chainrule.explain.landscape.watched import Watched
from chainrule.tracing.trees import flatten


def _loss(p, x, y):
    return np.mean((p["w"] * x + p["b"] - y) ** 2)


def _start():
    return {"w": np.array(0.0), "b": np.array(0.0)}


def _line(n=200, noise=1.0):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(n)
    return x, 3 * x + 1 + noise * rng.standard_normal(n)


@pytest.mark.parametrize("batch", [7, "all"])
def test_a_watched_descent_is_that_of_train_bit_for_bit(batch):
    """However often it is looked at; with momentum, a schedule, epochs that end."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((90, 3)).astype(np.float32)
    data, model = (x, (x[:, 0] > 0).astype(int)), nn.MLP([3, 5, 2], rng=0)
    optimizer = optim.SGD(optim.cosine(0.1), momentum=0.9)
    given = (model, losses.cross_entropy, data)
    run = cr.train(*given, optimizer=optimizer, batch=batch, epochs=3, seed=4)
    watched = Watched(*given, optimizer, batch, 3, seed=4)
    for step in (1, 2, 5, 6, 10**9):
        watched.to(step)
    assert watched.done == run.steps
    for ours, theirs in zip(watched.leaves(), flatten(run.model)[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _variance(p, x, y):
    """tr Σ by hand: each example's gradient of (wx + b - y)²."""
    r = 2 * (p["w"] * x + p["b"] - y)
    g = np.stack([r * x, r], axis=1)
    return np.sum(np.var(g, axis=0, ddof=1)), np.sum(np.mean(g, axis=0) ** 2)


@pytest.mark.parametrize("batch", [1, "all"])
def test_signal_and_noise_are_those_of_the_examples_gradients(batch):
    """At the start, where they can be worked out by hand; the share is of E|G + ξ|²."""
    x, y = _line()
    found = explain.noise(_start(), _loss, (x, y), optimizer=optim.SGD(0.05), batch=batch)
    trace, signal = _variance(_start(), x, y)
    b = 200 if batch == "all" else batch
    assert found.signal[0] == pytest.approx(signal)
    assert found.variance[0] == pytest.approx(trace, rel=0.25)  # from a few hundred batches
    noise = found.variance[0] / b * (1 - b / 200)
    assert found.share[0] == pytest.approx(noise / (noise + signal))
    assert found.noise_scale[0] == pytest.approx(found.variance[0] / signal)
    if batch == "all":
        assert np.all(found.share == 0)
        assert found.hurts_from is None


def test_gain_and_harm_of_a_step_are_what_steps_do():
    """The mean change over every batch of one example: -ε|G|² + ½ε² E[gᵀHg], of a quadratic."""
    x, y = _line(60)
    rate = 0.05
    found = explain.noise(_start(), _loss, (x, y), optimizer=optim.SGD(rate), batch=1, epochs=2)
    before, changes = _loss(_start(), x, y), []
    for a, t in zip(x, y, strict=True):
        r = 2 * (0 - t)
        changes.append(_loss({"w": -rate * r * a, "b": -rate * r}, x, y) - before)
    assert found.gain[0] + found.harm[0] == pytest.approx(np.mean(changes), rel=0.15)
    assert found.gain[0] < 0 < found.harm[0]


def test_noise_helps_early_and_hurts_late():
    """The lecture's sentence, with the step from which on it takes back half of the gain."""
    found = explain.noise(_start(), _loss, _line(500), optimizer=optim.SGD(0.05), batch=16)
    assert found.share[0] < 0.3 < 0.9 < found.share[-1]
    assert 10 < found.hurts_from < found.steps[-1]
    assert found.taken_back[0] < 0.05
    assert "what the gradient gains" in str(found)
    assert max(map(len, str(found).splitlines())) <= 100
    minidom.parseString(found.svg())
    json.dumps(found.to_json(), allow_nan=False)


def test_a_record_tells_the_same_as_a_measurement():
    """Of the first steps, whose signal is large."""
    data = _line(500)
    optimizer = optim.SGD(0.01)
    names = ("gradient_norm", "gradient_variance")
    run = cr.train(_start(), _loss, data, optimizer=optimizer, batch=16, epochs=3, record=names)
    recorded = explain.noise(run)
    measured = explain.noise(_start(), _loss, data, optimizer=optimizer, batch=16, epochs=3)
    assert recorded.rows == 500
    assert recorded.share[0] == pytest.approx(measured.share[0], abs=0.1)
    assert "recorded" in str(recorded)
    assert np.isnan(recorded.gain).all()
    minidom.parseString(recorded.svg())
    assert explain.noise(run.history).rows == 0


def test_kept_checkpoints_are_measured(tmp_path):
    """Where nothing was recorded but a folder was kept."""
    run = cr.train(_start(), _loss, _line(), epochs=3, out=tmp_path / "run", checkpoint_every=1e-9)
    found = explain.noise(run)
    assert found.steps[-1] == run.steps
    assert "checkpoints" in found.source
    with pytest.raises(NotRecordedError, match="gradient_norm and gradient_variance"):
        explain.noise(cr.train(_start(), _loss, _line(), epochs=1))


def test_one_example_per_update_cannot_tell_its_noise_from_a_record():
    """And what can is said."""
    run = cr.train(_start(), _loss, _line(20), batch=1, epochs=1, record="all")
    with pytest.raises(TrainingError, match="one example per update"):
        explain.noise(run)


@pytest.mark.parametrize("n", [1, 2])
def test_few_rows_have_little_noise_but_no_error(n):
    """One row is all rows."""
    found = explain.noise(_start(), _loss, _line(n), epochs=2)
    json.dumps(found.to_json(), allow_nan=False)
    assert found.share[-1] == 0.0
    minidom.parseString(found.svg())


def test_a_loss_without_a_gradient_is_said():
    """No share of nothing."""
    flat = explain.noise(_start(), lambda p, x, y: np.mean(0 * p["w"] * x) + 1, _line(20))
    assert "nothing to descend" in str(flat)
    minidom.parseString(flat.svg())


def test_a_descent_that_diverges_is_said():
    """With the step."""
    with pytest.raises(TrainingError, match="step"):
        explain.noise(_start(), _loss, _line(), optimizer=optim.SGD(1e6), batch=4, epochs=50)


def test_each_descent_sees_the_budget_and_no_more():
    """Updates are budget // batch; losses are those of train's weights after as many."""
    data = _line()
    found = explain.sampling(_start(), _loss, data, learning_rate=0.05, budget=1000)
    assert [d.updates for d in found.descents] == [1000, 31, 5]
    assert [d.name for d in found.descents] == ["one example", "batches of 32", "all 200 rows"]
    full = found.descents[2]
    run = cr.train(_start(), _loss, data, optimizer=optim.SGD(0.05), batch="all", epochs=5)
    assert full.final == pytest.approx(_loss(run.model, *data), rel=1e-12)
    assert np.all(np.diff(full.losses) < 0)
    assert full.path.shape == (len(full.losses), 2)
    assert found.plane.names == ("b", "w")
    assert found.descents[0].at(200) < full.at(200)  # after one pass
    assert "1,000 examples" in str(found)
    assert "the same for all" in str(found)


@pytest.mark.slow
def test_rates_are_looked_for_where_none_is_given_and_pictures_hold():
    """A range test for each batch; text within 100 letters; plain JSON."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((64, 2)).astype(np.float32)
    found = explain.sampling(
        nn.MLP([2, 4, 2], rng=0), losses.cross_entropy, (x, (x[:, 0] > 0).astype(int)),
        batches=(8, "all", 500), budget=640,
    )  # fmt: skip
    assert [d.batch for d in found.descents] == [8, 64]  # 500 are all, once
    assert all(d.rule == "range test" and d.learning_rate > 0 for d in found.descents)
    assert max(map(len, str(found).splitlines())) <= 100
    minidom.parseString(found.svg())
    json.dumps(found.to_json(), allow_nan=False)


def test_one_that_diverges_leaves_the_others_to_see():
    """It ends early, and is called so."""
    found = explain.sampling(_start(), _loss, _line(50), learning_rate=[10.0, 0.1, 0.1])
    assert [d.diverged for d in found.descents] == [True, False, False]
    assert "diverged" in str(found)
    assert found.best.batch != 1
    minidom.parseString(found.svg())


@pytest.mark.parametrize(
    "more",
    [
        {"batches": (0,)},
        {"batches": ()},
        {"batches": ("some",)},
        {"batches": (True,)},
        {"budget": 0},
        {"learning_rate": [0.1]},
        {"learning_rate": -1.0},
    ],
)
def test_arguments_outside_of_their_range_are_refused(more):
    """By an error of Chainrule's."""
    with pytest.raises(ChainruleError):
        explain.sampling(_start(), _loss, _line(), **more)


def test_a_loss_that_is_not_finite_at_first_is_refused():
    """Nothing can be compared."""
    x, y = _line()
    with pytest.raises(ChainruleError, match="nan"):
        explain.sampling(_start(), _loss, (x * np.nan, y), learning_rate=0.1)
