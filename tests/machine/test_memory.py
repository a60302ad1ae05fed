"""How much memory there is to take: the machine's, or the group's."""

from __future__ import annotations

import ctypes
import mmap
import sys
from pathlib import Path

import pytest

from chainrule.machine.memory import available_memory, parse_size, shown_size, trim_heap

GB = 1 << 30


def _machine(tmp_path: Path, own: str, files: dict[str, int | str]) -> int | None:
    """What is available where 8 GiB are free and these groups have these limits."""
    info, groups, membership = tmp_path / "info", tmp_path / "groups", tmp_path / "own"
    info.write_text(f"MemTotal: 1 kB\nMemAvailable: {8 * GB >> 10} kB\n")
    membership.write_text(own)
    for name, text in files.items():
        path = groups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return available_memory(info, groups, membership)


def test_a_machine_without_groups_has_what_it_says(tmp_path: Path) -> None:
    assert _machine(tmp_path, "", {}) == 8 * GB


def test_the_smallest_limit_of_the_groups_counts_less_what_they_use(tmp_path: Path) -> None:
    files: dict[str, int | str] = {
        "a/memory.max": 4 * GB, "a/memory.current": GB,
        "a/b/memory.max": "max", "a/b/memory.current": GB,
    }  # fmt: skip
    assert _machine(tmp_path, "0::/a/b\n", files) == 3 * GB


def test_groups_of_version_1_are_read_too(tmp_path: Path) -> None:
    files: dict[str, int | str] = {
        "memory/c/memory.limit_in_bytes": 2 * GB, "memory/c/memory.usage_in_bytes": GB,
    }  # fmt: skip
    assert _machine(tmp_path, "3:cpu:/x\n4:memory:/c\n", files) == GB


def test_a_group_that_uses_more_than_it_may_leaves_nothing(tmp_path: Path) -> None:
    files: dict[str, int | str] = {"memory.max": GB, "memory.current": 2 * GB}
    assert _machine(tmp_path, "0::/\n", files) == 0


def test_what_cannot_be_known_is_none_or_the_machines(tmp_path: Path) -> None:
    nowhere = tmp_path / "nothing"
    found = available_memory(nowhere, nowhere, nowhere)
    assert found is None or found > 0


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2 * 10**9), ("500 mb", 5 * 10**8), ("1.5GiB", 3 * GB // 2), ("64k", 64_000),
        ("1000", 1000), (1000, 1000), ("", None), ("GB", None), ("-1GB", None), ("2 XB", None),
        ("1e9", None), (True, None), ("inf", None),
    ],
)  # fmt: skip
def test_sizes_are_read_as_people_write_them(text: str | int, size: int | None) -> None:
    assert parse_size(text) == size


def test_sizes_are_shown_in_the_units_that_they_are_read_in() -> None:
    for size in (12, 3400, 2_500_000, 10**9, 10**13):
        assert parse_size(shown_size(size).replace(" bytes", "")) == size


@pytest.mark.skipif(sys.platform != "linux", reason="glibc, and /proc")
def test_freed_memory_under_memory_in_use_is_given_back() -> None:
    """Blocks below the size from which the C library maps each; the last one stays in use."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "malloc_trim"):
        pytest.skip("not glibc")
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    blocks = [library.malloc(60_000) for _ in range(1000)]
    for block in blocks:
        ctypes.memset(block, 1, 60_000)
    *freed, last = blocks
    for block in freed:
        library.free(block)
    before = _resident()
    trim_heap()
    assert before - _resident() > 30_000_000
    library.free(last)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * mmap.PAGESIZE
