"""Stopping and going on: the same bits as never having stopped, and nothing lost."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim, orders
from chainrule.errors import RunError, TrainingError
from chainrule.runs.folder import RunFolder
from chainrule.tracing.trees import named_leaves
from chainrule.training.pace import Pace
from tests.training.test_train import blobs, same_bits


def descend(out: Path | None, **options: Any) -> Any:
    """A short run with momentum and a schedule."""
    x, y = blobs(400, 6, 3)
    given: dict[str, Any] = {"optimizer": optim.SGD(optim.cosine(0.1), momentum=0.9), "epochs": 6}
    model = nn.MLP([6, 7, 3], rng=1)
    return cr.train(
        model, losses.cross_entropy, (x, y), validation=(x[:50], y[:50]), out=out,
        **{**given, **options},
    )  # fmt: skip


def stop_after(chunks: int) -> Any:
    """A callback that presses Ctrl-C after so many chunks."""
    left = [chunks]

    def callback(_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)

    return callback


@pytest.mark.parametrize("chunks", [1, 2, 3, 5])
def test_a_resumed_run_has_the_bits_of_one_that_never_stopped(tmp_path: Path, chunks: int) -> None:
    """Weights, momentum, schedule, order and record; the stop may be inside an epoch."""
    whole = descend(None)
    stopped = descend(tmp_path / "run", callbacks=[stop_after(chunks)])
    assert stopped.stopped == "interrupted"
    assert 0 < stopped.steps < whole.steps
    resumed = descend(tmp_path / "run", resume=True)
    assert resumed.stopped == "completed"
    assert resumed.steps == whole.steps
    assert same_bits(resumed.model, whole.model)
    assert np.array_equal(resumed.history.loss, whole.history.loss)
    losses_by_epoch = [record["validation_loss"] for record in whole.history.epochs]
    assert [record["validation_loss"] for record in resumed.history.epochs] == losses_by_epoch


def test_a_run_that_was_completed_is_resumed_to_the_same_model(tmp_path: Path) -> None:
    first = descend(tmp_path / "run")
    again = descend(tmp_path / "run", resume=True)
    assert again.stopped == "completed"
    assert same_bits(first.model, again.model)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": 16}, "batch"),
        ({"seed": 9}, "seed"),
        ({"epochs": 7}, "epochs"),
        ({"optimizer": optim.SGD(0.2)}, "optimizer"),
    ],
)
def test_other_settings_are_not_resumed(tmp_path: Path, options: Any, words: str) -> None:
    descend(tmp_path / "run")
    with pytest.raises(RunError, match=words):
        descend(tmp_path / "run", resume=True, **options)


@pytest.mark.parametrize("rate", [0.1, optim.step(0.1, every=20)], ids=["constant", "step"])
def test_more_epochs_have_the_bits_of_a_run_that_was_asked_for_them(
    tmp_path: Path, rate: Any
) -> None:
    given: dict[str, Any] = {"optimizer": optim.SGD(rate, momentum=0.9), "batch": 37}
    whole = descend(None, **given, epochs=9)
    descend(tmp_path / "run", **given, epochs=4)
    longer = descend(tmp_path / "run", **given, epochs=9, resume=True)
    assert longer.stopped == "completed"
    assert same_bits(longer.model, whole.model)
    assert np.array_equal(longer.history.loss, whole.history.loss)
    assert not longer.history.decisions
    again = descend(tmp_path / "run", **given, epochs=9, resume=True)  # it is one of nine now
    assert same_bits(again.model, whole.model)


def test_a_schedule_that_ends_with_the_run_is_planned_anew_only_when_asked(tmp_path: Path) -> None:
    descend(tmp_path / "run")
    with pytest.raises(RunError, match="depend on the length of the run"):
        descend(tmp_path / "run", epochs=12, resume=True)
    assert not (tmp_path / "run" / "extended.json").exists()
    longer = descend(tmp_path / "run", epochs=12, resume="replan")
    short, whole = descend(None), descend(None, epochs=12)
    rates, begun = longer.history.learning_rate, short.steps
    assert np.array_equal(rates[:begun], short.history.learning_rate)
    assert np.array_equal(rates[begun:], whole.history.learning_rate[begun:])
    (said,) = longer.history.decisions
    assert (said["rule"], said["step"]) == ("more epochs", begun)
    assert RunFolder.open(tmp_path / "run").config["descent"]["epochs"] == 12


def test_rows_that_an_epoch_left_over_are_not_forgotten_silently(tmp_path: Path) -> None:
    carry: dict[str, Any] = {"order": orders.reshuffle(remainder="carry"), "batch": 37}
    given = {**carry, "optimizer": optim.SGD(0.1)}
    descend(tmp_path / "run", **given)
    with pytest.raises(RunError, match="left rows over"):
        descend(tmp_path / "run", **given, epochs=7, resume=True)


def test_more_epochs_do_not_revive_a_run_that_stopped_early(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "optimizer": optim.SGD(1e-9),
        "early_stopping": cr.EarlyStopping(2, least=0.1),
    }
    descend(tmp_path / "run", **given)
    with pytest.raises(RunError, match="stopped early"):
        descend(tmp_path / "run", **given, epochs=9, resume=True)


def test_resume_is_true_false_or_replan(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="'yes'"):
        descend(tmp_path / "run", resume="yes")


def test_a_folder_in_use_is_not_written_over(tmp_path: Path) -> None:
    descend(tmp_path / "run")
    with pytest.raises(RunError, match="not empty"):
        descend(tmp_path / "run")


def test_a_damaged_checkpoint_is_named_and_not_trained_on(tmp_path: Path) -> None:
    descend(tmp_path / "run")
    (weights,) = (tmp_path / "run").glob("checkpoint-*/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-3] + b"abc")
    with pytest.raises(RunError, match="checksum"):
        descend(tmp_path / "run", resume=True)


def test_a_descent_that_fails_before_its_first_checkpoint_leaves_no_folder(tmp_path: Path) -> None:
    x, y = blobs(200, 4, 1)
    start = nn.MLP([4, 8, 1], rng=0)
    with pytest.raises(ValueError, match="learning rate"):
        cr.train(
            start, losses.squared_error, (x, y), optimizer=optim.SGD(1e4), epochs=20,
            out=tmp_path / "run",
        )  # fmt: skip
    assert not (tmp_path / "run").exists()


_LONG_RUN = """
import sys, time
import numpy as np
import chainrule as cr
from chainrule import losses, nn, optim
x = np.random.default_rng(0).standard_normal((20000, 30)).astype(np.float32)
y = (x[:, 0] > 0).astype(int)
run = cr.train(nn.MLP([30, 64, 64, 2], rng=0), losses.cross_entropy, (x, y), epochs=100000,
               out=sys.argv[1], callbacks=[lambda p: print("chunk", flush=True)])
