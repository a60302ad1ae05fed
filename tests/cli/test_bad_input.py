"""Whatever is wrong with the input: one clear message, exit code 2, nothing left behind."""

import pytest

ROWS = [f"{i % 7}.5,{'pq'[i % 2]},{i % 2}" for i in range(60)]
TABLE = "\n".join(["a,b,y", *ROWS]) + "\n"


def csv(header, row, n=60):
    return "\n".join([header, *(row(i) for i in range(n))]) + "\n"


# The file's content (None: there is no file), further arguments, what the message says.
BAD_TABLES = {
    "missing file": (None, ["-t", "y"], "no such file"),
    "empty file": ("", ["-t", "y"], "the file is empty"),
    "header only": ("a,b,y\n", ["-t", "y"], "only a header"),
    "missing target": (TABLE.replace("b", "label", 1), ["-t", "lable"], "did you mean 'label'?"),
    "no target": (TABLE, [], "the columns are a, b, y"),
    "constant target": (csv("a,y", lambda i: f"{i}.5,1"), ["-t", "y"], "every row holds 1"),
    "target all missing": (csv("a,y", lambda i: f"{i}.5,"), ["-t", "y"], "missing in all 60 rows"),
    "target a date": (
        csv("a,y", lambda i: f"{i}.5,2020-01-{1 + i % 28:02}"),
        ["-t", "y"],
        "a date or time",
    ),
    "a class with one row": (
        csv("a,y", lambda i: f"{i}.5,{'r' if i == 3 else 'pq'[i % 2]}"),
        ["-t", "y"],
        "with fewer than 3 rows: r",
    ),
    "infinite value": (
        csv("a,y", lambda i: f"{'1e999' if i == 31 else 0.5},{i % 2}"),
        ["-t", "y"],
        "column 'a', row 32: the value is infinite",
    ),
    "text target for a regression": (
        csv("a,y", lambda i: f"{i}.5,{'pq'[i % 2]}"),
        ["-t", "y", "--task", "regression"],
        "column 'y', row 1: expected a number, got 'p'",
    ),
    "few rows": (csv("a,y", lambda i: f"{i}.5,{i % 2}", n=9), ["-t", "y"], "9 rows with a target"),
    "no columns": (TABLE, ["-t", "y", "--drop", "a,b"], "no column to learn from"),
    "unknown column to drop": (TABLE, ["-t", "y", "--drop", "c"], "no column 'c' to drop"),
    "target to drop": (TABLE, ["-t", "y", "--drop", "y"], "is the target"),
    "another loss": (TABLE, ["-t", "y", "--loss", "squared_error"], "does not fit the target"),
    "unknown loss": (TABLE, ["-t", "y", "--loss", "l2"], "expected auto, squared_error"),
    "unknown activation": (TABLE, ["-t", "y", "--activation", "rel"], "did you mean relu?"),
    "unknown optimizer": (TABLE, ["-t", "y", "--optimizer", "nadm"], "did you mean nadam?"),
    "unknown schedule": (TABLE, ["-t", "y", "--schedule", "cosin"], "did you mean cosine?"),
    "unknown task": (TABLE, ["-t", "y", "--task", "rank"], "expected auto"),
    "sizes": (TABLE, ["-t", "y", "--hidden", "64,x"], "for example --hidden 64,64"),
    "rate": (TABLE, ["-t", "y", "--learning-rate", "fast"], "expected auto or a number above 0"),
    "negative rate": (TABLE, ["-t", "y", "--learning-rate", "-1"], "a number above 0"),
    "momentum": (TABLE, ["-t", "y", "--momentum", "1"], "from 0 to below 1"),
    "batch": (TABLE, ["-t", "y", "--batch", "0"], "1 or more"),
    "epochs": (TABLE, ["-t", "y", "--epochs", "0"], "1 or more"),
    "seed": (TABLE, ["-t", "y", "--seed", "-1"], "from 0"),
    "quantile of another loss": (TABLE, ["-t", "a", "--quantile", "0.9"], "add --loss quantile"),
    "quantile": (TABLE, ["-t", "a", "--loss", "quantile", "--quantile", "9"], "between 0 and 1"),
    "a loss of numbers for classes": (TABLE, ["-t", "b", "--loss", "huber"], "does not fit"),
    "counts below 0": (
        csv("a,y", lambda i: f"{i}.5,{i - 3}"),
        ["-t", "y", "--loss", "poisson"],
        "takes counts, from 0; the target 'y' has -3",
    ),
    "amounts of 0": (
        csv("a,y", lambda i: f"{i}.5,{i}"),
        ["-t", "y", "--loss", "gamma"],
        "takes amounts above 0; the target 'y' has 0",
    ),
    "momentum of adam": (TABLE, ["-t", "y", "--optimizer", "adam", "--momentum", "0.5"], "takes"),
    "weight decay": (TABLE, ["-t", "y", "--weight-decay", "-1"], "expected 0 or more"),
    "clip": (TABLE, ["-t", "y", "--clip-norm", "0"], "a length above 0"),
    "average": (TABLE, ["-t", "y", "--average", "swb"], "did you mean swa?"),
    "swa of a batch that grows": (
        TABLE,
        ["-t", "y", "--average", "swa", "--batch-schedule", "doubling"],
        "--average suffix",
    ),
    "warm-up": (TABLE, ["-t", "y", "--warmup", "20"], "the run has 20 steps"),
    "negative warm-up": (TABLE, ["-t", "y", "--warmup", "-1"], "a number of steps from 0"),
    "two climbs": (TABLE, ["-t", "y", "--warmup", "2", "--schedule", "one-cycle"], "of its own"),
    "half a batch": (TABLE, ["-t", "y", "--batch", "1.5"], "1 or more rows, or all"),
    "all, and more": (
        TABLE,
        ["-t", "y", "--batch", "all", "--batch-schedule", "noise"],
        "nowhere to grow",
    ),
    "no variance": (
        TABLE,
        ["-t", "y", "--batch", "1", "--batch-schedule", "cabs"],
        "one row has no variance",
    ),
    "batch schedule": (TABLE, ["-t", "y", "--batch-schedule", "nois"], "did you mean noise?"),
    "order": (TABLE, ["-t", "y", "--order", "shuffle"], "did you mean reshuffle?"),
    "no classes to mix": (
        TABLE,
        ["-t", "a", "--task", "regression", "--order", "stratified"],
        "has no classes",
    ),
    "remainder": (TABLE, ["-t", "y", "--remainder", "keep"], "expected drop, smaller, carry"),
    "patience": (TABLE, ["-t", "y", "--patience", "0"], "1 or more"),
    "time": (TABLE, ["-t", "y", "--max-time", "5 parsecs"], "such as 30s, 5m, 2h"),
    "no time": (TABLE, ["-t", "y", "--max-time", "0"], "a time above 0"),
    "policy": (TABLE, ["-t", "y", "--on-nan", "rollback"], "did you mean roll-back?"),
    "unknown metric": (TABLE, ["-t", "y", "--metric", "acuracy"], "accuracy, balanced_accuracy"),
    "a metric that does not fit": (TABLE, ["-t", "y", "-m", "rmse"], "'rmse' is of numbers"),
    "record": (TABLE, ["-t", "y", "--record", "loss"], "expected all, gradient_norm"),
    "keep": (TABLE, ["-t", "y", "--keep", "0"], "1 or more"),
    "checkpoints": (TABLE, ["-t", "y", "--checkpoint-every", "often"], "a time from 0"),
    "resume what": (TABLE, ["-t", "y", "--resume"], "name its folder with --out"),
    "resume nothing": (TABLE, ["-t", "y", "--resume", "-o", "no-run"], "no such run folder"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_bad_input_is_one_message_and_leaves_nothing(chainrule, tmp_path, monkeypatch, case):
    content, arguments, said = BAD_TABLES[case]
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "table.csv").write_text(content)
    before = set(tmp_path.iterdir())
    result = chainrule("train", "table.csv", *arguments, code=2)
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert result.stdout == ""
    assert set(tmp_path.iterdir()) == before


def test_an_infinite_loss_names_the_step_and_a_rate_and_leaves_nothing(
    chainrule, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(csv("a,y", lambda i: f"{i % 7}.5,{i * 1.37}", n=600))
    result = chainrule("train", "table.csv", "-t", "y", "--learning-rate", "1e9", code=2)
    for said in ("loss", "step", "learning rate", "try"):
        assert said in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_a_folder_is_no_table(chainrule, tmp_path):
    assert "this is a folder" in chainrule("train", tmp_path, "-t", "y", code=2).stderr


def test_a_file_that_exists_is_no_place_for_a_run(chainrule, iris, tmp_path):
    (tmp_path / "run").write_text("mine")
    result = chainrule("train", iris, "-t", "species", "-o", tmp_path / "run", code=2)
    assert "a file of this name exists" in result.stderr
    assert (tmp_path / "run").read_text() == "mine"


def test_a_folder_that_is_not_empty_is_no_place_for_a_run(chainrule, iris, tmp_path):
    (tmp_path / "mine").write_text("mine")
    result = chainrule("train", iris, "-t", "species", "-o", tmp_path, code=2)
    assert "not empty" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_missing_targets_and_constant_columns_are_dropped_with_a_line(chainrule, tmp_path):
    table = csv("a,k,y", lambda i: f"{i % 7}.5,same,{'' if i % 6 == 0 else i % 2}")
    (tmp_path / "table.csv").write_text(table)
    arguments = ("-t", "y", "--epochs", 1, "-o", tmp_path / "run")
    out = chainrule("train", tmp_path / "table.csv", *arguments).stdout
    assert "10 rows dropped: no value for 'y'" in out
    assert "k: same in every row" in out


def test_an_unknown_option_gets_the_nearest(chainrule, iris):
    assert "--batch" in chainrule("train", iris, "--bach", 3, code=2).stderr


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "no such run folder"),
        (lambda path: path.mkdir(), "not a run folder"),
        (lambda path: path.write_text("x"), "not a run folder"),
    ],
)
def test_what_is_no_run_is_refused(chainrule, iris, tmp_path, command, make, said):
    make(tmp_path / "run")
    assert said in chainrule(command, tmp_path / "run", iris, code=2).stderr


