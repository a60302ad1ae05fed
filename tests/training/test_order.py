"""The order of examples is a function of the seed and the epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule import orders
from chainrule.compiler.native.shuffle import epoch_key, shuffle_into
from chainrule.training.order import Cursor, Place

REMAINDERS = ["drop", "smaller", "carry"]


def walked(
    cursor: Cursor, batches: list[int], most: list[int]
) -> tuple[list[np.ndarray], list[int]]:
    """The rows of each step and the epoch ends, by step, of a walk to the end.

    The batch changes with the epoch; ``most`` is how many steps are asked for at a time.
    """
    place, rows, ends, k = Place(), [], [], 0
    while True:
        place = cursor.settled(place, batches[min(place.epoch, len(batches) - 1)])
        if place.epoch >= cursor.epochs:
            return rows, ends
        batch = batches[min(place.epoch, len(batches) - 1)]
        wanted = most[k % len(most)]
        if len(set(batches)) > 1:
            wanted = min(wanted, cursor.left(place, batch))
        chunk = cursor.take(place, batch, wanted)
        assert 1 <= chunk.steps <= wanted
        assert len(chunk.rows) == chunk.steps * chunk.batch
        ends += [len(rows) + end for end in chunk.ends]
        rows += [part.copy() for part in chunk.rows.reshape(chunk.steps, chunk.batch)]
        place, k = chunk.after, k + 1


@given(
    n=st.integers(1, 200), batch=st.integers(1, 50), seed=st.integers(0, 2**40),
    epochs=st.integers(1, 4), most=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    remainder=st.sampled_from(REMAINDERS),
)  # fmt: skip
def test_each_epoch_takes_the_rows_that_its_policy_says(
    n: int, batch: int, seed: int, epochs: int, most: list[int], remainder: str
) -> None:
    """By policy whole batches, all rows, or all rows in one stream."""
    batch = min(batch, n)
    order = orders.reshuffle(remainder)
    cursor = Cursor(order, n, epochs, seed)
    steps, ends = walked(cursor, [batch], most)
    permutations = [order.epoch(n, seed, epoch) for epoch in range(epochs)]
    kept = {"drop": n // batch * batch, "smaller": n, "carry": n}[remainder]
    stream = np.concatenate([p[:kept] for p in permutations])
    taken = np.concatenate(steps)
    whole = epochs * n // batch * batch if remainder == "carry" else len(stream)
    assert np.array_equal(taken, stream[:whole])
    assert len(ends) == epochs
    assert ends[-1] == len(steps)
    assert cursor.all_left(Place(), batch) == len(steps)


@given(
    n=st.integers(1, 200), batches=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    most=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    remainder=st.sampled_from(REMAINDERS),
)  # fmt: skip
def test_how_many_steps_are_asked_for_at_a_time_does_not_matter(
    n: int, batches: list[int], most: list[int], remainder: str
) -> None:
    """One step at a time or many, with a batch that changes from epoch to epoch: the same rows."""
    batches = [min(batch, n) for batch in batches]
    one = walked(Cursor(orders.reshuffle(remainder), n, 4, 5), batches, [1])
    many = walked(Cursor(orders.reshuffle(remainder), n, 4, 5), batches, most)
    assert one[1] == many[1]
    assert len(one[0]) == len(many[0])
    assert all(map(np.array_equal, one[0], many[0]))


@given(n=st.integers(1, 300), batch=st.integers(1, 50), remainder=st.sampled_from(REMAINDERS))
def test_a_constant_batch_has_the_step_numbers_that_were_planned(
    n: int, batch: int, remainder: str
) -> None:
    """Step k is planned step k, so a schedule of the learning rate is followed exactly."""
    batch = min(batch, n)
    cursor = Cursor(orders.in_order(remainder), n, 3, 0)
    place, numbers = Place(), []
    while place.epoch < 3:
        chunk = cursor.take(place, batch, 7)
        numbers.append(cursor.planned(chunk, batch))
        place = chunk.after
    assert np.array_equal(np.concatenate(numbers), np.arange(cursor.all_left(Place(), batch)))


def test_every_row_comes_everywhere_equally_often() -> None:
    """5 rows, 20,000 shuffles: each count is 4,000 within five standard deviations (57)."""
    counts, order = np.zeros((5, 5)), np.zeros(5, np.int32)
    for epoch in range(20_000):
        shuffle_into(order, 5, epoch_key(3, 1, epoch))
        counts[np.arange(5), order] += 1
    assert np.abs(counts - 4000).max() < 5 * 57


@pytest.mark.parametrize("parts", [(1, 2), (2, 1), (0, 0), (0, 1)])
def test_seeds_streams_and_epochs_have_keys_of_their_own(parts: tuple[int, int]) -> None:
    stream, epoch = parts
    keys = {
        epoch_key(s, stream + a, epoch + b) for s in range(5) for a in range(5) for b in range(5)
    }
    assert len(keys) == 125


@pytest.mark.parametrize("remainder", ["drop", "carry"])
def test_step_numbers_of_several_epochs_are_those_of_each_start(
    remainder: orders.Remainder,
) -> None:
    """A chunk over epochs names its steps by a range; worked out one by one they are the same."""
    cursor = Cursor(orders.reshuffle(remainder), 10, 6, 0)
    place = Place()
    while cursor.all_left(place, 3):
        chunk = cursor.take(place, 3, 5)
        starts = np.concatenate([np.array(run) for run in chunk.starts])
        expected = starts // 3 if remainder == "carry" else starts // 10 * 3 + starts % 10 // 3
        np.testing.assert_array_equal(np.array(cursor.planned(chunk, 3)), expected)
        place = chunk.after
