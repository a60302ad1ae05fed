"""The descent: what it computes, in which order, and what stays the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim, orders
from chainrule.errors import DataError, ShapeError, TraceError, TrainingError
from chainrule.tracing.trees import named_leaves
from chainrule.training.order import Cursor, Place

Array = Any


def blobs(rows: int, features: int, classes: int, dtype: type = np.float32) -> tuple[Array, Array]:
    """Points of which the class is the largest of a few random projections."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((rows, features)).astype(dtype)
    return x, (x @ rng.standard_normal((features, classes))).argmax(1)


def same_bits(a: Any, b: Any) -> bool:
    """Whether two trees hold the same bits."""
    left, right = named_leaves(a), named_leaves(b)
    return left.keys() == right.keys() and all(
        np.asarray(left[k]).tobytes() == np.asarray(right[k]).tobytes() for k in left
    )


def by_hand(
    model: Any, x: Array, y: Array, order: list[Array], rates: Array, momentum: float
) -> list[Array]:
    """A two-layer ReLU network's descent on the cross-entropy, written out in NumPy."""
    params = [w1, b1, w2, b2] = _ordered(model)
    buffers = [np.zeros_like(p) for p in params]
    for rows, rate in zip(order, rates, strict=True):
        xb, yb = x[rows], y[rows]
        pre = xb @ w1.T + b1
        hidden = np.maximum(pre, 0)
        z = hidden @ w2.T + b2
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(yb)), yb] -= 1
        delta2 = p / len(yb)
        delta1 = (delta2 @ w2) * (pre > 0)
        grads = [delta1.T @ xb, delta1.sum(0), delta2.T @ hidden, delta2.sum(0)]
        for value, buffer, grad in zip(params, buffers, grads, strict=True):
            buffer *= momentum
            buffer += grad
            value -= rate * buffer
    return params


def _ordered(model: Any) -> list[Array]:
    named = named_leaves(model)
    keys = [f"layers.{k}.{name}" for k in (0, 1) for name in ("weight", "bias")]
    return [np.array(named[key], np.float64) for key in keys]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-12)])
def test_two_hundred_steps_are_those_of_a_loop_written_by_hand(
    momentum: float, dtype: type, tolerance: float
) -> None:
    """Same rows, rates and updates; in float32 rounding grows over 200 steps, hence 2e-5."""
    x, y = blobs(700, 9, 4, dtype)
    model = nn.MLP([9, 21, 4], rng=3, dtype=dtype)
    optimizer = optim.SGD(optim.cosine(0.1), momentum=momentum)
    run = cr.train(model, losses.cross_entropy, (x, y), optimizer=optimizer, batch=28, epochs=8)
    assert run.steps == 200
    cursor = Cursor(orders.reshuffle(), 700, 8, 0)
    rows = cursor.take(Place(), 28, 200).rows.reshape(200, 28)
    rates = optimizer.learning_rates(np.arange(200), 200)
    wanted = by_hand(model, x.astype(np.float64), y, rows, rates, momentum)
    for got, value in zip(_ordered(run.model), wanted, strict=True):
        np.testing.assert_allclose(got, value, atol=tolerance, rtol=0)


@pytest.mark.parametrize("sizes", [[3, 4, 2], [37, 50, 33, 5]])
def test_any_number_of_threads_gives_the_same_bits(sizes: list[int]) -> None:
    """Each element is summed by one thread in one fixed order."""
    x, y = blobs(500, sizes[0], sizes[-1])
    optimizer = optim.SGD(0.05, momentum=0.9)
    runs = [
        cr.train(nn.MLP(sizes, rng=0, activation=name), losses.cross_entropy, (x, y),
                 validation=(x[:77], y[:77]), optimizer=optimizer, batch=49, epochs=2, threads=t)
        for name in ("relu", "tanh") for t in (1, 2, 3)
    ]  # fmt: skip
    for one, two, three in (runs[:3], runs[3:]):
        assert same_bits(one.model, two.model)
        assert same_bits(one.model, three.model)
        assert np.array_equal(one.history.loss, two.history.loss)
        for a, b in zip(one.history.epochs, three.history.epochs, strict=True):
            assert a["validation_loss"] == b["validation_loss"]


def test_a_seed_gives_the_same_bits_and_another_seed_does_not() -> None:
    x, y = blobs(300, 5, 3)
    model = nn.MLP([5, 8, 3], rng=0)
    runs = [cr.train(model, losses.cross_entropy, (x, y), epochs=3, seed=s) for s in (1, 1, 2)]
    assert same_bits(runs[0].model, runs[1].model)
    assert not same_bits(runs[0].model, runs[2].model)


def test_the_model_that_was_given_is_left_unchanged() -> None:
    x, y = blobs(100, 5, 3)
    model = nn.MLP([5, 8, 3], rng=0)
    before = {name: leaf.copy() for name, leaf in named_leaves(model).items()}
    run = cr.train(model, losses.cross_entropy, (x, y), epochs=1)
    assert type(run.model) is type(model)
    assert same_bits(model, before)
    assert not same_bits(run.model, before)


