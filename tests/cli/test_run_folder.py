"""The run folder: whole or not at all, and what is damaged is found."""

import json

import numpy as np
import pytest

from chainrule.errors import RunError
from chainrule.training import folder as module
from chainrule.training.folder import Checkpoint, RunFolder, plain


def checkpoint(step=1, status="running"):
    weights = {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.array(1.5)}
    record = {"loss": np.linspace(1, 0, step, dtype=np.float32)}
    return Checkpoint(step, weights, {}, record, [{"epoch": 1, "loss": np.float32(0.5)}], status)


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "runs" / "a", {"batch": 32, "rate": np.float64(0.1)})


def test_a_new_run_has_its_configuration_and_no_checkpoint(folder):
    again = RunFolder.open(folder.path)
    assert again.config == {"batch": 32, "rate": 0.1}
    assert again.read_checkpoint() is None
    assert {"chainrule", "numpy", "python"} <= again.read_json("config.json")["versions"].keys()


def test_a_schema_has_a_file_of_its_own(tmp_path):
    folder = RunFolder.create(tmp_path / "a", {"x": 1, "schema": {"version": 1}})
    assert folder.config == {"x": 1}
    assert folder.read_json("schema.json") == {"version": 1}


def test_a_checkpoint_comes_back_with_the_same_bits(folder):
    written = checkpoint(step=3)
    folder.write_checkpoint(written)
    read = RunFolder.open(folder.path).read_checkpoint()
    assert (read.step, read.status, read.epochs) == (3, "running", [{"epoch": 1, "loss": 0.5}])
    for name, array in written.weights.items():
        np.testing.assert_array_equal(read.weights[name], array)
        assert (read.weights[name].dtype, read.weights[name].shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(read.record["loss"], written.record["loss"])
    assert read.optimizer == {}


def test_only_the_last_checkpoint_is_kept(folder):
    for step, status in ((1, "running"), (2, "running"), (2, "completed")):
        folder.write_checkpoint(checkpoint(step, status))
    assert len(list(folder.path.glob("checkpoint-*"))) == 1
    assert folder.read_checkpoint().status == "completed"


@pytest.mark.parametrize("call", range(1, 14))
def test_a_stop_at_any_write_leaves_the_old_checkpoint_or_the_new(folder, monkeypatch, call):
    """The n-th file that is moved into place fails; what is read after is whole."""
    folder.write_checkpoint(checkpoint(1))
    calls = iter(range(1, 100))
    replace, rename = module.Path.replace, module.Path.rename

    def failing(real):
        def move(path, to):
            if next(calls) == call:
                raise OSError(5, "Input/output error")
            return real(path, to)

        return move

    monkeypatch.setattr(module.Path, "replace", failing(replace))
    monkeypatch.setattr(module.Path, "rename", failing(rename))
    try:
        folder.write_checkpoint(checkpoint(2))
        expected = {2}
    except RunError:
        expected = {1, 2}
    monkeypatch.undo()
    assert RunFolder.open(folder.path).read_checkpoint().step in expected
    assert not list(folder.path.glob(".*"))


@pytest.mark.parametrize("name", ["weights", "optimizer", "record"])
@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: b"", lambda c: c[:-1] + b"\xff"])
def test_a_damaged_tensor_file_is_found(folder, name, damage):
    folder.write_checkpoint(checkpoint(3))
    path = next(folder.path.glob(f"checkpoint-*/{name}.safetensors"))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match="damaged"):
        folder.read_checkpoint()


@pytest.mark.parametrize(
    ("name", "content"),
    [("state.json", "{"), ("state.json", "[]"), ("state.json", "{}"), ("config.json", "no")],
)
def test_a_damaged_json_file_is_found(folder, name, content):
    folder.write_checkpoint(checkpoint())
    (folder.path / name).write_text(content)
    with pytest.raises(RunError, match="damaged"):
        RunFolder.open(folder.path).read_checkpoint()


def test_a_missing_file_of_a_checkpoint_is_found(folder):
    folder.write_checkpoint(checkpoint())
    next(folder.path.glob("checkpoint-*/history.jsonl")).unlink()
    with pytest.raises(RunError, match=r"history\.jsonl: cannot be read"):
        folder.read_checkpoint()


def test_another_format_is_refused(folder):
    content = json.loads((folder.path / "config.json").read_text())
    (folder.path / "config.json").write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(RunError, match="run format 99, this version reads 1"):
        RunFolder.open(folder.path)


def test_a_run_is_created_in_an_empty_folder_but_over_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    RunFolder.create(tmp_path / "a", {})
    with pytest.raises(RunError, match=r"not empty(.|\n)*--resume"):
        RunFolder.create(tmp_path / "a", {})


def test_a_place_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder.create(tmp_path / "file" / "run", {})


def test_no_pickle_anywhere(folder):
    folder.write_checkpoint(checkpoint())
    for path in folder.path.rglob("*"):
        assert path.suffix in ("", ".json", ".jsonl", ".safetensors", ".txt")


def test_json_has_no_nan():
    value = {"a": np.float32("nan"), 1: (np.int64(2), np.array([True])), "p": module.Path("x")}
    assert plain(value) == {"a": None, "1": [2, [True]], "p": "x"}
