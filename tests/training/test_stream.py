"""Training from files that are read in windows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from benchmarks.stream import peak_of_npy
from chainrule import losses, nn, optim, orders
from chainrule.data import Stream, stream
from chainrule.errors import ChainruleError, DataError, RunError, TrainingError
from chainrule.tracing.trees import flatten
from chainrule.training.order import Place
from chainrule.training.streaming import Source

ROWS = 40_003
#: Two windows of a quarter of it hold less than half of the rows.
SMALL = "1MiB"
REMAINDERS = ("drop", "smaller", "carry")


def _arrays(rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal((rows, 6)).astype(np.float32)
    return x, (x[:, 0] > x[:, 1]).astype(np.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows")
    for name, array in zip("xy", _arrays(), strict=True):
        np.save(path / f"{name}.npy", array)
    np.save(path / "number.npy", np.arange(ROWS))
    np.save(path / "target.npy", _arrays()[0][:, :1])
    return path


def _stream(folder: Path, memory: str = SMALL) -> Stream:
    return stream(folder / "x.npy", folder / "y.npy", memory=memory)


def _train(data: Any, **options: Any) -> Any:
    first, second = nn.Linear.init(6, 8, rng=0), nn.Linear.init(8, 2, rng=1)
    model = nn.Sequential(first, nn.relu, nn.Dropout(0.1), second)
    options = {"epochs": 2, "batch": 100, "optimizer": optim.Adam(0.01)} | options
    return cr.train(model, losses.cross_entropy, data, **options)


def _same(a: Any, b: Any) -> bool:
    leaves = zip(flatten(a.model)[0], flatten(b.model)[0], strict=True)
    losses_agree = bool((a.history.loss == b.history.loss).all())
    return losses_agree and all(np.array_equal(x, y) for x, y in leaves)


def _nothing(_: list[np.ndarray]) -> None:
    """Check nothing."""


def _numbers(folder: Path, order: Any, memory: str = "1MiB", share: float = 0.0) -> Source:
    """A source whose rows are their own numbers; 17 bytes each."""
    files = stream(folder / "number.npy", memory=memory)
    return Source(files, np.dtype(np.float32), order, 3, share)


def _rows(source: Source, place: Place, batch: int, most: int, epochs: int) -> list[np.ndarray]:
    """The rows of each step from a place to the end."""
    cursor = source.cursor(epochs, _nothing)
    found = []
    place = cursor.settled(place, batch)
    while place.epoch < epochs and cursor.all_left(place, batch):
        chunk = cursor.take(place, batch, most)
        assert chunk.examples is not None
        taken = chunk.examples.arrays[0][chunk.rows]
        found += list(taken.reshape(chunk.steps, chunk.batch))
        place = cursor.settled(chunk.after, batch)
    cursor.close()
    return found


@pytest.mark.parametrize("remainder", REMAINDERS)
def test_files_that_fit_into_one_window_train_to_the_same_bits_as_arrays(
    folder: Path, remainder: Any
) -> None:
    order = orders.reshuffle(remainder)
    assert _same(_train(_stream(folder, "8MB"), order=order), _train(_arrays(), order=order))


@pytest.mark.parametrize("remainder", REMAINDERS)
@pytest.mark.parametrize("make", [orders.reshuffle, orders.once, orders.in_order])
def test_an_epoch_of_windows_has_each_row_once(folder: Path, make: Any, remainder: Any) -> None:
    source = _numbers(folder, make(remainder))
    assert source.plan.windows > 2
    rows = np.concatenate(_rows(source, Place(), 97, 50, 3))
    if remainder == "drop":
        whole = ROWS // 97 * 97
        epochs = [rows[k * whole : (k + 1) * whole] for k in range(3)]
        assert all(len(np.unique(epoch)) == whole for epoch in epochs)
    else:
        whole = len(rows) // 97 * 97 if remainder == "carry" else len(rows)
        assert len(rows) == (3 * ROWS // 97 * 97 if remainder == "carry" else 3 * ROWS) == whole
        epochs = [rows[:ROWS], rows[ROWS : 2 * ROWS]]
        assert all((np.sort(epoch) == np.arange(ROWS)).all() for epoch in epochs)
    again = bool((epochs[0] == epochs[1]).all())
    assert again == (make is not orders.reshuffle)
    assert bool((np.diff(epochs[0]) == 1).all()) == (make is orders.in_order)


def test_a_window_mixes_rows_of_blocks_far_apart(folder: Path) -> None:
    source = _numbers(folder, orders.reshuffle())
    first, *_ = _rows(source, Place(), 1000, 1, 1)
    blocks = np.unique(first // source.plan.block)
    assert len(blocks) == source.plan.each > 1
    assert blocks[-1] - blocks[0] >= source.plan.each


@pytest.mark.parametrize("remainder", REMAINDERS)
def test_rows_from_any_place_on_are_those_of_a_run_that_came_there(
    folder: Path, remainder: Any
) -> None:
    source = _numbers(folder, orders.reshuffle(remainder), share=0.2)
    whole = _rows(source, Place(), 89, 40, 3)
    drawn = np.random.default_rng(1)
    for _ in range(6):
        step = int(drawn.integers(source.rows // 89))
        epoch = int(drawn.integers(2)) if remainder != "carry" else 0
        per_epoch = source.rows // 89 + (remainder == "smaller" and source.rows % 89 > 0)
        rest = _rows(source, Place(epoch, step * 89), 89, 7, 3)
        expected = whole[epoch * per_epoch + step :]
        assert len(rest) == len(expected)
        assert all(np.array_equal(a, b) for a, b in zip(rest, expected, strict=True))


def test_rows_held_out_are_never_trained_on(folder: Path) -> None:
    source = _numbers(folder, orders.reshuffle("smaller"))
    left, held_out = source.hold_out(0.25)
    assert left.plan.windows > 1
    rows = np.concatenate(_rows(left, Place(), 64, 50, 1))
    together = np.concatenate([rows, held_out.arrays[0]])
    assert (np.sort(together) == np.arange(ROWS)).all()
    assert abs(held_out.rows - 0.25 * ROWS) < 5 * np.sqrt(ROWS * 0.25 * 0.75)  # five deviations


def test_no_more_is_held_out_than_an_eighth_of_the_bound(folder: Path) -> None:
    files = _stream(folder)
    source = Source(files, np.dtype(np.float32), orders.reshuffle(), 0)
    _, held_out = source.hold_out(0.5)
    assert 0.9 < held_out.rows * source.row_bytes / (files.memory / 8) < 1.1


def test_validation_metrics_and_early_stopping_see_the_rows_held_out(folder: Path) -> None:
    run = _train(_stream(folder), validation=0.1, metrics=["accuracy"], epochs=6, batch=64,
                 early_stopping=cr.EarlyStopping(1, least=10.0))  # fmt: skip
    assert run.stopped == "early_stopping"
    assert run.history.epochs[0]["validation_accuracy"] > 0.9
    assert run.best_epoch == 1


def test_a_batch_schedule_sees_a_stream_as_it_sees_arrays(folder: Path) -> None:
    batch = optim.StepGrowth(32, at=[0.5, 1], factor=2.0)
    options = {"batch": batch, "epochs": 3, "record": "all"}
    assert _same(_train(_stream(folder, "8MB"), **options), _train(_arrays(), **options))
    assert _train(_stream(folder), **options).history.batch[-1] == 128


class _Stop:
    """Stops a run after so many steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def __call__(self, progress: Any) -> str | None:
        return "enough" if progress.step >= self.step else None


