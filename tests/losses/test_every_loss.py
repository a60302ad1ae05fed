"""Every loss by the same laws: derivatives, weights, dtypes, compiled, trained, bad targets."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.errors import DataError, DTypeError, ShapeError, TrainingError
from chainrule.ir.types import BATCH, ArrayType
from chainrule.tracing.batch import trace_batch

RNG = np.random.default_rng(0)
N = 12
Z = RNG.normal(size=(N, 4))
LABELS = np.arange(N) % 4
COUNTS = RNG.poisson(3.0, N)
AMOUNTS = RNG.gamma(2.0, 3.0, (N, 2))
PROBABILITIES = RNG.dirichlet(np.ones(4), N)
CLASS_WEIGHT = (0.5, 2.0, 1.0, 3.0)
# name of the case: (loss, output, y)
CASES = {
    "squared": (losses.squared_error, Z[:, :2], AMOUNTS),
    "absolute": (losses.absolute_error, Z[:, :2], AMOUNTS),
    "huber": (losses.huber, Z[:, 0], Z[:, 1]),
    "huber, narrow": (losses.huber(delta=0.1), Z[:, 0], Z[:, 1]),
    "quantile": (losses.quantile(level=0.9), Z[:, 0], Z[:, 1]),
    "binary": (losses.binary_cross_entropy, Z[:, 0], LABELS % 2),
    "binary, smoothed and weighted": (
        losses.binary_cross_entropy(label_smoothing=0.1, class_weight=(1, 3)), Z[:, 0], LABELS % 2,
    ),
    "classes": (losses.cross_entropy, Z, LABELS),
    "classes, smoothed": (losses.cross_entropy(label_smoothing=0.2), Z, LABELS),
    "classes, weighted": (losses.cross_entropy(class_weight=CLASS_WEIGHT), Z, LABELS),
    "classes, both": (
        losses.cross_entropy(class_weight=CLASS_WEIGHT, label_smoothing=0.2), Z, LABELS,
    ),
    "soft classes, both": (
        losses.cross_entropy(class_weight={1: 2.0}, label_smoothing=0.2), Z, PROBABILITIES,
    ),
    "divergence": (losses.kl_divergence, Z, PROBABILITIES),
    "divergence from labels": (losses.kl_divergence, Z, LABELS),
    "hinge": (losses.hinge, Z[:, 0], LABELS % 2),
    "hinge of classes": (losses.hinge(margin=2.0), Z, LABELS),
    "gaussian": (losses.gaussian, Z, AMOUNTS),
    "gaussian, fixed": (losses.gaussian(variance=2.0), Z[:, 0], Z[:, 1]),
    "poisson": (losses.poisson, Z[:, 0], COUNTS),
    "gamma": (losses.gamma, Z, AMOUNTS),
    "gamma, fixed": (losses.gamma(shape=1.5), Z[:, :2], AMOUNTS),
    "negative binomial": (losses.negative_binomial, Z[:, :2], COUNTS),
    "negative binomial, fixed": (losses.negative_binomial(dispersion=0.5), Z[:, 0], COUNTS),
    "members": (
        losses.each_member(losses.cross_entropy(class_weight=CLASS_WEIGHT)),
        RNG.normal(size=(N, 3, 4)), LABELS,
    ),
}  # fmt: skip
every_case = pytest.mark.parametrize(("loss", "output", "y"), CASES.values(), ids=CASES)


def test_every_loss_has_a_case_here():
    assert {loss.name for loss, _, _ in CASES.values()} >= set(losses.LOSSES)


@every_case
def test_gradient_agrees_with_a_central_difference(loss, output, y):
    """(loss(z + h u) - loss(z - h u)) / 2h equals <grad, u> along a random u."""
    u = np.random.default_rng(1).normal(size=output.shape)
    h = 1e-6  # balances truncation h² with rounding eps / h in f64
    difference = (loss(output + h * u, y) - loss(output - h * u, y)) / (2 * h)
    np.testing.assert_allclose(np.sum(cr.grad(loss)(output, y) * u), difference, rtol=1e-7)


@every_case
def test_compiled_loss_and_gradient_are_the_eager_ones(loss, output, y):
    both = cr.value_and_grad(loss)
    for compiled, eager in zip(cr.compile(both)(output, y), both(output, y), strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-12, atol=1e-14)


@every_case
def test_loss_is_a_number_of_the_outputs_dtype(loss, output, y):
    for dtype in (np.float32, np.float64):
        w = np.arange(N)
        value, gradient = cr.value_and_grad(loss)(output.astype(dtype), y, sample_weight=w)
        assert (value.shape, value.dtype, gradient.dtype) == ((), dtype, dtype)


@every_case
def test_traced_float32_loss_computes_nothing_in_float64(loss, output, y):
    y, w = (y.astype(np.float32) if y.dtype.kind == "f" else y), np.ones(N, np.float32)
    graph = cr.trace(cr.value_and_grad(loss), output.astype(np.float32), y, w)
    assert "float64" not in {str(n.type.dtype) for n in graph.nodes}


@every_case
def test_weights_that_count_are_examples_that_are_repeated(loss, output, y):
    """The loss with weights 0, 1, 2, ... is the loss of each example so many times."""
    w = np.arange(N) % 3
    repeated = loss(np.repeat(output, w, axis=0), np.repeat(y, w, axis=0))
    np.testing.assert_allclose(loss(output, y, sample_weight=w), repeated, rtol=1e-13)
    np.testing.assert_allclose(loss(output, y, sample_weight=w[:, None] * 0.1), repeated)


@every_case
def test_equal_weights_are_no_weights(loss, output, y):
    np.testing.assert_allclose(loss(output, y, np.full(N, 7.0)), loss(output, y), rtol=1e-13)


@every_case
def test_totals_of_two_halves_give_the_mean_of_the_whole(loss, output, y):
    w = np.linspace(0.5, 2.0, N)
    halves = [loss.totals(output[k], y[k], w[k]) for k in (slice(5), slice(5, None))]
    total, weight = np.sum(halves, axis=0)
    np.testing.assert_allclose(total / weight, loss(output, y, w), rtol=1e-13)


@every_case
def test_loss_with_weights_is_one_graph_for_any_number_of_examples(loss, output, y):
    arrays = (output, y, np.ones(N))
    types = [ArrayType(x.dtype, (BATCH, *x.shape[1:])) for x in arrays]
    for count in (2, 3):
        graph = trace_batch(lambda xs: cr.value_and_grad(loss)(*xs), types[:count]).graph
        assert [n.type.shape for n in graph.outputs] == [(), types[0].shape]


# -- tails -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "output", "y"),
    [
        (losses.absolute_error, [1e30], [-1e30]),
        (losses.huber, [1e30], [-1e30]),
        (losses.quantile, [1e30], [-1e30]),
        (losses.hinge, [[1e30, -1e30]], [1]),
        (losses.kl_divergence, [[1e30, -1e30]], [[1.0, 0.0]]),
        (losses.kl_divergence, [[1e4, -1e4]], [[0.0, 1.0]]),
        (losses.cross_entropy(label_smoothing=0.1), [[1e4, -1e4]], [0]),
        (losses.binary_cross_entropy(class_weight=(1, 2)), [1e4, -1e4], [1, 0]),
        (losses.gaussian, [[0.0, 1e4]], [3.0]),
        (losses.gaussian, [[3.0, -1e4]], [3.0]),
        (losses.poisson, [-1e4], [0]),
        (losses.poisson, [-1e4], [5]),
        (losses.gamma, [[0.0, 1e4]], [1.0]),
        (losses.gamma, [[0.0, -1e4]], [1.0]),
        (losses.negative_binomial, [[1e4, 0.0]], [3]),
        (losses.negative_binomial, [[0.0, -1e4]], [3]),
        (losses.negative_binomial, [[0.0, 1e4]], [3]),
    ],
)
def test_extreme_outputs_give_finite_losses_and_gradients(loss, output, y, dtype):
    """Wherever the loss itself is a number of that dtype; NumPy's warnings are errors here."""
    value, gradient = cr.value_and_grad(loss)(np.array(output, dtype), np.array(y))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