@pytest.mark.parametrize("batch", [1, 7, 100, "all"])
def test_a_loss_of_the_user_works_at_any_batch_size(batch: Any) -> None:
    """⌊n/b⌋ updates an epoch; the minimum of a least-squares line is found."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (100, 2))
    y = x @ np.array([2.0, -1.0]) + 0.5

    def loss(p: Any, x: Array, y: Array) -> Array:
        return np.sum((x @ p["w"] + p["b"] - y) ** 2) / len(x)

    start = {"w": np.zeros(2), "b": np.array(0.0)}
    size = 100 if batch == "all" else batch
    epochs = max(30, 300 * size // 100)
    run = cr.train(start, loss, (x, y), optimizer=optim.SGD(0.2), batch=batch, epochs=epochs)
    assert run.steps == epochs * (100 // size)
    np.testing.assert_allclose(run.model["w"], [2.0, -1.0], atol=1e-6)
    assert run.model["b"] == pytest.approx(0.5, abs=1e-6)


def test_validation_is_the_loss_of_the_model_at_the_end_of_the_epoch() -> None:
    x, y = blobs(9000, 6, 3)
    held = (x[:4500], y[:4500])
    run = cr.train(
        nn.MLP([6, 5, 3], rng=0), losses.cross_entropy, (x[4500:], y[4500:]), validation=held,
        epochs=2,
    )  # fmt: skip
    wanted = float(losses.cross_entropy(run.model(held[0]), held[1]))
    assert run.history.epochs[-1]["validation_loss"] == pytest.approx(wanted, rel=1e-5)
    assert [record["epoch"] for record in run.history.epochs] == [1, 2]


def test_callbacks_see_every_epochs_end_and_progress_that_grows() -> None:
    x, y = blobs(200, 4, 2)
    seen: list[Any] = []
    run = cr.train(
        nn.MLP([4, 2], rng=0), losses.cross_entropy, (x, y), validation=(x, y), epochs=5,
        callbacks=[seen.append],
    )  # fmt: skip
    ends = [p for p in seen if p.epoch_end]
    assert [p.epoch for p in ends] == [1, 2, 3, 4, 5]
    assert all(a.step < b.step for a, b in pairwise(seen))
    assert seen[-1].step == seen[-1].steps == run.steps
    assert seen[-1].seconds_left == 0
    assert [p.validation_loss for p in ends] == [r["validation_loss"] for r in run.history.epochs]


def test_predict_is_the_model_for_any_number_of_rows() -> None:
    """Also for more rows than one block of the evaluator."""
    model = nn.MLP([7, 9, 3], rng=0, activation="tanh")
    for rows in (1, 15, 16, 17, 4096, 5000):
        x = np.random.default_rng(rows).standard_normal((rows, 7)).astype(np.float32)
        np.testing.assert_allclose(cr.predict(model, x), model(x), rtol=2e-5, atol=1e-6)


def test_an_array_that_the_loss_captures_is_read_by_the_native_loop() -> None:
    weights = np.array([1.0, 0.0, 2.0])
    x = np.random.default_rng(0).standard_normal((60, 3))

    def loss(p: Array, x: Array) -> Array:
        return np.mean((x - p) ** 2 * weights)

    run = cr.train(np.zeros(3), loss, (x,), optimizer=optim.SGD(0.1), batch="all", epochs=500)
    np.testing.assert_allclose(run.model, np.where(weights > 0, x.mean(0), 0.0), atol=1e-6)


# -- what goes wrong -----------------------------------------------------------------------------


def test_a_loss_that_grows_without_bound_names_step_rate_and_a_rate_to_try() -> None:
    x, y = blobs(200, 4, 1)
    start = nn.MLP([4, 8, 1], rng=0)
    with pytest.raises(TrainingError, match=r"at step \d+ of \d+, learning rate 1e\+04") as caught:
        cr.train(start, losses.squared_error, (x, y), optimizer=optim.SGD(1e4), epochs=20)
    assert "2/λ_max = 0." in str(caught.value)


def test_a_loss_that_is_not_finite_at_the_start_points_to_the_data() -> None:
    x, y = blobs(64, 4, 2)
    x[3, 1] = np.nan
    with pytest.raises(TrainingError, match="before the first update"):
        cr.train(nn.MLP([4, 2], rng=0), losses.cross_entropy, (x, y), batch=64, epochs=1)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"batch": 0}, TrainingError, "batch is 0"),
        ({"batch": 101}, TrainingError, "more than the 100 rows"),
        ({"batch": 2.5}, TrainingError, "batch is 2.5"),
        ({"epochs": -1}, TrainingError, "epochs is -1"),
        ({"threads": 0}, TrainingError, "threads is 0"),
        ({"data": (np.zeros((100, 4), np.float32), np.zeros(99, int))}, DataError, "differ"),
        ({"data": np.zeros((100, 4))}, DataError, "expected a tuple"),
        ({"data": (np.zeros((0, 4)), np.zeros(0, int))}, DataError, "0 rows"),
        ({"data": (np.zeros((100, 5)), np.zeros(100, int))}, ShapeError, "Linear"),
        ({"data": (np.zeros((100, 4)), np.full(100, 7))}, DataError, "7"),
        ({"data": (np.array([["a"]] * 100), np.zeros(100, int))}, DataError, "numbers"),
        ({"model": {"w": np.zeros(3, int)}}, TrainingError, "w is int64"),
        ({"model": ()}, TrainingError, "no parameters"),
        ({"loss": 3}, TrainingError, "the loss is 3"),
    ],
)
def test_a_bad_argument_is_named(options: dict[str, Any], error: type, words: str) -> None:
    x, y = blobs(100, 4, 2)
    given: dict[str, Any] = {
        "model": nn.MLP([4, 2], rng=0), "loss": losses.cross_entropy, "data": (x, y),
    }  # fmt: skip
    with pytest.raises(error, match=words):
        cr.train(**{**given, **options})


def test_a_loss_that_branches_on_the_number_of_rows_is_refused() -> None:
    def loss(p: Array, x: Array) -> Array:
        return np.mean(x * p) if len(x) > 1500 else np.mean((x * p) ** 2)

    with pytest.raises(TraceError, match="number of examples"):
        cr.train(np.ones(3), loss, (np.ones((10, 3)),), batch=5)
