"""`chainrule inspect` and `compare`: what they show, also of what is damaged."""

import json
import shutil

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.runs.folder import RunFolder


@pytest.fixture
def run(iris_run, tmp_path):
    """A copy of a run that may be damaged."""
    return shutil.copytree(iris_run, tmp_path / "run")


@pytest.fixture(scope="module")
def python_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("python") / "run"
    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    cr.train(nn.MLP([3, 4, 2], rng=0), losses.cross_entropy, (x, y), epochs=2, batch=10, out=out)
    return out


def test_a_run_is_shown_with_all_that_it_is(chainrule, iris_run, iris):
    said = chainrule("inspect", iris_run).stdout
    for part in (
        "150 rows", str(iris), "it is there, unchanged", "species: 3 classes", "petal_width_cm",
        "4 → 64 → 64 → 3", "layers.1.weight  64 × 64  4,096", "SGD, momentum 0.9",
        "completed: 80 steps, 40 epochs", "ROC AUC", "step 80", "whole",
        f"chainrule resume {iris_run} --epochs 80",
    ):  # fmt: skip
        assert part in said.replace("\n          ", " "), part


def test_json_of_a_run_has_its_parts(chainrule, iris_run):
    found = json.loads(chainrule("inspect", iris_run, "--json").stdout)
    assert found["problems"] == []
    assert found["status"] == "completed"
    assert found["parameters"]["layers.0.weight"] == [64, 4]
    assert found["config"]["options"]["epochs"] == 40
    assert [c["problem"] for c in found["checkpoints"]] == [""]


def test_a_run_of_python_is_inspected_and_compared(chainrule, python_run, iris_run):
    said = chainrule("inspect", python_run).stdout
    assert "by cr.train from Python" in said
    assert "optimizer: SGD(" in said
    assert "chainrule predict" not in said
    found = json.loads(chainrule("compare", python_run, iris_run, "--json").stdout)
    assert found["first"]["step"] == 1


def damaged(run, name, chainrule):
    said = chainrule("inspect", run, code=2)
    assert f"{run / name}" in said.stdout.replace("\n          ", "")
    assert "1 problem, see above" in said.stderr
    return said.stdout.replace("\n          ", "")


def test_a_damaged_checkpoint_is_named_with_its_file(chainrule, run):
    (weights,) = run.glob("checkpoint-*/weights.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    said = damaged(run, f"{weights.parent.name}/weights.safetensors", chainrule)
    assert "no checkpoint is whole" in said


def test_a_checkpoint_without_a_file_is_named(chainrule, run):
    (position,) = run.glob("checkpoint-*/position.json")
    position.unlink()
    assert "cannot be read" in damaged(run, f"{position.parent.name}/position.json", chainrule)


@pytest.mark.parametrize("name", ["config.json", "schema.json", "state.json", "result.json"])
def test_a_damaged_file_is_named_and_the_rest_is_shown(chainrule, run, name):
    (run / name).write_text('{"format": 2, "half": ')
    said = damaged(run, name, chainrule)
    assert "step 80" in said


@pytest.mark.parametrize(
    ("field", "value"),
    [("seed", -1), ("sizes", [4, -64, 3]), ("sizes", "x"), ("loss", "x"), ("batch", 0),
     ("learning_rate", "x"), ("epochs", 1.5), ("tables", [[1]])],
)  # fmt: skip
def test_a_setup_of_impossible_values_is_damaged(chainrule, run, iris, field, value):
    """A file may be damaged and be JSON still; what it says is not built."""
    config = json.loads((run / "config.json").read_text())
    config["config"]["setup"][field] = value
    (run / "config.json").write_text(json.dumps(config))
    assert f"{field} is" in damaged(run, "config.json", chainrule)
    refused = chainrule("predict", run, iris, code=2)
    assert f"config.json is damaged: {field} is" in refused.stderr


def test_what_is_only_shown_of_a_config_may_be_anything(chainrule, run):
    config = json.loads((run / "config.json").read_text())
    config["machine"]["cores"] = config["config"]["data"]["rows"] = "x"
    (run / "config.json").write_text(json.dumps(config))
    assert "step 80" in chainrule("inspect", run).stdout


def test_a_lost_config_is_said_where_checkpoints_are_left(chainrule, run):
    (run / "config.json").unlink()
    assert "config.json" in damaged(run, "config.json", chainrule)


def test_a_schema_of_another_version_is_said(chainrule, run):
    schema = json.loads((run / "schema.json").read_text())
    (run / "schema.json").write_text(json.dumps({**schema, "version": 99}))
    assert "version 99" in damaged(run, "schema.json", chainrule)


def test_a_run_that_is_trained_into_says_so(chainrule, run):
    with RunFolder.open(run).lock():
        assert "a process trains into it now" in chainrule("inspect", run).stdout


def test_a_table_that_has_gone_or_changed_is_said(chainrule, iris, tmp_path):
    table = tmp_path / "mine.csv"
    shutil.copy(iris, table)
    chainrule("train", table, "-t", "species", "--epochs", 1, "-o", tmp_path / "run", "-q")
    with table.open("a") as file:
        file.write("5,3,1,1,setosa\n")
    assert "has changed since" in chainrule("inspect", tmp_path / "run").stdout
    (tmp_path / "mine.csv").unlink()
    assert "not there any more" in chainrule("inspect", tmp_path / "run").stdout


def test_a_table_is_shown_column_by_column(chainrule, penguins):
    said = chainrule("inspect", penguins, "--target", "sex").stdout
    assert "344 rows × 8 columns" in said
    assert "sex: two classes" in said
    assert "the target" in said
    found = json.loads(chainrule("inspect", penguins, "--json").stdout)
    columns = {column["name"]: column for column in found["columns"]}
    assert columns["bill_length_mm"]["missing"] == 2
    assert columns["species"]["different"] == 3
    assert found["target"] is None


def test_what_cannot_be_inspected_is_refused_in_a_line(chainrule, penguins, tmp_path, iris_run):
    assert "no such file" in chainrule("inspect", tmp_path / "none", code=2).stderr
    assert "not a run folder" in chainrule("inspect", tmp_path, code=2).stderr
    said = chainrule("inspect", penguins, "-t", "spieces", code=2).stderr
    assert "no column 'spieces'" in said
    assert "--target is of a table" in chainrule("inspect", iris_run, "-t", "a", code=2).stderr


def test_a_column_that_cannot_be_used_is_said_in_its_place(chainrule, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1e999,1\n2,2\n")
    found = json.loads(chainrule("inspect", tmp_path / "t.csv", "--json").stdout)
    assert "infinite" in found["columns"][0]["treatment"]


@pytest.mark.parametrize("width", [40, 80])
def test_what_is_shown_fits_the_terminal(chainrule, iris_run, penguins_run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    for arguments in (("inspect", penguins_run), ("compare", iris_run, penguins_run)):
        out = chainrule(*arguments).stdout
        lines = [line.rstrip() for line in out.splitlines() if "chainrule" not in line]
        assert max(len(line) for line in lines) <= width


def test_compare_says_identical_and_where_runs_part(chainrule, iris_run, run, penguins_run):
    said = chainrule("compare", iris_run, run).stdout
    assert "identical bit for bit: 80 steps, and all weights" in said
    said = chainrule("compare", iris_run, penguins_run).stdout
    for part in ("the losses differ from step 1", "sha256", "body_mass_g", "test rmse", "⠒ A"):
        assert part in said, part
    assert chainrule("compare", iris_run, run, "--quiet").stdout == ""
