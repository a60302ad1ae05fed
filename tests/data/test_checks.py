"""The pre-flight check finds what was planted, and says nothing of tables that are well."""

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn import datasets

from chainrule.data import flights, preflight, prepare, read_table
from chainrule.data.checks.front import CHECKS, joined, most_important
from chainrule.errors import DataError

EXAMPLES = Path(__file__).parents[2] / "examples" / "data"
N = 1000


def table(n=N, seed=0, **more):
    """A class that two columns of numbers tell with some noise, and a category that does not."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n))
    y = (a + b + 0.5 * rng.normal(size=n) > 0).astype(int)
    kind = rng.choice(["x", "y", "z"], n)
    return (
        pa.table({"a": a, "b": b, "kind": kind, "y": y}).append_column
        if False
        else pa.table(
            {"a": a, "b": b, "kind": kind, **{k: v(rng, a, y) for k, v in more.items()}, "y": y}
        )
    )


def kinds(findings):
    return {(f.severity, f.kind, f.column) for f in findings}


def found(findings, kind):
    return next((f for f in findings if f.kind == kind), None)


def test_a_table_that_is_well_has_no_findings():
    assert preflight(table(), "y") == []


def some(rng, n, value, others):
    """5 % of the value among others."""
    return np.where(rng.random(n) < 0.05, value, others)


def many_words(rng, a, y):
    return np.char.add(np.where(y == 1, "w", "l"), rng.integers(0, 40, len(y)).astype(str))


LEAK, SENTINEL, ORDERED = (
    ("serious", "leak"),
    ("warning", "sentinel"),
    ("warning", "ordered by date"),
)
#: a column made of (rng, a, y) -> the severity and the kind of what is said of it
PLANTED = {
    "a copy": (lambda rng, a, y: y.copy(), LEAK),
    "a function": (lambda rng, a, y: 3.0 - 2.0 * y + 0.1 * rng.random(N), LEAK),
    "a word for it": (lambda rng, a, y: np.where(y == 1, "won", "lost"), LEAK),
    "many words for it": (many_words, LEAK),
    "another unit": (lambda rng, a, y: 32 + 1.8 * a, ("warning", "same column")),
    "a turned unit": (lambda rng, a, y: -1e6 * a, ("warning", "same column")),
    "row number": (lambda rng, a, y: np.arange(N) * 3 + 7, ("warning", "row number")),
    "-999": (lambda rng, a, y: some(rng, N, -999, rng.normal(size=N)), SENTINEL),
    "9999": (lambda rng, a, y: some(rng, N, 9999, rng.integers(0, 90, N)), SENTINEL),
    "gaps": (
        lambda rng, a, y: np.where(rng.random(N) < 0.7, np.nan, rng.normal(size=N)),
        ("warning", "mostly missing"),
    ),
    "heavy": (lambda rng, a, y: np.exp(3 * rng.normal(size=N)), ("note", "heavy tail")),
    "days": (lambda rng, a, y: np.datetime64("1969-06-01") + np.arange(N) // 3, ORDERED),
    "days back": (lambda rng, a, y: np.datetime64("2020-01-01") - np.arange(N) // 3, ORDERED),
}  # fmt: skip


@pytest.mark.parametrize(("make", "said"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_in_a_column_is_found_there_and_nothing_else(make, said):
    findings = preflight(table(planted=make), "y")
    assert {f for f in kinds(findings) if f[1] != "unscaled"} == {(*said, "planted")}
    assert "planted" in found(findings, said[1]).what


def test_a_leak_is_found_whatever_else_the_table_holds_missing():
    """Missingness itself may be the leak."""
    leak = table(planted=lambda rng, a, y: np.where(y == 1, np.nan, rng.normal(size=len(y))))
    assert ("serious", "leak", "planted") in kinds(preflight(leak, "y"))


@pytest.mark.parametrize("f", [lambda t: 2 * t + 1, np.exp, lambda t: -(t**3), np.abs])
def test_a_function_of_a_number_is_a_leak(f):
    rng = np.random.default_rng(0)
    target = rng.normal(size=N)
    leaking = pa.table({"a": rng.normal(size=N), "made": f(target), "y": target})
    findings = [x for x in preflight(leaking, "y") if x.kind == "leak"]
    assert [x.column for x in findings] == ([] if f is np.abs else ["made"])


def test_a_good_column_is_no_leak():
    """97 % of the variance explained is a good column, and physics."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=N)
    good = pa.table({"a": a, "b": rng.normal(size=N), "y": a + 0.17 * rng.normal(size=N)})
    assert preflight(good, "y") == []


