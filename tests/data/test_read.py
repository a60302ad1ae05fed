"""Files become tables, or one clear error."""

import gzip
import io
import zipfile

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from chainrule.data import read_table
from chainrule.errors import DataError

TEXT = "a,b\n1,x\n2,y\n"
TABLE = pa.table({"a": [1, 2], "b": ["x", "y"]})


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", TEXT),
        ("t.CSV", TEXT),
        ("t.csv", "\ufeff" + TEXT),
        ("t.csv", TEXT.replace(",", ";")),
        ("t.csv", TEXT.replace("\n", "\r\n")),
        ("t.txt", TEXT.replace(",", "|")),
        ("t.tsv", TEXT.replace(",", "\t")),
        ("t.csv.gz", gzip.compress(TEXT.encode(), mtime=0)),
        ("t.csv.zip", zipped(t_csv=TEXT)),
        ("t.zip", zipped(t_csv=TEXT)),
    ],
)
def test_text_formats_give_the_same_table(write, name, content):
    assert read_table(write(name, content)).equals(TABLE)


@pytest.mark.parametrize("name", ["t.parquet", "t.pq", "t.feather", "t.arrow"])
def test_binary_formats_give_the_same_table(tmp_path, name):
    path = tmp_path / name
    if name.endswith(("parquet", "pq")):
        pyarrow.parquet.write_table(TABLE, path)
    else:
        pyarrow.feather.write_feather(TABLE, path, compression="uncompressed")
    assert read_table(path).equals(TABLE)


@pytest.mark.parametrize("missing", ["", "NA", "nan", "?", "null"])
def test_markers_of_missing_values_are_missing(write, missing):
    table = read_table(write("t.csv", f"a,b\n1,x\n{missing},{missing}\n"))
    assert table["a"].to_pylist() == [1, None]
    assert table["b"].to_pylist() == ["x", None]


def test_columns_named_as_text_stay_text(write):
    table = read_table(write("t.csv", "code,n\n007,1\n010,2\n"), text=["code", "elsewhere"])
    assert table["code"].to_pylist() == ["007", "010"]


def test_a_type_that_changes_late_in_the_file_is_found(write):
    """pyarrow takes types from the first block of a megabyte."""
    rows = "".join(f"{i},x\n" for i in range(200_000))
    table = read_table(write("t.csv", f"a,b\n{rows}0.5,y\n"))
    assert table["a"][-1].as_py() == 0.5


def test_a_line_end_inside_quotes_belongs_to_the_value(write):
    table = read_table(write("t.csv", 'a,b\n1,"two\nlines"\n'))
    assert table["b"].to_pylist() == ["two\nlines"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", "the file is empty"),
        ("blank.csv", " \n\n ", "the file is empty"),
        ("header.csv", "a,b\n", "only a header"),
        ("header.csv", "a,b", "only a header"),
        ("twice.csv", "a,a\n1,2\n", "1 column name twice in the header: a"),
        ("ragged.csv", "a,b\n1,2\n1\n", "line 3 has 1 field, the header 2"),
        ("nul.csv", "a,b\n1,\0\n", "line 2 holds a NUL byte"),
        ("utf16.csv", "a,b\n1,2\n".encode("utf-16-le"), "UTF-16 without a byte order mark"),
        ("latin.csv", "a,b\ncafé,2\n".encode("latin-1"), "line 2 is not UTF-8 (byte 0xe9)"),
        ("t.xyz", "a,b\n1,2\n", "does not say how to read it"),
        ("t.csv.gz", b"no gzip", "of another format"),
        ("t.csv.gz", gzip.compress(TEXT.encode(), mtime=0)[:-9], "cannot be read"),
        ("t.zip", b"no zip", "of another format"),
        ("t.zip", zipped(a_csv=TEXT, b_csv=TEXT), "expected one file in the archive, found 2"),
        ("t.zip", zipped(readme_md="text"), "does not say how to read it"),
        ("t.parquet", b"PAR1 and no more PAR1", "cannot be read"),
        ("t.feather", b"ARROW1 no more", "the end is missing"),
    ],
)
def test_a_bad_file_is_one_error_that_names_it(write, name, content, said):
    path = write(name, content)
    with pytest.raises(DataError) as error:
        read_table(path)
    assert said in error.value.message
    assert str(path) in error.value.message
    assert "\n" not in error.value.message


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow"])
def test_columns_of_one_name_are_said_in_any_format(tmp_path, name):
    """Both formats can hold them; Arrow says it in the words of its own code, if at all."""
    table = pa.table({"a": [1.0], "b": [2.0]}).rename_columns(["y", "y"])
    if name == "t.parquet":
        pyarrow.parquet.write_table(table, tmp_path / name)
    else:
        with pa.ipc.new_file(tmp_path / name, table.schema) as file:
            file.write_table(table)
    with pytest.raises(DataError, match="1 column name twice in the header: y"):
        read_table(tmp_path / name)


def test_a_missing_file_gets_the_nearest_name(write):
    path = write("flowers.csv", TEXT)
    with pytest.raises(DataError, match=r"did you mean .*flowers\.csv"):
        read_table(path.with_name("flower.csv"))


def test_a_short_name_that_is_not_alike_is_not_suggested(tmp_path):
    (tmp_path / "o.csv").write_text("a,y\n1,2\n")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "nope.csv")
    assert not caught.value.hint


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DataError, match="this is a folder"):
        read_table(tmp_path)
