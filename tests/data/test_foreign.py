"""Tables of other libraries become Arrow tables, or one clear error."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from chainrule.data import as_table
from chainrule.errors import DataError

A, B = [1.5, None, 3.0], ["x", "y", None]
EXPECTED = pa.table({"a": A, "b": B})


class Foreign:
    """Any other library, as the PyCapsule interface of Arrow sees it."""

    def __arrow_c_stream__(self, requested_schema=None):
        return EXPECTED.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "x",
    [
        EXPECTED,
        EXPECTED.to_batches()[0],
        EXPECTED.to_reader(),
        pl.DataFrame({"a": A, "b": B}),
        pd.DataFrame({"a": A, "b": B}),
        pd.DataFrame({"a": A, "b": B}, index=["p", "q", "r"]),
        Foreign(),
        {"a": A, "b": B},
        {"a": np.ma.array([1.5, 9.0, 3.0], mask=[0, 1, 0]), "b": pa.array(B)},
    ],
    ids=lambda x: type(x).__name__,
)
def test_a_table_of_any_library_is_the_same(x):
    table = as_table(x)
    assert table.column_names == ["a", "b"]
    assert table["a"].to_pylist() == A
    assert table["b"].to_pylist() == B


@pytest.mark.parametrize(
    "x",
    [
        np.array([[1, 2], [3, 4]]),
        np.array([[1, 2], [3, 4]], dtype=">i8", order="F"),
        np.array([[1, 9], [3, 4]], dtype=np.float32)[:, [0, 1]] - [[0, 7], [0, 0]],
        np.array([[1, 2], [3, 4]], dtype=object),
        sp.csr_array([[1, 2], [3, 4]]),
        sp.coo_matrix([[1.0, 2.0], [3.0, 4.0]]),
    ],
    ids=["rows", "columns, big-endian", "float32", "object", "csr", "coo"],
)
def test_the_columns_of_an_array_are_numbered(x):
    table = as_table(x)
    assert table.column_names == ["x0", "x1"]
    assert table["x0"].to_pylist() == [1, 3]
    assert table["x1"].to_pylist() == [2, 4]
    assert as_table(x, names=["p", "q"]).column_names == ["p", "q"]


def test_a_structured_array_has_its_own_names():
    x = np.array(
        [(1, b"x", "2020-01-02")], dtype=[("a", ">i4"), ("b", "S3"), ("day", "datetime64[D]")]
    )
    assert as_table(x).to_pylist() == [{"a": 1, "b": "x", "day": dt.date(2020, 1, 2)}]


def test_names_are_made_safe():
    x = {" a ": [1], "": [2], "two\nlines": [3], 7: [4]}
    assert as_table(x).column_names == ["a", "unnamed: 1", "two lines", "7"]
    assert as_table(pd.DataFrame({1: [1], "b": [2]})).column_names == ["1", "b"]


def test_categories_of_pandas_stay_categories():
    table = as_table(pd.DataFrame({"c": pd.Categorical(["x", "y", "x"])}))
    assert pa.types.is_dictionary(table.schema.field("c").type)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.zeros(3), "expected a 2-D or a structured array, got shape (3,)"),
        (np.zeros((2, 2, 2)), "got shape (2, 2, 2)"),
        (np.zeros((2, 2), dtype=complex), "column 'x0' cannot be used"),
        (np.zeros(2, dtype=[("a", "f8", (3,))]), "column 'a' has shape (2, 3)"),
        ({"a": [1, 2], "b": [1]}, "columns of different lengths (a: 2, b: 1)"),
        ({"a": 1}, "column 'a' is of the type int; expected its values, one per row"),
        ({"a": "text"}, "column 'a' is of the type str"),
        ({"a": [1, "x"]}, "column 'a' cannot be used"),
        ({"a": [1], " a": [2]}, "1 column name twice in the header: a"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "1 column name twice"),
        (pd.DataFrame({"a": [1, "x"]}), "Conversion failed for column a"),
        (pd.Series([1, 2]), "expected a DataFrame, got a Series"),
        (pl.Series([1, 2]), "cannot be used as a table"),
        ("table.csv", "expected a 2-D or a structured array"),
        (sp.csr_array((100_000, 100_000)), "76,293 MiB, more than 2,048"),
    ],
    ids=lambda x: x if isinstance(x, str) else type(x).__name__,
)
def test_what_is_no_table_is_refused_in_one_line(x, said):
    with pytest.raises(DataError) as error:
        as_table(x, source="my table")
    assert said in error.value.message
    assert error.value.message.startswith("my table: ")
    assert error.value.message.isprintable()


def test_names_must_fit():
    with pytest.raises(DataError, match="3 names for 2 columns"):
        as_table(np.zeros((2, 2)), names=["a", "b", "c"])
