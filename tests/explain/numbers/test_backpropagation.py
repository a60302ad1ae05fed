"""Backpropagation in numbers: what is shown is what autodiff computes."""

import json

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.errors import ChainruleError, TrainingError
from chainrule.explain.numbers import backpropagation
from chainrule.tracing.trees import flatten, unflatten
from tests.explain.numbers.cases import CASES, LABELS, X, explained

each_case = pytest.mark.parametrize("name", CASES)


def gradient(subject):
    """By ``cr.grad`` as a user calls it."""
    leaves, structure = flatten(subject.arguments)
    names = list(subject.leaves)

    def of(wanted):
        given = [wanted.get(n, x) for n, x in zip(names, leaves, strict=True)]
        return subject.function(*unflatten(structure, given))

    return cr.grad(of)({name: subject.leaves[name] for name in subject.wrt})


@each_case
def test_gradients_are_those_of_grad_to_the_last_digit(name):
    """The recording is another one (data are followed too); the numbers are not."""
    found = explained(name)
    for leaf, expected in gradient(found.subject).items():
        np.testing.assert_array_equal(found.gradients[leaf], expected)


@each_case
def test_each_jacobian_times_its_cotangent_is_the_gradient_passed_on(name):
    """Jᵀ δ by the structure of J alone, against the rule of the operation."""
    found = explained(name)
    worst, compared, count = found.agreement
    dtypes = {visit.dtype for visit in found.visits}
    assert worst <= (4e-7 if "float32" in dtypes else 1e-15)
    assert compared == count or name in ("gru", "looping")


@each_case
def test_cotangents_are_sums_of_what_was_passed_on(name):
    """δ of a visit is the sum of all that later results passed on to it."""
    found = explained(name)
    arrived = {}
    for visit in found.visits:
        for passed in visit.passed:
            if not isinstance(passed.gradient, dict | tuple):
                arrived[passed.to] = arrived.get(passed.to, 0.0) + passed.gradient
    for visit in found.visits[1:]:
        if not isinstance(visit.delta, dict):
            np.testing.assert_allclose(
                visit.delta, arrived[f"#{visit.number}"], rtol=1e-5, atol=1e-7
            )


@each_case
def test_an_operation_is_visited_after_all_that_read_it(name):
    """Everything is passed on to a higher number: the order of backpropagation."""
    found = explained(name)
    assert [visit.number for visit in found.visits] == list(range(1, len(found.visits) + 1))
    assert all(
        int(passed.to[1:]) > visit.number
        for visit in found.visits
        for passed in visit.passed
        if passed.to.startswith("#")
    )
    assert all(g.source > layer.number for layer in found.layers for g in layer.passed)


@each_case
def test_layers_pass_on_what_is_asked_for(name):
    """The parts that layers give to a leaf add up to its gradient."""
    found = explained(name)
    for leaf, expected in found.gradients.items():
        parts = [g.gradient for layer in found.layers for g in layer.leaves if g.to == leaf]
        np.testing.assert_allclose(sum(parts), expected, rtol=1e-4, atol=1e-6)
    visited = sorted(number for layer in found.layers for number in layer.visits)
    assert visited == [visit.number for visit in found.visits]


@each_case
def test_the_jacobian_of_a_layer_gives_what_it_passes_on(name):
    """δ through the whole layer at once is what its operations pass on one by one."""
    found = explained(name)
    for layer in found.layers:
        for given in (*layer.leaves, *layer.passed):
            pulled = given.jacobian.pull(np.asarray(layer.delta))
            if pulled is not None:
                np.testing.assert_allclose(pulled, given.gradient, rtol=2e-4, atol=1e-5)


@each_case
def test_text_fits_a_terminal_and_json_is_json(name):
    """No line above 100 columns; NaN does not stand in JSON as a bare word."""
    found = explained(name)
    for text in (str(found), found.table("nodes")):
        assert all(len(line) <= 100 for line in text.splitlines())
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert len(again["visits"]) == len(found.visits)


def test_the_lecture_s_square_is_visited_factor_by_factor():
    """∂L/∂w = 2x(wx + b - y): 2(l - y), then x."""
    found = explained("lecture")
    assert [visit.word for visit in found.visits] == ["square", "subtract", "add", "multiply"]
    assert [float(visit.delta) for visit in found.visits] == [1.0, 4.0, 4.0, 4.0]
    assert found.visits[0].passed[0].jacobian.matrix.tolist() == [[4.0]]
    assert {name: float(g) for name, g in found.gradients.items()} == {
        "w": 12.0,
        "x": 8.0,
        "b": 4.0,
        "y": -4.0,
    }


def test_layers_have_the_names_of_the_model():
    """Paths of the tree, classes of layers, names of activations and of the loss."""
    assert [layer.title for layer in explained("mlp").layers] == [
        "cross_entropy",
        "layers.1 Linear",
        "relu",
        "layers.0 Linear",
    ]
    assert [layer.title for layer in explained("residual").layers] == [
        "loss",
        "p.w3 dot",
        "add",
        "gelu",
        "p.w2 dot",
        "tanh",
        "p.w1 dot + add",
    ]
    titles = [layer.title for layer in explained("transformer").layers]
    assert "layers.0.attention softmax" in titles
    assert "layers.0 gelu" in titles


def test_lines_and_variables_of_the_user_are_told():
    """The line that did it, what stands there, and the name that it assigns."""
    visit = next(v for v in explained("residual").visits if v.op == "tanh")
    assert visit.where.startswith("cases.py:")
    assert visit.source == 'h = np.tanh(x @ p["w1"].T + p["b1"])'
    assert visit.name == "h"


