"""`chainrule train` with the options of the descent, from a table to a run that is kept."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

COMMAND = (sys.executable, "-c", "from chainrule.cli.app import main; main()")


def train_json(chainrule, *arguments):
    return json.loads(chainrule("train", *arguments, "--hidden", "8", "--json").stdout)


def weights(out):
    state = json.loads((out / "state.json").read_text())
    return load_file(out / state["checkpoint"] / "weights.safetensors")


def test_a_loss_of_counts_makes_a_count_of_a_few_whole_numbers(chainrule, visits, tmp_path):
    arguments = ("-t", "visits", "--loss", "negative_binomial", "--optimizer", "adam")
    out = tmp_path / "run"
    result = train_json(chainrule, visits, *arguments, "--epochs", 40, "-o", out)
    network, linear, baseline = (result["test"][k] for k in ("network", "linear", "baseline"))
    assert network["nll"] < baseline["nll"] - 0.1
    assert linear["nll"] < baseline["nll"] - 0.1
    header, row = chainrule("predict", out, visits).stdout.splitlines()[:2]
    assert header.endswith('"prediction","standard_deviation"')
    mean, deviation = map(float, row.split(",")[-2:])
    assert deviation**2 > mean > 0  # more spread than Poisson's


def test_a_quantile_is_predicted_and_scored_as_one(chainrule, penguins, tmp_path):
    arguments = ("-t", "body_mass_g", "--loss", "quantile", "--quantile", 0.8, "--epochs", 60)
    result = train_json(chainrule, penguins, *arguments, "-o", tmp_path / "run")
    test = result["test"]
    assert test["network"]["pinball_0.8"] < 0.6 * test["baseline"]["pinball_0.8"]
    assert 0.6 < test["network"]["share_below"] <= 1
    assert "rmse" not in test["network"]


def test_patience_keeps_and_scores_the_best_weights(chainrule, iris, tmp_path):
    """What `evaluate` scores is what was scored at the end: the best epoch's."""
    out = tmp_path / "run"
    arguments = ("--learning-rate", 0.5, "--epochs", 200, "--patience", 4, "--metric", "accuracy")
    result = train_json(chainrule, iris, "-t", "species", *arguments, "-o", out)
    losses = [epoch["validation_loss"] for epoch in result["epochs"]]
    assert result["status"] == "early_stopping"
    assert result["best_epoch"] == int(np.argmin(losses)) + 1 == len(losses) - 4
    found = json.loads(chainrule("evaluate", out, iris, "--json").stdout)
    assert found["scores"]["network"] == result["test"]["network"]
    assert result["epochs"][0]["validation_accuracy"] > 0
    done = chainrule("train", iris, "-o", out, "--resume", code=2)
    assert "stopped early" in done.stderr


def test_metrics_of_the_epochs_are_in_the_targets_own_unit(chainrule, penguins, tmp_path):
    """The last epoch's is what the trained network scores on the validation rows, in grams."""
    arguments = ("-t", "body_mass_g", "-m", "mae", "-m", "rmse,pinball_0.9", "--epochs", 20)
    result = train_json(chainrule, penguins, *arguments, "-o", tmp_path / "run")
    last = result["epochs"][-1]
    assert 150 < last["validation_mae"] < last["validation_rmse"] < 500
    assert 20 < last["validation_pinball_0_9"] < 400
    scale = result["schema"]["target"]["scale"]
    assert last["validation_rmse"] == pytest.approx(scale * last["validation_loss"] ** 0.5)
    assert set(result["test"]["network"]) == {"rmse", "r2", "mae", "pinball_0.9"}


MANY = (
    "--optimizer", "adamw", "--weight-decay", 0.02, "--clip-norm", 1, "--average", "ema",
    "--warmup", 5, "--schedule", "linear", "--batch", 16, "--batch-schedule", "doubling",
    "--order", "with-replacement", "--remainder", "carry", "--record", "all", "--keep", 2,
    "--metric", "accuracy", "--epochs", 100, "--learning-rate", "auto",
)  # fmt: skip


