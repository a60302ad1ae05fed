"""How a command ends when something outside is wrong: one line, its exit code, no traceback."""

import os
import subprocess
import sys

import pytest

from chainrule.cli import streams
from chainrule.cli.outcome import BAD_INPUT, INTERRUPTED, OK, TERMINATED, Terminated, report
from chainrule.errors import DataError
from chainrule.runs.folder import RunFolder

DEBUG = "chainrule --debug ... shows the traceback"
COMMAND = (sys.executable, "-m", "chainrule.cli")
posix = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and signals")


def run(*arguments, **more):
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60, **more}
    found = subprocess.run([*COMMAND, *map(str, arguments)], check=False, **given)
    assert b"Traceback" not in (found.stdout or b"") + (found.stderr or b"")
    return found


@posix
@pytest.mark.parametrize(
    "arguments", [("--help",), ("compare", "RUN", "RUN", "--json")], ids=" ".join
)
def test_a_full_disk_behind_stdout_is_a_line_and_code_2(iris_run, arguments):
    arguments = [iris_run if a == "RUN" else a for a in arguments]
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        found = run(*arguments, stdout=full)
    assert (found.returncode, found.stderr) == (2, b"error: No space left on device\n")


@posix
def test_nobody_to_tell_is_no_crash(tmp_path):
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        assert run("inspect", tmp_path / "none", stderr=full).returncode == 2


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-"])
def test_a_closed_stream_is_no_crash(iris_run, closed):
    line = f'"$0" -m chainrule.cli compare {iris_run} {iris_run} {closed}'
    found = subprocess.run(["sh", "-c", line, sys.executable], capture_output=True, check=False)
    assert found.returncode == 0
    assert b"Traceback" not in found.stderr


@posix
@pytest.mark.parametrize("arguments", [("--help",), ("compare", "RUN", "RUN")], ids=" ".join)
def test_a_reader_that_leaves_is_no_error(iris_run, arguments):
    arguments = [str(iris_run) if a == "RUN" else a for a in arguments]
    with subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@posix
def test_a_training_goes_on_when_its_reader_leaves(iris, tmp_path):
    """`chainrule train ... | head`: the run is whole, and nobody is told of it."""
    options = ("-t", "species", "--epochs", "3", "-o", tmp_path / "run")
    with subprocess.Popen(
        [*COMMAND, "train", iris, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline().startswith(b"Table")
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert RunFolder.open(tmp_path / "run").read_checkpoint().status == "completed"


@pytest.mark.parametrize(("encoding", "more"), [("ascii", []), ("latin-1", ["--json"])])
def test_any_encoding_of_the_terminal_is_written(iris_run, encoding, more):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    said = run("compare", iris_run, iris_run, *more, env=environment).stdout.decode(encoding)
    assert "identical bit for bit" in said
    assert said.startswith("{") == bool(more)


@posix
@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(chainrule, iris, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    out = tmp_path / "closed" / "run"
    said = chainrule("train", iris, "-t", "species", "--epochs", 1, "-o", out, code=2).stderr
    assert "Permission denied" in said


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("bad", "hint"), BAD_INPUT, "error: bad\n  hint: hint\n"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted; nothing was written\n"),
        (Terminated(), TERMINATED, "terminated; nothing was written\n"),
        (BrokenPipeError(), OK, ""),
        (MemoryError(), BAD_INPUT, "error: not enough memory\n"),
        (PermissionError(13, "Permission denied", "x"), BAD_INPUT, "error: x: Permission denied\n"),
        (
            ZeroDivisionError("by 0"), 1,
            f"error: unexpected ZeroDivisionError: by 0\n  hint: {DEBUG}\n",
        ),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, BaseException) else "",
)  # fmt: skip
def test_each_kind_of_end_has_its_code_and_its_line(error, code, said, capsys, monkeypatch):
    monkeypatch.setattr(streams, "forget", lambda stream: None)
    assert report(error) == code
    assert capsys.readouterr().err == said


def test_a_warning_is_a_line_without_the_place_in_our_code(capsys):
    streams.show_warning(UserWarning("the checkpoint at step 3 is used instead"))
    assert capsys.readouterr().err == "warning: the checkpoint at step 3 is used instead\n"
