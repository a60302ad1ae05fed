"""A disk that fails at any call: the folder is the old one or the new one, and holds no litter."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.errors import RunError
from chainrule.runs import files, pieces
from chainrule.runs.folder import Best, RunFolder
from chainrule.runs.writer import CheckpointWriter
from tests.runs.test_folder import checkpoint, same

CALLS = ("open", "write", "fsync", "replace", "rename", "mkdir", "link")


class FailingOs:
    """The module ``os``, whose ``call``-th call of those that write fails."""

    def __init__(self, call: int, number: int) -> None:
        self.left, self.number, self.made = call, number, 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._counted(name, real) if name in CALLS else real

    def _counted(self, name: str, real: Any) -> Any:
        def call(*args: Any) -> Any:
            self.made += 1
            self.left -= 1
            if self.left == 0:
                if name == "write":
                    real(args[0], bytes(args[1])[: len(args[1]) // 2])  # half of it got through
                raise OSError(self.number, os.strerror(self.number))
            return real(*args)

        return call


def big(step: int) -> Any:
    """A checkpoint with decisions, a best and parts."""
    return checkpoint(step, best=Best(1, 0.5, {"w": np.ones(3)}), decisions=[{"rule": "x"}] * step)


@pytest.fixture
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"record": 4, "history": 4, "decisions": 4}
    monkeypatch.setattr(pieces, "PART", parts)
    monkeypatch.setattr(pieces, "LINKED", 1)


def no_litter(folder: RunFolder) -> bool:
    """Whether there is nothing but the checkpoints that count."""
    counted = {entry.name for entry in folder.entries()}
    there = {p.name for p in folder.path.iterdir() if p.name.startswith((".", "checkpoint"))}
    return there == counted


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_whichever_call_fails_the_folder_is_old_or_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """For every call: an error of ours, the run is loadable, nothing is left, and it goes on."""
    folder = RunFolder.create(tmp_path / "run", {})
    writer = CheckpointWriter(folder)
    writer.write(big(5))
    start = shutil.copytree(folder.path, tmp_path / "start")
    outcomes, call = [], 0
    while not outcomes or outcomes[-1] != "none":
        call += 1
        shutil.rmtree(folder.path)
        shutil.copytree(start, folder.path)
        writer = CheckpointWriter(folder)
        writer.read()
        monkeypatch.setattr(files, "os", failing := FailingOs(call, number))
        try:
            writer.write(big(11))
            outcomes.append("new" if failing.left <= 0 else "none")
        except RunError as error:
            outcomes.append("refused")
            full = "no space left on device: " in str(error) and "MB needed" in str(error)
            assert full == (number == errno.ENOSPC)
        monkeypatch.undo()
        read = RunFolder.open(folder.path).read_checkpoint()
        assert read is not None
        assert same(read, big(5)) or (same(read, big(11)) and call > 20)
        assert no_litter(folder)
        writer.write(big(12))
        assert same(folder.read_checkpoint(), big(12))  # type: ignore[arg-type]
    assert len(outcomes) > 40
    assert outcomes.count("refused") > 40


def test_whichever_call_fails_a_new_run_is_there_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, failed = 0, 0
    while True:
        call += 1
        path = tmp_path / f"run-{call}"
        monkeypatch.setattr(files, "os", failing := FailingOs(call, errno.ENOSPC))
        try:
            RunFolder.create(path, {"schema": {"a": 1}})
        except RunError:
            failed += 1
        monkeypatch.undo()
        assert not list(tmp_path.glob(".*"))
        if path.exists():
            assert RunFolder.open(path).read_json("schema.json") == {"a": 1}
        if failing.left > 0:
            break
    assert failed > 8


_FILL = """
import sys
from pathlib import Path
import numpy as np
from chainrule.errors import RunError
from chainrule.runs.folder import Checkpoint, RunFolder
folder, count = RunFolder.open(Path(sys.argv[1])), int(sys.argv[2])
if len(sys.argv) > 3:
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
step = folder.read_checkpoint().step
try:
    for step in range(step + 1, step + 20):
        weights = {"w": np.full(count, step, np.float64)}
        folder.write_checkpoint(Checkpoint(step, weights, {}, {}, [], "running"))
except RunError as error:
    print(step, error)
"""


def fill(path: Path, *arguments: int) -> str:
    """Write checkpoints of ``arguments[0]`` numbers in another process until it fails."""
    command = [sys.executable, "-c", _FILL, str(path), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no RLIMIT_FSIZE")
def test_a_file_that_may_not_grow_is_an_error_and_no_checkpoint_is_lost(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    folder.write_checkpoint(checkpoint(1))
    said = fill(folder.path, 100_000, 400_000)
    assert said.startswith("2 ")
    assert "no space left on device for a file of this size: 0.8" in said
    assert same(RunFolder.open(folder.path).read_checkpoint(), checkpoint(1))  # type: ignore[arg-type]
    assert no_litter(folder)


def _can_mount(place: Path) -> bool:
    if shutil.which("unshare") is None:
        return False
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(place)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="a tiny disk is mounted by Linux's unshare")
def test_a_full_disk_leaves_the_last_checkpoint_and_no_litter(tmp_path: Path) -> None:
    """A real file system of one megabyte; checkpoints of a third until no more fits."""
    disk, run, end = tmp_path / "disk", tmp_path / "run", tmp_path / "end"
    disk.mkdir()
    if not _can_mount(disk):
        pytest.skip("this user may not mount a tmpfs")
    folder = RunFolder.create(run, {})
    folder.write_checkpoint(checkpoint(1))
    script = 'set -e; mount -t tmpfs -o size=1m none "$1"; cp -r "$2" "$1/run"; '
    script += '"$3" -c "$4" "$1/run" 40000; cp -r "$1/run" "$5"'
    shell = ["unshare", "-rm", "sh", "-c", script, "sh"]
    command = [*shell, str(disk), str(run), sys.executable, _FILL, str(end)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no space left on device: 0.32" in done.stdout
    failed = int(done.stdout.split()[0])
    left = RunFolder.open(end)
    assert no_litter(left)
    read = left.read_checkpoint()
    assert read is not None
    assert read.step == failed - 1
    assert (read.weights["w"] == failed - 1).all()


def test_a_file_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    """A full disk is said by `os.write`, which knows no name."""

    def full(handle, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left") as error:
        files.write_file(tmp_path / "config.json", b"{}")
    assert error.value.filename == str(tmp_path / "config.json")
    assert not list(tmp_path.iterdir())
