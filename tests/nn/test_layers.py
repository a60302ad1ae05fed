"""Linear, Sequential and MLP: formulas, trees, initial weights, errors."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import DTypeError, ShapeError, TrainingError
from chainrule.tracing.trees import flatten, named_leaves, paths, tree_map

MODELS = {
    "linear": nn.Linear.init(3, 2, rng=0),
    "sequential": nn.Sequential(nn.Linear.init(3, 4, rng=0), nn.tanh, nn.Linear.init(4, 2, rng=1)),
    "mlp": nn.MLP([3, 4, 4, 2]),
}
every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


def test_linear_is_x_times_the_transposed_weight_plus_bias():
    rng = np.random.default_rng(0)
    weight, bias, x = rng.normal(size=(2, 3)), rng.normal(size=2), rng.normal(size=(5, 3))
    expected = [[sum(w * v for w, v in zip(ws, row, strict=True)) + b
                 for ws, b in zip(weight, bias, strict=True)] for row in x]  # fmt: skip
    np.testing.assert_allclose(nn.Linear(weight, bias)(x), expected, rtol=1e-14)


def test_linear_takes_one_example_without_a_batch():
    layer = nn.Linear.init(3, 2, rng=0)
    x = np.ones((1, 3), np.float32)
    np.testing.assert_array_equal(layer(x[0]), layer(x)[0])


def test_gradient_of_a_linear_layer_is_the_closed_form():
    """d ½|x Wᵀ + b - y|² is gᵀx by W and the sum of g by b, with g = x Wᵀ + b - y."""
    rng = np.random.default_rng(0)
    layer = nn.Linear(rng.normal(size=(2, 3)), rng.normal(size=2))
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    gradient = cr.grad(lambda layer: np.sum((layer(x) - y) ** 2) / 2)(layer)
    g = layer(x) - y
    assert isinstance(gradient, nn.Linear)
    np.testing.assert_allclose(gradient.weight, g.T @ x, rtol=1e-13)
    np.testing.assert_allclose(gradient.bias, g.sum(axis=0), rtol=1e-13)


def test_sequential_calls_its_layers_in_order():
    first, last = nn.Linear.init(3, 4, rng=0), nn.Linear.init(4, 2, rng=1)
    x = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    model = nn.Sequential(first, nn.relu, nn.Sequential(last, np.abs))
    np.testing.assert_array_equal(model(x), np.abs(last(nn.relu(first(x)))))


def test_mlp_has_its_activation_between_layers_and_none_after_the_last():
    model = nn.MLP([3, 4, 5, 2], activation="gelu")
    x = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    first, second, last = model.layers
    np.testing.assert_array_equal(model(x), last(nn.gelu(second(nn.gelu(first(x))))))


def test_mlp_of_two_sizes_is_linear():
    model = nn.MLP([3, 2])
    x = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(model(x), model.layers[0](x))


def test_mlp_takes_a_function_as_its_activation():
    model = nn.MLP([3, 4, 1], activation=np.sin)
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(model(x), model.layers[1](np.sin(model.layers[0](x))))
    assert repr(model) == "MLP([3, 4, 1], activation='sin', dtype=float32)"


def test_leaves_have_the_names_of_where_they_stand():
    both = ["weight", "bias"]
    assert paths(MODELS["linear"]) == both
    assert paths(MODELS["sequential"]) == [f"layers.{k}.{x}" for k in (0, 2) for x in both]
    assert paths(MODELS["mlp"]) == [f"layers.{k}.{x}" for k in (0, 1, 2) for x in both]


@every_model
def test_model_is_a_tree_of_its_own_kind_with_its_gradient(model):
    """A gradient has the model's structure, its shapes and its dtypes."""
    x = np.ones((5, 3), np.float32)
    gradient = cr.grad(lambda model: np.mean(model(x)))(model)
    assert flatten(gradient)[1] == flatten(model)[1]
    for name, leaf in named_leaves(model).items():
        got = named_leaves(gradient)[name]
        assert (got.shape, got.dtype) == (leaf.shape, leaf.dtype)


