"""What a column may be asked to be taken for, and columns of many categories, of text, repeated."""

import datetime as dt
import json

import numpy as np
import pyarrow as pa
import pytest

from chainrule.data import Columns, prepare
from chainrule.data.category import Category
from chainrule.data.date import Date
from chainrule.data.dropped import Dropped
from chainrule.data.embedded import Embedded
from chainrule.data.infer import ASKED
from chainrule.data.number import CLIP, SCALES, Number
from chainrule.data.text import Text
from chainrule.errors import DataError


def only(values, rule=None, **options):
    """The one column of a table."""
    rules = {"c": rule} if rule else {}
    (column,) = Columns.fit(pa.table({"c": pa.array(values)}), rules=rules, **options).columns
    return column


def encode(column, values, kind=None):
    return Columns((column,)).encode(pa.table({"c": pa.array(values, kind)}))


@pytest.mark.parametrize(
    ("values", "rule", "kind"),
    [
        ([1, 2, 3], "category", Category),
        (["1", "2.5", None], "number", Number),
        ([7, 7, 7], "number", Number),
        (["2020-01-01", "2021-02-03"], "date", Date),
        (["a", "b", "a"], "embed", Embedded),
        (["a", "b", "a"], "text", Text),
        ([1.0, 2.0], "drop", Dropped),
        ([None, None], "category", Dropped),
        ([float("nan"), float("nan")], "number", Dropped),
        ([f"name {i}" for i in range(30)], "category", Category),
    ],
)
def test_a_column_is_taken_for_what_is_asked(values, rule, kind):
    assert type(only(values, rule)) is kind


def test_every_rule_that_can_be_asked_for_is_one_of_the_command_line():
    from chainrule.cli import names

    assert (names.RULES, names.SCALES) == (ASKED, SCALES)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"colr": "category"}, r"no column 'colr' in the table, for the rule 'category'"),
        ({"c": "categry"}, r"column 'c': no rule 'categry'(.|\n)*did you mean category\?"),
        ({"c": "date"}, r"column 'c', row 1: expected a date or time, got 'a'"),
        ({"c": "number"}, r"column 'c', row 1: expected a number, got 'a'"),
    ],
)
def test_a_rule_that_does_not_fit_is_one_error(rules, said):
    with pytest.raises(DataError, match=said):
        Columns.fit(pa.table({"c": ["a", "b", "a"]}), rules=rules)


def test_a_scale_that_is_none_is_refused():
    with pytest.raises(DataError, match="scale 'log': expected auto, standard, robust, quantile"):
        Columns.fit(pa.table({"c": [1.0, 2.0]}), scale="log")


def test_the_target_has_no_rule(mixed):
    with pytest.raises(DataError, match="'label' is the target"):
        prepare(mixed, "label", rules={"label": "category"})


# -- scales ----------------------------------------------------------------------------------------


def test_normal_scores_are_taken_where_the_clip_would_cut_a_value_off():
    light, heavy = list(np.linspace(-1, 1, 200)), [*np.linspace(-1, 1, 200), 1e6]
    assert (only(light).scaling, only(heavy).scaling) == ("standard", "quantile")
    assert only(heavy, scale="standard").scaling == "standard"
    x = encode(only(heavy), heavy)
    assert np.abs(x).max() < CLIP
    assert (np.diff(x[:, 0]) >= 0).all()


@pytest.mark.parametrize("scale", ["standard", "robust", "quantile"])
def test_each_scale_gives_normal_numbers_back_with_spread_one(scale):
    values = np.random.default_rng(0).normal(3.0, 7.0, 5000)
    x = encode(only(values, scale=scale), values)[:, 0]
    middle = np.abs(values - 3) < 14  # the tails of 5,000 values are noise
    np.testing.assert_allclose(x[middle], (values[middle] - 3) / 7, atol=0.15)


@pytest.mark.parametrize("scale", SCALES)
def test_any_numbers_are_scaled_finitely(scale):
    for values in (
        [5e-324, 1e-310, 2e-308], [5e-324, 0.0, 1e-323], [1e-300, 1e300, 2e300],
        [1.7e308, -1.7e308, 1e300], [-0.0, 0.0, 1.0],
        [1e15, 1e15 + 1, 1e15 + 2], [0.0] * 50 + [1e308], [None, 3.0, float("nan"), 4.0],
    ):  # fmt: skip
        x = encode(only(values, scale=scale), values)
        assert np.isfinite(x).all(), values
        assert np.abs(x).max() <= CLIP


def test_missing_and_nan_are_the_same(mixed):
    column = only([1.0, None, float("nan"), 5.0, 6.0])
    assert column.missing == 2
    np.testing.assert_array_equal(encode(column, [None]), encode(column, [float("nan")]))


def test_a_missing_boolean_takes_the_more_frequent_value():
    column = only([True, True, False, None])
    assert column.fill == 1.0
    assert encode(column, [None])[0, 0] == encode(column, [True])[0, 0]


# -- many categories -------------------------------------------------------------------------------

MANY = [f"c{i % 90}" for i in range(400)]


def test_many_categories_are_embedded_where_that_is_asked_for():
    assert isinstance(only(MANY), Category)
    column = only(MANY, embed=True)
    assert isinstance(column, Embedded)
    assert (column.rows, column.numbers, column.width) == (91, 21, 1)
    x = encode(column, ["c1", "c0", "never seen", None])
    assert x[:, 0].tolist() == [2.0, 1.0, 0.0, 0.0]


