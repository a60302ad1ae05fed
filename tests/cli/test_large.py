"""`--memory`: tables that are streamed by train, predict and evaluate."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from chainrule.cli import large
from chainrule.runs.folder import RunFolder

ROWS = 120_000


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two classes that a, b and kind tell apart."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, ROWS))
    kind = rng.choice(["x", "y", "z"], ROWS)
    late = np.where(a * b + (kind == "x") > 0.3, "yes", "no")
    path = tmp_path_factory.mktemp("large") / "t.parquet"
    more = {f"c{k}": rng.standard_normal(ROWS) for k in range(12)}
    pa.parquet.write_table(pa.table({"a": a, "b": b, "kind": kind, **more, "y": late}), path)
    return path


def _options(table, out, *more):
    fixed = ["--target", "y", "--memory", "16MB", "--hidden", "16", "--batch", "64"]
    return ["train", table, *fixed, "--learning-rate", "0.1", "--out", out, "--quiet", *more]


@pytest.fixture(scope="module")
def run(chainrule, table, tmp_path_factory):
    out = tmp_path_factory.mktemp("streamed") / "run"
    chainrule(*_options(table, out, "--epochs", 3))
    return out


def test_a_streamed_table_is_learnt_and_its_spool_removed(run):
    result = json.loads((run / "result.json").read_text())
    assert result["test"]["network"]["roc_auc"] > 0.95
    assert [path.name for path in run.parent.iterdir()] == ["run"]
    epochs = result["epochs"]
    assert result["steps"] == 3 * (epochs[0]["step"])
    assert 64 * epochs[0]["step"] > 0.9 * ROWS


def test_blocks_are_predicted_to_the_numbers_of_the_whole(chainrule, run, table, tmp_path):
    """A block's size may tile a product in another way: the last bits of float32 differ."""
    assert RunFolder.open(run).config["data"]["memory"] == 16_000_000
    for name in ("p.parquet", "p.csv", "p.feather"):
        chainrule("predict", run, table, "--out", tmp_path / name)
    found = pa.parquet.read_table(tmp_path / "p.parquet")
    assert found.num_rows == ROWS
    text = pa.csv.read_csv(tmp_path / "p.csv")
    assert text["prediction"].to_pylist() == found["prediction"].to_pylist()
    part, names = tmp_path / "part.parquet", pa.parquet.read_schema(table).names[:-1]
    pa.parquet.write_table(found.slice(100_000, 50).select(names), part)
    chainrule("predict", run, part, "--out", tmp_path / "few.parquet", "--memory", "16MB")
    few = pa.parquet.read_table(tmp_path / "few.parquet")
    np.testing.assert_allclose(few["probability_yes"], found["probability_yes"].slice(100_000, 50),
                               rtol=1e-5, atol=1e-6)  # fmt: skip


def test_evaluate_scores_the_test_rows_of_the_sample(chainrule, run, table, tmp_path):
    trained = json.loads((run / "result.json").read_text())["test"]
    found = json.loads(chainrule("evaluate", run, table, "--json").stdout)
    assert found["scores"] == trained
    other = tmp_path / "other.csv"
    pa.csv.write_csv(pa.parquet.read_table(table).slice(0, 90_000), other)
    found = json.loads(chainrule("evaluate", run, other, "--memory", "16MB", "--json").stdout)
    assert found["notes"][-1].startswith("a sample of ")
    assert found["scores"]["network"]["roc_auc"] == pytest.approx(
        trained["network"]["roc_auc"], abs=0.02
    )


def test_a_run_that_is_stopped_goes_on_to_the_same_bits(chainrule, run, table, tmp_path):
    out = tmp_path / "stopped"
    chainrule(*_options(table, out, "--epochs", 3, "--max-time", "1ms"))
    spool = tmp_path / ".stopped.spool"
    assert spool.is_dir()
    chainrule("resume", out, "--quiet")
    assert not spool.exists()
    ours, theirs = (RunFolder.open(path).read_checkpoint() for path in (out, run))
    assert ours.step == theirs.step
    for name, weight in theirs.weights.items():
        np.testing.assert_array_equal(ours.weights[name], weight)


def test_a_spool_that_is_named_is_kept_and_found_again(chainrule, table, tmp_path):
    spool = tmp_path / "spool"
    chainrule(*_options(table, tmp_path / "one", "--epochs", 1, "--spool", spool))
    before = {path.name: path.stat().st_mtime_ns for path in spool.iterdir()}
    chainrule(*_options(table, tmp_path / "two", "--epochs", 2, "--spool", spool))
    assert {path.name: path.stat().st_mtime_ns for path in spool.iterdir()} == before
    assert len(before) == 4


def test_a_table_that_would_not_fit_is_streamed_by_itself(chainrule, table, tmp_path, monkeypatch):
    monkeypatch.setattr(large, "_LARGE", 1 << 20)
    monkeypatch.setattr(large, "available_memory", lambda: 40_000_000)
    options = _options(table, tmp_path / "run", "--epochs", 1)
    options = [o for o in options if o not in ("--memory", "16MB", "--quiet")]
    said = " ".join(chainrule(*options).stdout.split())
    assert "would not fit into free memory: streamed within 20 MB" in said
    assert "in windows, within 20 MB" in said
    monkeypatch.setattr(large, "available_memory", lambda: 4_000_000_000)
    assert large.memory_for(str(table)) is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--memory", "2"], "expected a size from 16MB"),
        (["--memory", "lots"], "expected a size"),
        (["--order", "stratified"], "only some rows are in memory"),
        (["--batch", "all"], "not in memory as a whole"),
        (["--target", "nothing"], "no column 'nothing'"),
        (["--drop", "nothing"], "no column 'nothing'"),
        (["--batch", "500000"], "of a window"),
    ],
)
def test_what_cannot_be_streamed_is_one_line_and_leaves_nothing(
    chainrule, table, tmp_path, more, words
):
    said = chainrule(*_options(table, tmp_path / "runs" / "run", "--epochs", 1, *more), code=2)
    assert words in said.stderr
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_an_example_is_not_streamed(chainrule, tmp_path):
    said = chainrule("train", "flights", "--memory", "1GB", "--out", tmp_path / "run", code=2)
    assert "the example flights fits into memory" in said.stderr
