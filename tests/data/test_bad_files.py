"""Bad files are refused in one line that names the file; strange ones are read by a stated rule."""

import datetime as dt
import gzip
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from chainrule.data import formats, packed, prepare, read_table, text_table
from chainrule.data.quotes import QuoteError, Quotes
from chainrule.errors import DataError
from tests.data.bad_files import BAD_FILES, STRANGE_FILES, TABLE, TEXT, WHOLE, csv, write


def refused(path, **options):
    with pytest.raises(DataError) as error:
        read_table(path, **options)
    assert error.value.message.isprintable()
    return error.value


@pytest.mark.parametrize("case", [case for case in BAD_FILES if case != "1e999"])
def test_a_bad_file_is_refused_in_one_line_that_names_it(tmp_path, case):
    name, content, said = BAD_FILES[case]
    path = write(tmp_path, name, content)
    error = refused(path)
    assert said in error.message
    assert str(path) in error.message


@pytest.mark.parametrize("case", STRANGE_FILES)
def test_a_strange_file_is_read(tmp_path, case):
    name, content, columns = STRANGE_FILES[case]
    table = read_table(write(tmp_path, name, content))
    assert table.column_names == columns
    assert table.num_rows == 60 + (case == "gzip twice over")
    if columns == ["a", "b", "y"] and not case.startswith(("a quote", "a field")):
        assert table.schema.types == TABLE.schema.types
        assert table.slice(0, 60).equals(TABLE)


def test_decimal_commas_are_read_where_the_delimiter_is_none(tmp_path):
    text = csv(mark=";", header="a;b;y").replace(".", ",")
    assert read_table(write(tmp_path, "t.csv", text)).equals(TABLE)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,234", "56", "1,000,000"], [1234, 56, 1000000]),
        (["1 234.5", "", "-7"], [1234.5, None, -7.0]),
        (["1\u00a0234", "\u22125"], [1234, -5]),
        (["12%", "0.5 %", "NA"], [12.0, 0.5, None]),
        (["$5", "-$1,000.25"], [5.0, -1000.25]),
        (["3 €", "4 €"], [3, 4]),
        (["12%", "5"], None),
        (["12%", "$5"], None),
        (["1,234", "1 234"], None),
        (["1,23", "5"], None),
        (["007 123"], None),
        (["12%", "much"], None),
    ],
    ids=str,
)
def test_a_text_column_of_numbers_in_one_spelling_is_numbers(tmp_path, texts, values):
    rows = "".join(f'{i},"{text}"\n' for i, text in enumerate(texts))
    path = write(tmp_path, "t.csv", f"i,a\n{rows}")
    table = read_table(path)
    assert table["a"].to_pylist() == (values or texts)
    assert pa.types.is_string(table.schema.field("a").type) == (values is None)
    assert pa.types.is_string(read_table(path, text=["a"]).schema.field("a").type)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["31.12.2020", "1.2.2020"], [dt.date(2020, 12, 31), dt.date(2020, 2, 1)]),
        (["2020/12/31", "", "2020-01-02"], [dt.date(2020, 12, 31), None, dt.date(2020, 1, 2)]),
        (["31.12.2020 12:34"], [np.datetime64("2020-12-31T12:34").item()]),
        (["31.02.2020"], None),
        (["1.2.3", "4.5.6"], None),
        (["12/31/2020"], None),
        (["31.12.2020", "soon"], None),
        (["31.12.20"], None),
    ],
    ids=str,
)
def test_dates_that_can_be_read_in_one_way_only_are_dates(tmp_path, texts, values):
    rows = "".join(f"{i},{text}\n" for i, text in enumerate(texts))
    path = write(tmp_path, "t.csv", f"i,a\n{rows}")
    assert read_table(path)["a"].to_pylist() == (values or texts)
    kept = read_table(path, text=["a"])
    assert pa.types.is_string(kept.schema.field("a").type)


def test_thousands_are_points_where_decimals_are_commas(tmp_path):
    table = read_table(write(tmp_path, "t.csv", "a;b\n1.234,5;0,5\n7;1,5\n"))
    assert table.to_pydict() == {"a": [1234.5, 7.0], "b": [0.5, 1.5]}


def test_missing_values_with_blanks_are_missing(tmp_path):
    table = read_table(write(tmp_path, "adult.csv", "age, work\n39, ?\n ?, State-gov\n50, NA\n"))
    assert table["age"].to_pylist() == [39, None, 50]
    assert table["work"].to_pylist() == [None, "State-gov", None]


# -- what is no file -------------------------------------------------------------------------------


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert "not a regular file" in refused(tmp_path / "pipe.csv").message


def test_a_device_is_refused():
    assert "not a regular file" in refused("/dev/null").message


def test_a_folder_is_refused_with_a_pattern_to_try(tmp_path):
    error = refused(tmp_path)
    assert "this is a folder" in error.message
    assert "*.csv" in error.hint


