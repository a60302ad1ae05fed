"""Bad files through `chainrule train`: one line, exit code 2, nothing left behind."""

import pytest

from tests.data.bad_files import BAD_FILES, STRANGE_FILES, write


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_line_and_leaves_nothing(chainrule, tmp_path, monkeypatch, case):
    name, content, said = BAD_FILES[case]
    monkeypatch.chdir(tmp_path)
    write(tmp_path, name, content)
    result = chainrule("train", name, "-t", "y", code=2)
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) <= 2
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("case", ["UTF-16", "an escape sequence in a name", "lines in a name"])
def test_a_strange_file_trains_and_shows_nothing_strange(chainrule, tmp_path, case):
    name, content, _ = STRANGE_FILES[case]
    path = write(tmp_path, name, content)
    options = ("--epochs", 1, "--hidden", 4, "--learning-rate", 0.01, "-o", tmp_path / "run")
    shown = chainrule("train", path, "-t", "y", *options).stdout
    assert "\x1b" not in shown


def test_several_files_train_one_run_and_it_finds_them_again(chainrule, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for k in range(2):
        write(tmp_path, f"part-{k}.csv", STRANGE_FILES["a byte order mark"][1])
    options = ("--hidden", 4, "--learning-rate", 0.01, "-q")
    chainrule("train", "part-*.csv", "-t", "y", "--epochs", 1, *options)
    assert (tmp_path / "runs" / "part-0-1").is_dir()
    chainrule("resume", "runs/part-0-1", "--epochs", 2, "-q")
    assert "120 rows" in chainrule("inspect", "runs/part-0-1").stdout


def test_a_value_with_an_escape_sequence_is_not_sent_to_the_terminal(chainrule, tmp_path):
    rows = "".join(f"{i % 9}.5,{'pq'[i % 2]}\x1b[31m,\x1b[1m,{i % 2}\n" for i in range(60))
    path = write(tmp_path, "t.csv", f"a,b,c,y\n{rows}")
    options = ("--epochs", 1, "--hidden", 4, "--learning-rate", 0.01, "-o", tmp_path / "run")
    assert "\x1b" not in chainrule("train", path, "-t", "y", *options).stdout
