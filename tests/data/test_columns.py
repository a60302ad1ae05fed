"""What a column is found to be, and how its values are encoded."""

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data.category import Category
from chainrule.data.columns import BLOCK, Columns
from chainrule.data.date import Date
from chainrule.data.dropped import Dropped
from chainrule.data.infer import fit_column
from chainrule.data.number import CLIP, Number
from chainrule.data.schema import Schema
from chainrule.data.target import Target
from chainrule.errors import DataError

moment = dt.datetime.fromisoformat


def chunked(values, kind=None):
    return pa.chunked_array([pa.array(values, kind)])


def fit(values, name="c", kind=None):
    return fit_column(name, chunked(values, kind))


def encode(column, values, kind=None):
    x = np.zeros((len(values), column.width), np.float32)
    column.encode(chunked(values, kind), x)
    return x


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.5, 2.5, None], Number),
        ([True, False, None], Number),
        ([dt.timedelta(1), dt.timedelta(2)], Number),
        (["a", "b", "a"], Category),
        ([dt.date(2020, 1, 1), dt.date(2021, 1, 2)], Date),
        ([dt.time(10, 30), dt.time(11, 0)], Date),
        ([1.5, 1.5], Dropped),
        (["x", "x"], Dropped),
        ([None, None], Dropped),
        ([float("nan"), None], Dropped),
        ([f"name {i}" for i in range(30)], Dropped),
        ([[1], [2]], Dropped),
        ([b"a", b"b"], Dropped),
    ],
)
def test_the_kind_follows_from_the_values(values, kind):
    assert type(fit(values)) is kind


@pytest.mark.parametrize("name", ["id", "ID", "row_id", "PassengerId", "Unnamed: 0", "", "index"])
def test_whole_numbers_that_all_differ_are_an_identifier_by_name(name):
    assert fit(range(50), name).what == "identifier"


@pytest.mark.parametrize("name", ["population", "paid", "width", "idea", "grid"])
def test_whole_numbers_that_all_differ_are_numbers_under_other_names(name):
    assert isinstance(fit(range(50), name), Number)


def test_numbers_are_scaled_and_missing_ones_take_the_median_and_a_marker():
    column = fit([1.0, 2.0, 3.0, 10.0, None])
    x = encode(column, [4.0, None])
    scale = np.std([1.0, 2.0, 3.0, 10.0])
    np.testing.assert_allclose(x, [[0.0, 0.0], [(2.5 - 4) / scale, 1.0]], rtol=1e-6)


def test_a_missing_value_where_training_missed_none_is_the_median():
    column = fit([1.0, 2.0, 9.0])
    assert column.width == 1
    np.testing.assert_array_equal(encode(column, [None]), encode(column, [2.0]))


def test_outliers_are_held_within_the_clip():
    assert encode(fit([1.0, 2.0, 3.0]), [1e300])[0, 0] == CLIP


def test_huge_numbers_do_not_overflow():
    x = encode(fit([1e300, -1e300, 2e300, 1.5]), [1e300, 1.5])
    assert np.isfinite(x).all()


def test_few_whole_numbers_are_one_hot_as_well():
    column = fit([3, 1, 2] * 40)
    assert column.levels == (1, 2, 3)
    x = encode(column, [2, 7, None])
    assert x[:, 1:].tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize("values", [[0.5, 1.0, 2.0] * 40, [0, 1] * 60, list(range(61)) * 30])
def test_fractions_two_values_or_too_many_are_only_scaled(values):
    assert fit(values).levels == ()


def test_whole_numbers_with_few_rows_each_are_only_scaled():
    assert fit(list(range(30)) * 3).levels == ()


def test_categories_are_one_hot_with_other_for_the_rare_and_the_unknown():
    column = fit(["a"] * 5 + ["b"] * 4 + ["rare"])
    assert (column.levels, column.rare) == (("a", "b"), 1)
    x = encode(column, ["b", "rare", "never seen", None])
    assert x.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_an_unknown_category_is_zeros_where_training_had_no_rare_one():
    column = fit(["a", "b"] * 5)
    assert encode(column, ["c"]).tolist() == [[0, 0]]


def test_a_missing_category_has_a_column_if_training_missed_some():
    column = fit(["a", "b", "a", "b", None])
    assert encode(column, [None, "a"]).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_at_most_sixty_categories_have_a_column():
    column = fit([f"c{i:03}" for i in range(100)] * 3)
    assert (len(column.levels), column.rare, column.width) == (60, 40, 61)


