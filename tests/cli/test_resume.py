"""`chainrule resume`: a run goes on by itself, also past the epochs that it was begun with."""

import json
import shutil

import numpy as np
import pytest

from chainrule.runs.folder import RunFolder


def train(chainrule, table, out, *arguments):
    chainrule("train", table, "-t", "species", "-o", out, "--quiet", *arguments)
    return out


def record(out):
    return RunFolder.open(out).read_checkpoint()


def same_bits(a, b):
    return all(np.array_equal(a[name], b[name]) for name in a.keys() | b.keys())


@pytest.mark.parametrize(
    "options",
    [
        ("--schedule", "constant", "--hidden", "none"),
        ("--optimizer", "schedule-free-adamw", "--hidden", "none"),
        ("--schedule", "constant", "--optimizer", "adam", "--clip-norm", "1", "--order", "once"),
    ],
    ids=["constant", "schedule-free", "adam"],
)
def test_more_epochs_are_as_if_asked_for_at_the_start(chainrule, iris, tmp_path, options):
    whole = train(chainrule, iris, tmp_path / "whole", "--epochs", 9, *options)
    out = train(chainrule, iris, tmp_path / "run", "--epochs", 4, *options)
    said = chainrule("resume", out, "--epochs", 9).stdout
    assert "begun with 4, now 9: the learning rate goes on as it was planned" in said.replace(
        "\n          ", " "
    )
    assert same_bits(record(out).weights, record(whole).weights)
    assert same_bits(record(out).record, record(whole).record)
    assert json.loads((out / "result.json").read_text())["options"]["epochs"] == 9


def test_a_cosine_is_planned_anew_and_says_so(chainrule, iris, tmp_path):
    out = train(chainrule, iris, tmp_path / "run", "--epochs", 4)
    said = chainrule("resume", out, "--epochs", 8, "--json")
    result = json.loads(said.stdout)
    assert [d["rule"] for d in result["decisions"]] == ["more epochs"]
    rates = [epoch["learning_rate"] for epoch in result["epochs"]]
    assert rates[3] < rates[4] > rates[5] > rates[7]


def test_a_run_that_is_complete_says_how_to_go_on(chainrule, iris_run):
    said = chainrule("resume", iris_run, code=2).stderr
    assert "this run is complete (40 epochs)" in said
    assert f"chainrule resume {iris_run} --epochs 80" in said
    assert (
        "begun with --epochs 40, not 7"
        in chainrule("resume", iris_run, "--epochs", 7, code=2).stderr
    )


def test_a_run_that_stopped_early_is_not_revived(chainrule, iris, tmp_path):
    out = train(
        chainrule, iris, tmp_path / "run", "--patience", 1, "--learning-rate", 1, "--epochs", 50
    )
    assert record(out).status == "early_stopping"
    said = chainrule("resume", out, "--epochs", 90, code=2).stderr
    assert "stopped early" in said
    assert "--patience" in said


def test_a_table_that_has_moved_is_named_by_data(chainrule, iris, tmp_path):
    table = shutil.copy(iris, tmp_path / "mine.csv")
    out = train(chainrule, table, tmp_path / "run", "--epochs", 2, "--schedule", "constant")
    (tmp_path / "mine.csv").rename(tmp_path / "moved.csv")
    said = chainrule("resume", out, "--epochs", 3, code=2).stderr
    assert f"the table of this run, {table}, is not there any more" in said
    assert "--data" in said
    other = tmp_path / "other.csv"
    other.write_text(iris.read_text().replace("5.1", "5.2"))
    said = chainrule("resume", out, "--epochs", 3, "--data", other, code=2).stderr
    assert "not the table" in said
    chainrule("resume", out, "--epochs", 3, "--data", tmp_path / "moved.csv")
    assert len(record(out).epochs) == 3


def test_a_table_is_found_from_another_folder(chainrule, iris, tmp_path, monkeypatch):
    shutil.copy(iris, tmp_path / "mine.csv")
    monkeypatch.chdir(tmp_path)
    out = train(chainrule, "mine.csv", tmp_path / "run", "--epochs", 2)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    chainrule("resume", out, "--epochs", 3, "--quiet")
    assert len(record(out).epochs) == 3


def test_a_run_of_python_is_resumed_from_python(chainrule, tmp_path):
    RunFolder.create(tmp_path / "run", {"descent": {}})
    assert "cr.train" in chainrule("resume", tmp_path / "run", code=2).stderr
