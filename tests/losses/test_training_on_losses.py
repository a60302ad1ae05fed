"""Losses at work: trained with weights, validated, and made of any log-likelihood."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.errors import ShapeError
from chainrule.training.step import as_function
from tests.losses.test_every_loss import CASES, LABELS, RNG, N

# -- trained -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["huber", "classes, both", "gaussian", "poisson"])
def test_training_with_it_descends_on_what_it_says(name, weighted):
    """The recorded loss, the validation's and the loss by hand of the trained model agree."""
    loss, output, y = CASES[name]
    x = RNG.normal(size=(N, 3)).astype(np.float32)
    data = (x, y, np.linspace(0, 2, N)) if weighted else (x, y)
    model = nn.Linear.init(3, output.shape[1] if output.ndim > 1 else 1, rng=0)
    run = cr.train(model, loss, data, validation=data, epochs=40, batch="all")
    assert run.history.loss[-1] < run.history.loss[0]
    function = as_function(loss)
    np.testing.assert_allclose(run.history.loss[0], function(model, *data), rtol=1e-5)
    by_hand = function(run.model, *data)
    np.testing.assert_allclose(run.history.epochs[-1]["validation_loss"], by_hand, rtol=1e-5)


def test_validation_with_weights_is_the_weighted_mean_over_all_blocks():
    """More rows than one block of the evaluator has, with weights that differ between blocks."""
    x, y = np.linspace(-1, 1, 5000)[:, None], np.linspace(0, 2, 5000)
    w = np.linspace(0, 3, 5000)
    model = nn.Linear(np.array([[0.5]]), np.zeros(1))
    run = cr.train(model, losses.squared_error, (x, y, w), validation=(x, y, w), epochs=1)
    by_hand = losses.squared_error(run.model(x), y, w)
    own = losses.log_likelihood(lambda m, x, y: -((m(x)[0] - y) ** 2), weighted=True)
    same = cr.train(model, own, (x, y, w), validation=(x, y, w), epochs=1)
    np.testing.assert_allclose(same.history.epochs[0]["validation_loss"], by_hand, rtol=1e-9)
    np.testing.assert_allclose(run.history.epochs[0]["validation_loss"], by_hand, rtol=1e-12)


# -- any log-likelihood ------------------------------------------------------------------------


def _by_example(p, x, y):
    z = p["w"] @ x
    return z[y] - cr.logsumexp(z)


def _by_batch(p, x, y):
    z = x @ p["w"].T
    return np.take_along_axis(z, y[:, None], axis=1)[:, 0] - cr.logsumexp(z, axis=1)


@pytest.mark.parametrize(
    ("logpdf", "options"),
    [
        (_by_example, {}), (_by_example, {"batched": False}),
        (_by_batch, {}), (_by_batch, {"batched": True}),
    ],
)  # fmt: skip
def test_a_log_likelihood_of_one_example_or_of_a_batch_is_a_loss(logpdf, options):
    """Softmax regression by its log p is softmax regression by the cross-entropy."""
    x = RNG.normal(size=(N, 3))
    start = {"w": np.zeros((4, 3))}
    loss = losses.log_likelihood(logpdf, **options)
    run = cr.train(start, loss, (x, LABELS), epochs=5, batch=4)

    def by_hand(p, x, y):
        return losses.cross_entropy(x @ p["w"].T, y)

    expected = cr.train(start, by_hand, (x, LABELS), epochs=5, batch=4)
    np.testing.assert_allclose(run.model["w"], expected.model["w"], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(loss(start, x, LABELS), np.log(4), rtol=1e-14)


def test_a_log_likelihood_takes_weights_as_the_last_array():
    x, w = RNG.normal(size=(N, 3)), np.arange(N) % 3
    p = {"w": RNG.normal(size=(4, 3))}
    loss = losses.log_likelihood(_by_example, weighted=True)
    expected = losses.cross_entropy(x @ p["w"].T, LABELS, sample_weight=w)
    np.testing.assert_allclose(loss(p, x, LABELS, w), expected, rtol=1e-13)


def test_a_density_without_targets_is_fitted_too():
    """θ = the mean maximises Σ log N(x; θ, 1)."""
    x = RNG.normal(size=(50, 2))
    loss = losses.log_likelihood(lambda p, x: -0.5 * np.sum((x - p) ** 2))
    gradient = cr.grad(loss)(x.mean(axis=0), x)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)


def test_a_log_likelihood_that_gives_no_number_per_example_is_an_error_about_one_example():
    loss = losses.log_likelihood(lambda p, x: x * p)
    with pytest.raises(ShapeError, match=r"logpdf returned shape \(2,\) for one example"):
        loss(np.ones(2), np.ones((5, 2)))
    with pytest.raises(ShapeError, match=r"returned shape \(5, 2\) for 5 examples"):
        losses.log_likelihood(lambda p, x: x * p, batched=True)(np.ones(2), np.ones((5, 2)))


def test_dropout_in_the_likelihood_of_one_example_masks_each_example_by_itself():
    """The vmapped model draws what the batch's would: both descents are the same."""
    x = RNG.normal(size=(N, 3))
    model = nn.Sequential(nn.Linear.init(3, 16, 0, np.float64), nn.Dropout(0.5),
                          nn.Linear.init(16, 4, 1, np.float64))  # fmt: skip

    def logpdf(model, x, y):
        return cr.log_softmax(model(x))[y]

    one = cr.train(model, losses.log_likelihood(logpdf, batched=False), (x, LABELS), batch=4)
    all_ = cr.train(model, losses.cross_entropy, (x, LABELS), batch=4)
    np.testing.assert_allclose(one.history.loss, all_.history.loss, rtol=1e-9)


def test_each_place_of_a_sequence_may_have_a_label_of_its_own():
    """Logits (batch, time, k) with labels (batch, time), also where there are k places in time."""
    z, y = RNG.normal(size=(N, 4, 4)), RNG.integers(0, 4, (N, 4))
    flat = losses.cross_entropy(z.reshape(-1, 4), y.ravel())
    np.testing.assert_allclose(losses.cross_entropy(z, y), flat, rtol=1e-14)
    np.testing.assert_allclose(losses.cross_entropy(z, np.eye(4)[y]), flat, rtol=1e-14)
    w = np.arange(N) % 2
    half = losses.cross_entropy(z[1::2], y[1::2])
    np.testing.assert_allclose(losses.cross_entropy(z, y, w), half, rtol=1e-14)
    x = RNG.normal(size=(40, 4, 2))
    model = nn.Sequential(nn.GRU.init(2, 8, 0), nn.Linear.init(8, 4, 1))
    of_x = (x[..., 0] > 0) + 2 * (x[..., 1] > 0)
    run = cr.train(model, losses.cross_entropy, (x, of_x), batch=10, epochs=60,
                   optimizer=optim.SGD(0.5))  # fmt: skip
    assert run.history.loss[-4:].mean() < 0.7 * run.history.loss[:4].mean()