def test_a_category_read_as_a_number_finds_its_column():
    column = fit(["1", "2", "1", "2"])
    assert encode(column, [2, 1]).tolist() == [[0, 1], [1, 0]]
    assert encode(column, [2.0, 1.0]).tolist() == [[0, 1], [1, 0]]


def test_dates_become_those_parts_that_vary():
    days = [dt.date(2020, 1, 1) + dt.timedelta(i) for i in range(365)]
    column = fit(days * 2)  # 31 days of a month are one-hot from 20 rows each
    names = [part.name for part in column.parts]
    assert names == ["month", "day", "day of week", "day of year"]
    assert column.features()[1] == "c month=1"
    x = encode(column, [dt.date(2020, 3, 2)])[0]
    hot = [name for name, value in zip(column.features(), x, strict=True) if value == 1]
    assert hot == ["c month=3", "c day=2", "c day of week=0"]


def test_a_missing_date_has_one_marker():
    days = [dt.date(2020, 1 + i % 12, 1) if i % 5 else None for i in range(30)]
    column = fit(days)
    assert sum("missing" in name for name in column.features()) == 1
    assert np.isfinite(encode(column, [None], pa.date32())).all()


def test_dates_as_text_are_read_and_others_refused():
    column = fit([moment("2020-01-01 05:00"), moment("2021-03-01 07:00")])
    same = encode(column, ["2020-02-03", "2020-02-03 06:00:00"])
    np.testing.assert_array_equal(
        same, encode(column, [moment("2020-02-03"), moment("2020-02-03 06:00")])
    )
    with pytest.raises(DataError, match="column 'c', row 2: expected a date or time, got 'soon'"):
        encode(column, ["2020-02-03", "soon"])


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["1.5", "many"], "column 'c', row 2: expected a number, got 'many'"),
        ([dt.date(2020, 1, 1)], "column 'c', row 1: expected a number, got"),
        ([1.0, float("inf")], "column 'c', row 2: the value is infinite"),
        (["1", "1e999"], "column 'c', row 2: the value is infinite"),
    ],
)
def test_what_is_no_number_is_named_with_its_row(values, said):
    with pytest.raises(DataError) as error:
        encode(fit([1.0, 2.5]), values)
    assert said in error.value.message


def test_numbers_written_as_text_are_read():
    column = fit([1.0, 2.5])
    np.testing.assert_array_equal(encode(column, ["2.5", " 1 "]), encode(column, [2.5, 1.0]))


COLUMNS = st.one_of(
    st.lists(st.floats(allow_infinity=False) | st.none(), min_size=3, max_size=40),
    st.lists(st.integers(-5, 5) | st.none(), min_size=3, max_size=200),
    st.lists(st.sampled_from(["a", "b", "", "ü", "a b"]) | st.none(), min_size=3, max_size=40),
    st.lists(st.booleans() | st.none(), min_size=3, max_size=40),
    st.lists(st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)) | st.none(), min_size=3),
    st.lists(st.datetimes(), min_size=3),
)


@given(COLUMNS)
def test_any_column_is_encoded_finitely_and_the_same_after_json(values):
    """encode(from_json(to_json(schema))) = encode(schema), finite, as wide as it says."""
    column = fit(values)
    schema = Schema(Columns((column,)), Target("y", "regression", ""))
    again = Schema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False)))
    assert again == schema
    x = schema.encode(pa.table({"c": chunked(values)}))
    assert x.shape == (len(values), schema.width) == (len(values), len(schema.features()))
    assert np.isfinite(x).all()
    assert np.abs(x).max(initial=0) <= CLIP
    np.testing.assert_array_equal(x, again.encode(pa.table({"c": chunked(values)})))


def test_rows_beyond_the_first_block_are_encoded_and_named_as_those_in_it():
    values = np.random.default_rng(0).normal(size=3 * BLOCK + 5)
    table = pa.table({"a": values, "b": ["x", "y", None] * BLOCK + ["x"] * 5})
    columns = Columns.fit(table)
    whole = columns.encode(table)
    np.testing.assert_array_equal(whole[-7:], columns.encode(table.slice(len(values) - 7)))
    texts = values.astype(str)
    texts[2 * BLOCK + 1] = "much"
    with pytest.raises(DataError, match=f"column 'a', row {2 * BLOCK + 2:,}: expected a number"):
        columns.encode(table.set_column(0, "a", pa.array(texts.tolist())))
