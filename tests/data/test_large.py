"""Tables that are read in blocks, sampled, and encoded into a spool."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from chainrule.data import read_table, stream_table
from chainrule.data.blocks import Blocks
from chainrule.data.large import open_sample
from chainrule.data.sample import draw_sample
from chainrule.errors import DataError

ROWS = 150_000
MEMORY = "4MB"


def _table() -> Any:
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green", "blue"], ROWS)
    size = pa.array(rng.standard_normal(ROWS).round(3), mask=rng.random(ROWS) < 0.05)
    days = np.datetime64("2020-01-01") + rng.integers(0, 900, ROWS)
    columns = {"colour": colour, "size": size, "whole": rng.integers(0, 999, ROWS), "day": days}
    return pa.table({**columns, "place": np.arange(ROWS)})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same table in each format."""
    folder, table = tmp_path_factory.mktemp("large"), _table()
    found = {end: folder / f"t.{end}" for end in ("parquet", "feather", "arrows", "csv", "csv.gz")}
    places = table.column_names.index("colour")
    coded = table.set_column(places, "colour", table["colour"].dictionary_encode())
    pa.parquet.write_table(coded, found["parquet"], row_group_size=70_000)
    pa.feather.write_feather(coded, found["feather"], chunksize=50_000)
    with pa.ipc.new_stream(found["arrows"], table.schema) as writer:
        writer.write_table(table, max_chunksize=1000)
    pa.csv.write_csv(table, found["csv"])
    found["csv.gz"].write_bytes(gzip.compress(found["csv"].read_bytes(), 1))
    return found


@pytest.mark.parametrize("end", ["parquet", "feather", "arrows", "csv", "csv.gz"])
def test_blocks_hold_the_rows_that_the_whole_table_has(files: dict[str, Path], end: str) -> None:
    shares: list[float] = []
    blocks = list(Blocks.open(files[end]).tables(shares.append))
    assert len(blocks) > 1
    assert pa.concat_tables(blocks).to_pydict() == _table().to_pydict()
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1


