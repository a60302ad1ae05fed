"""`chainrule predict` and `evaluate`: the same numbers as in training, in any process."""

import json
import subprocess
import sys

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

COMMAND = (sys.executable, "-c", "from chainrule.cli.app import main; main()")


def read(text):
    return pyarrow.csv.read_csv(pyarrow.BufferReader(text.encode()))


def test_predictions_and_probabilities_are_appended(chainrule, iris_run, iris, tmp_path):
    out = tmp_path / "predicted.csv"
    chainrule("predict", iris_run, iris, "--out", out)
    table = pyarrow.csv.read_csv(out)
    classes = ["setosa", "versicolor", "virginica"]
    assert table.column_names[-4:] == ["prediction", *(f"probability_{c}" for c in classes)]
    p = np.stack([table[f"probability_{c}"].to_numpy() for c in classes], axis=1)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert table["prediction"].to_pylist() == [classes[k] for k in p.argmax(axis=1)]
    right = np.mean([a == b for a, b in zip(table["prediction"], table["species"], strict=True)])
    assert right > 0.9


def test_a_new_process_predicts_the_same_bits(chainrule, penguins_run, penguins, tmp_path):
    out = tmp_path / "predicted.parquet"
    chainrule("predict", penguins_run, penguins, "--out", out)
    here = pyarrow.parquet.read_table(out)["prediction"].to_numpy()
    said = subprocess.run(
        [*COMMAND, "predict", penguins_run, penguins], capture_output=True, check=True
    ).stdout
    there = read(said.decode())["prediction"].to_numpy()
    assert np.ptp(here) > 1000
    np.testing.assert_array_equal(here, there)


def test_evaluate_scores_the_test_rows_of_the_trainings_table(chainrule, iris_run, iris):
    trained = json.loads((iris_run / "result.json").read_text())["test"]
    found = json.loads(chainrule("evaluate", iris_run, iris, "--json").stdout)
    assert found["rows"] == 30
    assert found["scores"]["network"] == trained["network"]
    assert found["scores"]["baseline"] == trained["baseline"]
    assert "only its test rows are scored" in found["notes"][-1]


def test_evaluate_scores_all_rows_of_another_table(chainrule, penguins_run, penguins, tmp_path):
    (tmp_path / "new.csv").write_text("\n".join(penguins.read_text().splitlines()[:101]))
    found = json.loads(chainrule("evaluate", penguins_run, tmp_path / "new.csv", "--json").stdout)
    assert found["rows"] == 99
    assert found["notes"] == ["1 row dropped: no value for 'body_mass_g'"]


def test_evaluate_shows_scores_beside_the_baseline(chainrule, iris_run, iris):
    out = chainrule("evaluate", iris_run, iris).stdout
    for said in ("ROC AUC", "log loss", "accuracy", "network", "baseline", "30 rows"):
        assert said in out


def test_the_auc_of_one_class_is_not_defined(chainrule, iris_run, iris, tmp_path):
    (tmp_path / "new.csv").write_text("\n".join(iris.read_text().splitlines()[:11]))
    found = json.loads(chainrule("evaluate", iris_run, tmp_path / "new.csv", "--json").stdout)
    assert found["scores"]["network"]["roc_auc"] is None
    assert found["scores"]["network"]["accuracy"] == 1.0


def test_the_target_is_not_needed_and_unknown_columns_are_kept(chainrule, iris_run, tmp_path):
    header = "petal_width_cm,petal_length_cm,note,sepal_width_cm,sepal_length_cm"
    (tmp_path / "new.csv").write_text(f"{header}\n0.2,1.4,mine,3.5,5.1\n")
    out = read(chainrule("predict", iris_run, tmp_path / "new.csv").stdout)
    row = out.to_pylist()[0]
    assert ",".join(out.column_names).startswith(f"{header},prediction,probability_setosa")
    assert (row["note"], row["sepal_length_cm"], row["prediction"]) == ("mine", 5.1, "setosa")


def test_unknown_categories_and_missing_values_are_predicted(chainrule, penguins_run, tmp_path):
    header = "species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,sex,year"
    rows = ["Emperor,Dream,40,18,190,male,2007", "Adelie,,NA,,,,"]
    (tmp_path / "new.csv").write_text("\n".join([header, *rows]))
    out = read(chainrule("predict", penguins_run, tmp_path / "new.csv").stdout)
    assert all(2000 < value < 7000 for value in out["prediction"].to_pylist())


def test_a_column_of_the_same_name_is_kept(chainrule, iris_run, iris, tmp_path):
    out = tmp_path / "a.csv"
    chainrule("predict", iris_run, iris, "-o", out)
    names = read(chainrule("predict", iris_run, out).stdout).column_names
    assert names[5:7] == ["prediction", "probability_setosa"]
    assert names[9:11] == ["prediction_2", "probability_setosa_2"]


def test_a_file_is_replaced_whole_or_not_at_all(chainrule, iris_run, iris, tmp_path, monkeypatch):
    out = tmp_path / "a.csv"
    out.write_text("before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.csv.write_csv", fail)
    result = chainrule("predict", iris_run, iris, "-o", out, code=2)
    assert "No space left on device" in result.stderr
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's pipe")
def test_a_reader_that_leaves_is_no_error(iris_run, tmp_path):
    rows = ["sepal_length_cm,sepal_width_cm,petal_length_cm,petal_width_cm", *["5,3,1,1"] * 50_000]
    (tmp_path / "long.csv").write_text("\n".join(rows))
    with subprocess.Popen(
        [*COMMAND, "predict", iris_run, tmp_path / "long.csv"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline().startswith(b'"sepal_length_cm"')
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