def test_a_run_with_many_options_is_resumed_to_the_same_bits(chainrule, iris, tmp_path):
    """--resume continues with every option; what the run computes is as if it had not stopped."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    first = train_json(chainrule, iris, "-t", "species", *MANY, "-o", whole)
    part = train_json(chainrule, iris, "-t", "species", *MANY, "--max-time", "5ms", "-o", parts)
    assert part["status"] == "max_time"
    assert 0 < part["steps"] < first["steps"]
    last = json.loads(chainrule("train", iris, "-o", parts, "--resume", "--json").stdout)
    assert last["status"] == first["status"] == "completed"
    assert last["setup"] == first["setup"]
    assert last["decisions"] == first["decisions"]
    assert [d["batch"] for d in last["decisions"]] == [16, 32, 64, 64, 64]
    a, b = weights(whole), weights(parts)
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_decisions_their_reasons_and_a_verdict_are_shown(chainrule, penguins, tmp_path):
    arguments = ("-t", "sex", "--batch-schedule", "doubling", "--patience", 50, "--metric", "f1")
    out = chainrule("train", penguins, *arguments, "-o", tmp_path / "run").stdout
    said = " ".join(out.split())
    assert "the batch is doubled every 4 epochs, up to 128 rows" in said
    assert "epoch 4.00 doubling: epoch 4: batch 32 -> 64" in said
    assert "Changes batch 32 → 64 → 128" in said
    assert "stops after 50 epochs without a better validation loss" in said
    assert " f1 0." in said
    assert "Verdict" in said


def test_a_stratified_order_and_all_rows_at_once(chainrule, iris, tmp_path):
    for more in (("--order", "stratified", "--batch", 9), ("--batch", "all")):
        out = tmp_path / str(more[-1])
        result = train_json(chainrule, iris, "-t", "species", *more, "--epochs", 3, "-o", out)
        assert result["setup"]["batch"] == (90 if more[-1] == "all" else 9)
        assert result["steps"] == 270 // result["setup"]["batch"]


def test_a_loss_that_is_not_finite_can_be_skipped_or_rolled_back(chainrule, penguins, tmp_path):
    arguments = ("-t", "body_mass_g", "--learning-rate", 2, "--epochs", 4)
    rolled = train_json(
        chainrule, penguins, *arguments, "--on-nan", "roll-back", "-o", tmp_path / "a"
    )
    assert rolled["status"] == "completed"
    assert any(d["rule"] == "roll back" for d in rolled["decisions"])
    assert rolled["epochs"][-1]["validation_loss"] < 10
    hint = chainrule(
        "train", penguins, *arguments, "--on-nan", "stop", "-o", tmp_path / "b", code=2
    ).stderr
    assert "optim." not in hint
    assert not (tmp_path / "b").exists()


def test_tensorboard_and_the_diagnosis_are_made_on_request(chainrule, iris, tmp_path):
    arguments = ("--tensorboard", tmp_path / "logs", "--diagnose", "--epochs", 3)
    out = chainrule("train", iris, "-t", "species", *arguments, "-o", tmp_path / "run").stdout
    assert [path.name.split(".")[0] for path in (tmp_path / "logs").iterdir()] == ["events"]
    assert "Diagnosis loss" in " ".join(out.split())
    assert "by" in out
    assert "cr." not in out


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
def test_sigterm_keeps_the_weights_says_so_and_ends_with_143(iris, tmp_path):
    out = tmp_path / "run"
    command = [*COMMAND, "train", str(iris), "-t", "species", "--epochs", "100000"]
    with subprocess.Popen(
        [*command, "--hidden", "8", "-o", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        while not (out / "config.json").exists():
            assert process.poll() is None
            time.sleep(0.02)
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "terminated; " in said
    assert "Traceback" not in said
    if (out / "state.json").exists():
        assert f"chainrule resume {out}" in said
