"""`--config`, `--print-config` and `inspect --toml`: every option in a file, and back."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest
from typer.main import get_command_from_info

from chainrule.cli import app
from chainrule.cli.config import read_config, stored_toml, to_toml
from chainrule.cli.options import TrainOptions, parse_options
from chainrule.runs.folder import plain

#: For each option of `train`, a value that is not its default; those that exclude others last.
VALUES = {
    "data": 'a "b"\\c\n é.csv', "target": "y", "task": "regression", "drop": "a,b",
    "column": ["zip=category", "x=number"], "scale": "robust", "memory": "2GB",
    "hidden": "8,4", "activation": "tanh", "loss": "quantile", "quantile": 0.25,
    "optimizer": "rmsprop", "learning_rate": "0.125", "schedule": "step", "warmup": 3,
    "momentum": 0.5, "weight_decay": 1e-4, "clip_norm": 2.5, "average": "ema", "batch": "64",
    "batch_schedule": "doubling", "order": "once", "remainder": "smaller", "seed": 7,
    "threads": 2, "epochs": 9, "patience": 4, "max_time": "1.5h", "on_nan": "skip",
    "metric": ["rmse", "mae"], "record": "gradient_norm,update_ratio", "tensorboard": "board",
    "spool": "encoded",
    "diagnose": True, "profile": True, "out": "runs/x", "resume": True, "keep": 5,
    "checkpoint_every": "10s", "json": True, "quiet": True, "verbose": True,
}  # fmt: skip
OPTIONS = sorted(get_type_hints(app.train).keys() - {"ctx", "config", "print_config", "return"})


def typed(name, value):
    """An option as it is typed."""
    option = [] if name == "data" else [f"--{name.replace('_', '-')}"]
    if value is True:
        return option
    items = value if isinstance(value, list) else [value]
    return [part for item in items for part in (*option, str(item))]


#: What an option cannot be without.
WITH = {
    "quantile": {"loss": "quantile"}, "momentum": {"optimizer": "sgd"}, "resume": {"out": "r"},
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_the_same_typed_and_in_a_file(chainrule, tmp_path, name):
    given = {**WITH.get(name, {}), name: VALUES[name]}
    words = [part for key, value in given.items() for part in typed(key, value)]
    plain = chainrule("train", "--print-config").stdout
    said = chainrule("train", *words, "--print-config").stdout
    assert said != plain
    (tmp_path / "train.toml").write_text(said, encoding="utf-8")
    assert chainrule("train", "--config", tmp_path / "train.toml", "--print-config").stdout == said
    assert tomllib.loads(said)[name] == VALUES[name]


@pytest.mark.parametrize(
    "name", sorted(TrainOptions.__dataclass_fields__.keys() - {"out", "resume"})
)
def test_every_option_that_a_run_stores_is_written_back_as_it_was(tmp_path, name):
    """options -> config.json -> TOML -> options is the identity."""
    (command,) = (c for c in app.app.registered_commands if c.callback is app.train)
    params = get_command_from_info(command, pretty_exceptions_short=False, rich_markup_mode=None)
    given = {param.name: param.default for param in params.params}
    given |= {"data": "a.csv", **WITH.get(name, {}), name: VALUES[name]}
    if name == "tensorboard":
        given[name] = Path(VALUES[name])
    options = parse_options(given)
    stored = json.loads(
        json.dumps({n: plain(getattr(options, n)) for n in TrainOptions.__dataclass_fields__})
    )
    (tmp_path / "t.toml").write_text(stored_toml(stored, str(options.data), params.params))
    read = read_config(tmp_path / "t.toml", app.train)
    if read.get("tensorboard"):
        read["tensorboard"] = Path(read["tensorboard"])
    defaults = {param.name: param.default for param in params.params}
    assert parse_options({**defaults, **read}) == replace(options, out=None, resume=False)


def test_a_file_may_hold_numbers_lists_and_hyphens(chainrule, tmp_path):
    (tmp_path / "train.toml").write_text(
        'data = "a.csv"\nhidden = [8, 4]\nbatch = 64\nlearning-rate = 0.125\n'
        'drop = ["a", "b"]\nmetric = "mae"\nclip_norm = 2\nmax-time = 90\n'
    )
    said = chainrule("train", "--config", tmp_path / "train.toml", "--print-config").stdout
    found = tomllib.loads(said)
    expected = {"hidden": "8,4", "batch": "64", "learning_rate": "0.125", "drop": "a,b"}
    expected |= {"metric": ["mae"], "clip_norm": 2.0, "max_time": "90"}
    assert {name: found[name] for name in expected} == expected


def test_what_is_typed_wins_over_the_file(chainrule, tmp_path):
    (tmp_path / "t.toml").write_text('data = "a.csv"\nepochs = 3\nseed = 5\n')
    said = chainrule("train", "b.csv", "--epochs", 9, "-c", tmp_path / "t.toml", "--print-config")
    found = tomllib.loads(said.stdout)
    assert (found["data"], found["epochs"], found["seed"]) == ("b.csv", 9, 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed = 1\nepoch = 3\n", "line 2: there is no option 'epoch'"),
        ("seed = 1\nepoch = 3\n", "did you mean epochs?"),
        ('"batch size" = 3\n', "line 1: there is no option 'batch size'"),
        ("[network]\nhidden = 3\n", "line 1: there is no option 'network'"),
        ('epochs = "3"\n', 'line 1: epochs = "3": expected a whole number'),
        ("epochs = 1.5\n", "epochs = 1.5: expected a whole number"),
        ("epochs = true\n", "epochs = true: expected a whole number"),
        ("diagnose = 1\n", "diagnose = 1: expected true or false"),
        ('clip_norm = "a"\n', 'clip_norm = "a": expected a number'),
        ("loss = true\n", "loss = true: expected a text or a number"),
        ("hidden = [[1], [2]]\n", "hidden = [1]: expected a text or a number"),
        ("target = 1979-05-27\n", "expected a text or a number"),
        ("clip-norm = 1.0\nclip_norm = 2.0\n", "line 2: clip_norm is given twice"),
        ("epochs = \n", "not TOML"),
        ("\xff", "not TOML"),
        ('loss = "sqared_error"\n', "did you mean squared_error?"),
    ],
)
def test_a_wrong_line_of_the_file_is_named(chainrule, tmp_path, text, said):
    (tmp_path / "t.toml").write_bytes(text.encode("latin-1"))
    result = chainrule("train", "a.csv", "--config", tmp_path / "t.toml", code=2)
    assert said in result.stderr


def test_a_file_that_cannot_be_read_is_refused(chainrule, tmp_path):
    assert "No such file" in chainrule("train", "-c", tmp_path / "none.toml", code=2).stderr
    assert "Is a directory" in chainrule("train", "-c", tmp_path, code=2).stderr


def test_the_file_of_a_run_repeats_it_bit_for_bit(chainrule, iris, tmp_path):
    options = (
        "--hidden",
        "none",
        "--batch",
        "all",
        "--metric",
        "accuracy",
        "--drop",
        "sepal_width_cm",
    )
    first, second = tmp_path / "first", tmp_path / "second"
    chainrule("train", iris, "-t", "species", "--epochs", 3, *options, "-o", first, "-q")
    text = chainrule("inspect", first, "--toml").stdout
    assert tomllib.loads(text)["learning_rate"] == "auto"
    (tmp_path / "t.toml").write_text(text)
    chainrule("train", "--config", tmp_path / "t.toml", "-o", second, "-q")
    found = json.loads(chainrule("compare", first, second, "--json").stdout)
    assert found["identical"]
    assert found["differences"] == []


def test_text_of_any_character_comes_back():
    text = "".join(map(chr, range(1, 0x2FF))) + "\u2028\U0001f600"
    written = to_toml({"data": text}, [type("P", (), {"name": "data", "rich_help_panel": None})])
    assert tomllib.loads(written)["data"] == text
