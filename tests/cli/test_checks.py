"""The pre-flight check on the command line: short before training, whole in `inspect`."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def leaking(tmp_path_factory):
    rng = np.random.default_rng(0)
    size, price = rng.normal(size=300), rng.normal(size=300)
    wide = 1e5 * rng.normal(size=300)
    path = tmp_path_factory.mktemp("leaking") / "a table.csv"
    rows = [
        f"{s:.4f},{o:.4g},{p * 1.1:.6f},{p:.6f}" for s, o, p in zip(size, wide, price, strict=True)
    ]
    path.write_text("\n".join(["size,wide,gross,price", *rows]) + "\n")
    return path


def test_what_matters_is_said_before_training(chainrule, leaking, tmp_path):
    arguments = ("train", leaking, "-t", "price", "--epochs", 2, "--hidden", "4")
    shown = " ".join(chainrule(*arguments, "-o", tmp_path / "a").stdout.split())
    assert "Check leak: gross alone explains 99." in shown
    assert "try: drop gross, if it is made from price or known only after it" in shown
    assert f"chainrule inspect '{leaking}' --target price" in " ".join(shown.split())
    assert "unscaled" not in shown
    kept = json.loads((tmp_path / "a" / "result.json").read_text())["checks"]
    assert [(c["severity"], c["kind"], c["column"]) for c in kept] == [
        ("warning", "leak", "gross"), ("note", "unscaled", ""),
    ]  # fmt: skip


def test_inspect_says_all_of_it(chainrule, leaking):
    shown = " ".join(chainrule("inspect", leaking, "--target", "price").stdout.split())
    assert "leak: gross alone" in shown
    assert "unscaled: standard deviations" in shown
    found = json.loads(chainrule("inspect", leaking, "--target", "price", "--json").stdout)
    assert [c["kind"] for c in found["checks"]] == ["leak", "unscaled"]


def test_of_a_table_that_is_well_nothing_is_said(chainrule, iris, tmp_path):
    shown = chainrule("train", iris, "-t", "species", "--epochs", 1, "-o", tmp_path / "a").stdout
    assert "Check" not in shown
    assert "nothing to complain of" in chainrule("inspect", iris, "--target", "species").stdout
