"""The run folder: whole or not at all; what is damaged is found, and what is whole is used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chainrule.errors import RunError, TrainingError
from chainrule.runs import pieces
from chainrule.runs.folder import Best, Checkpoint, RunFolder, plain
from chainrule.runs.writer import CheckpointWriter


def checkpoint(step: int = 1, status: str = "running", **more: Any) -> Checkpoint:
    """One whose every value depends on its step."""
    weights = {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T + step, "b": np.array(1.5)}
    record = {"loss": (1 / np.arange(1, step + 1)).astype(np.float32), "batch": np.full(step, 3)}
    epochs = [{"epoch": n, "loss": 0.5 / n} for n in range(1, step + 1)]
    return Checkpoint(step, weights, {"v": weights["w"] * 2}, record, epochs, status, **more)


def same(a: Checkpoint, b: Checkpoint) -> bool:
    """Whether two checkpoints are equal to the last bit."""
    arrays = [(a.weights, b.weights), (a.optimizer, b.optimizer), (a.record, b.record)]
    if a.best is not None and b.best is not None:
        arrays.append((a.best.weights, b.best.weights))
    plain_parts = [
        (c.step, c.status, list(c.epochs), dict(c.position), list(c.decisions), c.best is None)
        for c in (a, b)
    ]
    return plain_parts[0] == plain_parts[1] and all(
        x.keys() == y.keys()
        and all(x[k].tobytes() == y[k].tobytes() and x[k].dtype == y[k].dtype for k in x)
        for x, y in arrays
    )


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "runs" / "a", {"batch": 32, "rate": np.float64(0.1)})


def newest(folder: RunFolder) -> Path:
    """Where the newest checkpoint lies."""
    return folder.path / str(folder.read_json("state.json")["checkpoint"])


def test_a_new_run_has_its_configuration_and_no_checkpoint(folder: RunFolder) -> None:
    again = RunFolder.open(folder.path)
    assert again.config == {"batch": 32, "rate": 0.1}
    assert again.read_checkpoint() is None
    assert {"chainrule", "numpy", "python"} <= again.read_json("config.json")["versions"].keys()


def test_a_schema_has_a_file_of_its_own(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "a", {"x": 1, "schema": {"version": 1}})
    assert folder.config == {"x": 1}
    assert folder.read_json("schema.json") == {"version": 1}


def test_a_checkpoint_comes_back_with_the_same_bits(folder: RunFolder) -> None:
    best = Best(2, -0.25, {"w": np.ones((3, 2), np.float32), "b": np.array(np.nan)})
    decisions = [{"rule": "doubled", "numbers": {"before": 8.0, "wanted": np.inf}}]
    written = checkpoint(step=3, best=best, decisions=decisions)
    folder.write_checkpoint(written)
    read = RunFolder.open(folder.path).read_checkpoint()
    assert read is not None
    assert read.best is not None
    assert same(read, written)
    assert (read.best.step, read.best.value) == (2, -0.25)


@pytest.mark.parametrize(
    "value",
    [0.1, -0.0, 5e-324, 1e308, float("inf"), float("-inf"), 2**70, -3, True, None, "∞ \ud800"],
    ids=repr,
)
def test_a_position_keeps_its_bits(folder: RunFolder, value: Any) -> None:
    """JSON has no infinities; what stands for them is no other value's text."""
    position = {"x": value, "nested": {"list": [value, "inf", {"float64": "no bits", "y": 1}]}}
    folder.write_checkpoint(checkpoint(position=position))
    read = folder.read_checkpoint()
    assert read is not None
    assert read.position == position
    assert repr(read.position) == repr(position)


def test_a_nan_in_a_position_keeps_its_payload(folder: RunFolder) -> None:
    strange = np.array([0x7FF800000000002A, 0xFFF8000000000000], np.uint64).view(np.float64)
    folder.write_checkpoint(checkpoint(position={"a": strange[0], "b": float(strange[1])}))
    read = folder.read_checkpoint()
    assert read is not None
    assert np.array([read.position["a"], read.position["b"]]).tobytes() == strange.tobytes()


def test_the_last_few_checkpoints_are_kept_and_listed(folder: RunFolder) -> None:
    for step in range(1, 6):
        folder.write_checkpoint(checkpoint(step))
    listed = [entry.step for entry in folder.entries()]
    assert listed == [5, 4, 3]
    assert {p.name for p in folder.path.glob("checkpoint-*")} == {
        f"checkpoint-{step:09d}" for step in listed
    }
    for entry in folder.entries():
        assert set(entry.files) | {"manifest.json"} == {
            p.name for p in (folder.path / entry.name).iterdir()
        }


def test_a_second_checkpoint_at_the_same_step_is_the_one_that_counts(folder: RunFolder) -> None:
    for status in ("running", "completed"):
        folder.write_checkpoint(checkpoint(2, status), keep=1)
    assert len(list(folder.path.glob("checkpoint-*"))) == 1
    assert folder.read_checkpoint().status == "completed"  # type: ignore[union-attr]