def test_negative_binomial_goes_over_into_poisson_to_the_last_digit():
    """At α = 10⁻²⁰ even float32 is Poisson's: log Γ(10²⁰ + y) is never taken from another."""
    for dtype, digits in ((np.float64, 1e-13), (np.float32, 2e-6)):
        z = Z[:, 0].astype(dtype)
        near = losses.negative_binomial(dispersion=1e-20)(z, COUNTS)
        np.testing.assert_allclose(near, losses.poisson(z, COUNTS), rtol=digits)


def test_series_and_direct_form_of_the_gamma_function_meet():
    """At shape 16, where Stirling's series takes over, nothing jumps."""
    y = np.array([0.5, 2.0, 30.0])
    families = (
        lambda v: losses.gamma(shape=v),
        lambda v: losses.negative_binomial(dispersion=1 / v),
    )
    for family in families:
        below, above = (family(16 * (1 + e))(np.zeros(3), y) for e in (-1e-13, 1e-13))
        np.testing.assert_allclose(below, above, rtol=1e-12)


# -- references --------------------------------------------------------------------------------


def test_likelihoods_are_those_of_scipy():
    from scipy import stats

    mu, second = np.exp(Z[:, 0]), np.exp(Z[:, 1])
    r = 1 / second
    k = COUNTS + 1.0
    for got, logs in (
        (losses.gaussian(Z[:, :2], k), stats.norm.logpdf(k, Z[:, 0], second**0.5)),
        (losses.poisson(Z[:, 0], COUNTS), stats.poisson.logpmf(COUNTS, mu)),
        (losses.gamma(Z[:, :2], k), stats.gamma.logpdf(k, second, scale=mu / second)),
        (losses.negative_binomial(Z[:, :2], COUNTS), stats.nbinom.logpmf(COUNTS, r, r / (r + mu))),
    ):
        np.testing.assert_allclose(got, -np.mean(logs), rtol=1e-12)


