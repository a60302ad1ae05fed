"""Squared error and cross-entropies: closed forms, derivatives, tails, targets, errors."""

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule import losses
from chainrule.errors import DataError, DTypeError, ShapeError
from chainrule.ir.types import BATCH, ArrayType
from chainrule.tracing.batch import trace_batch

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 6)
ONE_HOT = np.eye(4, dtype=np.int64)[LABELS]
# name of the case: (loss, output, y)
CASES = {
    "squared error": (losses.squared_error, RNG.normal(size=(6, 2)), RNG.normal(size=(6, 2))),
    "binary, labels": (losses.binary_cross_entropy, RNG.normal(size=6), LABELS % 2),
    "binary, probabilities": (losses.binary_cross_entropy, RNG.normal(size=6), RNG.random(6)),
    "several binary": (losses.binary_cross_entropy, RNG.normal(size=(6, 3)), np.eye(3)[LABELS % 3]),
    "classes, labels": (losses.cross_entropy, RNG.normal(size=(6, 4)), LABELS),
    "classes, one-hot": (losses.cross_entropy, RNG.normal(size=(6, 4)), ONE_HOT),
    "classes, probabilities": (
        losses.cross_entropy, RNG.normal(size=(6, 4)), RNG.dirichlet(np.ones(4), size=6),
    ),
}  # fmt: skip
every_case = pytest.mark.parametrize(("loss", "output", "y"), CASES.values(), ids=CASES)


def as_outputs(loss, output, y):
    """Targets of the outputs' shape: labels of classes become one-hot rows."""
    is_labels = loss is losses.cross_entropy and y.ndim == 1
    return np.eye(output.shape[1])[y] if is_labels else y


@every_case
def test_gradient_agrees_with_a_central_difference(loss, output, y):
    """(loss(z + h u) - loss(z - h u)) / 2h equals <grad, u> along a random u."""
    u = np.random.default_rng(1).normal(size=output.shape)
    h = 1e-6  # balances truncation h² with rounding eps / h in f64
    difference = (loss(output + h * u, y) - loss(output - h * u, y)) / (2 * h)
    np.testing.assert_allclose(np.sum(cr.grad(loss)(output, y) * u), difference, rtol=1e-8)


@every_case
def test_gradient_is_the_prediction_less_the_target(loss, output, y):
    """The link is canonical: d loss / d output = c (link(output) - y), c the same for all."""
    residual = loss.link(output) - as_outputs(loss, output, y)
    # The mean is over examples, and over outputs where each has a loss of its own.
    share = 1 / (len(output) if loss is losses.cross_entropy else output.size)
    factor = 2 * share if loss is losses.squared_error else share
    np.testing.assert_allclose(cr.grad(loss)(output, y), factor * residual, rtol=1e-12, atol=1e-16)


@every_case
def test_loss_equals_its_formula_taken_naively(loss, output, y):
    """Where nothing overflows, the stable form is the textbook's."""
    p, y = loss.link(output), as_outputs(loss, output, y)
    naive = {
        losses.squared_error: lambda: np.mean((output - y) ** 2),
        losses.binary_cross_entropy: lambda: -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)),
        losses.cross_entropy: lambda: -np.mean(np.sum(y * np.log(p), axis=1)),
    }[loss]()
    np.testing.assert_allclose(loss(output, y), naive, rtol=1e-12)


@every_case
def test_loss_is_a_number_of_the_outputs_dtype(loss, output, y):
    for dtype in (np.float32, np.float64):
        value, gradient = cr.value_and_grad(loss)(output.astype(dtype), y)
        assert (value.shape, value.dtype, gradient.dtype) == ((), dtype, dtype)


@every_case
@pytest.mark.parametrize("y_dtype", [np.bool_, np.int32, np.int64, np.float32, np.float64])
def test_traced_float32_loss_computes_nothing_in_float64(loss, output, y, y_dtype):
    """Whatever the target's dtype: only the target itself, as it comes in, may be float64."""
    is_labels = loss is losses.cross_entropy and y.ndim == 1
    if y.dtype.kind == "i" and not (is_labels and y_dtype in (np.float32, np.float64)):
        y = y.astype(y_dtype)
    graph = cr.trace(cr.value_and_grad(loss), output.astype(np.float32), y)
    computed = {str(n.type.dtype) for n in graph.nodes if n.op not in ("input", "reshape")}
    assert computed <= {"float32", "int32", "int64", "bool"}


@every_case
def test_loss_is_one_graph_for_any_number_of_examples(loss, output, y):
    types = [ArrayType(x.dtype, (BATCH, *x.shape[1:])) for x in (output, y)]
    graph = trace_batch(lambda xs: cr.value_and_grad(loss)(*xs), types).graph
    assert [n.type.shape for n in graph.outputs] == [(), types[0].shape]


# -- references --------------------------------------------------------------------------------


