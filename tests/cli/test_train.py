"""`chainrule train`: what is shown, what is kept, how good it is."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

KEPT = {"config.json", "schema.json", "state.json", "result.json", "log.txt"}


def train_json(chainrule, *arguments):
    return json.loads(chainrule("train", *arguments, "--json").stdout)


def test_a_class_table_is_learned_better_than_the_baseline(chainrule, iris, tmp_path):
    result = train_json(chainrule, iris, "-t", "species", "--epochs", 60, "-o", tmp_path / "run")
    test = result["test"]
    assert result["status"] == "completed"
    assert test["network"]["accuracy"] >= 0.9
    assert test["network"]["log_loss"] < test["baseline"]["log_loss"] / 2
    assert test["baseline"] == pytest.approx(
        {"roc_auc": 0.5, "log_loss": np.log(3), "accuracy": 1 / 3}
    )
    assert set(test) == {"network", "linear", "baseline"}


def test_a_regression_is_scored_in_the_targets_own_unit(chainrule, penguins, tmp_path):
    result = train_json(chainrule, penguins, "-t", "body_mass_g", "-o", tmp_path / "run")
    test = result["test"]
    assert result["notes"] == ["2 rows dropped: no value for 'body_mass_g'"]
    assert test["network"]["r2"] > 0.75
    assert 200 < test["network"]["rmse"] < 450 < test["baseline"]["rmse"]
    assert test["baseline"]["r2"] == pytest.approx(0, abs=0.1)


def test_two_classes_are_learned_with_either_loss(chainrule, penguins, tmp_path):
    for loss, n_out in (("auto", 1), ("cross_entropy", 2)):
        out = tmp_path / loss
        result = train_json(chainrule, penguins, "-t", "sex", "--loss", loss, "-o", out)
        assert result["setup"]["sizes"][-1] == n_out
        assert result["test"]["network"]["roc_auc"] > 0.85


def test_the_run_folder_holds_all_of_the_run(iris_run):
    names = {path.name for path in iris_run.iterdir() if path.is_file()}
    state = json.loads((iris_run / "state.json").read_text())
    assert names == KEPT
    assert (state["status"], state["step"]) == ("completed", 80)
    weights = load_file(iris_run / state["checkpoint"] / "weights.safetensors")
    assert {array.shape for array in weights.values()} == {
        (64, 4), (64,), (64, 64), (3, 64), (3,),
    }  # fmt: skip
    history = (iris_run / state["checkpoint"] / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == list(range(1, 41))


def test_a_run_repeated_with_its_seed_has_the_same_bits(chainrule, iris, tmp_path):
    epochs = [
        train_json(chainrule, iris, "-t", "species", "--epochs", 5, "-o", tmp_path / name)["epochs"]
        for name in "ab"
    ]
    losses = [[(e["loss"], e["validation_loss"]) for e in run] for run in epochs]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_shown_fits_the_terminal(chainrule, penguins, tmp_path, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    out = chainrule(
        "train", penguins, "-t", "body_mass_g", "--epochs", 3, "-o", tmp_path / "run"
    ).stdout
    lines = [line.rstrip() for line in out.splitlines() if not line.startswith(("Run", "Next"))]
    assert max(len(line) for line in lines) <= width
    for said in (
        "344 rows × 8 columns",
        "body_mass_g: regression (the target has more than 10 different numbers)",
        "2 rows dropped: no value for 'body_mass_g'",
        "one-hot of 3 categories",
        "5,313 parameters",
        "SGD, momentum 0.9 learning rate 0.025 (auto: by rule, as the run is short)",
        "● validation",
        "RMSE",
        "linear",
        "baseline",
        "scikit-learn",
        "chainrule predict",
    ):
        assert said in " ".join(out.split())


def test_columns_left_out_are_named_with_the_reason(chainrule, penguins, tmp_path):
    arguments = ("-t", "body_mass_g", "--drop", "sex, island", "--epochs", 1)
    arguments += ("-o", tmp_path / "run")
    out = chainrule("train", penguins, *arguments).stdout
    assert "Left out  island, sex: as asked" in out


def test_quiet_says_nothing(chainrule, iris, tmp_path):
    out = tmp_path / "run"
    result = chainrule("train", iris, "-t", "species", "--epochs", 1, "-o", out, "--quiet")
    assert result.output == ""


def test_a_linear_model_is_not_compared_with_itself(chainrule, iris, tmp_path):
    result = train_json(
        chainrule, iris, "-t", "species", "--hidden", "none", "-o", tmp_path / "run"
    )
    assert result["setup"]["sizes"] == [4, 3]
    assert set(result["test"]) == {"network", "baseline"}


def test_without_out_runs_are_numbered(chainrule, iris, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        chainrule("train", iris, "-t", "species", "--epochs", 1, "-q")
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["iris-1", "iris-2"]


def test_a_batch_larger_than_the_table_becomes_the_table(chainrule, iris, tmp_path):
    arguments = ("-t", "species", "--batch", 5000, "--epochs", 2, "-o", tmp_path / "run")
    assert train_json(chainrule, iris, *arguments)["setup"]["batch"] == 90


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_activations_by_name(chainrule, iris, tmp_path, activation):
    arguments = (
        "-t",
        "species",
        "--activation",
        activation,
        "--epochs",
        30,
        "-o",
        tmp_path / "run",
    )
    result = train_json(chainrule, iris, *arguments)
    assert result["epochs"][-1]["loss"] < result["epochs"][0]["loss"]


@pytest.mark.slow
def test_flights_are_learned_clearly_better_than_by_a_linear_model(chainrule, tmp_path):
    """The README's run, with three epochs."""
    arguments = ("--batch", 128, "--epochs", 3, "-o", tmp_path / "run")
    result = train_json(chainrule, "flights", *arguments)
    test = result["test"]
    assert test["baseline"]["log_loss"] == pytest.approx(0.548, abs=0.001)
    assert test["network"]["roc_auc"] > 0.77 > 0.72 > test["linear"]["roc_auc"]
    assert test["network"]["log_loss"] < 0.455 < 0.49 < test["linear"]["log_loss"]
    assert result["notes"][-1] == "9,430 rows dropped: no value for 'late'"
    shown = chainrule("explain", tmp_path / "run", "--row", 5, "--show", "numbers").stdout
    assert "5 of flights" in shown  # with its target, which is made when the example is read