@pytest.mark.parametrize("remainder", REMAINDERS)
def test_a_run_resumed_in_the_middle_of_a_window_ends_with_the_same_bits(
    folder: Path, tmp_path: Path, remainder: Any
) -> None:
    options = {"order": orders.reshuffle(remainder), "validation": 0.1, "batch": 33}
    whole = _train(_stream(folder), **options)
    out = tmp_path / "run"
    stopped = _train(_stream(folder), out=out, callbacks=[_Stop(1)], **options)
    assert 0 < stopped.steps < whole.steps
    resumed = _train(_stream(folder), out=out, resume=True, **options)
    assert resumed.steps == whole.steps
    assert _same(resumed, whole)


def test_a_stream_is_the_same_bits_on_any_number_of_threads(folder: Path) -> None:
    assert _same(_train(_stream(folder), threads=1), _train(_stream(folder), threads=2))


_RUN = """
import sys
import chainrule as cr
from benchmarks.stream import peak_of_npy
from chainrule import losses, nn, optim
from chainrule.data import stream
folder, out, resume = sys.argv[1], sys.argv[2], sys.argv[3] == "resume"
def say(progress):
    print(progress.step, flush=True)
data = stream(folder + "/x.npy", folder + "/y.npy", memory="1MiB")
run = cr.train(nn.MLP([6, 8, 2], rng=0), losses.cross_entropy, data, epochs=40, batch=50,
               optimizer=optim.Adam(0.01), out=out, resume=resume, callbacks=[say],
               checkpoint_every=0.05, record=["gradient_norm"])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_killed_run_goes_on_to_the_bits_of_one_that_was_not(folder: Path, tmp_path: Path) -> None:
    """SIGKILL at two places, the second after a resume; it goes on from the last checkpoint."""
    out = tmp_path / "run"
    for lines in (4, 9):
        how = "resume" if out.exists() else "new"
        command = [sys.executable, "-c", _RUN, str(folder), str(out), how]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(["src", *sys.path])}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout is not None
            while lines > 0 or not (out / "state.json").exists():
                assert child.stdout.readline().strip().isdigit()
                lines -= 1
            child.send_signal(signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
    data = _stream(folder)
    options = {"epochs": 40, "batch": 50, "record": ["gradient_norm"]}
    model, loss = nn.MLP([6, 8, 2], rng=0), losses.cross_entropy
    given = {"data": data, "optimizer": optim.Adam(0.01), **options}
    resumed = cr.train(model, loss, out=out, resume=True, **given)
    assert _same(resumed, cr.train(model, loss, **given))


# -- what files hold -------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y"), [("<f8", "u1"), (">f4", ">i4"), ("<f2", "?"), (">f8", "<u2")])
def test_other_element_types_are_converted_as_those_of_arrays_are(
    tmp_path: Path, x: str, y: str
) -> None:
    given = [a.astype(kind) for a, kind in zip(_arrays(5003), (x, y), strict=True)]
    paths = [tmp_path / "x.npy", tmp_path / "y.npy"]
    for path, array in zip(paths, given, strict=True):
        np.save(path, array)
    assert _same(_train(stream(*paths, memory="8MB")), _train(tuple(given)))


def test_a_label_that_no_output_stands_for_is_refused_wherever_it_lies(
    folder: Path, tmp_path: Path
) -> None:
    _, y = _arrays()
    y[31_007] = 2
    np.save(tmp_path / "y.npy", y)
    with pytest.raises(DataError, match="2"):
        _train(stream(folder / "x.npy", tmp_path / "y.npy", memory=SMALL))


def test_a_row_that_spoils_a_run_is_named_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    """Behind the rows that stand for all: no learning rate is to blame."""
    x, _ = _arrays()
    x[31_007, 2] = np.nan
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(TrainingError) as error:
        _train(stream(tmp_path / "x.npy", folder / "y.npy", memory=SMALL))
    assert "first in row 31007: leave such rows out" in (error.value.hint or "")


def test_a_file_that_becomes_shorter_is_an_error(folder: Path, tmp_path: Path) -> None:
    for name in ("x", "y"):
        (tmp_path / f"{name}.npy").write_bytes((folder / f"{name}.npy").read_bytes())
    data = _stream(tmp_path)
    os.truncate(tmp_path / "y.npy", 50_000)
    with pytest.raises(DataError, match="has become shorter"):
        _train(data)


def test_a_changed_file_or_another_bound_cannot_be_gone_on_with(
    folder: Path, tmp_path: Path
) -> None:
    for name in ("x", "y"):
        (tmp_path / f"{name}.npy").write_bytes((folder / f"{name}.npy").read_bytes())
    out = tmp_path / "run"
    _train(_stream(tmp_path), out=out, callbacks=[_Stop(1)])
    with pytest.raises(RunError, match="stream"):
        _train(_stream(tmp_path, "2MiB"), out=out, resume=True)
    x = np.load(tmp_path / "x.npy")
    x[0, 0] += 1
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(RunError, match="data are not those"):
        _train(_stream(tmp_path), out=out, resume=True)


def _save(path: Path, array: Any, **options: Any) -> Path:
    np.save(path, array, **options)
    return path


def _text(path: Path) -> Path:
    path.write_text("x,y\n1,2\n")
    return path


def _cut(path: Path) -> Path:
    np.save(path, np.zeros((1000, 3)))
    os.truncate(path, 10_000)
    return path


BAD = {
    "no such file": (lambda f: f / "none.npy", "cannot be read"),
    "a folder": (lambda f: f, "cannot be read"),
    "text": (lambda f: _text(f / "t.npy"), "no .npy file"),
    "empty": (lambda f: _save(f / "e.npy", np.zeros((0, 3))), "no rows"),
    "truncated": (lambda f: _cut(f / "c.npy"), "truncated"),
    "objects": (lambda f: _save(f / "o.npy", np.array([None, "a"]), allow_pickle=True), "numbers"),
    "names": (lambda f: _save(f / "n.npy", np.array(["a", "b"])), "expected numbers"),
    "one number": (lambda f: _save(f / "s.npy", np.array(1.0)), "expected numbers"),
    "columns": (lambda f: _save(f / "f.npy", np.ones((9, 3), order="F")), "column by column"),
    "an array": (lambda f: np.ones(3), "path of a .npy file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_file_of_rows_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    make, words = BAD[kind]
    with pytest.raises(DataError, match=words) as error:
        stream(make(tmp_path))
    assert "\n" not in error.value.message


REFUSED = {
    "all rows at once": ({"batch": "all"}, "more than the"),
    "classes in turn": ({"order": orders.stratified(np.zeros(ROWS, int))}, "not all in memory"),
    "drawn with replacement": ({"order": "with replacement"}, "not all in memory"),
    "a share of all": ({"validation": 1.0}, "expected a share"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_needs_all_rows_at_once_is_refused(kind: str, folder: Path) -> None:
    options, words = REFUSED[kind]
    with pytest.raises(ChainruleError, match=words):
        _train(_stream(folder), **options)


def test_files_of_differing_lengths_and_sizes_that_are_none_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    short = _save(tmp_path / "short.npy", np.zeros(9))
    with pytest.raises(DataError, match=r"x.npy has 40,003, short.npy has 9"):
        stream(folder / "x.npy", short)
    for memory in ("much", "1kB", -1, True):
        with pytest.raises(DataError, match="expected a size"):
            stream(short, memory=memory)


def test_a_batch_that_grows_beyond_a_window_stops_with_an_error(folder: Path) -> None:
    batch = optim.StepGrowth(4000, at=[1], factor=8.0, limit=40_000)
    with pytest.raises(TrainingError, match="of a window"):
        _train(_stream(folder), batch=batch, epochs=3)


def test_rolling_back_reads_the_rows_again(folder: Path) -> None:
    """A rate that is far too large: the run falls back until it is small enough."""
    model, loss = nn.Linear.init(6, 1, rng=0), losses.squared_error
    targets = stream(folder / "x.npy", folder / "target.npy", memory=SMALL)
    run = cr.train(model, loss, targets, optimizer=optim.SGD(8.0), on_nan="roll back", epochs=1)
    assert {decision["rule"] for decision in run.history.decisions} == {"roll back"}
    assert run.stopped == "completed"
    assert run.history.loss[-1] < run.history.loss[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the largest memory is asked of /proc")
def test_training_stays_within_its_bound_on_a_file_of_several_times_its_size(
    tmp_path: Path,
) -> None:
    """The whole process, compiling included, above what its libraries take."""
    found = peak_of_npy(tmp_path, 200_000_000, 80_000_000)
    assert found["rows"] * 4 * 20 > 0.95 * 200_000_000
    assert found["above"] < 80_000_000