def test_cross_entropies_equal_scikit_learns_log_loss():
    from sklearn.metrics import log_loss, mean_squared_error

    for name in ("classes, labels", "binary, labels"):
        loss, z, y = CASES[name]
        expected = log_loss(y, loss.link(z), labels=np.unique(LABELS if z.ndim > 1 else [0, 1]))
        np.testing.assert_allclose(loss(z, y), expected, rtol=1e-12)
    _, output, y = CASES["squared error"]
    np.testing.assert_allclose(losses.squared_error(output, y), mean_squared_error(y, output))


def test_losses_of_the_lecture_are_in_nats():
    """-log p at p = 0.9, 0.5 and 0.001 is 0.105, 0.693 and 6.908 (base 10 would be 0.05 ...)."""
    for p, nats in ((0.9, 0.105), (0.5, 0.693), (0.001, 6.908)):
        z = special.logit(np.array([p]))
        assert losses.binary_cross_entropy(z, np.array([1])) == pytest.approx(nats, abs=5e-4)
        two = np.array([[0.0, z[0]]])
        assert losses.cross_entropy(two, np.array([1])) == pytest.approx(nats, abs=5e-4)


def test_cross_entropy_of_two_classes_is_the_binary_one_of_the_difference():
    z, y = RNG.normal(size=(6, 2)), LABELS % 2
    binary = losses.binary_cross_entropy(z[:, 1] - z[:, 0], y)
    np.testing.assert_allclose(losses.cross_entropy(z, y), binary, rtol=1e-14)


# -- tails -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("z", "y"), [(-20.0, 0), (20.0, 1)])
def test_binary_loss_and_gradient_keep_all_their_digits_in_both_tails(z, y, dtype):
    """At |z| = 20 on the right side both are e⁻²⁰ / (1 + e⁻²⁰) = 2.06e-9 in size, never 0."""
    value, gradient = cr.value_and_grad(losses.binary_cross_entropy)(np.array([z], dtype), [y])
    few_units = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(value, np.log1p(np.exp(-20.0)), rtol=few_units)
    np.testing.assert_allclose(gradient, (1 - 2 * y) * special.expit(-20.0), rtol=few_units)


def test_binary_loss_does_not_care_which_answer_is_called_yes():
    """loss(z, y) = loss(-z, 1 - y) to the bit, for labels."""
    z = np.linspace(-50, 50, 41)
    for label in (0, 1):
        y = np.full(41, label)
        assert losses.binary_cross_entropy(z, y) == losses.binary_cross_entropy(-z, 1 - y)


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_no_logit_overflows(size):
    """Certain and right costs 0; certain and wrong costs the distance; nothing warns."""
    z = np.array([size, -size])
    assert losses.binary_cross_entropy(z, np.array([1, 0])) == 0
    assert losses.binary_cross_entropy(z, np.array([0, 1])) == size
    rows = np.array([[size, 0.0, -size]])
    assert losses.cross_entropy(rows, np.array([0])) == 0
    assert losses.cross_entropy(rows, np.array([2])) == 2 * size
    assert np.isfinite(cr.grad(losses.cross_entropy)(rows, np.array([2]))).all()


def test_cross_entropy_is_not_blurred_by_logits_far_from_zero():
    """A shift by 10⁴ leaves a float32 loss as it was: it is taken relative to the largest."""
    z = np.array([[0.0, 1.0, 2.0]], np.float32)
    for y in (np.array([2]), np.array([[0.0, 0.0, 1.0]])):
        shifted = losses.cross_entropy(z + np.float32(1e4), y)
        assert shifted == losses.cross_entropy(z, y)


# -- targets in their shapes -------------------------------------------------------------------


@pytest.mark.parametrize("loss", [losses.squared_error, losses.binary_cross_entropy])
@pytest.mark.parametrize("shapes", [((6, 1), (6,)), ((6,), (6, 1)), ((6, 1), (6, 1))])
@pytest.mark.parametrize("traced", [False, True])
def test_a_column_and_a_row_of_targets_are_the_same_targets(loss, shapes, traced):
    """(batch, 1) against (batch,) is never spread over (batch, batch)."""
    output, y = RNG.normal(size=6), LABELS % 2
    shaped = output.reshape(shapes[0]), y.reshape(shapes[1])
    if traced:
        sizes = {n.type.shape for n in cr.trace(loss, *shaped).nodes}
        assert (6, 6) not in sizes
    else:
        np.testing.assert_allclose(loss(*shaped), loss(output, y), rtol=1e-15)


@pytest.mark.parametrize("form", [
    lambda y: y.astype(np.uint8),
    lambda y: y[:, None],
    lambda y: y.tolist(),
    lambda y: np.eye(4)[y],
    lambda y: np.eye(4, dtype=bool)[y],
])  # fmt: skip
def test_class_labels_in_any_form_give_the_same_loss(form):
    loss, z, y = CASES["classes, labels"]
    np.testing.assert_allclose(loss(z, form(y)), loss(z, y), rtol=1e-15)


