"""Processes that are killed or told to end: what they had acknowledged is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.runs.folder import RunFolder

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
ROOT = Path(__file__).parents[2]


def test_killed_runs_lose_nothing_and_end_where_they_would_have(tmp_path: Path) -> None:
    """Twelve kills at random moments; the laws are those of ``benchmarks/crash.py``.

    The newest acknowledged checkpoint or a later one is read, its bits are right, one draft at
    most lies about and none after the folder was opened, and the run goes on to the same end.
    """
    command = [sys.executable, "-m", "benchmarks.crash", "--kills", "12", "--sizes", "0.01"]
    command += ["--json", "-", "--folder", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", *sys.path])}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (tally,) = json.loads(done.stdout)["sizes"].values()
    assert tally["broken"] == []
    assert (tally["kills"], tally["finished"] > 0) == (12, True)
    assert tally["acknowledged"] > 12


_RUN = """
import signal, sys
import numpy as np
import chainrule as cr
from chainrule import losses, nn
def say(progress):
    print("chunk", flush=True)
if sys.argv[2] == "handler":
    signal.signal(signal.SIGTERM, lambda *_: (print("its own handler", flush=True), sys.exit(7)))
x = np.random.default_rng(0).standard_normal((2000, 8)).astype(np.float32)
cr.train(nn.MLP([8, 8, 2], rng=0), losses.cross_entropy, (x, (x[:, 0] > 0).astype(int)),
         epochs=10**5, out=sys.argv[1], callbacks=[say], checkpoint_every=3600.0)
"""


@pytest.mark.parametrize("handler", ["default", "handler"])
def test_sigterm_writes_a_checkpoint_and_ends_the_process(tmp_path: Path, handler: str) -> None:
    """By the signal, as without us; a handler that was there before is called."""
    command = [sys.executable, "-c", _RUN, str(tmp_path / "run"), handler]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(3):
            assert child.stdout.readline().strip() == "chunk"
        child.send_signal(signal.SIGTERM)
        said = child.stdout.read()
    assert child.returncode == (7 if handler == "handler" else -signal.SIGTERM)
    assert ("its own handler" in said) == (handler == "handler")
    folder = RunFolder.open(tmp_path / "run")
    checkpoint = folder.read_checkpoint()
    assert checkpoint is not None
    assert checkpoint.status == "interrupted"
    assert checkpoint.step > 0
    folder.lock().close()
