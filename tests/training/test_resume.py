"""Stopping and going on: the same bits as never having stopped, and nothing lost."""

from __future__ import annotations

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
from chainrule import losses, nn, optim
from chainrule.errors import RunError
from chainrule.training.folder import RunFolder
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


def test_a_descent_that_fails_leaves_the_folder_without_a_checkpoint(tmp_path: Path) -> None:
    x, y = blobs(200, 4, 1)
    start = nn.MLP([4, 8, 1], rng=0)
    with pytest.raises(ValueError, match="learning rate"):
        cr.train(
            start, losses.squared_error, (x, y), optimizer=optim.SGD(1e4), epochs=20,
            out=tmp_path / "run",
        )  # fmt: skip
    assert RunFolder.open(tmp_path / "run").read_checkpoint() is None


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
