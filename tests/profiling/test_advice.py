"""Advice is given where the figures leave no doubt, and only there."""

from __future__ import annotations

import pytest

from chainrule.profiling.advice import advice_on
from chainrule.profiling.row import Row


def row(name="product", kind="product", seconds=1.0, limit=0.5, bound="FLOPs", dtype="f32"):
    return Row(0, name, kind, "", dtype, 1e6, 1e4, seconds, seconds, limit, bound)


@pytest.mark.parametrize(
    ("rows", "outside", "begin"),
    [
        ([row()], {"validation": 1.0}, "validation: 50 %"),
        ([row()], {"callbacks": 2.0}, "callbacks: 67 %"),
        ([row(), row("waiting for the other threads", "waiting", 0.5, 0.0)], {}, "threads=1: 33 %"),
        ([row("rows", "gather", 0.9, 0.5, "memory"), row(seconds=1.1)], {}, 'order="in order"'),
        ([row(limit=0.9)], {}, "a smaller layer: product takes 100 %"),
        ([row(limit=0.9, dtype="f64")], {}, "float32: product is at 90 %"),
        ([row(limit=0.5)], {}, ""),
        ([row(limit=0.9, seconds=1.0), *[row(limit=0.1, seconds=1.0)] * 3], {}, ""),
    ],
)
def test_advice(rows, outside, begin):
    found = advice_on(rows, sum(r.seconds for r in rows), outside, 32)
    assert found.startswith(begin)
    assert bool(found) == bool(begin)


def test_a_step_of_beginnings_is_told_to_take_more_examples():
    rows = [row(seconds=1e-7, limit=1e-8)] * 15
    assert advice_on(rows, 1.5e-6, {}, 32).startswith("a batch above 32: ")


def test_gathering_from_a_cache_is_nobody_s_fault():
    rows = [row("rows", "gather", 0.9, 0.5, "L2"), row(seconds=1.1)]
    assert not advice_on(rows, 2.0, {}, 32).startswith("order")
