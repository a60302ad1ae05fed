"""What is read from the system about the processor."""

from __future__ import annotations

import pytest

from chainrule.compiler.native.caches import in_bytes
from chainrule.machine.processor import caches, processor


def folder_of(path, name, **files):
    folder = path / name
    folder.mkdir(parents=True)
    for file, text in files.items():
        (folder / file.replace("_max", ".max").replace("cpu_", "cpu.")).write_text(text)
    return folder


def test_data_caches_are_found_by_level_and_those_of_instructions_left_out(tmp_path):
    folder_of(tmp_path, "index0", level="1", type="Data\n", size="48K\n")
    folder_of(tmp_path, "index1", level="1", type="Instruction\n", size="64K\n")
    folder_of(tmp_path, "index2", level="2", type="Unified\n", size="2048K\n")
    folder_of(tmp_path, "index3", level="3", type="Unified\n", size="105M\n")
    assert [(c.level, c.bytes) for c in caches(tmp_path)] == [
        (1, 48 << 10), (2, 2 << 20), (3, 105 << 20)
    ]  # fmt: skip


def test_where_the_system_tells_nothing_two_caches_are_assumed(tmp_path):
    assert [c.level for c in caches(tmp_path / "nothing")] == [1, 2]


@pytest.mark.parametrize(("text", "count"), [("48K", 48 << 10), ("2M\n", 2 << 20), ("512", 512)])
def test_sizes_have_units(text, count):
    assert in_bytes(text) == count


def test_this_processor_has_a_name_and_at_least_one_core_and_cache():
    found = processor()
    assert found.name
    assert 1 <= found.allowed <= found.cores
    assert found.caches
    assert all(c.bytes > 0 for c in found.caches)