@every_model
def test_traced_float32_model_has_no_float64_in_its_graph(model):
    both = cr.value_and_grad(lambda model, x: np.mean(model(x) ** 2))
    graph = cr.trace(both, model, np.zeros((5, 3), np.float32))
    assert {str(n.type.dtype) for n in graph.nodes} <= {"float32", "bool"}


@every_model
def test_model_survives_copying_and_pickling(model):
    x = np.ones((5, 3), np.float32)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(copied(x), model(x))


@every_model
def test_model_can_be_compared_and_hashed_by_what_object_it_is(model):
    assert model == model
    assert model != copy.deepcopy(model)
    assert len({model, model}) == 1


@every_model
def test_fields_of_a_model_cannot_be_replaced_in_place(model):
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.layers = ()


def test_a_dataclass_of_ones_own_is_a_layer_with_parameters():
    @dataclasses.dataclass(frozen=True)
    class Scale:
        factor: np.ndarray

        def __call__(self, x):
            return self.factor * x

    model = nn.Sequential(nn.Linear.init(3, 2, rng=0), Scale(np.float32(2.0)))
    assert paths(model) == ["layers.0.weight", "layers.0.bias", "layers.1.factor"]


# -- how it prints and what it counts ----------------------------------------------------------


def test_printing_shows_sizes_and_no_arrays():
    assert repr(MODELS["linear"]) == "Linear(3 -> 2, float32)"
    expected = "Sequential(Linear(3 -> 4, float32), tanh, Linear(4 -> 2, float32))"
    assert repr(MODELS["sequential"]) == expected
    assert repr(MODELS["mlp"]) == "MLP([3, 4, 4, 2], activation='relu', dtype=float32)"


@every_model
def test_a_model_whose_leaves_are_no_arrays_can_still_be_printed(model):
    assert "relu" in repr(tree_map(lambda _: None, nn.MLP([3, 4, 2])))
    assert repr(tree_map(lambda _: "name", model))


@every_model
def test_count_of_parameters_is_the_sum_of_sizes(model):
    assert nn.count_parameters(model) == sum(leaf.size for leaf in flatten(model)[0])


# -- initial weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "variance"), [("he", 2 / 400), ("lecun", 1 / 400), ("glorot", 2 / (400 + 600))]
)
def test_initial_weights_have_mean_zero_and_the_variance_of_their_paper(scale, variance):
    """Over n = 240,000 draws, mean and variance lie within six standard errors."""
    weight = nn.Linear.init(400, 600, rng=0, dtype=np.float64, scale=scale).weight
    assert abs(weight.mean()) < 6 * (variance / weight.size) ** 0.5
    # The variance of a sample variance is at most 2 σ⁴ / n (a normal; less for a uniform).
    assert abs(weight.var() / variance - 1) < 6 * (2 / weight.size) ** 0.5


def test_glorot_weights_are_uniform_within_their_bound():
    weight = nn.Linear.init(50, 100, rng=0, scale="glorot").weight
    bound = (6 / 150) ** 0.5
    assert 0.99 * bound < abs(weight).max() <= np.float32(bound)


def test_initial_bias_is_zero():
    assert not nn.Linear.init(3, 2, rng=0).bias.any()


@pytest.mark.parametrize(
    ("activation", "scale"),
    [("relu", "he"), ("gelu", "he"), ("softplus", "he"), ("selu", "lecun"), ("tanh", "glorot"),
     ("sigmoid", "glorot"), (np.cos, "he"), (nn.tanh, "glorot")],
)  # fmt: skip
def test_mlp_draws_the_weights_that_suit_its_activation(activation, scale):
    rng = np.random.default_rng(7)
    model = nn.MLP([3, 4, 2], rng=7, activation=activation)
    for layer, (n_in, n_out) in zip(model.layers, [(3, 4), (4, 2)], strict=True):
        expected = nn.Linear.init(n_in, n_out, rng, scale=scale)
        np.testing.assert_array_equal(layer.weight, expected.weight)


