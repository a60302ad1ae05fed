"""No element outside of an array is read or written, not even one whose value is thrown away."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="forbids pages by Linux's mprotect"
)
def test_nothing_is_touched_beside_the_arrays():
    """Pages before and behind each array are forbidden, in a process that may be lost."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.compiler.fenced"],
        capture_output=True, text=True, timeout=300, check=False, cwd=ROOT,
    )  # fmt: skip
    assert run.returncode == 0, f"signal {-run.returncode}: {run.stderr[-2000:]}"
    assert run.stdout.strip() == "done"
