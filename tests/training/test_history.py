"""The record of a descent: arrays by step, records by epoch, decisions, data frames."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.errors import MissingExtraError, NotRecordedError, TrainingError
from chainrule.training.history import History

STEPS = {
    "loss": np.array([0.9, 0.7, 0.5]),
    "learning_rate": np.array([0.1, 0.1, 0.05]),
    "batch": np.array([8, 8, 16]),
}
EPOCHS: list[dict[str, Any]] = [
    {"epoch": 1, "step": 2, "loss": 0.8, "validation_loss": None, "learning_rate": 0.1,
     "batch": 8, "seconds": 0.5},
    {"epoch": 2, "step": 3, "loss": 0.5, "validation_loss": 0.6, "learning_rate": 0.05,
     "batch": 16, "seconds": 0.7, "validation_accuracy": 0.75},
]  # fmt: skip
DECISIONS = [
    {"step": 2, "epoch": 1.0, "rule": "noise", "reason": "B̂ > b", "batch": 16, "rate": 0.5,
     "numbers": {"noise_scale": 40.0}},
]  # fmt: skip


def test_quantities_of_steps_are_attributes():
    history = History(STEPS, EPOCHS, DECISIONS)
    for name, values in STEPS.items():
        assert getattr(history, name) is values
        assert name in dir(history)
    assert len(history) == 3


def test_what_was_not_recorded_says_how_to_record_it():
    history = History(STEPS)
    with pytest.raises(NotRecordedError, match=r'gradient_norm.*\n.*record=\("gradient_norm",\)'):
        _ = history.gradient_norm
    with pytest.raises(NotRecordedError, match=r"temperature.*there is loss, learning_rate, batch"):
        _ = history.temperature
    assert not hasattr(history, "noise_scale")


def test_the_frame_of_steps_numbers_them_from_one_and_says_their_epoch():
    frame = History(STEPS, EPOCHS).frame()
    assert list(frame) == ["step", "epoch", *STEPS]
    assert frame["step"].tolist() == [1, 2, 3]
    assert frame["epoch"].tolist() == [1, 1, 2]
    assert frame["loss"].tolist() == [0.9, 0.7, 0.5]
    assert frame["batch"].dtype.kind == "i"


def test_the_frame_of_epochs_has_each_metric_and_nan_for_what_is_not_known():
    frame = History(STEPS, EPOCHS).frame("epochs")
    assert list(frame) == [*EPOCHS[0], "validation_accuracy"]
    assert frame["validation_loss"].dtype == np.float64
    assert np.isnan(frame["validation_loss"][0])
    assert np.isnan(frame["validation_accuracy"][0])
    assert frame["validation_accuracy"][1] == 0.75
    assert frame["epoch"].dtype.kind == "i"


def test_the_frame_of_decisions_has_their_numbers_in_columns():
    frame = History(STEPS, EPOCHS, DECISIONS).frame("decisions")
    assert frame.to_dict("records") == [
        {"step": 2, "epoch": 1.0, "rule": "noise", "reason": "B̂ > b", "batch": 16, "rate": 0.5,
         "numbers.noise_scale": 40.0}
    ]  # fmt: skip


def test_frames_of_nothing_have_their_columns():
    empty = History()
    assert list(empty.frame()) == ["step", "epoch"]
    assert list(empty.frame("epochs")) == list(EPOCHS[0])
    assert list(empty.frame("decisions"))[:4] == ["step", "epoch", "rule", "reason"]
    assert len(empty.frame("decisions")) == 0


def test_it_says_what_is_there():
    assert repr(History()) == "History(0 steps; 0 epochs)"
    assert repr(History(STEPS, EPOCHS, DECISIONS)) == (
        "History(3 steps of loss, learning_rate, batch; 2 epochs; 1 decision; last loss 0.5)"
    )


def test_a_notebook_shows_the_last_epochs_as_a_table():
    many = [{"epoch": k, "loss": 1 / k, "note": "<b>"} for k in range(1, 31)]
    html = History(STEPS, many)._repr_html_()
    assert html.count("<tr>") == 11
    assert "<td>30</td><td>0.0333333</td><td>&lt;b&gt;</td>" in html
    assert "<table>" not in History(STEPS)._repr_html_()


def test_it_can_be_copied_and_pickled():
    history = History(STEPS, EPOCHS, DECISIONS)
    for other in (copy.deepcopy(history), copy.copy(history), pickle.loads(pickle.dumps(history))):
        assert np.array_equal(other.loss, history.loss)
        assert other.epochs == history.epochs
        assert other.decisions == history.decisions


def test_what_is_refused():
    with pytest.raises(TrainingError, match="differ in length: loss has 3, batch has 2"):
        History({"loss": np.zeros(3), "batch": np.zeros(2)})
    with pytest.raises(TrainingError, match="of is 'runs'; expected one of steps, epochs"):
        History(STEPS).frame("runs")  # type: ignore[arg-type]


def test_without_pandas_a_frame_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"chainrule\[tables\]"):
        History(STEPS).frame()


def test_a_descent_leaves_all_of_it():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3))
    y = x @ np.array([[1.0], [2.0], [3.0]])
    model = nn.Linear.init(3, 1, rng=rng, dtype=np.float64)
    run = cr.train(
        model, losses.squared_error, (x, y), validation=(x, y), epochs=3, metrics=["r2", "mae"],
        batch=optim.Doubling(8, every=1, limit=64), record=("gradient_norm",),
        optimizer=optim.SGD(0.1),
    )  # fmt: skip
    steps, epochs = run.history.frame(), run.history.frame("epochs")
    assert steps["batch"].tolist() == [8] * 8 + [16] * 4 + [32] * 2
    assert {"loss", "learning_rate", "gradient_norm"} <= set(steps)
    assert epochs["step"].tolist() == [8, 12, 14]
    assert epochs["batch"].tolist() == [8, 16, 32]
    assert {"validation_r2", "validation_mae"} <= set(epochs)
    assert epochs["loss"].tolist() == pytest.approx(steps.groupby("epoch")["loss"].mean().tolist())
    assert len(run.history.frame("decisions")) >= 2