def test_means_are_those_of_scikit_learn_with_weights_too():
    from sklearn import metrics

    w, z, y = np.linspace(0.1, 3, N), Z[:, 0], Z[:, 1]
    p = cr.softmax(Z)
    for got, expected in (
        (losses.absolute_error(z, y, w), metrics.mean_absolute_error(y, z, sample_weight=w)),
        (losses.squared_error(z, y, w), metrics.mean_squared_error(y, z, sample_weight=w)),
        (losses.quantile(level=0.8)(z, y, w),
         metrics.mean_pinball_loss(y, z, sample_weight=w, alpha=0.8)),
        (losses.hinge(Z, LABELS, w), metrics.hinge_loss(LABELS, Z, sample_weight=w)),
        (losses.hinge(z, LABELS % 2, w), metrics.hinge_loss(LABELS % 2, z, sample_weight=w)),
        (losses.cross_entropy(Z, LABELS, w), metrics.log_loss(LABELS, p, sample_weight=w)),
        (losses.cross_entropy(class_weight=CLASS_WEIGHT)(Z, LABELS, w),
         metrics.log_loss(LABELS, p, sample_weight=w * np.array(CLASS_WEIGHT)[LABELS])),
    ):  # fmt: skip
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_smoothed_and_weighted_losses_are_those_of_pytorch():
    """torch 2.13: cross_entropy(z, y, weight, label_smoothing), huber_loss(delta), for these."""
    z = np.array([[0.2, -1.0, 0.5], [2.0, 0.0, -0.3], [-0.7, 0.1, 1.5]])
    y, c = np.array([2, 0, 1]), [1.0, 2.0, 0.5]
    one = losses.cross_entropy(label_smoothing=0.2)(z, y)
    two = losses.cross_entropy(label_smoothing=0.2, class_weight=c)(z, y)
    three = losses.huber(delta=0.7)(z[:, 0], z[:, 1])
    np.testing.assert_allclose([one, two, three], TORCH, rtol=1e-12)


TORCH = [0.9862489059438098, 1.2408448300236277, 0.6883333333333331]


def test_balanced_class_weights_are_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    y = np.array([0, 0, 1, 2, 2, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y)
    np.testing.assert_allclose(losses.balanced_class_weight(y), expected)
    with pytest.raises(DataError, match="no example has label 1"):
        losses.balanced_class_weight([0, 2])


def test_divergence_is_the_cross_entropy_less_the_targets_entropy():
    entropy = -np.mean(np.sum(PROBABILITIES * np.log(PROBABILITIES), axis=1))
    expected = losses.cross_entropy(Z, PROBABILITIES) - entropy
    np.testing.assert_allclose(losses.kl_divergence(Z, PROBABILITIES), expected, rtol=1e-12)
    assert losses.kl_divergence(np.log(PROBABILITIES), PROBABILITIES) == pytest.approx(0, abs=1e-15)


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "width", "y", "words"),
    [
        ("poisson", (3,), [1, -1, 2], r"^poisson at .*: y has -1.0 in row 1; expected a finite"),
        ("poisson", (3,), [1, np.nan, 2], "y has nan in row 1"),
        ("negative_binomial", (3, 2), [1, 0, -2], "y has -2.0 in row 2; expected a finite count"),
        ("gamma", (3, 2), [1.0, 0.0, 2.0], "y has 0.0 in row 1; expected a finite number > 0"),
        ("gaussian", (3, 2), [1.0, np.inf, 2.0], "y has inf in row 1; expected a finite target"),
        ("hinge", (3,), [1, 0, 2], "y has 2.0 in row 2; expected 0 or -1 for a no, 1 for a yes"),
        ("hinge", (3, 2), [1, 0, 2], r"y has 2 in row 2; expected a label of 0 \.\.\. 1"),
        ("kl_divergence", (3, 2), [[1, 0], [1, 1], [0, 1]], "probabilities of each example"),
        ("huber", (3,), [1.0, np.nan, 0.0], "y has nan in row 1; expected a finite target"),
    ],
)  # fmt: skip
def test_targets_that_mean_nothing_are_refused_with_the_first_row(loss, width, y, words):
    with pytest.raises(DataError, match=words):
        losses.LOSSES[loss](np.zeros(width), np.array(y))


