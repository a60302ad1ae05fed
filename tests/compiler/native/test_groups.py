"""Groups of rows: shuffled each on its own, and spread evenly over places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.compiler.native.groups import shuffle_groups_into, spread
from chainrule.compiler.native.shuffle import below, derived, shuffle_into


@given(st.lists(st.integers(1, 200), min_size=1, max_size=30))
def test_groups_are_spread_within_tijdemans_bound(sizes: list[int]) -> None:
    """|count of g in the first t - t size / n| <= 1 - 1 / (2 k - 2), for all t, g and sizes."""
    n, k, groups = sum(sizes), len(sizes), spread(np.array(sizes))
    assert list(np.bincount(groups, minlength=k)) == sizes
    bound = 1 - 1 / max(2 * k - 2, 1) if k > 1 else 0
    for g, size in enumerate(sizes):
        off = np.cumsum(groups == g) - np.arange(1, n + 1) * (size / n)
        assert np.abs(off).max() <= bound + 1e-9


def test_a_million_places_among_many_groups_are_spread_evenly() -> None:
    """Shares from 1 / 5,050 to 100 / 5,050 of 10^6 places: no sum overflows."""
    sizes = np.arange(1, 101) * 200
    groups = spread(sizes)
    n = len(groups)
    for g in (0, 50, 99):
        assert np.abs(np.cumsum(groups == g) - np.arange(1, n + 1) * (sizes[g] / n)).max() < 1


def test_a_group_of_all_rows_is_shuffled_as_a_shuffle_does() -> None:
    wanted, found = np.empty(500, np.int32), np.empty(500, np.int32)
    shuffle_into(wanted, 500, 77)
    values = np.arange(500, dtype=np.int32)
    shuffle_groups_into(found, values, np.array([0, 500]), np.array([0]), 77)
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("key", range(3))
def test_each_group_gets_its_own_values(key: int) -> None:
    """Empty groups among them, and two groups whose sources have changed places."""
    values = np.arange(100, 112, dtype=np.int32)
    starts, sources = np.array([0, 5, 5, 10, 12]), np.array([5, 0, 0, 10])
    found = np.empty(12, np.int32)
    shuffle_groups_into(found, values, starts, sources, key)
    assert sorted(found[:5]) == [105, 106, 107, 108, 109]
    assert sorted(found[5:10]) == [100, 101, 102, 103, 104]
    assert sorted(found[10:]) == [110, 111]


def test_no_groups_are_no_work() -> None:
    none = np.zeros(0, np.int32)
    shuffle_groups_into(none, none, np.array([0]), np.zeros(0, np.int64), 1)


def test_parts_of_a_key_are_keys_of_their_own() -> None:
    assert len({derived(key, part) for key in range(30) for part in range(30)}) == 900


def test_one_draw_is_below_its_bound() -> None:
    drawn = np.bincount([below(derived(1, k), 7) for k in range(7000)], minlength=7)
    assert len(drawn) == 7
    assert np.abs(drawn - 1000).max() < 5 * 30
