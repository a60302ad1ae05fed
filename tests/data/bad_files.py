"""Files that are no table, or a strange one, for the tests of reading and of the command line."""

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet

ROWS = [(f"{i * 37 % 100 / 8}", "pqr"[i % 3], str(i % 2)) for i in range(60)]
TABLE = pa.table({
    "a": [float(a) for a, _, _ in ROWS],
    "b": [b for _, b, _ in ROWS],
    "y": [int(y) for _, _, y in ROWS],
})  # fmt: skip


def csv(header: str = "a,b,y", mark: str = ",", end: str = "\n") -> str:
    """The table as text."""
    return end.join([header, *(mark.join(row) for row in ROWS), ""])


def in_column_a(value: str, row: int = 30) -> str:
    """The table with another value in one row."""
    rows = [(value if i == row else a, b, y) for i, (a, b, y) in enumerate(ROWS)]
    return "\n".join(["a,b,y", *(",".join(r) for r in rows), ""])


def packed(*names: str) -> bytes:
    """A zip archive with the table under these names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, csv())
    return buffer.getvalue()


def zstd(text: str) -> bytes:
    """A text packed by zstd."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(text.encode())
    return sink.getvalue().to_pybytes()


def parquet() -> bytes:
    """The table as a Parquet file."""
    sink = io.BytesIO()
    pyarrow.parquet.write_table(TABLE, sink)
    return sink.getvalue()


def feather() -> bytes:
    """The table as a Feather file."""
    sink = io.BytesIO()
    pyarrow.feather.write_feather(TABLE, sink)
    return sink.getvalue()


