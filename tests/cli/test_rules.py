"""`chainrule train --column --scale`, and runs whose categories are embedded."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def towns(tmp_path_factory):
    """A table with 80 towns, the target by the town; codes with leading zeros; a remark."""
    rng = np.random.default_rng(0)
    town = rng.integers(0, 80, 800)
    rows = [
        f"town {k},0{k % 4},{rng.normal():.3f},remark {k % 9} on {k},{k % 2}" for k in town.tolist()
    ]
    path = tmp_path_factory.mktemp("towns") / "towns.csv"
    path.write_text("\n".join(["town,code,size,remark,y", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def towns_run(chainrule, towns, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "run"
    chainrule(
        "train", towns, "-t", "y", "-o", out, "--column", "code=category", "--column",
        "remark=text", "--scale", "robust", "--epochs", 15, "--hidden", "8", "-q",
    )  # fmt: skip
    return out


def test_rules_and_scale_are_kept_with_the_run(towns_run):
    columns = json.loads((towns_run / "schema.json").read_text())["columns"]
    assert [c["kind"] for c in columns] == ["embedded", "category", "number", "text"]
    assert sorted(columns[1]["levels"]) == ["00", "01", "02", "03"]
    assert columns[2]["scaling"] == "robust"
    config = json.loads((towns_run / "config.json").read_text())["config"]
    assert config["options"]["column"] == ["code=category", "remark=text"]


def test_embedded_categories_are_learned_and_predicted(chainrule, towns_run, towns, tmp_path):
    test = json.loads((towns_run / "result.json").read_text())["test"]
    assert test["network"]["accuracy"] > 0.9
    scored = json.loads(chainrule("evaluate", towns_run, towns, "--json").stdout)
    assert scored["scores"]["network"]["accuracy"] == test["network"]["accuracy"]
    chainrule("predict", towns_run, towns, "--out", tmp_path / "predicted.csv")
    assert (tmp_path / "predicted.csv").read_text().count("\n") == 801


@pytest.mark.slow
def test_a_run_with_embedded_categories_is_explained(chainrule, towns_run, tmp_path):
    shown = chainrule("explain", towns_run, "--row", 3).stdout
    assert "tables₀" in shown
    assert "of many categories, the row of their table" in " ".join(shown.split())
    assert "agree with automatic differentiation" in shown
    page = tmp_path / "run.html"
    chainrule("explain", towns_run, "--report", page)
    assert "EmbedColumns" in page.read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("code", "--column code: expected NAME=RULE with one of number, category, embed"),
        ("code=catgory", "did you mean --column code=category?"),
        ("cod=category", "no column 'cod' in the table"),
        ("y=category", "'y' is the target"),
        ("remark=number", "column 'remark', row 1: expected a number"),
    ],
)
def test_a_rule_that_is_wrong_is_one_line(chainrule, towns, tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    result = chainrule("train", towns, "-t", "y", "--column", given, code=2)
    assert said in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())