print(run.stopped, run.steps, time.time(), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent by os.kill")
def test_ctrl_c_stops_soon_and_keeps_what_was_learnt(tmp_path: Path) -> None:
    """Within 0.2 s on a free machine; the test allows for a busy one."""
    command = [sys.executable, "-c", _LONG_RUN, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(4):
            assert child.stdout.readline().strip() == "chunk"
        pressed = time.time()
        child.send_signal(signal.SIGINT)
        last = child.stdout.read().split("\n")[-2]
    stopped, steps, at = last.split()
    assert stopped == "interrupted"
    assert int(steps) > 0
    assert float(at) - pressed < 2.0
    checkpoint = RunFolder.open(tmp_path / "run").read_checkpoint()
    assert checkpoint is not None
    assert checkpoint.step == int(steps)


# -- twenty stop points ------------------------------------------------------------------------

ROWS = 200


def _small(*between: Any) -> Any:
    """Two layers and something between them."""
    return nn.Sequential(nn.Linear.init(6, 8, rng=1), *between, nn.Linear.init(8, 3, rng=2))


def _deep() -> Any:
    return _small(nn.BatchNorm.init(8), nn.relu, nn.Dropout(0.2))


def _relu() -> Any:
    return _small(nn.relu)


job_module = sys.modules["chainrule.training.job"]
_LABELS = blobs(ROWS, 6, 3)[1]
#: Settings of a run: (the model, what else ``train`` is given).
SETTINGS: dict[str, tuple[Any, dict[str, Any]]] = {
    "dropout, BatchNorm, AdamW, one cycle": (
        _deep,
        {"optimizer": optim.AdamW(optim.one_cycle(0.05)),
         "record": ["gradient_norm", "update_ratio"]},
    ),
    "nesterov, groups": (
        _relu,
        {"optimizer": optim.groups({"*bias": 2.0}, optim.SGD(0.1, momentum=0.9, nesterov=True))},
    ),
    "average, accumulate": (
        _deep, {"optimizer": optim.average(optim.accumulate(optim.Adam(0.01), 3), "ema")},
    ),
    "schedule-free": (_relu, {"optimizer": optim.ScheduleFreeAdamW(0.01)}),
    "plateau": (
        _relu,
        {"optimizer": optim.SGD(optim.plateau(0.5, patience=0, threshold=0.5)), "validation": 0.2},
    ),
    "early stopping": (
        _deep, {"optimizer": optim.Adam(0.05), "validation": 0.3, "early_stopping": 50},
    ),
    "step growth, a smaller last batch": (
        _deep,
        {"batch": optim.StepGrowth(7, at=[1, 2], factor=2, limit=60),
         "order": orders.once("smaller")},
    ),
    "doubling, carried over epochs": (
        _relu, {"batch": optim.Doubling(8, every=1, rate=0.75), "order": orders.reshuffle("carry")},
    ),
    "CABS, with replacement": (
        _relu, {"batch": optim.CABS(8, limit=50), "order": "with replacement"},
    ),
    "noise-driven, average, in order": (
        _relu,
        {"batch": optim.NoiseDriven(8, knee=None, limit=32, times=0.01, patience=1, then="average"),
         "optimizer": optim.average(optim.SGD(0.1), "swa", start=None), "order": "in order"},
    ),
    "noise-driven, decay, stratified": (
        _relu,
        {"batch": optim.NoiseDriven(8, knee=None, limit=16, times=0.01, patience=1),
         "order": orders.stratified(_LABELS)},
    ),
    "weighted, skipped losses": (
        _deep, {"order": orders.weighted(1.0 + _LABELS), "on_nan": "skip"},
    ),
}  # fmt: skip
#: Twenty stops: which setting, and after which share of its steps.
_SHARES = np.random.default_rng(11).uniform(0.02, 0.98, 20).round(3).tolist()
STOPS = {
    name: _SHARES[k :: len(SETTINGS)] for k, name in enumerate(SETTINGS)
}  # each once, eight of them twice


def _run(name: str, **more: Any) -> Any:
    model, given = SETTINGS[name]
    options = {"optimizer": optim.SGD(0.1, momentum=0.9), "batch": 16, "epochs": 4, "seed": 3}
    data = blobs(ROWS, 6, 3)
    return cr.train(model(), losses.cross_entropy, data, **{**options, **given, **more})


def sha256(run: Any) -> str:
    """Of the trained parameters."""
    found = hashlib.sha256()
    for key, array in sorted(named_leaves(run.model).items()):
        found.update(key.encode() + np.asarray(array).tobytes())
    return found.hexdigest()


def _untimed(epochs: list[dict[str, Any]]) -> str:
    return repr([{k: v for k, v in epoch.items() if k != "seconds"} for epoch in epochs])


@pytest.fixture
def _ragged_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of one to four steps, so that a descent can stop anywhere."""
    rng = np.random.default_rng(17)
    monkeypatch.setattr(Pace, "steps", lambda self, most: min(most, int(rng.integers(1, 5))))


@pytest.fixture
def _compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs of a test are of one step, which is compiled for the first of them."""
    traced: list[Any] = []
    steps: list[Any] = []
    trace, compiled = job_module.trace_step, job_module.compile_step

    def trace_once(*args: Any) -> Any:
        traced[:] = traced or [trace(*args)]
        return traced[0]

    def compile_once(graph: Any, carried: Any, *args: Any) -> Any:
        steps[:] = steps or [compiled(graph, carried, *args)]
        steps[0].executable.set_state(carried.leaves)
        return steps[0]

    monkeypatch.setattr(job_module, "trace_step", trace_once)
    monkeypatch.setattr(job_module, "compile_step", compile_once)


@pytest.mark.usefixtures("_ragged_chunks", "_compiled_once")
@pytest.mark.parametrize("name", SETTINGS)
def test_wherever_a_run_stops_it_ends_with_the_bits_of_one_that_never_stopped(
    tmp_path: Path, name: str
) -> None:
    """SHA-256 of the parameters, and all that is recorded; twenty stops in all."""
    whole = _run(name)
    for number, share in enumerate(STOPS[name]):
        out, stop = tmp_path / str(number), max(1, int(share * whole.steps))
        stopped = _run(name, out=out, callbacks=[lambda p, s=stop: "here" if p.step >= s else None])
        assert stopped.stopped == "callback"
        assert stop <= stopped.steps < whole.steps
        resumed = _run(name, out=out, resume=True)
        assert resumed.steps == whole.steps
        assert sha256(resumed) == sha256(whole)
        assert sha256(stopped) != sha256(whole)
        for column, values in whole.history.steps.items():
            assert resumed.history.steps[column].tobytes() == values.tobytes(), column
        assert _untimed(resumed.history.epochs) == _untimed(whole.history.epochs)
        assert repr(resumed.history.decisions) == repr(whole.history.decisions)


def test_there_are_twenty_stops_and_each_setting_has_one() -> None:
    assert sum(map(len, STOPS.values())) == 20
    assert all(STOPS.values())