def test_train_refuses_bad_targets_and_weights_before_it_begins():
    x, model = np.ones((4, 3)), nn.Linear.init(3, 1, rng=0)
    with pytest.raises(DataError, match="y has -1"):
        cr.train(model, losses.poisson, (x, np.array([1, 2, -1, 0])), batch=2)
    for w, words in (([1, -1, 1, 1], "sample_weight has -1.0 in row 1"), ([0] * 4, "is 0")):
        with pytest.raises(DataError, match=words):
            cr.train(model, losses.poisson, (x, np.ones(4), np.array(w, np.float64)), batch=2)


def test_outputs_that_lack_the_second_parameter_are_refused_with_the_way_out():
    with pytest.raises(ShapeError, match="expected two numbers for each target"):
        losses.gaussian(np.zeros((3, 1)), np.zeros(3))
    with pytest.raises(ShapeError, match="one target per output"):
        losses.gamma(np.zeros((3, 2)), np.ones((3, 2)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"delta": 0}, "huber: delta is 0; expected a finite number > 0"),
        ({"delta": "big"}, "huber: delta is 'big'"),
        ({"level": 0.5}, "huber has no option level=; expected delta"),
    ],
)
def test_options_are_checked_and_named(options, words):
    with pytest.raises(TrainingError, match=words):
        losses.huber(**options)


def test_class_weights_must_fit_the_classes():
    with pytest.raises(ShapeError, match="class_weight has 2 weights; expected 4"):
        losses.cross_entropy(class_weight=(1, 2))(Z, LABELS)
    with pytest.raises(ShapeError, match=r"labels of 0 \.\.\. 3"):
        losses.cross_entropy(class_weight={7: 1.0})(Z, LABELS)
    with pytest.raises(TrainingError, match="balanced_class_weight"):
        losses.cross_entropy(class_weight="balanced")


def test_weights_must_be_one_per_example():
    with pytest.raises(
        ShapeError, match=r"sample_weight is f64\[3\] for an output of f64\[12, 4\]"
    ):
        losses.cross_entropy(Z, LABELS, sample_weight=np.ones(3))
    with pytest.raises(DTypeError, match="sample_weight holds values of dtype"):
        losses.cross_entropy(Z, LABELS, sample_weight=np.full(N, "a"))


def test_a_loss_with_options_is_a_loss_that_says_them():
    assert repr(losses.huber(delta=2)) == "Loss(huber(delta=2.0), in target²)"
    assert losses.huber() is losses.huber
    assert losses.huber(Z[:, 0], Z[:, 1], delta=2.0) == losses.huber(delta=2.0)(Z[:, 0], Z[:, 1])
    twice = losses.cross_entropy(label_smoothing=0.1)(class_weight=CLASS_WEIGHT)
    assert dict(twice.options) == {"label_smoothing": 0.1, "class_weight": CLASS_WEIGHT}
    with pytest.raises(TrainingError, match="got an output and no y"):
        losses.huber(Z)


@pytest.mark.parametrize(
    ("loss", "prediction"),
    [
        (losses.poisson, np.exp(Z)),
        (losses.gaussian, Z[:, :2]),
        (losses.gaussian(variance=1.0), Z),
        (losses.gamma, np.exp(Z[:, :2])),
        (losses.negative_binomial(dispersion=1.0), np.exp(Z)),
        (losses.quantile, Z),
        (losses.kl_divergence, cr.softmax(Z)),
    ],
)
def test_link_gives_the_prediction_in_the_targets_own_terms(loss, prediction):
    np.testing.assert_allclose(loss.link(Z), prediction)


def test_members_are_judged_each_by_itself_and_predict_together():
    output = RNG.normal(size=(N, 3, 4))
    loss = losses.each_member(losses.cross_entropy)
    each = [losses.cross_entropy(output[:, k], LABELS) for k in range(3)]
    np.testing.assert_allclose(loss(output, LABELS), np.mean(each), rtol=1e-13)
    np.testing.assert_allclose(loss.link(output), cr.softmax(output).mean(axis=1), rtol=1e-13)