BAD_ROWS = {
    "text for a number": ("5.1,3.5,much,0.2,setosa", "column 'petal_length_cm', row 2: expected a"),
    "infinite": ("5.1,3.5,1e999,0.2,setosa", "column 'petal_length_cm', row 2: the value is"),
}


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_bad_value_is_named_with_its_row(chainrule, iris_run, iris, tmp_path, command, case):
    row, said = BAD_ROWS[case]
    lines = iris.read_text().splitlines()
    (tmp_path / "new.csv").write_text("\n".join([*lines[:2], row, *lines[3:]]))
    assert said in chainrule(command, iris_run, tmp_path / "new.csv", code=2).stderr


def test_a_missing_column_is_named(chainrule, iris_run, iris, tmp_path):
    (tmp_path / "new.csv").write_text(iris.read_text().replace("sepal_length_cm", "sepal_len", 1))
    result = chainrule("predict", iris_run, tmp_path / "new.csv", code=2)
    assert "lacks 'sepal_length_cm'" in result.stderr


def test_a_class_that_was_not_there_is_named(chainrule, iris_run, iris, tmp_path):
    (tmp_path / "new.csv").write_text(iris.read_text().replace("setosa", "rosa"))
    result = chainrule("evaluate", iris_run, tmp_path / "new.csv", code=2)
    assert "row 1: class 'rosa' was not there at training" in result.stderr


def test_predictions_go_to_a_known_format(chainrule, iris_run, iris, tmp_path):
    out = tmp_path / "predicted.xlsx"
    assert ".csv, .tsv, .parquet" in chainrule("predict", iris_run, iris, "-o", out, code=2).stderr
    assert not out.exists()


def test_a_damaged_run_is_refused(chainrule, iris_run, iris, tmp_path):
    import shutil

    copy = shutil.copytree(iris_run, tmp_path / "run")
    weights = next(copy.glob("checkpoint-*/weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    assert "damaged: its checksum" in chainrule("predict", copy, iris, code=2).stderr


def test_an_unexpected_error_is_one_line(chainrule, iris, monkeypatch):
    import chainrule.cli.train as command

    def fail(*_):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(command, "new_job", fail)
    result = chainrule("train", iris, "-t", "species", code=1)
    assert "unexpected ZeroDivisionError: a fault of ours" in result.stderr
    assert "--debug" in result.stderr
