"""Event files: what a reader that knows nothing of us finds in them."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.errors import MissingExtraError, RunError, TrainingError
from chainrule.training import tensorboard as module
from chainrule.training.measures import noise_scale
from chainrule.training.run import Progress

pytest.importorskip("tensorboardX")

# ---------------------------------------------------------------- a reader of the format, by hand


def crc32c(data: bytes) -> int:
    """Castagnoli's cyclic redundancy check, bit by bit (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(path: Path) -> Iterator[bytes]:
    """The records of a TFRecord file: length, its check, content, its check."""
    data = path.read_bytes()
    while data:
        (length,), (check,) = struct.unpack("<Q", data[:8]), struct.unpack("<I", data[8:12])
        content, (after,) = data[12 : 12 + length], struct.unpack_from("<I", data, 12 + length)
        assert check == masked(data[:8])
        assert after == masked(content)
        yield content
        data = data[16 + length :]


def fields(data: bytes) -> dict[int, list[Any]]:
    """A protocol buffer's values by field number: raw bytes, or whole numbers."""
    found: dict[int, list[Any]] = {}
    while data:
        key, data = varint(data)
        match key & 7:
            case 0:
                value, data = varint(data)
            case 1:
                value, data = data[:8], data[8:]
            case 2:
                size, data = varint(data)
                value, data = data[:size], data[size:]
            case _:
                value, data = data[:4], data[4:]
        found.setdefault(key >> 3, []).append(value)
    return found


def varint(data: bytes) -> tuple[int, bytes]:
    value = 0
    for k, byte in enumerate(data):
        value |= (byte & 0x7F) << (7 * k)
        if byte < 0x80:
            return value, data[k + 1 :]
    raise AssertionError