def test_truth_values_are_labels():
    z, y = RNG.normal(size=(6, 2)), LABELS % 2
    assert losses.cross_entropy(z, y == 1) == losses.cross_entropy(z, y)
    assert losses.binary_cross_entropy(z[:, 0], y == 1) == losses.binary_cross_entropy(z[:, 0], y)


def test_plain_numbers_and_lists_are_taken_as_arrays():
    assert losses.squared_error(3, 2.5) == 0.25
    assert losses.squared_error([1, 2], [1.5, 2]) == 0.125


@pytest.mark.parametrize(
    ("loss", "output", "y", "words"),
    [
        ("squared_error", (6, 1), (5,), r"y is f64\[5\] for an output of f64\[6, 1\]"),
        ("squared_error", (6, 2), (2, 6), "hint: examples are rows here: y.T fits"),
        ("squared_error", (6, 2), (6,), "for one class label per example use cross_entropy"),
        ("binary_cross_entropy", (6, 2), (3, 4), "expected one target per output"),
        ("cross_entropy", (6, 1), (6,), "for a yes or no from one output use binary_cross_entropy"),
        ("cross_entropy", (6,), (6,), r"expected \(batch, classes\)"),
        ("cross_entropy", (6, 4), (5,), r"expected labels \(6,\) or probabilities \(6, 4\)"),
        ("cross_entropy", (6, 4), (6, 3), r"expected labels \(6,\) or probabilities \(6, 4\)"),
    ],
)
@pytest.mark.parametrize("traced", [False, True])
def test_targets_that_do_not_fit_are_refused_with_what_would(loss, output, y, words, traced):
    loss, arrays = losses.LOSSES[loss], (np.zeros(output), np.zeros(y))
    with pytest.raises(ShapeError, match=words):
        cr.trace(loss, *arrays) if traced else loss(*arrays)


def test_an_error_says_which_loss_and_where():
    with pytest.raises(ShapeError, match=r"^squared_error at test_losses\.py:\d+: y is"):
        losses.squared_error(np.zeros(3), np.zeros(2))


def test_labels_that_are_floats_are_refused_with_the_conversion():
    with pytest.raises(DTypeError, match=r"hint: y\.astype\(np\.int64\)"):
        losses.cross_entropy(np.zeros((3, 2)), np.zeros(3))


CANONICAL = {loss.name: loss for loss, _, _ in CASES.values()}


@pytest.mark.parametrize("loss", CANONICAL.values(), ids=CANONICAL)
def test_text_is_no_target(loss):
    with pytest.raises(DTypeError, match="y holds values of dtype <U3; expected numbers"):
        loss(np.zeros((2, 2)), np.array(["yes", "no"]))


@pytest.mark.parametrize(
    ("loss", "y", "words"),
    [
        ("squared_error", [1.0, np.nan, np.inf], r"nan in row 1 \(and 1 more\); expected a finite"),
        ("binary_cross_entropy", [1, 2, 1], "y has 2.0 in row 1; expected 0, 1 or a probability"),
        ("binary_cross_entropy", [1, -1, 1], "y has -1.0 in row 1"),
        ("cross_entropy", [0, 1, 2], r"y has 2 in row 2; expected a label of 0 \.\.\. 1, one per"),
        ("cross_entropy", [0, -1, 1], "y has -1 in row 1"),
        ("cross_entropy", [[1, 0], [1, 1], [0, 1]], "y has 2.0 in row 1; expected probabilities"),
        ("cross_entropy", [[1, 0], [2, -1], [0, 1]], "y has -1.0 in row 1; expected a probability"),
    ],
)
def test_targets_that_mean_nothing_are_refused_with_the_first_row(loss, y, words):
    loss, width = losses.LOSSES[loss], (3, 2) if loss == "cross_entropy" else (3,)
    with pytest.raises(DataError, match=words):
        loss(np.zeros(width), np.array(y))


def test_targets_can_be_checked_before_anything_is_traced():
    losses.cross_entropy.check(LABELS, 4)
    with pytest.raises(DataError, match=r"expected a label of 0 \.\.\. 2"):
        losses.cross_entropy.check(np.array([0, 3]), 3)


# -- the record --------------------------------------------------------------------------------


def test_losses_say_their_name_and_their_unit():
    assert {name: loss.unit for name, loss in losses.LOSSES.items()} == {
        "squared_error": "target²", "absolute_error": "target", "huber": "target²",
        "quantile": "target", "binary_cross_entropy": "nats", "cross_entropy": "nats",
        "kl_divergence": "nats", "hinge": "margins", "gaussian": "nats", "poisson": "nats",
        "gamma": "nats", "negative_binomial": "nats",
    }  # fmt: skip
    assert all(getattr(losses, name) is loss for name, loss in losses.LOSSES.items())
    assert repr(losses.cross_entropy) == "Loss(cross_entropy, in nats)"
    assert "labels 0 ... k - 1" in losses.cross_entropy.__doc__
