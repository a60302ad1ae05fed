"""How many threads a process is given: its processors, and the limits of its groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chainrule.compiler.native import limits
from chainrule.compiler.native.limits import available, share_of_time


def _files(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


V1 = "cpu.cfs_quota_us", "cpu.cfs_period_us"
CASES = {
    "no file": ({}, None),
    "no limit": ({"own": "0::/a\n", "a/cpu.max": "max 100000\n", "cpu.max": "max 100000\n"}, None),
    "version 2": ({"own": "0::/a/b\n", "a/b/cpu.max": "150000 100000\n"}, 1.5),
    "a group around it": ({"own": "0::/a/b\n", "a/cpu.max": "200000 100000\n",
                           "a/b/cpu.max": "max 100000\n"}, 2.0),
    "its own root": ({"own": "0::/\n", "cpu.max": "50000 100000\n"}, 0.5),
    "path of the host": ({"own": "0::/host/x\n", "cpu.max": "300000 100000\n"}, 3.0),
    "version 1": ({"own": "5:cpuset:/\n4:cpu,cpuacct:/d\n", f"cpu,cpuacct/d/{V1[0]}": "250000\n",
                   f"cpu,cpuacct/d/{V1[1]}": "100000\n"}, 2.5),
    "version 1 of the host": ({"own": "1:cpu:/docker/d\n0::/\n", f"cpu/{V1[0]}": "100000\n",
                               f"cpu/{V1[1]}": "50000\n"}, 2.0),
    "version 1 without limit": ({"own": "1:cpu:/\n", f"cpu/{V1[0]}": "-1\n",
                                 f"cpu/{V1[1]}": "100000\n"}, None),
    "another controller's": ({"own": "1:cpuset:/\n", f"cpu/{V1[0]}": "1\n",
                              f"cpu/{V1[1]}": "100000\n"}, None),
    "both": ({"own": "1:cpu:/\n0::/u\n", f"cpu/{V1[0]}": "400000\n", f"cpu/{V1[1]}": "100000\n",
              "unified/u/cpu.max": "100000 100000\n"}, 1.0),
    "what nobody understands": ({"own": "0::/\n", "cpu.max": "plenty\n"}, None),
    "no period": ({"own": "0::/\n", "cpu.max": "1000 0\n"}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_narrowest_limit_of_a_process_s_groups_holds(name, tmp_path):
    files, expected = CASES[name]
    _files(tmp_path, files)
    assert share_of_time(tmp_path, tmp_path / "own") == expected


@pytest.mark.parametrize(("share", "expected"), [(None, 8), (2.9, 2), (0.5, 1), (100.0, 8)])
def test_threads_are_whole_processors_and_at_least_one(share, expected, monkeypatch):
    """A thread on half a processor stops the other at every barrier."""
    monkeypatch.setattr(limits, "processors", lambda: 8)
    monkeypatch.setattr(limits, "share_of_time", lambda: share)
    assert available() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks here")
def test_the_affinity_mask_is_respected():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert available() == 1
    finally:
        os.sched_setaffinity(0, before)