def events(folder: Path) -> Iterator[tuple[int, dict[int, list[Any]]]]:
    """(step, event) of each file in a folder, in order of their names."""
    for path in sorted(folder.iterdir()):
        assert ".tfevents." in path.name
        for record in records(path):
            event = fields(record)
            yield event.get(2, [0])[0], event


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Curves by tag, what is marked as replaced left out, as TensorBoard shows them."""
    found: dict[str, dict[int, float]] = {}
    for step, event in events(folder):
        if 7 in event and fields(event[7][0])[1] == [1]:  # a session log: START
            found = {t: {s: v for s, v in c.items() if s < step} for t, c in found.items()}
        for value in (fields(v) for s in event.get(5, []) for v in fields(s)[1]):
            if 2 in value:
                curve = found.setdefault(value[1][0].decode(), {})
                curve[step] = struct.unpack("<f", value[2][0])[0]
    return found


# -------------------------------------------------------------------------------------- progress


def reports(
    steps: int, chunk: int, first: int = 0, last: int | None = None, **columns: Any
) -> Iterator[Progress]:
    """What a descent says of steps whose loss is their number, ``chunk`` at a time."""
    last = steps if last is None else last
    for start in range(first, last, chunk):
        stop = min(start + chunk, last)
        yield Progress(
            epoch=1, epochs=1, step=stop, steps=steps, loss=0.0, learning_rate=0.1,
            rows_per_second=1.0, seconds=1.0, seconds_left=1.0, epoch_end=stop == steps,
            validation_loss=0.25 if stop == steps else None, first_step=start,
            recorded={
                "loss": np.arange(start + 1.0, stop + 1.0),
                "batch": np.full(stop - start, 32) * (1 + np.arange(start, stop) // 4),
            }
            | {name: x[start:stop] for name, x in columns.items()},
            metrics={"validation_accuracy": 0.75} if stop == steps else {},
        )  # fmt: skip


def written(folder: Path, every: int | None, progress: Iterator[Progress]) -> dict[str, Any]:
    """What a callback leaves behind."""
    with cr.TensorBoard(folder, every=every) as board:
        for report in progress:
            board(report)
    return scalars(folder)


def test_each_step_and_each_epoch_is_there(tmp_path: Path):
    found = written(tmp_path, 1, reports(5, 2))
    assert found == {
        "step/loss": {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0, 5: 5.0},
        "step/batch": {1: 32.0, 2: 32.0, 3: 32.0, 4: 32.0, 5: 64.0},
        "epoch/validation_accuracy": {5: 0.75},
        "epoch/validation_loss": {5: 0.25},
    }


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 7, 100])
def test_points_do_not_depend_on_when_the_native_loop_reports(tmp_path: Path, chunk: int):
    """The mean loss over steps 1-3, 4-6, 7-9 and what is left; the last batch in each."""
    found = written(tmp_path, 3, reports(10, chunk))
    assert found["step/loss"] == {3: 2.0, 6: 5.0, 9: 8.0, 10: 10.0}
    assert found["step/batch"] == {3: 32.0, 6: 64.0, 9: 96.0, 10: 96.0}


def test_a_million_steps_leave_two_thousand_points(tmp_path: Path):
    found = written(tmp_path, None, reports(1_000_000, 70_000))
    assert len(found["step/loss"]) == module.POINTS
    assert found["step/loss"][500] == 250.5


def test_what_was_not_measured_leaves_no_point_and_no_hole_in_the_mean(tmp_path: Path):
    norm = np.array([1.0, np.nan, 3.0, np.nan, np.nan, np.nan])
    found = written(tmp_path, 3, reports(6, 4, gradient_norm=norm))
    assert found["step/gradient_norm"] == {3: 2.0}


def test_the_noise_scale_is_that_of_the_history(tmp_path: Path):
    rng = np.random.default_rng(0)
    norm, variance = rng.uniform(5, 6, 300), rng.uniform(1, 2, 300)
    columns = {"gradient_norm": norm, "gradient_variance": variance}
    found = written(tmp_path, 1, reports(300, 7, **columns))
    batch = 32.0 * (1 + np.arange(300) // 4)
    np.testing.assert_allclose(
        list(found["step/noise_scale"].values()), noise_scale(norm, variance, batch), rtol=1e-6
    )


def test_what_is_interrupted_is_closed_with_what_it_had(tmp_path: Path):
    found = written(tmp_path, 4, reports(100, 3, last=9))
    assert found["step/loss"] == {4: 2.5, 8: 6.5, 9: 9.0}


def test_a_resumed_run_takes_the_place_of_steps_beyond_its_checkpoint(tmp_path: Path):
    written(tmp_path, 2, reports(10, 3, last=9))
    found = written(tmp_path, 2, reports(10, 3, first=5))
    assert len(list(tmp_path.iterdir())) == 2
    assert found["step/loss"] == {2: 1.5, 4: 3.5, 6: 6.0, 8: 7.5, 10: 9.5}


@pytest.mark.parametrize("every", [1, 2, 4])
def test_a_descent_that_goes_back_overwrites_what_it_had_written(tmp_path: Path, every: int):
    """Rolled back from step 7 to step 5, from where its losses are others."""
    first, again = reports(8, 7, last=7), list(reports(8, 3, first=5))
    (again[0].recorded["loss"])[:] = [60.0, 70.0, 80.0]
    found = written(tmp_path, every, iter([*first, *again]))["step/loss"]
    loss = np.array([1, 2, 3, 4, 5, 60, 70, 80.0])
    assert max(found) == 8
    for step in (4, 8):
        start = {1: step - 1, 2: step - 2, 4: step - 4}[every]
        assert found[step] == pytest.approx(loss[start:step].mean())


def test_decisions_of_schedules_are_text(tmp_path: Path):
    (report,) = reports(3, 3)
    decisions = ({"step": 2, "reason": "noise: batch 16 -> 32"},)
    written(tmp_path, 1, iter([replace(report, decisions=decisions)]))
    ((step, event),) = [(s, e) for s, e in events(tmp_path) if b"text_summary" in str(e).encode()]
    assert step == 2
    assert b"noise: batch 16 -> 32" in event[5][0]


def test_a_run_of_train_is_what_its_history_says(tmp_path: Path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    y = (x @ np.array([1.0, -2.0, 0.5]) > 0).astype(np.int64)
    run = cr.train(
        nn.MLP([3, 8, 2], rng=0), losses.cross_entropy, (x, y), validation=(x, y), epochs=3,
        batch=20, record="all", metrics=["accuracy"],
        callbacks=[cr.TensorBoard(tmp_path / "deep" / "log", every=1)],
    )  # fmt: skip
    found = scalars(tmp_path / "deep" / "log")
    assert set(found) == {f"step/{name}" for name in run.history.steps} | {
        "epoch/validation_loss", "epoch/validation_accuracy",
    }  # fmt: skip
    for name, values in run.history.steps.items():
        np.testing.assert_allclose(list(found[f"step/{name}"].values()), values, rtol=1e-6)
    for epoch in run.history.epochs:
        for name in ("validation_loss", "validation_accuracy"):
            assert found[f"epoch/{name}"][epoch["step"]] == pytest.approx(epoch[name], rel=1e-6)


# --------------------------------------------------------------------------------------- refusals


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    board = cr.TensorBoard(tmp_path / "file" / "log")
    with pytest.raises(RunError, match="file/log: event files cannot be written"):
        board(next(reports(3, 3)))


@pytest.mark.parametrize("every", [0, -1, 2.0, True, "all"])
def test_every_is_a_whole_number(every: Any):
    with pytest.raises(TrainingError, match="TensorBoard: every is"):
        cr.TensorBoard("log", every=every)


def test_a_missing_library_is_said_before_the_descent_begins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingExtraError, match=r"pip install .chainrule\[tensorboard\]"):
        cr.TensorBoard("log")