def test_few_categories_are_one_hot_still():
    assert isinstance(only(["a", "b"] * 30, embed=True), Category)


def test_embedded_columns_are_encoded_last_under_their_names():
    table = pa.table({"many": MANY, "size": np.arange(400.0), "more": MANY[::-1]})
    columns = Columns.fit(table, embed=True)
    assert columns.features() == ["size", "many", "more"]
    assert columns.tables == ((91, 21), (91, 21))
    assert columns.encode(table)[0, 1:].tolist() == [
        1 + columns.columns[0].levels.index("c0"), 1 + columns.columns[2].levels.index("c39"),
    ]  # fmt: skip
    assert Columns.from_json(json.loads(json.dumps(columns.to_json()))) == columns


def test_a_hundred_thousand_categories_have_few_numbers_each():
    values = [f"user {i}" for i in range(100_000)] * 2
    column = only(values, "embed")
    assert len(column.levels) + column.rare == 100_000
    assert (column.rows, column.numbers) == (1, 2)  # none has a row in ten thousand
    assert encode(column, values[:3]).tolist() == [[0.0]] * 3


@pytest.mark.parametrize(
    ("levels", "numbers"), [(1, 3), (60, 16), (400, 46), (4000, 8), (20_000, 2)]
)
def test_the_learned_numbers_of_a_category_follow_the_rule(levels, numbers):
    assert Embedded("c", tuple(map(str, range(levels)))).numbers == numbers


def test_categories_may_be_numbers_booleans_decimals_or_dictionaries():
    import decimal

    for values, kind in (
        ([1.0, 2.0, None, float("nan")], pa.float64()),
        ([1, 2, None, 1], pa.int8()),
        ([True, False, None, True], None),
        ([decimal.Decimal("1.50"), decimal.Decimal("2.25"), None, None], None),
        (["x", "y", None, "x"], pa.dictionary(pa.int8(), pa.string())),
        (["x", "y", None, "x"], pa.large_string()),
    ):
        table = pa.table({"c": pa.array(values, kind)})
        columns = Columns.fit(table, rules={"c": "embed"})
        assert columns.columns[0].missing == len([v for v in values if v is None or v != v])
        assert np.isfinite(columns.encode(table)).all()


# -- text ------------------------------------------------------------------------------------------


def test_texts_that_share_words_are_near_each_other():
    column = only(["a red fox", "the blue sea", None], "text")
    x = encode(column, ["a red fox", "one Red fox", "deep blue sea", None])
    assert x.shape == (4, 129)
    np.testing.assert_allclose((x[:3] ** 2).sum(axis=1), 1.0, rtol=1e-5)
    assert x[0] @ x[1] > 0.5 > 0.2 > abs(x[0] @ x[2])
    assert x[3].tolist() == [0.0] * 128 + [1.0]


def test_text_is_hashed_to_the_same_columns_on_any_machine():
    x = encode(only(["ab"], "text"), ["ab"])
    assert np.flatnonzero(x).tolist() == [15, 33, 38, 56, 65, 126]


def test_a_long_column_of_text_is_encoded_in_blocks_as_a_short_one():
    values = [f"text {i % 7} {'x' * (i % 5)}" for i in range(40_000)]
    column = only(values, "text")
    x = encode(column, values)
    np.testing.assert_array_equal(x[-35:], encode(column, values[-35:]))


# -- the same twice --------------------------------------------------------------------------------


def test_a_column_that_repeats_an_earlier_one_is_dropped():
    values = np.random.default_rng(0).normal(size=50)
    values[3] = np.nan
    names = ["red", "blue"] * 25
    table = pa.table({"a": values, "b": values, "c": names, "d": names, "e": values + 1})
    found = {c.name: c.treatment for c in Columns.fit(table).columns}
    assert found["b"] == "dropped: the same as a"
    assert found["d"] == "dropped: the same as c"
    assert not any("same as" in found[name] for name in "ace")


def test_a_column_that_is_asked_for_is_kept_though_it_repeats_another():
    table = pa.table({"a": [1.0, 2.0, 4.0], "b": [1.0, 2.0, 4.0]})
    assert Columns.fit(table, rules={"b": "number"}).width == 2


def test_columns_that_differ_in_one_row_are_both_kept():
    values = np.random.default_rng(0).normal(size=1000)
    other = values.copy()
    other[501] += 1
    assert Columns.fit(pa.table({"a": values, "b": other})).width == 2


# -- dates -----------------------------------------------------------------------------------------


def test_dates_before_1970_and_in_zones_have_their_own_parts():
    zone = dt.timezone(dt.timedelta(hours=-5))
    values = [dt.datetime(1901 + i, 1 + i % 12, 3, 23, 30, tzinfo=zone) for i in range(60)]
    column = only(pa.array(values, pa.timestamp("s", tz="America/Lima")))
    assert column.zone == "America/Lima"
    assert {part.name for part in column.parts} >= {"year", "month"}
    assert column.parts[0].low == 1901


def test_a_rule_for_a_column_that_would_be_left_out_uses_it():
    table = pa.table({"a": [1.0, 2.0, 4.0], "b": [3.0, 1.0, 2.0]})
    columns = Columns.fit(table, drop={"a": "why", "b": "why"}, rules={"a": "number"})
    assert columns.features() == ["a"]