def arrow_stream() -> bytes:
    """The table as an Arrow stream."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, TABLE.schema) as stream:
        stream.write_table(TABLE)
    return sink.getvalue()


def npy(array: object, pickled: bool = False) -> bytes:
    """An array as a .npy file."""
    sink = io.BytesIO()
    np.save(sink, np.asarray(array), allow_pickle=pickled)
    return sink.getvalue()


def npz(**arrays: object) -> bytes:
    """Arrays as a .npz file."""
    sink = io.BytesIO()
    np.savez(sink, **{name: np.asarray(x) for name, x in arrays.items()})
    return sink.getvalue()


TEXT = csv()
HEADLESS = TEXT.partition("\n")[2].translate({ord("p"): "1", ord("q"): "2", ord("r"): "3"})
TRAILING = TEXT.replace("0\n", "0,\n").replace("1\n", "1,\n")
PARQUET, FEATHER, STREAM, GZIP = (
    parquet(),
    feather(),
    arrow_stream(),
    gzip.compress(TEXT.encode(), mtime=0),
)
ARRAY = npy(np.arange(240.0).reshape(60, 4) % 7)

#: Well-formed files that are not text.
WHOLE: dict[str, bytes] = {
    "t.feather": FEATHER,
    "t.arrow": STREAM,
    "t.parquet": PARQUET,
    "t.npy": ARRAY,
    "t.npz": npz(x=np.zeros((60, 2)), y=np.arange(60)),
    "t.zip": packed("t.csv"),
    "t.csv.zst": zstd(TEXT),
}

# What is wrong: the file's name, its content, what the message says.
BAD_FILES: dict[str, tuple[str, str | bytes, str]] = {
    "nothing": ("t.csv", "", "the file is empty"),
    "blanks": ("t.csv", " \n \n", "the file is empty"),
    "only a byte order mark": ("t.csv", "\ufeff", "the file is empty"),
    "header only": ("t.csv", "a,b,y\n", "only a header"),
    "no header": ("t.csv", HEADLESS, "the first line holds only numbers (0.0, 1, 0)"),
    "a name twice": ("t.csv", csv("a,a,y"), "1 column name twice in the header: a"),
    "twice but for blanks": ("t.csv", csv("a, a,y"), "1 column name twice in the header: a"),
    "a field more": ("t.csv", in_column_a("1,1"), "line 32 has 4 fields, the header 3"),
    "a field less": ("t.csv", in_column_a("1").replace("1,p,", "p,", 1), "the header 3"),
    "a field more, blank lines": ("t.csv", "\n\n" + in_column_a("1,1"), "line 34 has 4 fields"),
    "rows end in a delimiter": ("t.csv", TRAILING, "line 2 has 4 fields"),
    "NUL": ("t.csv", in_column_a("\0"), "line 32 holds a NUL byte"),
    "UTF-16 unmarked": ("t.csv", TEXT.encode("utf-16-le"), "UTF-16 without a byte order mark"),
    "big-endian UTF-16 unmarked": ("t.csv", TEXT.encode("utf-16-be"), "UTF-16 without a byte"),
    "half of UTF-16": ("t.csv", TEXT.encode("utf-16")[:-1], "begins as UTF-16"),
    "Latin-1": ("t.csv", in_column_a("é").encode("latin-1"), "line 32 is not UTF-8 (byte 0xe9)"),
    "Latin-1 header": ("t.csv", csv("é,b,y").encode("latin-1"), "line 1 is not UTF-8 (byte 0xe9)"),
    "1e999": ("t.csv", in_column_a("1e999"), "column 'a', row 31: the value is infinite"),
    "an open quote": ("t.csv", in_column_a('"1'), "line 32: a quote is opened here and never"),
    "two open quotes": ("t.csv", in_column_a('"1').replace(",q,", ',"q,'), "on a later line"),
    "an open quote in the header": ("t.csv", csv('a,"b,y'), "line 1: a quote is opened here"),
    "Parquet": ("t.csv", PARQUET, "this is a Parquet file; by its name it is a text table"),
    "Feather": ("t.csv", FEATHER, "this is an Arrow (Feather) file"),
    "gzip": ("t.csv", GZIP, "this is packed by gzip"),
    "zip": ("t.csv", packed("t.csv"), "this is a zip archive"),
    "a workbook": ("t.csv", packed("[Content_Types].xml"), "this is a zip archive (as .xlsx"),
    "SQLite": ("t.csv", b"SQLite format 3\0" + bytes(99), "this is an SQLite database"),
    "HTML": ("t.csv", "\n<!DOCTYPE html>\n<html>", "this is an HTML or XML page"),
    "JSON": ("t.csv", '[{"a": 1}, {"a": 2}]', "this is a JSON file"),
    "a pickle": ("t.csv", b"\x80\x04\x95" + bytes(9), "this is a Python pickle"),
    "Git LFS": ("t.csv", "version https://git-lfs.github.com/spec/v1\noid 1\n", "of Git LFS"),
    "HTML in gzip": ("t.csv.gz", gzip.compress(b"<html>"), "this is an HTML or XML page"),
    "text as Parquet": ("t.parquet", TEXT, "its first bytes are of another format"),
    "text as .npy": ("t.npy", TEXT, "its first bytes are of another format"),
    "text as gzip": ("t.csv.gz", TEXT, "its first bytes are of another format"),
    "text as zstd": ("t.csv.zst", TEXT, "its first bytes are of another format"),
    "a cut Parquet": ("t.parquet", PARQUET[:-9], "the end is missing"),
    "a Parquet of four bytes": ("t.parquet", PARQUET[:4], "the end is missing"),
    "a damaged Parquet": ("t.parquet", PARQUET[:40] + PARQUET[-8:], "cannot be read"),
    "a cut Feather": ("t.feather", FEATHER[:-9], "the end is missing"),
    "a damaged Feather": ("t.feather", FEATHER[:40] + FEATHER[-60:], "cannot be read"),
    "a cut Arrow stream": ("t.arrows", STREAM[:-200], "cannot be read"),
    "a cut gzip": ("t.csv.gz", GZIP[:-20], "Truncated compressed stream"),
    "a damaged gzip": ("t.csv.gz", GZIP[:60] + b"?" + GZIP[61:], "zlib inflate failed"),
    "a cut zstd": ("t.csv.zst", zstd(TEXT)[:-9], "Truncated compressed stream"),
    "an empty archive": ("t.zip", packed(), "expected one file in the archive, found 0"),
    "two in an archive": ("t.zip", packed("a.csv", "b.csv"), "found 2: 'a.csv', 'b.csv'"),
    "a document in an archive": ("t.zip", packed("a.docx"), "'a.docx' does not say how to read"),
    "a cut archive": ("t.zip", packed("t.csv")[:-30], "not a zip file"),
    "three axes": ("t.npy", npy(np.zeros((9, 9, 9))), "expected a 2-D or a structured array"),
    "objects": ("t.npy", npy([[1, "a"], [2, None]], pickled=True), "holds Python objects"),
    "a cut array": ("t.npy", ARRAY[:-8], "cannot be read: mmap length is greater than file size"),
    "arrays of other lengths": ("t.npz", npz(x=np.zeros((9, 2)), y=np.zeros(8)), "of different"),
    "an unknown name": ("t.dat", TEXT, "does not say how to read it"),
    "no name": ("table", TEXT, "does not say how to read it"),
}  # fmt: skip

# What is only strange, and read: the name, the content, the columns.
STRANGE_FILES: dict[str, tuple[str, str | bytes, list[str]]] = {
    "a byte order mark": ("t.csv", "\ufeff" + TEXT, ["a", "b", "y"]),
    "UTF-16": ("t.csv", TEXT.encode("utf-16"), ["a", "b", "y"]),
    "UTF-32": ("t.csv", TEXT.encode("utf-32"), ["a", "b", "y"]),
    "line ends of Windows": ("t.csv", csv(end="\r\n"), ["a", "b", "y"]),
    "line ends of old Macs": ("t.csv", csv(end="\r"), ["a", "b", "y"]),
    "mixed line ends": ("t.csv", TEXT.replace("1\n", "1\r\n"), ["a", "b", "y"]),
    "blank lines": ("t.csv", "\n\n" + TEXT.replace("1\n", "1\n\n"), ["a", "b", "y"]),
    "no last line end": ("t.csv", TEXT[:-1], ["a", "b", "y"]),
    "a delimiter at every end": ("t.csv", TEXT.replace("\n", ",\n"), ["a", "b", "y"]),
    "blanks around everything": ("t.csv", TEXT.replace(",", " , "), ["a", "b", "y"]),
    "an index without a name": ("t.csv", csv(",b,y"), ["unnamed: 0", "b", "y"]),
    "quotes in a name": ("t.csv", csv('"a ""1""",b,y'), ['a "1"', "b", "y"]),
    "lines in a name": ("t.csv", csv('"a\n1",b,y'), ["a 1", "b", "y"]),
    "an escape sequence in a name": ("t.csv", csv("a\x1b[31m,b,y"), ["a [31m", "b", "y"]),
    "years for names": ("t.csv", csv("2019,2020,2021"), ["2019", "2020", "2021"]),
    "a quote in a field": ("t.csv", in_column_a('3" pipe'), ["a", "b", "y"]),
    "a quote behind another mark": ("t.csv", in_column_a('5;"x'), ["a", "b", "y"]),
    "a field of 3 MB": ("t.csv", in_column_a("x" * 3_000_000), ["a", "b", "y"]),
    "gzip": ("t.csv.gz", GZIP, ["a", "b", "y"]),
    "gzip twice over": ("t.csv.gz", GZIP + gzip.compress(b"1,p,1\n"), ["a", "b", "y"]),
    "zstd": ("t.csv.zst", zstd(TEXT), ["a", "b", "y"]),
    "a packed Parquet": ("t.parquet.gz", gzip.compress(PARQUET), ["a", "b", "y"]),
    "an archive of a Mac": ("t.zip", packed("t.csv", "__MACOSX/t.csv"), ["a", "b", "y"]),
    "an Arrow stream": ("t.arrow", STREAM, ["a", "b", "y"]),
    "an array": ("t.npy", ARRAY, ["x0", "x1", "x2", "x3"]),
    "several arrays": ("t.npz", npz(x=np.zeros((60, 2)), y=np.arange(60)), ["x0", "x1", "y"]),
}  # fmt: skip


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a case."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
