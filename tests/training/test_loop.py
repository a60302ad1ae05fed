"""What acts between the chunks of a descent: schedules, early stopping, limits, faults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim, orders
from chainrule.errors import DataError, InseparableError, RunError, TrainingError
from chainrule.training.rates import PlannedRates

N = 600


def table(n: int = N, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two classes in five columns, a tenth of the labels wrong."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 5))
    return x, ((x[:, 0] + x[:, 1] ** 2 > 1) ^ (rng.random(n) < 0.1)).astype(int)


def train(**options: Any) -> Any:
    """A small network on the table."""
    settings = {"epochs": 4, "batch": 10, "optimizer": optim.SGD(0.05), **options}
    return cr.train(nn.MLP([5, 16, 2], rng=0), losses.cross_entropy, table(), **settings)


# -- batch schedules and plateau ---------------------------------------------------------------


def test_a_planned_schedule_changes_the_batch_at_its_epochs() -> None:
    """At epoch 1 and 2.5 the batch is tripled: the steps of each epoch follow."""
    run = train(batch=optim.StepGrowth(10, at=[1, 2.5], factor=3, limit=90))
    batches = run.history.batch
    assert [int(b) for b in dict.fromkeys(batches)] == [10, 30, 90]
    assert (batches == 10).sum() == 60
    assert (batches == 30).sum() == 30
    assert [d["batch"] for d in run.history.decisions] == [10, 30, 90]
    assert "epoch 1" in run.history.decisions[1]["reason"]
    assert len(run.history.epochs) == 4


@pytest.mark.parametrize("remainder", ["drop", "smaller", "carry"])
@pytest.mark.parametrize(
    "schedule", [optim.CABS(10, least=4), optim.NoiseDriven(10, patience=1)], ids=["CABS", "noise"]
)
def test_every_row_is_accounted_for_when_the_batch_changes(remainder: str, schedule: Any) -> None:
    """Under "smaller" each epoch takes all rows once; "drop" leaves less than a batch."""
    run = train(batch=schedule, order=orders.reshuffle(remainder), epochs=3)
    taken = np.cumsum(run.history.batch)
    ends = [int(taken[epoch["step"] - 1]) for epoch in run.history.epochs]
    assert len(ends) == 3
    if remainder == "smaller":
        assert ends == [N, 2 * N, 3 * N]
    assert ends[-1] <= 3 * N
    assert len(set(run.history.batch.tolist())) > 1


def test_a_batch_schedule_and_a_constant_of_the_same_size_give_the_same_bits() -> None:
    """A schedule that never decides is a constant batch."""
    plain = train(order=orders.reshuffle())
    scheduled = train(batch=optim.StepGrowth(10, at=[100]))
    for a, b in zip(plain.model.layers, scheduled.model.layers, strict=True):
        np.testing.assert_array_equal(a.weight, b.weight)


def test_the_learning_rate_ends_when_the_run_does_whatever_the_batch() -> None:
    """A cosine over a run whose batch grows is followed by epochs, not by steps."""
    rate = optim.SGD(optim.cosine(0.1))
    run = train(optimizer=rate, batch=optim.Doubling(10, every=1, limit=80))
    rates = run.history.learning_rate
    assert (np.diff(rates) <= 0).all()
    assert rates[-1] < 0.02
    middle = rates[run.history.epochs[1]["step"]]
    assert middle == pytest.approx(0.05, rel=0.05)


def test_a_plateau_lowers_the_rate_when_the_validation_loss_stops_falling() -> None:
    """A rate far too small to move: the loss does not fall, the rate is divided by ten."""
    schedule = optim.plateau(1e-6, factor=0.1, patience=2)
    run = train(optimizer=optim.SGD(schedule), validation=0.25, epochs=8)
    assert run.history.learning_rate[-1] == pytest.approx(1e-8)
    assert [d["rule"] for d in run.history.decisions] == ["plateau", "plateau"]
    assert "has not fallen" in run.history.decisions[0]["reason"]


def test_averaging_begins_when_the_schedule_says_so() -> None:
    """Until then the model is the last iterate; from then on it is not."""
    schedule = optim.NoiseDriven(30, patience=1, limit=30, then="average")
    averaged = optim.average(optim.SGD(0.05), "swa", start=None)
    run = train(batch=schedule, optimizer=averaged, epochs=8)
    plain = train(batch=30, epochs=8)
    assert [d["average"] for d in run.history.decisions] == [False, True]
    assert not np.array_equal(run.model.layers[0].weight, plain.model.layers[0].weight)
    np.testing.assert_array_equal(run.history.loss, plain.history.loss)


def test_a_schedule_that_may_average_is_refused_without_an_average() -> None:
    with pytest.raises(TrainingError, match="keeps no average"):
        train(batch=optim.NoiseDriven(30, then="average"))


@pytest.mark.parametrize(
    ("batch", "words"), [(0, "from 1"), (N + 1, "more than"), ("some", "expected"), (2.5, "whole")]
)
def test_a_batch_that_makes_no_sense_is_refused(batch: Any, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        train(batch=batch)


# -- the record --------------------------------------------------------------------------------


def test_what_is_recorded_does_not_change_what_is_learnt() -> None:
    """The same parameters, to rounding, with and without the record."""
    plain, recorded = train(), train(record="all")
    for a, b in zip(plain.model.layers, recorded.model.layers, strict=True):
        np.testing.assert_allclose(a.weight, b.weight, rtol=1e-4, atol=1e-6)
    assert {name for name in recorded.history.steps if "/" not in name} == {
        "loss", "learning_rate", "batch", "gradient_norm", "update_ratio", "gradient_variance",
        "noise_scale",
    }  # fmt: skip


def test_the_gradients_of_all_parameters_are_together_as_long_as_the_gradient() -> None:
    """|g|² = Σ over parameters |gₚ|², at every step."""
    history = train(record=("gradient_norm", "parameter_gradient_norms")).history
    names = [name for name in history.steps if name.startswith("gradient_norm/")]
    assert len(names) == 4
    together = sum(history.steps[name] ** 2 for name in names)
    np.testing.assert_allclose(np.sqrt(together), history.gradient_norm, rtol=1e-5)


def test_the_update_ratio_of_plain_descent_is_rate_times_gradient_over_parameters() -> None:
    run = train(record="all", epochs=1)
    model = nn.MLP([5, 16, 2], rng=0)
    length = np.sqrt(sum((w**2).sum() for layer in model.layers for w in (layer.weight, layer.bias)
                         ))  # fmt: skip
    wanted = 0.05 * run.history.gradient_norm[0] / length
    assert run.history.update_ratio[0] == pytest.approx(wanted, rel=1e-5)


def test_all_is_all_that_there_is() -> None:
    """BatchNorm's examples act on one another: they have no gradients of their own."""
    model = nn.Sequential(nn.Linear.init(5, 8, rng=0), nn.BatchNorm.init(8), nn.relu,
                          nn.Linear.init(8, 2, rng=1))  # fmt: skip
    run = cr.train(model, losses.cross_entropy, table(), epochs=1, record="all")
    assert "gradient_norm" in run.history.steps
    assert "noise_scale" not in run.history.steps
    with pytest.raises(InseparableError, match="act on one another"):
        cr.train(model, losses.cross_entropy, table(), epochs=1, record=["noise_scale"])


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(TrainingError, match="gradient_norm"):
        train(record=["loudness"])


