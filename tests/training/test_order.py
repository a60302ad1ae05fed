"""The order of examples is a function of the seed and the epoch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.compiler.native.shuffle import epoch_key, shuffle_into
from chainrule.training.order import Order


@given(rows=st.integers(1, 300), batch=st.integers(1, 50), seed=st.integers(0, 2**40))
def test_each_epoch_takes_rows_once_and_drops_the_remainder(
    rows: int, batch: int, seed: int
) -> None:
    if batch > rows:
        return
    order = Order(rows, batch, seed)
    epochs = []
    for epoch in range(3):
        taken = []
        for k in range(order.steps_per_epoch):
            found, steps = order.steps_from(epoch * order.steps_per_epoch + k, 1)
            assert steps == 1
            taken.append(found[:batch].copy())
        epochs.append(np.concatenate(taken))
        assert len(set(epochs[-1])) == rows // batch * batch
        assert epochs[-1].min() >= 0
        assert epochs[-1].max() < rows


@given(start=st.integers(0, 4000), most=st.integers(1, 5000))
def test_where_a_reading_begins_does_not_matter(start: int, most: int) -> None:
    """Steps read from the middle are those read from the beginning."""
    first = Order(1000, 30, 7)
    taken = [first.steps_from(k, 1)[0][:30].copy() for k in range(start, start + 3)]
    wanted = np.concatenate(taken)
    found, steps = Order(1000, 30, 7).steps_from(start, max(most, 3))
    assert 3 <= steps <= max(most, 3)
    assert np.array_equal(found[:90], wanted)


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
