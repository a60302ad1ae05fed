"""What a descent evaluates, keeps and takes up again, for optimisers of several kinds."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.runs.folder import RunFolder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 3))
Y = X @ np.array([1.0, -2.0, 0.5]) + 0.3
START = {"w": np.zeros(3), "b": np.array(0.0)}
OPTIMIZERS = {
    "adam": optim.Adam(0.05),
    "schedule-free": optim.ScheduleFreeSGD(0.5),
    "schedule-free adamw": optim.ScheduleFreeAdamW(0.1),
    "ema": optim.average(optim.SGD(0.1), "ema"),
    "groups with rates of their own": optim.groups(
        {"w": optim.Adam(optim.cosine(0.1))}, optim.SGD(0.1)
    ),
    "prodigy": optim.Prodigy(),
}


def _loss(p: Any, x: Any, y: Any) -> Any:
    return np.mean((x @ p["w"] + p["b"] - y) ** 2)


def _train(optimizer: Any, **options: Any) -> cr.Run:
    return cr.train(START, _loss, (X, Y), optimizer=optimizer, seed=1, **options)


@pytest.mark.parametrize("name", [n for n in OPTIMIZERS if n != "ema"])
def test_a_line_is_found(name):
    run = _train(OPTIMIZERS[name], epochs=30)
    np.testing.assert_allclose(run.model["w"], [1.0, -2.0, 0.5], atol=0.03)


def test_an_average_is_what_is_returned_evaluated_and_kept(tmp_path):
    """The iterates themselves are kept beside it: it is from them that a descent goes on."""
    decay = 0.9
    optimizer = optim.average(optim.SGD(0.1), "ema", decay=decay)
    run = _train(optimizer, epochs=2, validation=(X, Y), out=tmp_path / "run")
    kept = RunFolder.open(tmp_path / "run").read_checkpoint()
    assert kept is not None
    for name, leaf in run.model.items():
        np.testing.assert_array_equal(kept.weights[name], leaf)
        assert not np.array_equal(kept.optimizer["iterate/" + name], leaf)
    last = run.history.epochs[-1]["validation_loss"]
    np.testing.assert_allclose(last, _loss(run.model, X, Y), rtol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_that_was_stopped_ends_with_the_same_bits(name, tmp_path):
    whole = _train(OPTIMIZERS[name], epochs=3, out=tmp_path / "whole")

    def stop(progress: Any) -> None:
        if progress.step >= 12:
            os.kill(os.getpid(), signal.SIGINT)

    _train(OPTIMIZERS[name], epochs=3, out=tmp_path / "part", callbacks=[stop])
    resumed = _train(OPTIMIZERS[name], epochs=3, out=tmp_path / "part", resume=True)
    for leaf in START:
        np.testing.assert_array_equal(whole.model[leaf], resumed.model[leaf])