def test_a_link_to_itself_and_one_to_nothing_are_refused(tmp_path):
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (tmp_path / "lost.csv").symlink_to("nowhere.csv")
    assert "symbolic links" in refused(tmp_path / "loop.csv").message
    assert "a symbolic link to a file that is not there" in refused(tmp_path / "lost.csv").message


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet", "t.zip", "t.npy"])
def test_a_file_without_permission_is_refused(tmp_path, monkeypatch, name):
    """Whoever runs this may be root, whom nothing is forbidden: opening is made to fail."""
    path = write(tmp_path, name, TEXT)

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", forbidden)
    monkeypatch.setattr(pa, "OSFile", forbidden)
    assert refused(path).message == f"{path}: cannot be read: Permission denied"


def test_a_name_that_no_file_can_have_is_refused(tmp_path):
    assert "embedded null byte" in refused("a\0b.csv").message
    assert "name too long" in refused(tmp_path / ("x" * 300 + ".csv")).message


# -- what is packed --------------------------------------------------------------------------------


def test_what_unpacks_to_many_times_its_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MOST_UNPACKED", 1 << 20)
    bomb = gzip.compress(b"a,y\n" + b"1,1\n" * (1 << 20), mtime=0)
    error = refused(write(tmp_path, "bomb.csv.gz", bomb))
    assert "unpacks to more than 1 MiB, which is more than 200 times its size" in error.message


def test_what_unpacks_to_less_than_that_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "MOST_UNPACKED", 1 << 10)
    rows = "".join(f"{i},{i * 37 % 101}\n" for i in range(20_000))
    path = write(tmp_path, "t.csv.gz", gzip.compress(f"a,y\n{rows}".encode(), mtime=0))
    assert read_table(path).num_rows == 20_000


# -- several files ---------------------------------------------------------------------------------


def test_a_pattern_reads_its_files_in_the_order_of_their_numbers(tmp_path):
    for k in (10, 2, 1):
        write(tmp_path, f"part-{k}.csv", f"a,y\n{k},0\n")
    assert read_table(f"{tmp_path}/part-*.csv")["a"].to_pylist() == [1, 2, 10]
    named = [tmp_path / "part-2.csv", tmp_path / "part-1.csv"]
    assert read_table(named)["a"].to_pylist() == [2, 1]


def test_a_name_with_brackets_is_no_pattern_if_it_exists(tmp_path):
    assert read_table(write(tmp_path, "t[1].csv", TEXT)).num_rows == 60


def test_columns_of_several_files_go_by_name_and_numbers_are_widened(tmp_path):
    write(tmp_path, "1.csv", "a,b\n1,x\n")
    write(tmp_path, "2.csv", "b,a\ny,1.5\n")
    write(tmp_path, "3.csv", "a,b\n,z\n")
    table = read_table(f"{tmp_path}/*.csv")
    assert table["a"].to_pylist() == [1.0, 1.5, None]
    assert table["b"].to_pylist() == ["x", "y", "z"]


def test_days_and_times_of_several_files_are_times(tmp_path):
    write(tmp_path, "1.csv", "a\n31.12.2020\n")
    write(tmp_path, "2.csv", "a\n2020-12-31 12:34:00\n")
    days = ["2020-12-31T00:00", "2020-12-31T12:34"]
    expected = [np.datetime64(day).item() for day in days]
    assert read_table(f"{tmp_path}/*.csv")["a"].to_pylist() == expected


def test_a_column_that_is_text_in_one_file_is_text_in_all(tmp_path):
    write(tmp_path, "1.csv", "code\n007\n")
    write(tmp_path, "2.csv", "code\nA08\n")
    assert read_table(f"{tmp_path}/*.csv")["code"].to_pylist() == ["007", "A08"]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("a,c\n1,2\n", "2.csv: lacks 'b' and has 'c' besides; expected the columns of"),
        ("a,b,c\n1,2,3\n", "2.csv: has 'c' besides"),
        ("a\n1\n", "2.csv: lacks 'b'"),
    ],
)
def test_a_file_with_other_columns_is_refused_by_its_name(tmp_path, second, said):
    write(tmp_path, "1.csv", "a,b\n1,2\n")
    write(tmp_path, "2.csv", second)
    assert said in refused(f"{tmp_path}/*.csv").message


def test_columns_of_kinds_that_cannot_be_joined_are_refused_by_name(tmp_path):
    for k, values in enumerate(([1, 2], ["x", "y"])):
        pa.parquet.write_table(pa.table({"a": [1, 2], "b": values}), tmp_path / f"{k}.parquet")
    error = refused(f"{tmp_path}/*.parquet")
    assert "1.parquet: column 'b' is of the type string, in" in error.message


def test_files_of_different_formats_and_patterns_without_files_are_refused(tmp_path):
    write(tmp_path, "1.csv", TEXT)
    write(tmp_path, "2.tsv", TEXT)
    assert "files of different formats" in refused([tmp_path / "1.csv", tmp_path / "2.tsv"]).message
    assert "no file fits this pattern" in refused(f"{tmp_path}/*.parquet").message
    assert "no file was named" in refused([]).message


# -- damaged binary files, wide and long ones ------------------------------------------------------