def test_a_rare_class_is_said_with_its_share():
    rng = np.random.default_rng(0)
    y = np.where(np.arange(N) % 40 == 0, "rare", "usual")
    finding = found(preflight(pa.table({"a": rng.normal(size=N), "y": y}), "y"), "imbalance")
    assert finding.figure == pytest.approx(0.025)
    assert finding.what == "rare is the class of 2.50% of the rows (25), usual of 97.5%"


def test_a_target_that_is_nearly_constant_is_said():
    rng = np.random.default_rng(0)
    a = rng.normal(size=N)
    y = np.where(np.arange(N) < 5, 1, 0)
    assert found(preflight(pa.table({"a": a, "y": y}), "y"), "nearly constant target").figure > 0.99
    number = np.where(np.arange(N) < 50, rng.normal(size=N), 0.0)
    finding = found(preflight(pa.table({"a": a, "y": number}), "y"), "nearly constant target")
    assert finding.what == "y is 0 in 95.0% of the rows"


def test_a_target_with_a_few_huge_values_is_said():
    rng = np.random.default_rng(0)
    y = rng.normal(size=N)
    y[7] = 1e6
    finding = found(
        preflight(pa.table({"a": rng.normal(size=N), "y": y}), "y"), "heavy-tailed target"
    )
    assert 31 < finding.figure < 32  # sqrt(N) is as far as one of N can be
    assert "huber" in finding.remedy


def test_wrong_classes_are_noticed_where_neighbours_agree():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 3))
    y = (x[:, 0] > 0).astype(int)
    clean = pa.table({"a": x[:, 0] * 5, "b": x[:, 1], "c": x[:, 2], "y": y})
    assert found(preflight(clean, "y"), "label noise") is None
    wrong = np.where(rng.random(N) < 0.12, 1 - y, y)
    finding = found(preflight(clean.set_column(3, "y", pa.array(wrong)), "y"), "label noise")
    assert 0.05 < finding.figure < 0.12


def test_noise_that_is_the_worlds_own_is_not_label_noise():
    rng = np.random.default_rng(0)
    y = (rng.random(N) < 0.25).astype(int)
    assert preflight(pa.table({"a": rng.normal(size=N), "y": y}), "y") == []