def test_a_seed_and_its_generator_give_the_same_model_and_another_seed_another():
    first = nn.MLP([3, 4, 2], rng=5)
    again = nn.MLP([3, 4, 2], rng=np.random.default_rng(5))
    other = nn.MLP([3, 4, 2], rng=6)
    np.testing.assert_array_equal(first.layers[1].weight, again.layers[1].weight)
    assert (first.layers[1].weight != other.layers[1].weight).any()


def test_float32_weights_are_the_float64_ones_rounded():
    narrow, wide = nn.MLP([3, 4, 2]), nn.MLP([3, 4, 2], dtype=np.float64)
    for a, b in zip(flatten(narrow)[0], flatten(wide)[0], strict=True):
        assert (a.dtype, b.dtype) == (np.float32, np.float64)
        np.testing.assert_array_equal(a, b.astype(np.float32))


# -- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (
            (5, 3),
            r"^layers\.0: Linear\(4 -> 2, float32\): x is f32\[5, 3\], its last axis is 3; exp",
        ),
        ((4, 5), r"hint: examples are rows here: x\.T fits"),
        ((5, 2, 2), r"hint: one row per example: x\.reshape\(-1, 4\)"),
        ((), r"x is f32\[\], a single number; expected \(batch, 4\)$"),
    ],
)
@pytest.mark.parametrize("traced", [False, True])
def test_input_of_a_wrong_size_names_layer_got_and_expected(shape, expected, traced):
    model, x = nn.MLP([4, 2]), np.zeros(shape, np.float32)
    with pytest.raises(ShapeError, match=expected):
        cr.trace(model, x) if traced else model(x)


def test_layers_that_do_not_fit_one_another_are_named_also_when_nested():
    inner = nn.Sequential(nn.relu, nn.Linear.init(5, 2, rng=0))
    model = nn.Sequential(nn.Linear.init(3, 4, rng=0), inner)
    with pytest.raises(ShapeError, match=r"^layers\.1: layers\.1: Linear\(5 -> 2"):
        model(np.zeros((6, 3), np.float32))


@pytest.mark.parametrize("sizes", [[], [3], [3, 0], [3, -1, 2]])
def test_mlp_refuses_sizes_that_make_no_network(sizes):
    with pytest.raises(ShapeError, match="at least two sizes, none below 1"):
        nn.MLP(sizes)


def test_linear_refuses_a_weight_and_a_bias_that_do_not_fit():
    with pytest.raises(ShapeError, match=r"weight is \(2, 3\), bias is \(3,\)"):
        nn.Linear(np.zeros((2, 3)), np.zeros(3))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"scale": "xavier"}, TrainingError, "expected one of he, lecun, glorot"),
        ({"dtype": np.int32}, DTypeError, "expected float32 or float64"),
        ({"n_out": 0}, ShapeError, "both sizes must be at least 1"),
    ],
)
def test_initial_weights_that_cannot_be_drawn_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        nn.Linear.init(**({"n_in": 3, "n_out": 2, "rng": 0} | options))


def test_mlp_with_an_unknown_activation_is_refused_when_it_is_made():
    with pytest.raises(TrainingError, match="did you mean 'relu'"):
        nn.MLP([3, 2], activation="Relu")


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (3, "layer 1 is of type int"),
        ([nn.relu], r"write Sequential\(\*layers\)"),
        (nn.Linear, "layer 1 is the class Linear"),
    ],
)
def test_sequential_refuses_what_cannot_be_called(layer, words):
    with pytest.raises(TrainingError, match=words):
        nn.Sequential(nn.relu, layer)


def test_sequential_refuses_an_object_whose_arrays_it_could_not_train():
    class Scale:
        def __init__(self):
            self.factor = np.ones(3)

        def __call__(self, x):
            return self.factor * x

    with pytest.raises(TrainingError, match="factor would not be trained"):
        nn.Sequential(Scale())


@pytest.mark.parametrize("eps", [np.float64, -1.0, np.nan, "small"])
def test_an_eps_that_is_no_number_is_refused(eps):
    """A dtype given in its place is the mistake that is made."""
    with pytest.raises(TrainingError, match="eps"):
        nn.LayerNorm.init(4, eps)