@pytest.mark.parametrize(
    "case", ["t.feather", "t.arrow", "t.parquet", "t.npy", "t.npz", "t.zip", "t.csv.zst"]
)
def test_flipped_bits_are_an_error_or_a_table_that_can_be_walked(tmp_path, case):
    """Offsets of a damaged column may point outside of the file; a header may be no Python."""
    whole = WHOLE[case]
    rng = np.random.default_rng(0)
    for _ in range(120):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), size=int(rng.integers(1, 4))):
            damaged[at] ^= 1 << int(rng.integers(8))
        try:
            table = read_table(write(tmp_path, case, bytes(damaged)))
        except DataError:
            continue
        assert len(str(table.slice(0, 100).to_pylist())) > 0


def test_types_that_change_after_the_first_block_are_those_of_the_whole(tmp_path, monkeypatch):
    """Types are taken from the first block, and given up where they do not hold."""
    monkeypatch.setattr(text_table, "BLOCK", 1 << 12)
    rows = [f"{i},{i},{i},,2020-01-01" for i in range(2000)]
    rows += ["0.5,x,,7,2020-01-02T01:02:03", '1,"two\nlines",3,,']
    table = read_table(write(tmp_path, "t.csv", "\n".join(["a,b,c,d,e", *rows, ""])))
    kinds = [pa.float64(), pa.string(), pa.int64(), pa.int64(), pa.timestamp("s")]
    assert table.schema.types == kinds
    assert table.num_rows == 2002
    assert table["b"][-1].as_py() == "two\nlines"


def test_the_line_of_an_error_is_found_after_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr(text_table, "BLOCK", 1 << 12)
    rows = "".join(f"{i},x\n" for i in range(3000))
    for bad, said in [
        ("1,2,3\n", "line 3,002 has 3 fields"),
        ('1,"2\n', "line 3,002: a quote is opened"),
        ("1,\0\n", "line 3,002 holds a NUL byte"),
    ]:
        assert said in refused(write(tmp_path, "t.csv", f"a,b\n{rows}{bad}{rows}")).message
    latin = f"a,b\n{rows}1,é\n{rows}".encode("latin-1")
    assert "line 3,002 is not UTF-8" in refused(write(tmp_path, "t.csv", latin)).message


def test_ten_thousand_columns_are_read(tmp_path):
    header = ",".join(f"column {i}" for i in range(10_000))
    row = ",".join(["1.5"] * 10_000)
    table = read_table(write(tmp_path, "wide.csv", f"{header}\n{row}\n{row}\n"))
    assert (table.num_rows, table.num_columns) == (2, 10_000)


# -- the follower of quotes against a plain machine ------------------------------------------------


def plain(text: bytes) -> tuple[str, int]:
    """One byte at a time: how the text ends, and where the open quote is or whether lines were."""
    inside = lines = any_lines = False
    opened, last, at = 0, ord("\n"), 0
    text += b"\n"
    while at < len(text):
        byte = text[at]
        if inside and byte == ord('"'):
            if text[at + 1] == ord('"'):
                at, last = at + 2, byte
                continue
            inside = False
            if lines and text[at + 1] not in b",\r\n":
                return "closed late", opened
        elif inside and byte in b"\r\n":
            lines = any_lines = True
        elif byte == ord('"') and last in b",\r\n":
            inside, lines, opened = True, False, at
        last, at = byte, at + 1
    return ("open", opened) if inside else ("whole", int(any_lines))


def followed(text: bytes, cuts: list[int]) -> tuple[str, int]:
    quotes = Quotes(b",")
    try:
        for start, stop in zip([0, *cuts], [*cuts, len(text)], strict=True):
            quotes.feed(text[start:stop])
        quotes.finish()
    except QuoteError as error:
        return "open" if "never" in error.what else "closed late", error.offset
    return "whole", int(quotes.has_lines)


def test_quotes_are_followed_as_by_a_machine_of_one_byte_at_a_time():
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(1500):
        weights = rng.dirichlet([1, 1, 1, 1, 0.3])
        text = bytes(rng.choice(list(b'a",\n\r'), size=int(rng.integers(200)), p=weights).tolist())
        if rng.random() < 0.5:  # well-formed fields, with doubled quotes, and one letter behind
            pieces = [b'"%b"' % piece.replace(b'"', b'""') for piece in text.split(b"a")]
            text = b",".join(pieces) + rng.choice([b"", b'"', b"x"]).tobytes()
        cuts = sorted(rng.integers(0, len(text) + 1, size=3).tolist())
        expected = plain(text)
        assert followed(text, cuts) == expected
        seen.add(expected[0])
    assert seen == {"whole", "open", "closed late"}


def test_every_format_that_is_known_by_its_first_bytes_has_a_hint():
    for magic in formats._MAGIC:
        with pytest.raises(DataError) as error:
            formats.check_magic("t.csv", "text", magic)
        assert error.value.hint


def test_a_read_table_can_be_prepared(tmp_path):
    assert prepare(read_table(write(tmp_path, "t.csv", TEXT)), "y").rows == 60
