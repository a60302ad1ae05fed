"""`chainrule predict` and `evaluate`: the same numbers as in training, in any process."""

import json
import subprocess
import sys

import numpy as np
import pyarrow.csv
import pyarrow.feather
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


READERS = {
    "csv": pyarrow.csv.read_csv,
    "tsv": lambda path: pyarrow.csv.read_csv(
        path, parse_options=pyarrow.csv.ParseOptions(delimiter="\t")
    ),
    "parquet": pyarrow.parquet.read_table,
    "feather": pyarrow.feather.read_table,
    "arrow": pyarrow.feather.read_table,
}


@pytest.mark.parametrize("format", READERS)
def test_every_format_holds_the_same_table(chainrule, iris_run, iris, tmp_path, format):
    out = tmp_path / f"predicted.{format}"
    chainrule("predict", iris_run, iris, "--out", out)
    table = READERS[format](out)
    assert table.num_rows == 150
    assert table.column_names[-4:-2] == ["prediction", "probability_setosa"]
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_only_predictions_and_columns_that_are_named(chainrule, iris_run, iris):
    names = read(chainrule("predict", iris_run, iris, "--only").stdout).column_names
    assert names == [
        "prediction",
        *(f"probability_{c}" for c in ("setosa", "versicolor", "virginica")),
    ]
    some = ("--id", "species", "--id", "petal_width_cm", "--id", "species")
    found = read(chainrule("predict", iris_run, iris, *some).stdout).column_names
    assert found == ["species", "petal_width_cm", *names]


def test_a_table_is_read_from_stdin_as_from_a_file(iris_run, iris):
    said = subprocess.run(
        [*COMMAND, "predict", iris_run, "-"],
        input=iris.read_bytes(), capture_output=True, check=True,
    )  # fmt: skip
    whole = subprocess.run([*COMMAND, "predict", iris_run, iris], capture_output=True, check=True)
    assert said.stdout == whole.stdout
    assert said.stderr == b""


def test_a_run_of_a_piped_table_goes_on_with_a_file(chainrule, iris, tmp_path):
    run = tmp_path / "run"
    options = ["-t", "species", "--epochs", "1", "-o", run, "-q"]
    subprocess.run([*COMMAND, "train", "-", *options], input=iris.read_bytes(), check=True)
    said = chainrule("resume", run, "--epochs", 2, code=2).stderr
    assert "the table of this run was piped in" in said
    chainrule("resume", run, "--epochs", 2, "--data", iris, "-q")


def test_a_piped_table_is_not_streamed(chainrule, iris_run):
    for command in (("predict", iris_run), ("evaluate", iris_run), ("train",)):
        said = chainrule(*command, "-", "--memory", "16MB", code=2).stderr
        assert "a table on stdin is read as a whole" in said


def test_json_sums_up_what_was_written(chainrule, iris_run, penguins_run, iris, penguins, tmp_path):
    out = tmp_path / "a.parquet"
    found = json.loads(chainrule("predict", iris_run, iris, "-o", out, "--json").stdout)
    assert (found["rows"], found["out"]) == (150, str(out))
    assert sum(found["classes"].values()) == 150
    assert found["added"] == found["columns"][-4:]
    found = json.loads(chainrule("predict", penguins_run, penguins, "-o", out, "--json").stdout)
    assert 3000 < found["mean"] < 5000
    said = chainrule("predict", iris_run, iris, "--json", code=2).stderr
    assert "stdout has the predictions already" in said


def test_quiet_says_nothing_and_verbose_says_the_stages(chainrule, iris_run, iris, tmp_path):
    out = tmp_path / "a.csv"
    quiet = chainrule("predict", iris_run, iris, "-o", out, "--quiet")
    assert (quiet.stdout, quiet.stderr) == ("", "")
    loud = chainrule("predict", iris_run, iris, "--verbose")
    assert loud.stdout == out.read_text()
    for stage in ("open the run", "read", "predict", "write", "versions: chainrule"):
        assert stage in loud.stderr
    assert "one or the other" in chainrule("predict", iris_run, iris, "-q", "-v", code=2).stderr


def test_all_missing_columns_are_named_at_once(chainrule, iris_run, tmp_path):
    (tmp_path / "new.csv").write_text("sepal_width,petal_length_cm\n1,2\n")
    said = chainrule("predict", iris_run, tmp_path / "new.csv", code=2).stderr
    for name in ("sepal_length_cm", "sepal_width_cm", "petal_width_cm"):
        assert repr(name) in said
    assert "petal_length_cm" not in said.split("hint")[0]


def test_a_value_of_the_wrong_type_is_named_with_its_place(chainrule, iris_run, iris, tmp_path):
    lines = iris.read_text().splitlines()
    cells = lines[3].split(",")
    cells[lines[0].split(",").index("petal_width_cm")] = "wide"
    lines[3] = ",".join(cells)
    (tmp_path / "new.csv").write_text("\n".join(lines))
    out = tmp_path / "out.csv"
    said = chainrule("predict", iris_run, tmp_path / "new.csv", "-o", out, code=2).stderr
    assert "'petal_width_cm', row 3: expected a number, got 'wide'" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("a.txt", "expected a name that ends in one of .csv"),
        ("none/a.csv", "there is no folder"),
        ("folder.csv", "this is a folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_said_before_anything_is_read(
    chainrule, iris_run, tmp_path, out, said
):
    (tmp_path / "folder.csv").mkdir()
    result = chainrule("predict", iris_run, tmp_path / "none.csv", "-o", tmp_path / out, code=2)
    assert said in result.stderr


def test_a_column_to_keep_that_is_not_there_is_refused(chainrule, iris_run, iris):
    assert (
        "did you mean 'species'?"
        in chainrule("predict", iris_run, iris, "--id", "specis", code=2).stderr
    )