def test_equal_rows_of_other_classes_are_counted():
    half = table(N // 2)
    other = half.set_column(3, "y", pa.array(1 - half["y"].to_numpy()))
    findings = preflight(pa.concat_tables([half, other.slice(0, 50), table(50, seed=1)]), "y")
    assert found(findings, "contradicting rows").figure == pytest.approx(100 / 600)


def test_repeated_rows_are_counted_also_between_training_and_test():
    half = table(N // 2)
    findings = preflight(pa.concat_tables([half, half]), "y")
    assert found(findings, "repeated rows").figure == pytest.approx(0.5)
    assert found(findings, "test rows in training").severity == "warning"
    assert found(findings, "test rows in training").figure > 0.7


def test_rows_of_few_categories_are_equal_by_nature():
    rng = np.random.default_rng(0)
    few = pa.table({
        "a": rng.choice(["x", "y"], N), "b": rng.choice(["x", "y"], N), "y": rng.integers(0, 2, N),
    })  # fmt: skip
    assert found(preflight(few, "y"), "test rows in training").severity == "note"


def test_categories_that_only_test_rows_have_are_named():
    kept = table()
    test = prepare(kept, "y").places.test
    towns = np.array(["here", "there"])[np.arange(N) % 2].astype(object)
    towns[test[:20]] = "elsewhere"
    findings = preflight(kept.append_column("town", pa.array(towns.tolist())), "y")
    finding = found(findings, "only in test rows")
    assert finding.figure == pytest.approx(20 / len(test))
    assert "elsewhere" in finding.what


def test_rows_without_a_target_are_counted():
    y = [None if k % 5 == 0 else k % 2 for k in range(N)]
    findings = preflight(table().set_column(3, "y", pa.array(y)), "y")
    assert found(findings, "rows dropped").severity == "warning"
    assert found(findings, "rows dropped").figure == pytest.approx(0.2)


def test_columns_that_are_left_out_are_named_by_reason():
    n = N
    more = table().append_column("same", pa.array(["x"] * n))
    more = more.append_column("name", pa.array([f"name {k}" for k in range(n)]))
    more = more.append_column("again", more["a"]).append_column("gone", pa.nulls(n))
    said = [f.what for f in preflight(more, "y") if f.kind == "left out"]
    assert said == [
        "same: not used (constant)", "name: not used (identifier)",
        "again: not used (duplicate)", "gone: not used (empty)",
    ]  # fmt: skip
    assert not [f for f in preflight(more, "y", drop={"name": "as asked"}) if f.column == "name"]


# -- real tables -----------------------------------------------------------------------------------


def of_scikit_learn(read):
    data = read(as_frame=True)
    return pa.Table.from_pandas(data.data.assign(y=data.target), preserve_index=False)


@pytest.mark.parametrize(
    "read",
    [datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes, datasets.load_digits],
)
def test_the_tables_of_scikit_learn_are_well(read):
    findings = preflight(of_scikit_learn(read), "y")
    assert most_important(findings) == []


@pytest.mark.parametrize(
    ("name", "target"), [("iris", "species"), ("penguins", "species"), ("penguins", "body_mass_g")]
)
def test_the_example_tables_are_well(name, target):
    assert most_important(preflight(read_table(EXAMPLES / f"{name}.csv"), target)) == []


@pytest.mark.slow
def test_of_flights_it_is_said_that_they_are_in_order_and_what_gives_them_away():
    example = flights()
    findings = preflight(example.table, example.target, drop=example.drop)
    assert [(f.kind, f.severity) for f in findings] == [
        ("ordered by date", "warning"), ("rows dropped", "note"),
    ]  # fmt: skip
    serious = [f for f in preflight(example.table, example.target) if f.severity == "serious"]
    assert [f.column for f in serious] == ["arr_delay"]


# -- edges -----------------------------------------------------------------------------------------


def test_the_same_is_found_of_a_prepared_table():
    leaking = table(planted=lambda rng, a, y: y * 2.0 - 1)
    prepared = prepare(leaking, "y", embed=True)
    assert preflight(leaking, "y", prepared=prepared) == preflight(leaking, "y")


def test_findings_of_many_columns_are_said_as_one():
    columns = {f"c{k}": np.exp(3 * np.random.default_rng(k).normal(size=N)) for k in range(8)}
    findings = preflight(pa.table({**columns, "y": np.arange(N) % 2}), "y")
    heavy = [f for f in joined(findings) if f.kind == "heavy tail"]
    assert len([f for f in findings if f.kind == "heavy tail"]) == 8
    assert len(heavy) == 1
    assert heavy[0].what.endswith("and 2 more")


def test_serious_findings_come_first():
    many = table(
        planted=lambda rng, a, y: y.copy(),
        gaps=lambda rng, a, y: np.where(rng.random(len(y)) < 0.7, np.nan, a),
        heavy=lambda rng, a, y: np.exp(3 * rng.normal(size=len(y))),
    )
    severities = [f.severity for f in preflight(many, "y")]
    assert severities == sorted(severities, key=["serious", "warning", "note"].index)


@pytest.mark.parametrize("n", [3, 20, 25])
def test_the_smallest_tables_are_checked_too(n):
    small = table(6 * n)
    assert all(f.what for f in preflight(small, "y"))


def test_odd_columns_are_checked_without_a_fault():
    rng = np.random.default_rng(0)
    zone = dt.timezone(dt.timedelta(hours=9))
    moments = [dt.datetime(1950 + k % 100, 1, 1, tzinfo=zone) for k in range(N)]
    odd = pa.table({
        "huge": np.where(np.arange(N) % 2, 1.7e308, -1.7e308) * rng.random(N),
        "tiny": rng.random(N) * 5e-324 + 5e-324 * (np.arange(N) % 3),
        "zero": np.where(np.arange(N) % 2, -0.0, 0.0),
        "when": pa.array(moments), "clock": pa.array([dt.time(k % 24) for k in range(N)]),
        "list": pa.array([[1]] * N), "flag": pa.array([None, True, False, True] * (N // 4)),
        "words": pa.array(["a", "b", None, "c"] * (N // 4)).dictionary_encode(),
        "gone": pa.array([None] * N, pa.float64()), "y": rng.normal(size=N),
    })  # fmt: skip
    assert all(np.isfinite(f.figure) for f in preflight(odd, "y"))


def test_a_target_that_is_not_there_is_one_error():
    with pytest.raises(DataError, match="no column 'z'"):
        preflight(table(), "z")


def test_every_check_is_of_the_list_once():
    assert len(set(CHECKS)) == len(CHECKS) == 15
