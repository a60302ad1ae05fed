"""Orders of examples: laws that hold for all of them, and what each one promises."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest

from chainrule import orders
from chainrule.compiler.native.shuffle import epoch_key, shuffle_into
from chainrule.errors import DataError, TrainingError
from chainrule.orders import Order
from tests.orders.surprise import surprise

Make = Callable[[int], Order]


def _labels(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 4, n)


def _weights(n: int) -> np.ndarray:
    return np.random.default_rng(n).random(n) + 0.1


#: Each kind of order for n rows.
KINDS: dict[str, Make] = {
    "reshuffle": lambda n: orders.reshuffle(),
    "once": lambda n: orders.once(),
    "in_order": lambda n: orders.in_order(),
    "with_replacement": lambda n: orders.with_replacement(),
    "stratified": lambda n: orders.stratified(_labels(n)),
    "weighted": lambda n: orders.weighted(_weights(n)),
}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_permutation = pytest.mark.parametrize("kind", ["reshuffle", "once", "in_order", "stratified"])
SIZES = [1, 2, 3, 1000, 1 << 20]


# -- laws of all orders ---------------------------------------------------------------------------


@every_kind
def test_an_epoch_is_a_function_of_the_seed_and_the_epoch(kind: str) -> None:
    """A new order, asked for epoch 5 first, gives what one gives that has gone through all."""
    gone = KINDS[kind](300)
    epochs = [gone.epoch(300, 7, epoch) for epoch in range(6)]
    assert np.array_equal(KINDS[kind](300).epoch(300, 7, 5), epochs[5])
    assert np.array_equal(gone.epoch(300, 7, 2), epochs[2])


@every_kind
@pytest.mark.parametrize("n", SIZES)
def test_rows_are_numbers_of_rows(kind: str, n: int) -> None:
    rows = KINDS[kind](n).epoch(n, 3, 1)
    assert rows.dtype == np.int32
    assert rows.shape == (n,)
    assert rows.min() >= 0
    assert rows.max() < n


@every_permutation
@pytest.mark.parametrize("n", SIZES)
def test_an_epoch_holds_each_row_once(kind: str, n: int) -> None:
    rows = KINDS[kind](n).epoch(n, 3, 1)
    assert np.array_equal(np.sort(rows), np.arange(n))


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "in_order"])
def test_another_seed_gives_another_order(kind: str) -> None:
    order = KINDS[kind](100)
    assert len({order.epoch(100, seed, 0).tobytes() for seed in range(50)}) == 50


@every_kind
def test_another_epoch_gives_another_order_where_epochs_differ(kind: str) -> None:
    order = KINDS[kind](100)
    found = len({order.epoch(100, 0, epoch).tobytes() for epoch in range(50)})
    assert found == (1 if kind in ("once", "in_order") else 50)


@every_kind
def test_a_seed_may_be_a_number_of_numpy_or_large(kind: str) -> None:
    order = KINDS[kind](50)
    assert np.array_equal(order.epoch(50, np.int64(9), np.int32(2)), order.epoch(50, 9, 2))
    order.epoch(50, 2**70 + 1, 0)


@every_kind
def test_only_what_is_given_is_written(kind: str) -> None:
    held = np.full(120, -7, np.int32)
    KINDS[kind](100).epoch_into(held[10:110], 0, 0)
    assert set(held[:10]) == set(held[110:]) == {-7}


@pytest.mark.parametrize("kind", [k for k in KINDS if k not in ("once", "in_order")])
def test_every_row_comes_at_every_place_equally_often(kind: str) -> None:
    """Chi-square of row × place over 4,000 epochs of 6 rows, a class and a weight of each kind."""
    made = {
        "stratified": orders.stratified([0, 1, 1, 2, 2, 2]),
        "weighted": orders.weighted(np.ones(6)),
    }
    order = made.get(kind) or KINDS[kind](6)
    counts = np.zeros((6, 6))
    for epoch in range(4000):
        counts[np.arange(6), order.epoch(6, 11, epoch)] += 1
    # The rows of a permutation are not independent of each other; each place on its own is tried.
    for place in (*counts, *counts.T):
        assert surprise(place, np.full(6, place.sum() / 6)) > 1e-4


def test_a_permutation_once_comes_from_all_permutations() -> None:
    """Chi-square of the 24 orders of 4 rows over 6,000 seeds."""
    found = [tuple(orders.once().epoch(4, seed, 0)) for seed in range(6000)]
    counts = np.unique(found, axis=0, return_counts=True)[1]
    assert len(counts) == 24
    assert surprise(counts, np.full(24, 250.0)) > 1e-4


@pytest.mark.parametrize("n", [1, 2, 1000, 65_537])
def test_reshuffling_gives_the_bits_that_it_always_gave(n: int) -> None:
    """Stream 1 of the seed: a run folder of an earlier version resumes on the same rows."""
    wanted = np.empty(n, np.int32)
    shuffle_into(wanted, n, epoch_key(5, 1, 3))
    assert np.array_equal(orders.reshuffle().epoch(n, 5, 3), wanted)
    assert list(orders.reshuffle().epoch(10, 0, 0)) == [9, 7, 5, 4, 6, 2, 8, 3, 1, 0]


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        (orders.once(), [0, 5, 6, 7, 1, 2, 4, 3]),
        (orders.with_replacement(), [1, 0, 2, 2, 0, 4, 4, 3]),
        (orders.stratified([0, 1, 1, 2, 2, 2, 0, 1]), [7, 6, 4, 2, 3, 0, 1, 5]),
        (orders.weighted(range(8)), [3, 2, 4, 4, 1, 6, 6, 5]),
    ],
    ids=["once", "with_replacement", "stratified", "weighted"],
)
def test_other_orders_give_the_bits_that_they_gave_at_first(order: Order, rows: list[int]) -> None:
    """Epoch 2 of seed 3: a change of these breaks the resuming of older runs."""
    assert list(order.epoch(8, 3, 2)) == rows


# -- names, equality, remainder -------------------------------------------------------------------


@every_kind
@pytest.mark.parametrize("remainder", ["drop", "smaller", "carry"])
def test_the_remainder_is_kept_and_printed(kind: str, remainder: str) -> None:
    given = {"stratified": (_labels(9),), "weighted": (_weights(9),)}.get(kind, ())
    order = getattr(orders, kind)(*given, remainder=remainder)
    assert order.remainder == remainder
    assert repr(order).startswith(f"{kind}(")
    assert repr(order).endswith(f"remainder={remainder!r})")


@every_kind
def test_another_remainder_is_refused(kind: str) -> None:
    given = {"stratified": (_labels(9),), "weighted": (_weights(9),)}.get(kind, ())
    with pytest.raises(TrainingError, match=rf"{kind}: remainder is 'keep'; expected 'drop' or"):
        getattr(orders, kind)(*given, remainder="keep")


@every_kind
def test_equal_orders_print_the_same_and_are_equal(kind: str) -> None:
    a, b = KINDS[kind](40), KINDS[kind](40)
    assert a == b
    assert hash(a) == hash(b)
    assert a != orders.Reshuffle(remainder="carry")
    assert len(repr(a)) < 120


def test_other_values_print_otherwise() -> None:
    assert orders.weighted([1, 2]) != orders.weighted([2, 1])
    assert orders.stratified([0, 1, 1]) != orders.stratified([0, 0, 1])
    assert repr(orders.weighted([1, 2, 3])) == (
        "weighted(<float64[3] sha256 a68de4b5e96a60c8>, remainder='drop')"
    )


@every_kind
def test_an_order_survives_a_copy_and_a_pickle(kind: str) -> None:
    order = KINDS[kind](60)
    rows = order.epoch(60, 1, 2)
    for other in (copy.deepcopy(order), pickle.loads(pickle.dumps(order))):
        assert np.array_equal(other.epoch(60, 1, 2), rows)


@pytest.mark.parametrize("name", ["reshuffle", "once", "in order", "with replacement"])
def test_an_order_has_a_name(name: str) -> None:
    assert orders.as_order(name) == getattr(orders, name.replace(" ", "_"))()
    assert orders.as_order(name.replace(" ", "_")) == orders.as_order(name)


def test_an_order_is_taken_as_it_is() -> None:
    order = orders.stratified([0, 1])
    assert orders.as_order(order) is order


@pytest.mark.parametrize("value", ["shuffle", "stratified", None, 3, orders.reshuffle])
def test_what_is_no_order_gets_the_choices(value: object) -> None:
    choices = "'reshuffle', 'once', 'in order', 'with replacement' or an order"
    with pytest.raises(TrainingError, match=choices):
        orders.as_order(value)


@every_kind
def test_no_rows_are_too_few(kind: str) -> None:
    with pytest.raises(DataError, match=f"{kind}: 0 rows; expected 1 to 2,147,483,647"):
        KINDS[kind](5).check(0)


@pytest.mark.parametrize("kind", ["stratified", "weighted"])
def test_values_for_other_rows_are_refused(kind: str) -> None:
    order = KINDS[kind](5)
    order.check(5)
    with pytest.raises(DataError, match=f"{kind}: 5 values for 6 rows; expected one for each"):
        order.epoch(6, 0, 0)


@every_kind
def test_an_order_can_be_taken_for_a_part_of_the_rows(kind: str) -> None:
    """Of a split, the training rows: as if only their values had been given."""
    rows = np.array([8, 1, 4, 5, 2])
    wanted = {
        "stratified": orders.stratified(_labels(9)[rows], "carry"),
        "weighted": orders.weighted(_weights(9)[rows], "carry"),
    }
    given = {"stratified": (_labels(9),), "weighted": (_weights(9),)}.get(kind, ())
    order = getattr(orders, kind)(*given, remainder="carry")
    assert order.take(rows) == wanted.get(kind, order)


# -- with replacement -----------------------------------------------------------------------------


def test_draws_with_replacement_are_even() -> None:
    """Chi-square of 10 epochs of 1,000 rows; and 1 - 1/e of an epoch's rows are different."""
    drawn = [orders.with_replacement().epoch(1000, 2, epoch) for epoch in range(100)]
    assert surprise(np.bincount(np.concatenate(drawn)), np.full(1000, 100.0)) > 1e-4
    different = np.mean([len(np.unique(rows)) for rows in drawn])
    assert abs(different - 1000 * (1 - np.exp(-1))) < 10


def test_draws_that_follow_each_other_are_independent() -> None:
    """Chi-square of the pairs of neighbours among 8 rows."""
    drawn = np.concatenate([orders.with_replacement().epoch(8, 4, e) for e in range(4000)])
    counts = np.bincount(drawn[:-1] * 8 + drawn[1:], minlength=64)
    assert surprise(counts, np.full(64, counts.sum() / 64)) > 1e-4
