"""Ctrl-C keeps the weights so far, and --resume goes on."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

COMMAND = (sys.executable, "-c", "from chainrule.cli.app import main; main()")
# A second or more, so that there is a middle to stop in; "64,64" is the default's size.
EPOCHS = 4000


@pytest.fixture(scope="module")
def interrupted(iris, tmp_path_factory):
    """A run that got Ctrl-C after its first line of progress: exit code, output, seconds."""
    if sys.platform == "win32":
        pytest.skip("needs SIGINT")
    out = tmp_path_factory.mktemp("interrupted") / "run"
    with subprocess.Popen(
        [*COMMAND, "train", iris, "-t", "species", "--epochs", str(EPOCHS), "-o", out],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not process.stdout.readline().startswith("epoch "):
            assert process.poll() is None
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    return out, process.returncode, said, time.perf_counter() - start


def test_ctrl_c_ends_soon_with_130_and_says_how_to_resume(interrupted, iris):
    out, code, said, seconds = interrupted
    assert code == 130
    assert seconds < 2  # 0.1 s on a quiet machine
    assert f"the weights so far are in {out}" in said
    assert f"chainrule resume {out}" in said
    assert "Traceback" not in said


def test_an_interrupted_run_predicts(interrupted, chainrule, iris):
    assert "probability_setosa" in chainrule("predict", interrupted[0], iris).stdout


def test_a_run_is_resumed_to_its_end(interrupted, chainrule, iris, tmp_path):
    out = shutil.copytree(interrupted[0], tmp_path / "run")
    before = json.loads((out / "state.json").read_text())
    assert before["status"] == "interrupted"
    result = json.loads(chainrule("train", iris, "--out", out, "--resume", "--json").stdout)
    assert result["status"] == "completed"
    assert result["steps"] == 2 * EPOCHS > before["step"] > 0
    assert len(result["epochs"]) == EPOCHS
    done = chainrule("train", iris, "--out", out, "--resume", code=2)
    assert "this run is complete" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--epochs", "7"], f"begun with --epochs {EPOCHS}, not 7"),
        (["--hidden", "8"], "begun with --hidden 64,64, not 8"),
        (["--learning-rate", "0.1"], "begun with --learning-rate auto, not 0.1"),
        (["-t", "petal_width_cm"], "begun with --target species"),
    ],
)
def test_other_options_do_not_continue_a_run(interrupted, chainrule, iris, arguments, said):
    arguments = ("train", iris, "--out", interrupted[0], "--resume", *arguments)
    assert said in chainrule(*arguments, code=2).stderr


def test_another_table_does_not_continue_a_run(interrupted, chainrule, iris, tmp_path):
    (tmp_path / "iris.csv").write_text(iris.read_text().replace("5.1", "5.2"))
    arguments = ("train", tmp_path / "iris.csv", "--out", interrupted[0], "--resume")
    assert "not the table" in chainrule(*arguments, code=2).stderr


def test_ctrl_c_before_the_training_writes_nothing(chainrule, iris, tmp_path, monkeypatch):
    import chainrule.cli.train as command

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "new_job", stop)
    result = chainrule("train", iris, "-t", "species", "-o", tmp_path / "run", code=130)
    assert "interrupted; nothing was written" in result.stderr
    assert not (tmp_path / "run").exists()


def test_ctrl_c_after_the_training_says_where_the_network_is(
    chainrule, iris, tmp_path, monkeypatch
):
    import chainrule.cli.train as command

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "_score_all", stop)
    out = tmp_path / "run"
    arguments = ("train", iris, "-t", "species", "--epochs", 2, "-o", out)
    assert f"the trained network is in {out}" in chainrule(*arguments, code=130).stderr
    monkeypatch.undo()
    assert "accuracy" in chainrule("evaluate", out, iris).stdout
