"""What the shells complete, as they ask for it."""

import os
import subprocess
import sys

import pytest

from chainrule.cli import completion, names
from chainrule.data.examples import EXAMPLES
from chainrule.nn import ACTIVATIONS

COMMAND = (sys.executable, "-m", "chainrule.cli")


def asked(shell, line):
    """The environment by which a shell asks for the last word of a line."""
    if shell == "bash":
        words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    else:
        words = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    return {**os.environ, "_CHAINRULE_COMPLETE": f"complete_{shell}", **words}


@pytest.mark.parametrize(
    ("shell", "line", "found"),
    [
        ("bash", "chainrule train x --loss q", "quantile"),
        ("zsh", "chainrule pre", "predict"),
        ("fish", "chainrule inspect fl", "flights"),
    ],
)
def test_each_shell_gets_its_words(shell, line, found):
    said = subprocess.run(
        COMMAND, env=asked(shell, line), capture_output=True, text=True, check=False
    )
    assert said.stderr == ""
    assert found in said.stdout
    assert "poisson" not in said.stdout


def test_runs_are_folders_with_a_config(tmp_path, monkeypatch):
    for name in ("runs/a-1", "runs/b-1", "other/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "runs/a-1/config.json").touch()
    (tmp_path / "runs/b-1/config.json").touch()
    (tmp_path / ".hidden").mkdir()
    monkeypatch.chdir(tmp_path)
    assert completion.runs("runs/a") == ["runs/a-1"]
    assert completion.runs("") == ["other/", "runs/", "runs/a-1", "runs/b-1"]
    assert completion.runs("ot") == []  # folders alone: the shell goes on by itself
    assert completion.runs("none/x") == []
    assert completion.runs(f"{tmp_path}/runs/") == [f"{tmp_path}/runs/{n}" for n in ("a-1", "b-1")]


def test_tables_and_files_of_options_are_those_that_can_be_read(tmp_path, monkeypatch):
    for name in ("fruit.csv", "fish.parquet.gz", "notes.md", "train.toml"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert completion.tables("f") == ["flights", "fish.parquet.gz", "folder/", "fruit.csv"]
    assert completion.tomls("") == ["folder/", "train.toml"]
    assert completion.runs_or_tables("fr") == ["fruit.csv"]


def test_a_list_with_commas_is_completed_at_its_end():
    complete = completion.some_of(names.MEASURES)
    assert complete("update_ratio,no") == ["update_ratio,noise_scale"]
    assert "update_ratio,update_ratio" not in complete("update_ratio,")


def test_the_names_are_those_of_the_library():
    assert tuple(ACTIVATIONS) == names.ACTIVATIONS
    assert list(EXAMPLES) == ["flights"] == completion.tables("fli")
