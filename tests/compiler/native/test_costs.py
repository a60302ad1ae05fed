"""What pieces of work take, counted from their nests."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.compiler.lower.plan import make_plan
from chainrule.compiler.native.costs import cost_of
from chainrule.compiler.pipeline import plain_roles, simplify


def costs(f, *args):
    graph = simplify(cr.trace(f, *args))
    plan = make_plan(graph, plain_roles(graph))
    return [cost_of(plan, work, 0) for phase in plan.schedule.phases for work in phase]


def test_a_product_is_two_operations_a_term_and_three_arrays():
    a, b = np.zeros((6, 5)), np.zeros((5, 4))
    (cost,) = costs(lambda a, b: a @ b, a, b)
    assert cost.flops == 2 * 6 * 5 * 4
    assert cost.bytes == 8 * (30 + 20 + 24)
    assert sorted(t.bytes for t in cost.touches if t.writes) == [8 * 24]


def test_an_epilogue_adds_its_operations_to_the_product():
    a, b, c = np.zeros((6, 5)), np.zeros((5, 4)), np.zeros(4)
    (cost,) = costs(lambda a, b, c: (a @ b + c) * 2, a, b, c)
    assert cost.flops == 2 * 6 * 5 * 4 + 2 * 24
    assert cost.bytes == 8 * (30 + 20 + 4 + 24)


def test_an_elementary_function_is_as_many_operations_as_are_written_for_it():
    x = np.zeros(100)
    ((one,), (two,)) = costs(np.sqrt, x), costs(np.tanh, x)
    assert one.flops == 100
    assert 10 * 100 <= two.flops <= 80 * 100


def test_a_sum_over_a_product_is_two_operations_a_term():
    x, y = np.zeros((30, 40)), np.zeros((30, 40))
    assert sum(c.flops for c in costs(lambda x, y: np.sum(x * y, axis=1), x, y)) == 2 * 30 * 40


def test_of_a_table_no_more_is_read_than_is_taken():
    table, places = np.zeros((1000, 8)), np.array([3, 4, 1])
    found = costs(lambda t, k: t[k] * 2, table, places)
    assert sum(t.bytes for c in found for t in c.touches) < 8 * 1000


def test_of_a_slice_no_more_is_read_than_it_has():
    (cost,) = costs(lambda x: x[:10] + 1, np.zeros(1000))
    assert cost.bytes == 8 * 20


def test_an_array_that_is_read_twice_counts_once():
    (cost,) = costs(lambda x: x * x + np.sin(x), np.zeros(64))
    assert cost.bytes == 8 * 128


def test_moves_and_whole_numbers_are_no_floating_point_operations():
    found = costs(lambda k: (k + 1) * 3, np.arange(10))
    assert [c.flops for c in found] == [0]


def test_all_steps_of_a_loop_count():
    def f(w, x):
        return cr.scan(lambda s, row: (s @ w, s.sum()), np.ones((1, 8)), x)[0]

    found = costs(f, np.eye(8), np.zeros((25, 8)))
    assert max(c.flops for c in found) == pytest.approx(25 * (2 * 64 + 8), rel=0.2)


def test_a_chain_of_a_thousand_operations_is_counted():
    def f(x):
        for _ in range(1000):
            x = x + 1.5
        return np.sum(x)

    assert sum(c.flops for c in costs(f, np.zeros(16))) == 16 * 1000 + 16
