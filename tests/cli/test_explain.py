"""`chainrule explain`: a function, a row of a run, a run as a page; errors in one line."""

import json
import shutil

import pytest

pytestmark = pytest.mark.slow

SOURCE = """
import numpy as np
def squared_error(w, x, b, y):
    l = w * x + b
    return (y - l) ** 2
def vector(w):
    return np.array([1.0, 2.0]) * w
"""
AT = ["--at", "w=2", "--at", "x=3", "--at", "b=1", "--at", "y=4"]


@pytest.fixture
def loss(tmp_path):
    path = tmp_path / "loss.py"
    path.write_text(SOURCE)
    return f"{path}:squared_error"


def test_a_function_is_explained_in_formulas_and_numbers(chainrule, loss):
    """The lecture's example: 2x(wx + b − y) = 18 at w = 2, x = 3, b = 1, y = 4."""
    shown = chainrule("explain", loss, *AT, "--wrt", "w").stdout
    assert "2x(wx + b − y)" in shown
    assert "= 18" in shown
    assert "convex, proved" in shown


def test_brute_force_stands_beside_the_chain_rule(chainrule, loss):
    shown = chainrule("explain", loss, *AT, "--show", "formulas", "--brute-force").stdout
    assert "y² + w²x² + b² + 2wxb − 2ywx − 2yb" in shown


def test_json_is_one_object(chainrule, loss):
    found = json.loads(chainrule("explain", loss, *AT, "--wrt", "w", "--json").stdout)
    assert found["numbers"]["gradients"] == {"w": 18.0}
    assert {"formulas", "convexity"} <= found.keys()


def test_a_function_is_written_as_a_page(chainrule, loss, tmp_path):
    page = tmp_path / "loss.html"
    shown = chainrule("explain", loss, *AT, "--show", "all", "--report", page).stdout
    assert "wrote" in shown
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "<math" in text
    assert "<svg" in text


def test_a_row_of_a_run_is_explained(chainrule, iris_run):
    """What the network says of it, its formulas by layers, its numbers."""
    shown = chainrule("explain", iris_run, "--row", 77).stdout
    assert "sepal_length_cm 6.7" in shown
    assert "∂L/∂W⁽¹⁾ = δ⁽¹⁾ xᵀ" in shown
    assert "layers.0" in shown


def test_a_small_loss_is_not_rounded_to_nothing(chainrule, iris_run):
    """The numbers of a row are worked out in float64."""
    found = json.loads(chainrule("explain", iris_run, "--row", 0, "--json").stdout)
    assert 0 < found["numbers"]["loss"] < 0.1


def test_a_run_is_written_as_one_page(chainrule, iris_run, tmp_path):
    page = tmp_path / "iris.html"
    found = json.loads(chainrule("explain", iris_run, "--report", page, "--json").stdout)
    names = [part["name"] for part in found["sections"]]
    assert {"curves", "formulas", "numbers", "predictions"} <= set(names)
    assert "setosa" in page.read_text()


def test_a_regression_is_reported_in_its_own_unit(chainrule, penguins_run, tmp_path):
    page = tmp_path / "penguins.html"
    chainrule("explain", penguins_run, "--report", page)
    assert "residual" in page.read_text().lower()


def test_a_table_that_is_gone_is_asked_for(chainrule, iris, tmp_path):
    table, out = tmp_path / "mine.csv", tmp_path / "run"
    shutil.copy(iris, table)
    chainrule("train", table, "--target", "species", "--epochs", 2, "--out", out, "--quiet")
    table.unlink()
    failed = chainrule("explain", out, code=2).stderr
    assert "is not there any more" in failed
    assert "--data" in failed
    chainrule("explain", out, "--data", iris, "--row", 3, "--show", "numbers")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["RUN", "--row", 150], "has 150 rows"),
        (["RUN", "--row", -1], "has 150 rows"),
        (["RUN", "--at", "w=2"], "a run has rows"),
        (["RUN", "--show", "nothing"], "expected some of formulas"),
        (["RUN", "--report", "page.txt"], "ends in .html"),
        (["RUN", "--report", "nowhere/page.html"], "there is no folder nowhere"),
        (["RUN", "--wrt", "layers.9.weight"], "no floating-point argument is named"),
        (["LOSS", "--row", 1, *AT], "--row is for a run"),
        (["LOSS"], "no value for w"),
        (["VECTOR", "--at", "w=2"], "expected one floating-point number"),
        (["nowhere"], "no such run folder"),
    ],
)
def test_what_is_wrong_is_one_clear_line(chainrule, iris_run, loss, arguments, words):
    """Exit code 2, nothing written."""
    vector = loss.replace("squared_error", "vector")
    places = {"RUN": iris_run, "LOSS": loss, "VECTOR": vector}
    failed = chainrule("explain", *[places.get(a, a) for a in arguments], code=2)
    assert words in failed.stderr
    assert failed.stdout == ""


def test_a_scaled_target_is_said_to_be_scaled(chainrule, penguins_run, tmp_path):
    """Not "target²" of a number that is in standard deviations; the row is that of the file."""
    shown = chainrule("explain", penguins_run, "--row", 4).stdout
    assert "(body_mass_g −" in shown
    assert "sd²" in shown
    assert "target²" not in shown
    assert "the table says 3450" in shown
    gone = chainrule("explain", penguins_run, "--row", 3, code=2)
    assert "no 'body_mass_g' in that row" in gone.stderr
    page = tmp_path / "run.html"
    said = chainrule("explain", penguins_run, "--report", page).stdout
    assert "target²" not in said
    assert "target as trained on" in page.read_text()


def test_axes_of_a_boundary_say_that_they_are_scaled(chainrule, iris_run, tmp_path):
    page = tmp_path / "iris.html"
    chainrule("explain", iris_run, "--report", page)
    assert "petal_length_cm (scaled)" in page.read_text()
    assert "class setosa" in page.read_text()