def test_one_row_is_that_row_of_the_batch():
    """row=k explains data[k : k + 1]."""
    model, loss, (x, y) = CASES["mlp"]
    one = backpropagation(model, loss, (x, y), row=2)
    same = backpropagation(model, loss, (x[2:3], y[2:3]))
    assert (one.row, one.rows, one.loss) == (2, 1, same.loss)
    assert backpropagation(model, loss, (x, y), row=-2).loss == one.loss


def test_the_gradient_of_chosen_leaves_alone():
    """wrt names a leaf, or a tree of them."""
    model, loss, data = CASES["mlp"]
    found = backpropagation(model, loss, data, wrt=["layers.1", "x"])
    assert list(found.gradients) == ["layers.1.weight", "layers.1.bias", "x"]


def test_dead_units_are_counted_and_said():
    """A ReLU below zero for all rows passes nothing back."""
    model = nn.MLP([6, 5, 3], rng=0)
    object.__setattr__(model.layers[0], "bias", np.full(5, -100, np.float32))
    found = backpropagation(model, losses.cross_entropy, (X, LABELS))
    assert found.layers[2].dead == (5, 5)
    assert any("5 of 5 units of relu are 0" in line for line in found.findings)
    assert any("layers.0.weight" in line for line in found.findings if "exactly 0" in line)


def test_a_starving_layer_is_named():
    """Sigmoids with tiny weights in ten layers: the first gets almost nothing."""
    model = nn.MLP([6, *[8] * 8, 3], rng=0, activation="sigmoid", dtype=np.float64)
    found = backpropagation(model, losses.cross_entropy, (X.astype(float), LABELS))
    assert found.flow.ratio < 1e-3
    assert any("layers.0.weight" in line and "starve" in line for line in found.findings)


@pytest.mark.parametrize("name", ["mlp", "convolutional", "transformer", "integers"])
def test_lengths_of_single_examples_gradients(name):
    """They are those of the gradient at each row alone."""
    model, loss, data = CASES[name]
    found = backpropagation(model, loss, data)
    for k in range(len(data[0])):
        alone = backpropagation(model, loss, data, row=k)
        squares = sum(float(np.sum(np.square(g, dtype=float))) for g in alone.gradients.values())
        assert found.example_norms[k] == pytest.approx(np.sqrt(squares), rel=1e-4)


def test_examples_that_act_on_one_another_are_said_to():
    """Where a mean over the batch couples the rows there are no gradients of single ones."""
    found = backpropagation(
        nn.Linear.init(6, 1, rng=0),
        lambda m, x, y: np.mean((m(x) - np.mean(m(x)) - y) ** 2),
        (X, X[:, :1]),
    )
    assert found.example_norms is None
    assert any("single examples" in note for note in found.notes())


@pytest.mark.parametrize(
    ("f", "x", "said"),
    [
        (
            lambda w: np.sum(np.log(w) * w),
            [1.0, -1.0],
            "forward, by log at test_",
        ),
        (lambda w: np.sum(np.sqrt(w)), [0.0, 1.0], "passed on to w by sqrt"),
        (lambda w: np.sum(w * w), [1.0, np.nan], "NaN is in w already"),
        (lambda w: np.sum(w * w), [1e200, 1e300], "infinity is made on the way forward"),
    ],
    ids=["log", "sqrt", "data", "overflow"],
)
def test_the_first_nan_or_infinity_is_located(f, x, said):
    """Which operation, at which line, on which way."""
    found = backpropagation(f, np.array(x))
    assert said in found.nonfinite
    assert found.nonfinite in found.notes()
    assert found.svg()
    assert found.animation()


def test_functions_of_nothing_but_their_input():
    """The identity, and a loss that does not depend on what is asked for."""
    assert "w itself" in str(backpropagation(lambda w: w, 2.0))
    still = backpropagation(lambda w, x: x * 3.0, 2.0, 3.0, wrt="w")
    assert float(still.gradients["w"]) == 0.0
    empty = backpropagation(lambda w: np.sum(w**2) + 1.0, np.zeros((0, 3)))
    assert empty.gradients["w"].shape == (0, 3)
    assert empty.svg()
    assert empty.animation()
    assert str(empty)


@pytest.mark.parametrize(
    "call",
    [
        lambda: backpropagation(nn.MLP([6, 3]), losses.cross_entropy, (X, LABELS), row=4),
        lambda: backpropagation(lambda w: w * w, 2.0, row=0),
        lambda: backpropagation(lambda w: w * w, 2),
        lambda: backpropagation(lambda w: w * w, 2.0, wrt="v"),
        lambda: explained("mlp").table("units"),
    ],
    ids=["row", "row of a function", "whole number", "name", "detail"],
)
def test_what_cannot_be_explained_is_refused(call):
    """By an error of ours that says what was expected."""
    with pytest.raises(TrainingError):
        call()


def test_what_has_no_gradient_is_refused_as_grad_refuses_it():
    """The error of ``cr.grad``, though less was tried before."""
    with pytest.raises(ChainruleError, match="floor"):
        backpropagation(lambda w: np.sum(np.floor(w)), np.ones(2))


def test_nan_is_not_said_to_agree_with_nan():
    model = nn.MLP([2, 3, 2], rng=0)
    leaves, structure = flatten(model)
    broken = unflatten(structure, [x * np.nan for x in leaves])
    found = backpropagation(broken, losses.cross_entropy, (np.ones((1, 2)), np.array([1])))
    assert "NaN" in found.nonfinite
    assert not any("local Jacobians" in note for note in found.notes())
