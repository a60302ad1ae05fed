"""Training and evaluation: random masks, running statistics, and who carries them."""

import os
import signal

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.errors import TrainingError
from chainrule.tracing.counter import bits, key_of, threefry
from chainrule.tracing.trees import named_leaves, tree_map
from chainrule.training.keys import noise_keys

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 6)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] > 0).astype(np.int64)


def model(rng=0):
    rng = np.random.default_rng(rng)
    return nn.Sequential(
        nn.Linear.init(6, 16, rng), nn.BatchNorm.init(16), nn.relu, nn.Dropout(0.3),
        nn.Linear.init(16, 2, rng), nn.Dropout(0.1),
    )  # fmt: skip


def same_bits(a, b):
    pairs = zip(named_leaves(a).values(), named_leaves(b).values(), strict=True)
    return all(np.asarray(x).tobytes() == np.asarray(y).tobytes() for x, y in pairs)


# -- the counter -------------------------------------------------------------------------------


def word(x):
    return np.array([x], np.uint32).view(np.int32)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_its_known_answers(key, counter, expected):
    """threefry2x32, 20 rounds: Random123 1.x, examples/kat_vectors."""
    words = threefry(tuple(map(word, key)), tuple(map(word, counter)), rounds=20)
    assert tuple(int(w.view(np.uint32)[0]) for w in words) == expected


def test_bits_are_even_and_know_nothing_of_their_neighbours():
    """Each of 32 bits is set half of the time.

    It agrees with that of the next element, draw and key half of the time too: 2¹⁶ elements have a
    standard error of 0.002.
    """
    shape = (256, 256)
    first = bits(key_of(5), 1, shape)
    others = [np.roll(first, 1, 1), np.roll(first, 1, 0), bits(key_of(5), 2, shape),
              bits(key_of(6), 1, shape), bits(key_of(5 + 2**32), 1, shape)]  # fmt: skip
    for k in range(32):
        assert abs(np.mean((first >> k) & 1) - 0.5) < 0.01
        for other in others:
            assert abs(np.mean(((first ^ other) >> k) & 1) - 0.5) < 0.01


@pytest.mark.parametrize("shape", [(), (7,), (5, 3), (2, 3, 4)])
def test_compiled_bits_are_the_eager_ones(shape):
    key = np.int64(-(2**40) - 3)
    x = np.zeros(shape)
    compiled = cr.compile(lambda key, x: bits(key_of(key), 3, x.shape))(key, x)
    np.testing.assert_array_equal(compiled, bits(key_of(key), 3, shape))


# -- dropout -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_leaves_out_its_rate_and_keeps_the_mean(rate):
    """10⁵ numbers: the share is within four standard errors of the rate."""
    x = np.ones((500, 200), np.float32)
    with nn.training(key=3):
        y = nn.Dropout(rate)(x)
    share = np.mean(y == 0)
    assert abs(share - rate) < 4 * (rate * (1 - rate) / x.size) ** 0.5
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)
    assert y.dtype == np.float32


def test_masks_are_a_function_of_key_and_draw():
    x, layer = np.ones((20, 30)), nn.Dropout(0.5)

    def draw(key):
        with nn.training(key):
            return layer(x), layer(x)

    (a, b), (c, d), (e, _) = draw(1), draw(1), draw(2)
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)
    for one, other in ((a, b), (a, e), (a, a[::-1])):
        assert 0.3 < np.mean(one == other) < 0.7


def test_dropout_is_off_in_evaluation_after_training_and_at_rate_0():
    x = np.ones((4, 5))
    with nn.training(), pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    assert nn.mode() is None
    assert nn.Dropout(0.5)(x) is x
    with nn.training():
        assert nn.dropout(x, 0.0) is x


def test_a_plain_function_may_drop_too():
    """A loss in NumPy over a dictionary: cr.train puts it into training, predict does not."""
    start = {"w": np.ones((6, 1))}

    def loss(p, x, y):
        return np.mean((nn.dropout(x, 0.5) @ p["w"] - y) ** 2)

    x, y = np.ones((8, 6)), np.zeros((8, 1))
    run = cr.train(start, loss, (x, y), validation=(x, y), batch=8, epochs=1,
                   optimizer=optim.SGD(0.0))  # fmt: skip
    assert run.history.epochs[0]["validation_loss"] == pytest.approx(36.0)
    assert run.history.loss[0] != pytest.approx(36.0)


def test_the_compiled_step_draws_the_masks_that_numpy_draws():
    """The first step's loss, by hand with the step's key on the rows that the step takes."""
    start = {"w": np.ones(6)}

    def loss(p, x):
        return np.mean((nn.dropout(x, 0.5) @ p["w"]) ** 2)

    x = RNG.normal(size=(64, 6))
    run = cr.train(start, loss, (x,), batch="all", epochs=3, seed=9, optimizer=optim.SGD(0.0))
    for step in range(3):
        with nn.training(noise_keys(9, step, 1)[0]):
            by_hand = loss(start, x)
        np.testing.assert_allclose(run.history.loss[step], by_hand, rtol=1e-12)
    assert len(set(run.history.loss)) == 3


# -- statistics --------------------------------------------------------------------------------