# -- held-out data, metrics, early stopping ----------------------------------------------------


def test_a_share_of_the_rows_is_held_out_by_the_seed() -> None:
    """The same rows each time, and no row on both sides: 600 · 3/4 = 450 rows are trained on."""
    first, second, other = (train(validation=0.25, seed=s, epochs=1) for s in (0, 0, 1))
    assert first.steps == 45
    losses_ = [run.history.epochs[0]["validation_loss"] for run in (first, second, other)]
    assert losses_[0] == losses_[1] != losses_[2]


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 2.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(DataError, match="share"):
        train(validation=share)


def test_metrics_are_those_of_scikit_learn_on_the_held_out_rows() -> None:
    from sklearn.metrics import accuracy_score

    x, y = table(300, seed=5)
    run = train(validation=(x, y), metrics=["accuracy", "roc_auc"])
    wanted = accuracy_score(y, cr.predict(run.model, x).argmax(1))
    assert run.history.epochs[-1]["validation_accuracy"] == pytest.approx(wanted)
    assert 0.5 < run.history.epochs[-1]["validation_roc_auc"] <= 1.0


def test_early_stopping_keeps_the_best_epoch() -> None:
    """The model's own validation loss is the least of the record."""
    x, y = table(200, seed=6)
    run = train(validation=(x, y), early_stopping=3, epochs=200, optimizer=optim.Adam(0.02))
    found = [epoch["validation_loss"] for epoch in run.history.epochs]
    assert run.stopped == "early_stopping"
    assert run.best_epoch == int(np.argmin(found)) + 1
    assert len(found) == run.best_epoch + 3
    value = losses.cross_entropy(cr.predict(run.model, x).astype(float), y)
    assert value == pytest.approx(min(found), rel=1e-5)