def test_weights_that_are_not_finite_never_take_the_place_of_weights_that_are(
    folder: RunFolder,
) -> None:
    folder.write_checkpoint(checkpoint(1))
    bad = checkpoint(2)
    bad.weights["w"][1, 0] = np.nan
    with pytest.raises(TrainingError, match=r"after step 2 are not kept: w\[1, 0\] is nan"):
        folder.write_checkpoint(bad)
    assert folder.read_checkpoint().step == 1  # type: ignore[union-attr]


# -- damage ------------------------------------------------------------------------------------

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "cut": lambda c: c[: len(c) // 2],
    "empty": lambda c: b"",
    "longer": lambda c: c + b"\0",
    "flipped": lambda c: bytes([c[0] ^ 4]) + c[1:] if c else b"x",
    "gone": lambda c: None,
}
FILES = (
    "weights.safetensors", "optimizer.safetensors", "record.safetensors", "best.safetensors",
    "history.jsonl", "decisions.jsonl", "position.json",
)  # fmt: skip


def harm(path: Path, damage: str) -> bool:
    """Damage a file; whether it is another one then."""
    before = path.read_bytes()
    after = DAMAGES[damage](before)
    if after is None:
        path.unlink()
    else:
        path.write_bytes(after)
    return after != before


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    folder: RunFolder, name: str, damage: str
) -> None:
    """With a warning and a line in the log that say which file is damaged and what is used."""
    best = Best(1, 0.5, {"w": np.ones(2)})
    first, second = (checkpoint(step, best=best, decisions=[{"a": 1}]) for step in (1, 2))
    writer = CheckpointWriter(folder)
    writer.write(first)
    writer.write(second)
    assert harm(newest(folder) / name, damage)
    said = rf"{re.escape(name)}.*the checkpoint at step 1 is used"
    with pytest.warns(UserWarning, match=said):
        read = RunFolder.open(folder.path).read_checkpoint()
    assert read is not None
    assert same(read, first)
    assert re.search(said, (folder.path / "log.txt").read_text())


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_none_is_whole_the_error_names_what_is_damaged(
    folder: RunFolder, damage: str
) -> None:
    for step in (1, 2):
        folder.write_checkpoint(checkpoint(step))
    for path in folder.path.glob("checkpoint-*/weights.safetensors"):
        harm(path, damage)
    with pytest.raises(RunError) as caught:
        folder.read_checkpoint()
    for step in (1, 2):
        assert f"checkpoint-{step:09d}/weights.safetensors" in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, None])
def test_without_its_state_a_run_is_read_by_the_checkpoints_own_manifests(
    folder: RunFolder, content: bytes | None
) -> None:
    for step in (1, 2, 10):
        folder.write_checkpoint(checkpoint(step))
    path = folder.path / "state.json"
    path.unlink() if content is None else path.write_bytes(content)
    if content is None:
        read = RunFolder.open(folder.path).read_checkpoint()
    else:
        with pytest.warns(UserWarning, match=r"state\.json: damaged"):
            read = RunFolder.open(folder.path).read_checkpoint()
    assert read is not None
    assert same(read, checkpoint(10))


def test_a_step_altered_in_the_state_is_not_believed(folder: RunFolder) -> None:
    """state.json carries the checksum of its own content."""
    folder.write_checkpoint(checkpoint(7))
    path = folder.path / "state.json"
    path.write_text(path.read_text().replace('"step": 7', '"step": 8'))
    with pytest.warns(UserWarning, match="checksum"):
        assert folder.read_checkpoint().step == 7  # type: ignore[union-attr]


def test_after_damage_the_run_goes_on_from_what_was_whole(folder: RunFolder) -> None:
    for step in (1, 2, 3):
        folder.write_checkpoint(checkpoint(step))
    harm(newest(folder) / "weights.safetensors", "cut")
    writer = CheckpointWriter(folder)
    with pytest.warns(UserWarning, match="step 2 is used"):
        writer.read()
    writer.write(checkpoint(3))
    assert [entry.step for entry in folder.entries()] == [3, 2, 1]
    assert same(folder.read_checkpoint(), checkpoint(3))  # type: ignore[arg-type]


def test_a_damaged_configuration_is_found(folder: RunFolder) -> None:
    (folder.path / "config.json").write_text("no")
    with pytest.raises(RunError, match=r"config\.json: damaged"):
        RunFolder.open(folder.path)


@pytest.mark.parametrize("number", [1, 99])
def test_another_format_is_refused_in_one_line(folder: RunFolder, number: int) -> None:
    content = json.loads((folder.path / "config.json").read_text())
    (folder.path / "config.json").write_text(json.dumps({**content, "format": number}))
    with pytest.raises(RunError, match=f"run format {number}, this version reads 2"):
        RunFolder.open(folder.path)


# -- places ------------------------------------------------------------------------------------


def test_a_run_is_created_in_an_empty_folder_but_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    RunFolder.create(tmp_path / "a", {})
    with pytest.raises(RunError, match=r"not empty(.|\n)*--resume"):
        RunFolder.create(tmp_path / "a", {})


def test_a_place_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        RunFolder.create(tmp_path / "file" / "run", {})