def test_training_carries_running_statistics_and_no_optimiser_touches_them():
    """Weight decay and momentum act on what is learned; the statistics follow their own rule."""
    layer = nn.BatchNorm.init(6, momentum=0.2)
    optimizer = optim.SGD(0.1, momentum=0.9, weight_decay=0.5)
    run = cr.train(layer, lambda m, x: np.mean(m(x) ** 2), (X,), batch="all", epochs=3,
                   optimizer=optimizer)  # fmt: skip
    mean, var = np.zeros(6), np.ones(6)
    for _ in range(3):
        mean = 0.8 * mean + 0.2 * X.mean(axis=0)
        var = 0.8 * var + 0.2 * X.var(axis=0, ddof=1)
    np.testing.assert_allclose(run.model.running_mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run.model.running_var, var, rtol=1e-5)
    assert (run.model.weight < 1).all()


def test_a_layer_that_is_used_twice_moves_its_statistics_twice():
    layer = nn.BatchNorm.init(2, momentum=0.5, dtype=np.float64)
    with nn.training() as mode:
        layer(np.full((3, 2), 4.0))
        layer(np.full((3, 2), 8.0))
    np.testing.assert_allclose(mode.updated(layer).running_mean, 5.0)  # (0, 4) -> 2, (2, 8) -> 5


def test_statistics_and_masks_come_out_of_a_checkpoint_as_they_are():
    """What is forgotten and worked out again gives the same descent, to rounding."""

    def forgetful(model, x, y):
        return losses.cross_entropy(cr.checkpoint(model)(x), y)

    whole, again = (cr.train(model(), loss, (X, Y), epochs=2, optimizer=optim.SGD(0.1))
                    for loss in (losses.cross_entropy, forgetful))  # fmt: skip
    np.testing.assert_allclose(again.history.loss, whole.history.loss, rtol=1e-5)
    for name, leaf in named_leaves(whole.model).items():
        np.testing.assert_allclose(named_leaves(again.model)[name], leaf, rtol=1e-3, atol=1e-5)


def test_statistics_of_an_altered_copy_are_refused():
    layer = nn.BatchNorm.init(2)
    with nn.training() as mode:
        tree_map(np.copy, layer)(np.ones((3, 2), np.float32))
    with pytest.raises(TrainingError, match="2 new statistics of layers belong to no leaf"):
        mode.updated(layer)


def test_a_loop_of_ones_own_does_what_train_does():
    """The recipe of nn.mode: value, new statistics and gradient of one step, compiled."""

    def loss(model, x, y, key):
        with nn.training(key) as mode:
            value = losses.cross_entropy(model(x), y)
        return value, mode.updated(model)

    start = model()
    step = cr.compile(cr.value_and_grad(loss, has_aux=True))
    (_, after), grads = step(start, X, Y, noise_keys(0, 0, 1)[0])
    run = cr.train(start, losses.cross_entropy, (X, Y), batch="all", epochs=1,
                   optimizer=optim.SGD(0.1))  # fmt: skip
    statistic = run.model.layers[1].running_var
    np.testing.assert_allclose(statistic, after.layers[1].running_var, rtol=1e-6)
    moved = start.layers[0].weight - 0.1 * grads.layers[0].weight
    np.testing.assert_allclose(run.model.layers[0].weight, moved, rtol=1e-4, atol=1e-7)


# -- runs --------------------------------------------------------------------------------------


def descend(**options):
    given = {"optimizer": optim.SGD(0.1, momentum=0.9), "epochs": 8, "batch": 32, **options}
    return cr.train(model(), losses.cross_entropy, (X, Y), validation=(X, Y), **given)


def test_masks_and_statistics_are_the_same_bits_on_any_number_of_threads():
    one, two = descend(threads=1), descend(threads=2)
    assert same_bits(one.model, two.model)
    assert np.array_equal(one.history.loss, two.history.loss)


def test_another_seed_draws_other_masks():
    a, b = (descend(seed=seed, batch="all", epochs=2) for seed in (0, 1))
    assert a.history.loss[0] != b.history.loss[0]


def test_a_resumed_run_with_dropout_and_batch_norm_has_the_bits_of_one_that_never_stopped(tmp_path):
    left = [2]

    def stop(_):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGINT)

    whole = descend()
    stopped = descend(out=tmp_path / "run", callbacks=[stop])
    assert 0 < stopped.steps < whole.steps
    resumed = descend(out=tmp_path / "run", resume=True)
    assert same_bits(resumed.model, whole.model)
    assert np.array_equal(resumed.history.loss, whole.history.loss)


def test_validation_and_predict_are_in_evaluation():
    run = descend()
    by_hand = losses.cross_entropy(run.model(X), Y)
    assert run.history.epochs[-1]["validation_loss"] == pytest.approx(by_hand, rel=1e-5)
    np.testing.assert_allclose(cr.predict(run.model, X), run.model(X), rtol=1e-4, atol=1e-6)


def test_a_model_of_statistics_alone_has_nothing_to_train():
    fixed = nn.BatchNorm(None, None, np.zeros(3), np.ones(3))
    with pytest.raises(TrainingError, match="nothing to train"):
        cr.train(fixed, lambda m, x: np.mean(x), (X,))


@pytest.mark.parametrize("key", [0.5, "a", np.zeros(2, np.int64)])
def test_a_key_is_a_whole_number(key):
    with pytest.raises(TrainingError, match="expected a whole number"), nn.training(key):
        pass
