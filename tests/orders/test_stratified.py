"""Classes in their share of every stretch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import orders
from chainrule.errors import ChainruleError, DataError
from tests.orders.surprise import surprise


def _worst(labels: np.ndarray, rows: np.ndarray) -> tuple[float, float]:
    """How far any prefix, and any window, is from a class's share of it, in rows."""
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    n, off = len(labels), []
    for k, size in enumerate(sizes):
        held = np.r_[0, np.cumsum(classes[rows] == k)]
        off.append(held - np.arange(n + 1) * (size / n))
    lag = np.array(off)
    return float(np.abs(lag).max()), float((lag.max(1) - lag.min(1)).max())


SIZES_OF_CLASSES = {
    "balanced": [100] * 10,
    "nearly balanced": [97, 103, 99, 101, 100, 98],
    "two": [700, 300],
    "rare": [999, 1],
    "many rare": [900] + [1] * 100,
    "one large and some": [500, 10, 9, 8, 7, 6, 5, 4],
    "powers": [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    "many": list(range(1, 41)),
    "one": [50],
    "all different": [1] * 60,
}


@pytest.mark.parametrize("sizes", SIZES_OF_CLASSES.values(), ids=SIZES_OF_CLASSES)
def test_every_window_holds_each_class_in_its_share(sizes: list[int]) -> None:
    """Fewer than two rows too many or too few, in any window of any size, in any epoch."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    order = orders.stratified(labels)
    for epoch in range(20):
        prefix, window = _worst(labels, order.epoch(len(labels), 1, epoch))
        assert prefix < 2
        assert window < 2


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12), st.integers(0, 1000))
def test_any_sizes_of_classes_are_spread_evenly(sizes: list[int], epoch: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    rows = orders.stratified(labels).epoch(len(labels), 5, epoch)
    assert np.array_equal(np.sort(rows), np.arange(len(labels)))
    assert _worst(labels, rows)[1] < 2


def test_balanced_classes_are_as_even_as_whole_numbers_can_be() -> None:
    """Ten classes of equal size: of any 32 rows, three or four are of each class."""
    labels = np.arange(1000) % 10
    rows = orders.stratified(labels).epoch(1000, 0, 4)
    for begin in range(1000 - 32):
        assert set(np.bincount(labels[rows[begin : begin + 32]], minlength=10)) == {3, 4}


def test_a_rare_row_comes_at_every_place() -> None:
    """1 of 100 rows: with "drop" it would never be seen if its place were always the last."""
    labels = np.r_[1, np.zeros(99, int)]
    order = orders.stratified(labels)
    places = [int(np.flatnonzero(order.epoch(100, 0, e) == 0)[0]) for e in range(2000)]
    assert surprise(np.bincount(places, minlength=100), np.full(100, 20.0)) > 1e-4


def test_rows_of_different_classes_meet_in_all_ways() -> None:
    """Which row of class 0 comes just before a row of class 1 is even over epochs."""
    order = orders.stratified([0, 0, 0, 1, 1, 1])
    counts = np.zeros((6, 6))
    for epoch in range(3000):
        rows = order.epoch(6, 3, epoch)
        counts[rows[:-1], rows[1:]] += 1
    pairs = np.r_[counts[:3, 3:].ravel(), counts[3:, :3].ravel()]
    assert surprise(pairs, np.full(18, pairs.sum() / 18)) > 1e-4


def test_classes_of_equal_size_change_parts() -> None:
    """Of four classes of one row each, any two come side by side."""
    order = orders.stratified(list("abcd"))
    pairs = {tuple(order.epoch(4, 0, epoch)[:2]) for epoch in range(300)}
    assert len(pairs) == 12


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes", "yes", "no", "no"]),
        np.array(["no", "yes", "yes", "no", "no"], object),
        ["no", "yes", "yes", "no", "no"],
        np.array(["no", "yes", "yes", "no", "no"], np.dtypes.StringDType()),
        np.array([b"no", b"yes", b"yes", b"no", b"no"]),
        np.array([False, True, True, False, False]),
        np.array([False, True, True, False, False], object),
        np.array([-5, 3, 3, -5, -5], np.int8),
        np.array([0, 2**63, 2**63, 0, 0], np.uint64),
    ],
    ids=["str", "object", "list", "StringDType", "bytes", "bool", "objects", "int8", "uint64"],
)
def test_only_which_rows_share_a_label_counts(labels: object) -> None:
    assert orders.stratified(labels) == orders.stratified([0, 1, 1, 0, 0])


def test_labels_may_be_a_column_of_a_table() -> None:
    pandas = pytest.importorskip("pandas")
    column = pandas.Series(["b", "a", "b"], dtype="category")
    assert orders.stratified(column) == orders.stratified([1, 0, 1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.0, 1.0], r"labels are float64; expected integers(.|\n)*labels\.astype\(int\)"),
        (np.array(["a", None], object), "labels hold None; expected"),
        (np.array(["a", np.nan], object), "labels hold nan; expected"),
        (np.array(["a", 1], object), "labels hold 1; expected"),
        ([1j], r"labels hold .*1j.*; expected"),
        ([[0, 1]], r"labels have shape \(1, 2\)"),
        ([], r"labels have shape \(0,\)"),
    ],
)
def test_labels_that_cannot_be_are_refused(labels: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        orders.stratified(labels)


def test_refusals_are_chainrules_own() -> None:
    with pytest.raises(ChainruleError):
        orders.stratified(np.zeros((2, 2), int))