def test_a_numpy_file_is_a_table_of_its_columns(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((90_001, 8))
    np.save(tmp_path / "x.npy", x)
    blocks = list(Blocks.open(tmp_path / "x.npy").tables())
    assert len(blocks) > 1
    assert pa.concat_tables(blocks).to_pydict() == read_table(tmp_path / "x.npy").to_pydict()


def test_a_sample_is_the_same_rows_from_every_format(files: dict[str, Path]) -> None:
    drawn = [draw_sample(Blocks.open(path), 3000, 1 << 30, seed=1) for path in files.values()]
    places = drawn[0].table["place"].to_numpy()
    assert len(places) == 3000
    assert (np.diff(places) > 0).all()
    assert abs(places.mean() / ROWS - 0.5) < 5 * np.sqrt(1 / 12 / 3000)  # five deviations
    for sample in drawn:
        assert (sample.table["place"].to_numpy() == places).all()
        assert (np.flatnonzero(sample.holds(0, ROWS)) == places).all()
    assert (drawn[0].thinned(100).table["place"].to_numpy()[:, None] == places).any(axis=1).all()


def test_each_row_is_trained_on_or_held_out_once(files: dict[str, Path], tmp_path: Path) -> None:
    """The target is the row's number."""
    made = stream_table(files["csv"], "place", spool=tmp_path, memory=MEMORY, task="regression")
    target = made.schema.target
    rows = made.train.rows
    y = [made.train.sample(rows, np.dtype(np.float32))[1], made.validation[1], made.test[1]]
    places = np.concatenate(y).astype(np.float64) * target.scale + target.mean
    assert (np.sort(places.round().astype(int)) == np.arange(ROWS)).all()
    assert min(len(made.validation[0]), len(made.test[0])) == 200  # a tenth of the least sample


@pytest.mark.parametrize("end", ["parquet", "csv"])
def test_rows_are_encoded_as_the_schema_encodes_them(
    files: dict[str, Path], tmp_path: Path, end: str
) -> None:
    made = stream_table(files[end], "place", spool=tmp_path, memory=MEMORY)
    (path,) = tmp_path.glob("*-x.npy")
    x, y = np.load(path), np.load(str(path).replace("-x.npy", "-y.npy"))
    target = made.schema.target
    places = (y.astype(np.float64) * target.scale + target.mean).round().astype(int)
    expected = made.schema.encode(_table())[places]
    np.testing.assert_array_equal(x, expected)


def test_a_second_run_finds_what_the_first_has_encoded(
    files: dict[str, Path], tmp_path: Path
) -> None:
    table = shutil.copy(files["parquet"], tmp_path / "t.parquet")
    spool = tmp_path / "spool"
    first = stream_table(table, "place", spool=spool, memory=MEMORY)
    before = {path: path.stat().st_mtime_ns for path in spool.iterdir()}
    again = stream_table(table, "place", spool=spool, memory=MEMORY)
    assert {path: path.stat().st_mtime_ns for path in spool.iterdir()} == before
    assert first.train.digest() == again.train.digest()
    os.utime(table)  # written anew, for all that is known
    other = stream_table(table, "place", spool=spool, memory=MEMORY)
    assert other.train.digest() != first.train.digest()


def test_what_a_killed_process_left_is_removed_and_a_damaged_sample_drawn_again(
    files: dict[str, Path], tmp_path: Path
) -> None:
    first = stream_table(files["parquet"], "place", spool=tmp_path, memory=MEMORY)
    (sample,) = tmp_path.glob("*.arrow")
    sample.write_bytes(sample.read_bytes()[:5000])
    draft = tmp_path / ".abc-x.npy.new-999999999"
    draft.write_bytes(b"half")
    again = stream_table(files["parquet"], "place", spool=tmp_path, memory=MEMORY)
    assert again.train.digest() == first.train.digest()
    assert os.name != "posix" or not draft.exists()


def test_rows_that_cannot_be_learnt_are_left_out_and_counted(tmp_path: Path) -> None:
    """Missing targets, and a class so rare that the sample has none of it."""
    n = 60_000
    y = np.where(np.arange(n) % 2 == 0, "a", "b").astype(object)
    y[::1000] = None
    x = np.random.default_rng(0).standard_normal(n)
    sampled = tmp_path / "first.parquet"
    pa.parquet.write_table(pa.table({"x": x, "y": pa.array(y)}), sampled)
    most = open_sample(sampled, tmp_path / "s", 1 << 20, seed=0).sample
    outside = np.flatnonzero(~most.holds(0, n))
    y[outside[5:8]] = "rare"
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(pa.table({"x": x, "y": pa.array(y)}), path)
    made = stream_table(path, "y", spool=tmp_path / "t", memory=1 << 20)
    assert made.schema.target.classes == ("a", "b")
    assert made.notes[-1] == "3 rows dropped: a class of 'y' that the sample has not"
    dropped = sum(int(note.split()[0]) for note in made.notes if "no value" in note)
    assert dropped == 60
    total = made.train.rows + len(made.validation[0]) + len(made.test[0])
    assert total == n - 63


def test_a_column_of_text_may_change_its_type_far_into_the_file(tmp_path: Path) -> None:
    n = 200_000
    rows = [f"{k % 7},{k % 5},{k % 3}" for k in range(n)]
    rows[150_000] = "2.5,2,1"
    rows[170_000] = "2,many,1"
    rows[5] = ",1,2"
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n" + "\n".join(rows) + "\n")
    sample = draw_sample(Blocks.open(path), 10_000, 1 << 30, seed=0)
    kinds = [str(kind) for kind in sample.table.schema.types]
    assert kinds == ["double", "string", "int64"]
    made = stream_table(path, "y", spool=tmp_path / "spool", memory=MEMORY)
    assert made.train.rows + len(made.validation[0]) + len(made.test[0]) == n
    assert pa.concat_tables(Blocks.open(path).settled().tables()).num_rows == n


def test_a_disk_that_is_too_small_is_said_before_it_is_full(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(DataError, match=r"takes .* MB, 1 MB are free"):
        stream_table(files["csv"], "place", spool=tmp_path, memory=MEMORY)
    assert not list(tmp_path.glob("*.npy"))


def _cut(path: Path, files: dict[str, Path], end: str, share: float) -> Path:
    content = files[end].read_bytes()
    path = path / f"cut.{end}"
    path.write_bytes(content[: int(share * len(content))])
    return path


@pytest.mark.parametrize("end", ["parquet", "feather", "arrows", "csv.gz"])
def test_a_truncated_file_is_one_line(files: dict[str, Path], tmp_path: Path, end: str) -> None:
    with pytest.raises(DataError) as error:
        stream_table(_cut(tmp_path, files, end, 0.7), "place", spool=tmp_path / "s", memory=MEMORY)
    assert "\n" not in error.value.message
    assert not list((tmp_path / "s").glob("*-x.npy"))


def test_a_row_that_is_counted_in_the_sample_is_said_to_be(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "t.parquet"
    y = rng.standard_normal(ROWS)
    y[::50] = np.inf
    pa.parquet.write_table(pa.table({"x": rng.standard_normal(ROWS), "y": y}), path)
    words = r"in a sample of [\d,]+ of 150,000 rows: column 'y', row "
    with pytest.raises(DataError, match=words):
        stream_table(path, "y", spool=tmp_path / "spool", memory="1MiB")


def test_rows_of_which_memory_holds_a_handful_are_refused(tmp_path: Path) -> None:
    path, long = tmp_path / "t.parquet", "w" * 20_000
    table = pa.table({"x": [f"{long}{k}" for k in range(300)], "y": np.arange(300) % 2})
    pa.parquet.write_table(table, path)
    with pytest.raises(DataError, match=r"leave room for a sample of . of 300 rows"):
        stream_table(path, "y", spool=tmp_path / "spool", memory="1MiB")


def test_a_value_that_cannot_be_encoded_is_said_with_its_rows(tmp_path: Path) -> None:
    """Outside of the sample a number is infinite."""
    x = np.random.default_rng(0).standard_normal(60_000)
    path = tmp_path / "t.parquet"
    pa.parquet.write_table(pa.table({"x": x, "y": x}), path)
    sample = open_sample(path, tmp_path / "s", 1 << 20, seed=0).sample
    row = int(np.flatnonzero(~sample.holds(0, len(x)))[40_000])
    x[row] = np.inf
    pa.parquet.write_table(pa.table({"x": x, "y": np.zeros(len(x)) + np.arange(len(x))}), path)
    with pytest.raises(DataError, match=r"t\.parquet, rows .*: column 'x'.* infinite"):
        stream_table(path, "y", spool=tmp_path / "s", memory=1 << 20)


@pytest.mark.parametrize(
    ("name", "words"),
    [("a.npz", "in blocks"), ("a.parquet.gz", "in blocks"), ("a.xyz", "a.xyz"), ("no.csv", "no")],
)
def test_what_cannot_be_read_in_blocks_is_refused(tmp_path: Path, name: str, words: str) -> None:
    if not name.startswith("no"):
        (tmp_path / name).write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=words):
        Blocks.open(tmp_path / name)