def test_no_pickle_anywhere(folder: RunFolder) -> None:
    folder.write_checkpoint(checkpoint())
    folder.log("something")
    for path in folder.path.rglob("*"):
        assert path.suffix in ("", ".json", ".jsonl", ".safetensors", ".txt")


def test_json_has_no_nan() -> None:
    value = {"a": np.float32("nan"), 1: (np.int64(2), np.array([True])), "p": Path("x")}
    assert plain(value) == {"a": None, "1": [2, [True]], "p": "x"}


# -- what does not change is not written again ---------------------------------------------------


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few elements, linked from one byte on."""
    monkeypatch.setattr(pieces, "PART", {"record": 10, "history": 4, "decisions": 1000})
    monkeypatch.setattr(pieces, "LINKED", 1)


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("strides", [[3, 3, 3, 3, 3], [25, 1, 30], [10, 10], [1, 200, 1, 9, 1]])
def test_a_record_in_parts_is_the_record(folder: RunFolder, strides: list[int]) -> None:
    writer, step = CheckpointWriter(folder), 0
    for stride in strides:
        step += stride
        writer.write(checkpoint(step))
        assert same(folder.read_checkpoint(), checkpoint(step))  # type: ignore[arg-type]
    resumed = CheckpointWriter(folder)
    resumed.read()
    resumed.write(checkpoint(step + 7))
    assert same(folder.read_checkpoint(), checkpoint(step + 7))  # type: ignore[arg-type]


@pytest.mark.usefixtures("small_parts")
def test_parts_are_shared_and_outlive_the_checkpoint_that_wrote_them(folder: RunFolder) -> None:
    writer = CheckpointWriter(folder, keep=1)
    for step in (12, 14, 16):
        writer.write(checkpoint(step))
    part = newest(folder) / "record-000000000.safetensors"
    assert part.stat().st_size > 0
    files = folder.entries()[0].files
    writer.write(checkpoint(18))
    assert folder.entries()[0].files[part.name] == files[part.name]
    assert same(folder.read_checkpoint(), checkpoint(18))  # type: ignore[arg-type]


@pytest.mark.usefixtures("small_parts")
def test_where_no_links_can_be_made_parts_are_written_again(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    writer = CheckpointWriter(folder)
    for step in (12, 25, 31):
        writer.write(checkpoint(step))
    assert same(folder.read_checkpoint(), checkpoint(31))  # type: ignore[arg-type]


@pytest.mark.usefixtures("small_parts")
def test_the_steps_taken_again_after_a_roll_back_are_those_that_are_kept(
    folder: RunFolder,
) -> None:
    writer = CheckpointWriter(folder)
    writer.write(checkpoint(12))
    again = checkpoint(20)
    again.record["loss"][:] = 7
    writer.forget()
    writer.write(again)
    assert same(folder.read_checkpoint(), again)  # type: ignore[arg-type]


# -- one writer, and what dead ones leave -------------------------------------------------------

_HOLD = """
import sys, time
from pathlib import Path
from chainrule.runs.folder import RunFolder
folder = RunFolder.open(Path(sys.argv[1]))
lock = folder.lock()
(folder.path / f".state.json.new-{sys.argv[2]}").write_text("half")
print("held", flush=True)
time.sleep(60)
"""


def test_two_processes_do_not_train_into_one_folder(folder: RunFolder) -> None:
    """The error names the one that does; when it is killed, the folder is free and is cleaned."""
    command = [sys.executable, "-c", _HOLD, str(folder.path), "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "held"
        RunFolder.open(folder.path)  # reading is free
        assert list(folder.path.glob(".*"))
        with pytest.raises(RunError, match=f"process {child.pid} trains into this folder"):
            folder.lock()
        child.kill()
    RunFolder.open(folder.path)
    assert not list(folder.path.glob(".*"))
    folder.lock().close()


def test_what_dead_writers_left_is_taken_away(folder: RunFolder) -> None:
    folder.write_checkpoint(checkpoint(1))
    (folder.path / ".checkpoint-000000002.new-77").mkdir()
    (folder.path / ".checkpoint-000000002.new-77" / "weights.safetensors").write_bytes(b"x")
    (folder.path / ".state.json.new-77").write_bytes(b"{")
    (folder.path.parent / ".a.new-77").mkdir()
    shutil.copytree(newest(folder), folder.path / "checkpoint-000000009")
    kept = folder.path / ".mine"
    kept.write_text("somebody's own")
    RunFolder.open(folder.path)
    assert {p.name for p in folder.path.iterdir() if p.name.startswith((".", "checkpoint"))} == {
        ".mine", "checkpoint-000000001",
    }  # fmt: skip
    assert [p.name for p in folder.path.parent.iterdir()] == ["a"]


def test_a_folder_that_cannot_be_written_can_be_read(folder: RunFolder) -> None:
    folder.write_checkpoint(checkpoint(1))
    (folder.path / ".state.json.new-77").write_bytes(b"{")
    folder.path.chmod(0o555)
    try:
        assert RunFolder.open(folder.path).read_checkpoint() is not None
    finally:
        folder.path.chmod(0o755)
