"""A table becomes training, validation and test rows under one schema."""

import json

import numpy as np
import pyarrow as pa
import pytest

from chainrule.data import Schema, held_out, prepare
from chainrule.data.target import find_target
from chainrule.errors import DataError


def target_of(values, task="auto"):
    column = pa.chunked_array([pa.array(values)])
    return find_target("y", column, task), column


def test_a_mixed_table_is_prepared(mixed):
    prepared = prepare(mixed, "label")
    kinds = {c.name: c.treatment for c in prepared.schema.columns}
    assert kinds["id"].startswith("dropped")
    assert kinds["same"] == "dropped: x in every row"
    assert kinds["name"].startswith("dropped")
    assert kinds["hour"] == "scaled; one-hot of 5 values"
    assert "a category of its own" in kinds["colour"]
    assert prepared.train.x.dtype == np.float32
    assert [len(p) for p in (prepared.train, prepared.validation, prepared.test)] == [120, 40, 40]
    assert np.isfinite(prepared.train.x).all()


def test_the_schema_is_fitted_on_training_rows_alone(mixed):
    x = prepare(mixed, "label").train.x
    scaled = x[:, 0]  # size: 0 for its mean, and where a value is missing the median
    assert abs(scaled.mean()) < 0.1
    assert abs(scaled.std() - 1) < 0.1


def test_a_schema_survives_json(mixed):
    schema = prepare(mixed, "label").schema
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert again == schema
    np.testing.assert_array_equal(again.encode(mixed), schema.encode(mixed))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda s: s.update(version=99), "schema version 99"),
        (lambda s: s["columns"][0].update(kind="tensor"), "damaged"),
        (lambda s: s["target"].pop("name"), "damaged"),
        (lambda s: s.pop("columns"), "damaged"),
    ],
)
def test_a_damaged_schema_is_refused(mixed, damage, said):
    stored = json.loads(json.dumps(prepare(mixed, "label").schema.to_json()))
    damage(stored)
    with pytest.raises(DataError, match=said):
        Schema.from_json(stored)


def test_columns_may_come_in_any_order_and_more_of_them(mixed):
    schema = prepare(mixed, "label").schema
    other = mixed.select(list(reversed(mixed.column_names))).append_column("new", mixed["hour"])
    np.testing.assert_array_equal(schema.encode(other), schema.encode(mixed))


def test_a_missing_column_is_named_with_the_nearest(mixed):
    schema = prepare(mixed, "label").schema
    names = ["color" if name == "colour" else name for name in mixed.column_names]
    with pytest.raises(DataError, match=r"lacks 'colour'.*\n.*did you mean 'color'"):
        schema.encode(mixed.rename_columns(names))


def test_dropped_columns_need_not_be_there(mixed):
    schema = prepare(mixed, "label").schema
    np.testing.assert_array_equal(schema.encode(mixed.drop(["id", "same"])), schema.encode(mixed))


def test_rows_without_a_target_are_dropped_and_counted(mixed):
    labels = [None if i < 7 else v for i, v in enumerate(mixed["label"].to_pylist())]
    table = mixed.set_column(8, "label", pa.array(labels))
    prepared = prepare(table, "label")
    assert prepared.notes == ("7 rows dropped: no value for 'label'",)
    assert sum(len(p) for p in (prepared.train, prepared.validation, prepared.test)) == 193


def test_a_seed_gives_the_same_split_and_another_seed_another(mixed):
    a, b, c = (prepare(mixed, "size", seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(a.test.y, b.test.y)
    assert not np.array_equal(a.test.y, c.test.y)


def test_held_out_gives_the_test_rows_again(mixed):
    prepared = prepare(mixed, "label", seed=3)
    again = held_out(mixed, prepared.schema, seed=3)
    np.testing.assert_array_equal(prepared.schema.encode(again), prepared.test.x)


def test_classes_have_the_same_share_in_every_part(mixed):
    prepared = prepare(mixed, "label")
    assert [p.y.mean() for p in (prepared.train, prepared.validation, prepared.test)] == [0.5] * 3


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["b", "a"] * 5, "classification", ("a", "b")),
        ([True, False] * 5, "classification", (False, True)),
        ([0, 1] * 5, "classification", (0, 1)),
        ([0.5, 1.5] * 5, "classification", (0.5, 1.5)),
        ([3.0, 1.0, 2.0] * 5, "classification", (1, 2, 3)),
        (list(range(10)) * 5, "classification", tuple(range(10))),
        (list(range(11)) * 5, "regression", ()),
        ([0.5, 1.5, 2.25] * 5, "regression", ()),
    ],
)
def test_the_task_follows_from_the_target(values, task, classes):
    target, _ = target_of(values)
    assert (target.task, target.classes) == (task, classes)


def test_the_task_can_be_asked_for():
    assert target_of([0, 1, 2] * 9, "regression")[0].task == "regression"
    assert target_of(list(range(12)) * 3, "classification")[0].classes == tuple(range(12))


@pytest.mark.parametrize(
    "values", [["b", "a"] * 5, [True, False] * 5, [3, 7, 5] * 4, [0.5, 1.5] * 6]
)
def test_class_indices_point_to_the_labels(values):
    target, column = target_of(values)
    assert [target.classes[k] for k in target.values(column)] == values


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: (t, "lable"), "no column 'lable'"),
        (lambda t: (t, "same"), "every row holds 'x'; there is nothing to learn"),
        (lambda t: (t, "day"), "a date or time"),
        (lambda t: (t, "name"), "200 classes of 200 with fewer than 3 rows"),
        (lambda t: (t.slice(0, 19), "label"), "19 rows with a target; at least 20 needed"),
        (lambda t: (t.select(["same", "label"]), "label"), "no column to learn from"),
        (
            lambda t: (t.append_column("gone", pa.nulls(200, pa.int64())), "gone"),
            "missing in all 200 rows",
        ),
        (
            lambda t: (t.append_column("big", pa.array([1.0] * 150 + [np.inf] * 50)), "label"),
            "column 'big', row 151: the value is infinite",
        ),
    ],
)
def test_what_cannot_be_learned_is_one_error(mixed, change, said):
    table, target = change(mixed)
    with pytest.raises(DataError) as error:
        prepare(table, target)
    assert said in error.value.message


def test_a_class_that_training_did_not_see_is_named():
    target, _ = target_of(["a", "b"] * 5)
    with pytest.raises(DataError, match="row 2: class 'c' was not there at training"):
        target.values(pa.chunked_array([["a", "c"]]))


def test_an_infinite_target_is_refused(mixed):
    table = mixed.append_column("y", pa.array([np.inf, *np.arange(199.0).tolist()]))
    with pytest.raises(DataError, match="column 'y', row 1"):
        prepare(table, "y")


def test_a_length_of_time_is_learned_in_seconds():
    import datetime as dt

    target, column = target_of([dt.timedelta(hours=k) for k in range(1, 21)])
    assert (target.task, target.reason) == (
        "regression", "the target is a length of time, in seconds",
    )  # fmt: skip
    np.testing.assert_array_equal(target.values(column)[:2], [3600.0, 7200.0])
    with pytest.raises(DataError, match="a length of time, which has no classes"):
        find_target("y", column, "classification")


@pytest.mark.parametrize("values", [[[1]] * 20, [b"x"] * 20, [{"a": 1}] * 20])
def test_a_target_of_a_kind_that_is_not_learned_is_refused(values):
    with pytest.raises(DataError, match=r"'y' is of type .*, which is not learned"):
        target_of(values)