def test_early_stopping_needs_something_to_watch() -> None:
    with pytest.raises(TrainingError, match="validation"):
        train(early_stopping=3)


# -- limits and callbacks ----------------------------------------------------------------------


def test_max_time_ends_the_run_and_says_so() -> None:
    run = train(epochs=10_000_000, max_time=0.2)
    assert run.stopped == "max_time"
    assert 0.2 <= run.seconds["train"] < 5
    assert "0.2 s" in run.reason


def test_a_callback_stops_the_run_with_its_reason() -> None:
    def callback(progress: Any) -> str | None:
        return "enough" if progress.epoch_end and progress.epoch == 3 else None

    run = train(epochs=1000, validation=0.2, callbacks=[callback])
    assert (run.stopped, run.reason) == ("callback", "enough")
    assert len(run.history.epochs) == 3


def test_callbacks_see_every_step_once_and_the_model_as_it_is() -> None:
    """Joined, the reports are the record; the last model is the run's."""
    seen: list[np.ndarray] = []
    models: list[Any] = []

    def callback(progress: Any) -> None:
        assert progress.first_step + len(progress.recorded["loss"]) == progress.step
        seen.append(progress.recorded["loss"].copy())
        models.append(progress.model())

    run = train(validation=0.2, callbacks=[callback])
    np.testing.assert_array_equal(np.concatenate(seen), run.history.loss)
    np.testing.assert_array_equal(models[-1].layers[0].weight, run.model.layers[0].weight)


def test_a_callback_that_fails_leaves_what_was_learnt(tmp_path: Path) -> None:
    def fail(progress: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(validation=0.2, callbacks=[fail], out=tmp_path / "run")
    resumed = train(validation=0.2, out=tmp_path / "run", resume=True)
    whole = train(validation=0.2)
    np.testing.assert_array_equal(whole.model.layers[0].weight, resumed.model.layers[0].weight)


def test_a_run_on_another_thread_works() -> None:
    """Signals are the main thread's; a notebook server trains elsewhere."""
    found: list[Any] = []
    worker = threading.Thread(target=lambda: found.append(train(epochs=1)))
    worker.start()
    worker.join()
    assert found[0].stopped == "completed"


_TERMINATED = """
import sys, numpy as np, chainrule as cr
from chainrule import nn, losses
x = np.random.default_rng(0).standard_normal((600, 5)); y = (x[:, 0] > 0).astype(int)
told = []
def callback(p):
    if not told:
        told.append(1); print("training", flush=True)
cr.train(nn.MLP([5, 16, 2], rng=0), losses.cross_entropy, (x, y), epochs=10_000_000,
         callbacks=[callback], out=sys.argv[1])
print("not reached")
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to send")
def test_sigterm_writes_a_checkpoint_and_ends_the_process(tmp_path: Path) -> None:
    """The process ends by the signal, as it would have; its checkpoint can be read."""
    command = [sys.executable, "-c", _TERMINATED, str(tmp_path / "run")]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "training\n"
    time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    output, _ = child.communicate(timeout=60)
    assert "not reached" not in output
    assert child.returncode == -signal.SIGTERM
    assert (tmp_path / "run" / "state.json").exists()


# -- losses that are not finite ----------------------------------------------------------------


def spoiled(bad: float) -> tuple[np.ndarray, np.ndarray]:
    """A line with one value in its middle that is not finite."""
    x = np.linspace(-1, 1, 100)
    y = 3 * x
    y[50] = bad
    return x, y


def slope(p: Any, x: Any, y: Any) -> Any:
    return np.mean((p["w"] * x - y) ** 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_skip_leaves_out_the_updates_that_are_not_finite(bad: float) -> None:
    """One batch in ten is bad: the others find the slope."""
    run = cr.train({"w": np.array(0.0)}, slope, spoiled(bad), batch=10, epochs=100,
                   optimizer=optim.SGD(0.3), order="once", on_nan="skip")  # fmt: skip
    assert run.model["w"] == pytest.approx(3.0, abs=1e-6)
    assert np.isfinite(run.history.loss).sum() == 900
    assert np.isfinite(run.history.epochs[-1]["loss"])


def test_skip_gives_up_when_nothing_is_finite() -> None:
    with pytest.raises(TrainingError, match="one after the other"):
        cr.train({"w": np.array(0.0)}, slope, spoiled(np.nan), batch="all", epochs=500,
                 on_nan="skip")  # fmt: skip


def test_roll_back_lowers_the_rate_until_the_descent_is_stable() -> None:
    """Rate 60 on a curvature of 2 E x² = 0.68 diverges; halved often enough it is below 2.9."""
    x = np.linspace(-1, 1, 100)
    run = cr.train({"w": np.array(0.0)}, slope, (x, 3 * x), batch=10, epochs=400,
                   optimizer=optim.SGD(60.0), on_nan="roll back")  # fmt: skip
    assert run.model["w"] == pytest.approx(3.0, abs=1e-6)
    rates = [d["rate"] for d in run.history.decisions]
    assert rates == [0.5**k for k in range(1, len(rates) + 1)]
    assert "back to step" in run.history.decisions[0]["reason"]
    assert np.isfinite(run.history.loss).all()
    assert len(run.history.epochs) == 400


@pytest.mark.parametrize("stop", [3, 40, 400])
def test_a_run_that_rolls_back_is_resumed_to_the_same_bits(stop: int, tmp_path: Path) -> None:
    """What it would fall back to is in the checkpoint."""
    x = np.linspace(-1, 1, 100)

    def descend(**more: Any) -> Any:
        return cr.train({"w": np.array(0.0)}, slope, (x, 3 * x), batch=10, epochs=60,
                        optimizer=optim.SGD(60.0), on_nan="roll back", **more)  # fmt: skip

    def callback(progress: Any) -> str | None:
        return "enough" if progress.step >= stop else None

    whole = descend()
    part = descend(out=tmp_path / "run", callbacks=[callback])
    resumed = descend(out=tmp_path / "run", resume=True)
    assert part.steps < whole.steps == resumed.steps
    assert whole.history.decisions == resumed.history.decisions
    np.testing.assert_array_equal(whole.history.loss, resumed.history.loss)
    np.testing.assert_array_equal(whole.model["w"], resumed.model["w"])


def test_a_schedule_is_asked_for_a_long_run_in_parts() -> None:
    """Ten million epochs are no gigabytes of learning rates."""
    rates = PlannedRates(optim.SGD(optim.cosine(0.1)), 10_000_000_000)
    steps = np.array([0, 5_000_000_000, 9_999_999_999])
    found = [float(rates.at(steps[k : k + 1])[0]) for k in range(3)]
    np.testing.assert_allclose(found, [0.1, 0.05, 0.0], atol=1e-9)
    across = rates.at(np.arange(9_000_000_000 - 3, 9_000_000_000 + 3))
    assert (np.diff(across) <= 0).all()


def test_weights_that_have_not_moved_are_noticed() -> None:
    """Mini-batch noise hides so small a fall of the loss; the weights do not lie."""
    slow, good = train(optimizer=optim.SGD(1e-8)), train()
    assert [f.kind for f in slow.findings] == ["rate too small"]
    assert good.findings == ()


def test_stop_names_the_step_and_a_rate_to_try() -> None:
    x = np.linspace(-1, 1, 100)
    with pytest.raises(TrainingError, match=r"at step \d+ of .*learning rate 60") as caught:
        cr.train({"w": np.array(0.0)}, slope, (x, 3 * x), batch=10, epochs=400,
                 optimizer=optim.SGD(60.0))  # fmt: skip
    assert caught.value.hint


def kinked(p: Any, x: Any, y: Any) -> Any:
    """A finite loss whose gradient is not: the root of a square that is 0."""
    return np.mean(np.sqrt((p["w"] * x) ** 2) + 0 * y)


@pytest.mark.parametrize("policy", ["stop", "roll back"])
def test_a_gradient_that_is_not_finite_is_found_though_the_loss_is(policy: Any) -> None:
    x = np.linspace(-1, 1, 40)
    with pytest.raises(TrainingError, match="a gradient became nan"):
        cr.train({"w": np.array(0.0)}, kinked, (x, x), batch=40, epochs=1, on_nan=policy)


def test_skip_counts_gradients_that_are_not_finite_too() -> None:
    x = np.linspace(-1, 1, 40)
    with pytest.raises(TrainingError, match="one after the other"):
        cr.train({"w": np.array(0.0)}, kinked, (x, x), batch=40, epochs=500, on_nan="skip")


def test_skip_leaves_alone_what_is_large_but_finite() -> None:
    """Squares of these float32 gradients overflow; the gradients do not."""
    start = {"w": np.array(0.0, np.float32)}
    x = np.ones(40, np.float32)
    run = cr.train(start, lambda p, x: np.mean(1e25 * p["w"] * x), (x,), batch=40, epochs=3,
                   optimizer=optim.SGD(1e-25), on_nan="skip")  # fmt: skip
    assert not run.history.skipped.any()
    assert run.model["w"] == pytest.approx(-3.0)


def test_early_stopping_forgets_epochs_that_were_undone() -> None:
    """The best epoch is the least of the record, and the model's loss is its."""
    x = np.linspace(-1, 1, 100)
    run = cr.train({"w": np.array(0.0)}, slope, (x, 3 * x), batch=10, epochs=40,
                   validation=(x, 3 * x), optimizer=optim.SGD(20.0), on_nan="roll back",
                   early_stopping=30)  # fmt: skip
    found = [epoch["validation_loss"] for epoch in run.history.epochs]
    assert any(d["rule"] == "roll back" for d in run.history.decisions)
    assert run.best_epoch == int(np.argmin(found)) + 1
    assert slope(run.model, x, 3 * x) == pytest.approx(min(found), abs=1e-12)


def test_check_points_do_not_move_when_a_grown_batch_is_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work per row depends on the batch; the interval is that of the first one."""
    monkeypatch.setattr("chainrule.training.loop._WORK", 4e5)
    schedule = optim.NoiseDriven(8, patience=1, times=0.1, wait=0, limit=200)

    def callback(progress: Any) -> str | None:
        return "enough" if progress.batch >= 32 else None

    whole = train(batch=schedule, epochs=60)
    part = train(batch=schedule, epochs=60, out=tmp_path / "run", callbacks=[callback])
    resumed = train(batch=schedule, epochs=60, out=tmp_path / "run", resume=True)
    assert part.steps < whole.steps
    assert whole.history.decisions == resumed.history.decisions
    np.testing.assert_array_equal(whole.history.loss, resumed.history.loss)
    assert list(whole.history.steps) == list(resumed.history.steps)


@pytest.mark.parametrize("factor", [2, 4, 7])
def test_a_batch_that_outgrows_an_epochs_rest_leaves_an_epoch_without_steps(factor: int) -> None:
    """Under "carry" what is left may be less than the new batch: the epoch ends where it stands."""
    schedule = optim.StepGrowth(3, at=[0.5, 1, 1.5, 2.2], factor=factor, limit=400)
    run = train(batch=schedule, order=orders.reshuffle("carry"))
    assert [epoch["epoch"] for epoch in run.history.epochs] == [1, 2, 3, 4]


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"resume": True}, "not with what"),
        ({"optimizer": "adam"}, "adam"),
        ({"optimizer": optim.Adam}, "Adam"),
        ({"record": 3}, "not measured"),
        ({"callbacks": print}, "list of functions"),
        ({"metrics": ["accuracy"]}, "validation"),
    ],
    ids=lambda x: None if isinstance(x, str) else "-".join(x),
)
def test_arguments_that_make_no_sense_are_refused(options: Any, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        train(**options)


def test_a_loss_without_the_parameters_is_refused() -> None:
    with pytest.raises(TrainingError, match="does not depend on the parameters"):
        cr.train(np.zeros(3), lambda p, x: np.mean(x), (np.ones(10),))


def test_a_loss_of_other_arguments_is_refused() -> None:
    with pytest.raises(TrainingError, match="is called as"):
        cr.train(np.zeros(3), lambda p, x: np.mean(p * x), (np.ones(10), np.ones(10)))


def test_masked_arrays_are_refused() -> None:
    x, y = table()
    with pytest.raises(DataError, match="masked"):
        cr.train(nn.MLP([5, 2]), losses.cross_entropy, (np.ma.masked_greater(x, 1), y))


def test_lists_of_numbers_are_arrays() -> None:
    x, y = table(64)
    run = cr.train(nn.MLP([5, 2], rng=0), losses.cross_entropy, (x.tolist(), y.tolist()), epochs=1)
    assert run.steps == 2


def test_a_resume_with_another_function_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """The program is compared, not its name."""
    x = np.ones(64)
    cr.train(np.zeros(()), lambda p, x: np.mean((p - x) ** 2), (x,), epochs=4,
             out=tmp_path / "run", callbacks=[lambda p: "enough"])  # fmt: skip
    with pytest.raises(RunError, match="computes something else"):
        cr.train(np.zeros(()), lambda p, x: np.mean((p - x) ** 4), (x,), epochs=4,
                 out=tmp_path / "run", resume=True)  # fmt: skip


def test_a_run_that_fails_before_its_first_checkpoint_leaves_no_folder(tmp_path: Path) -> None:
    x = np.full(64, np.nan)
    with pytest.raises(TrainingError, match="before the first update") as caught:
        cr.train(np.zeros(()), lambda p, x: np.mean((p - x) ** 2), (x,), out=tmp_path / "run")
    assert "data[0] is not finite in 64 rows" in str(caught.value)
    assert not (tmp_path / "run").exists()
