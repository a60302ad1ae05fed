"""Every layer by the same laws, and each by its formula written out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import special

import chainrule as cr
from chainrule import losses, nn
from chainrule.errors import DTypeError, ShapeError, TrainingError
from chainrule.tracing.trees import flatten, named_leaves, tree_map, unflatten

RNG = np.random.default_rng(0)
D = np.float64


def given(*shape):
    return RNG.normal(size=shape)


#: name of the case: (layer in float64, x, whether a single example works as well)
LAYERS = {
    "linear without bias": (nn.Linear.init(3, 4, 0, D, bias=False), given(5, 3), True),
    "residual": (nn.Residual(nn.Linear.init(3, 3, 0, D)), given(5, 3), True),
    "residual, shortcut": (
        nn.Residual(nn.Linear.init(3, 4, 0, D), nn.Linear.init(3, 4, 1, D)), given(5, 3), True,
    ),
    "dropout": (nn.Sequential(nn.Linear.init(3, 4, 0, D), nn.Dropout(0.5)), given(5, 3), True),
    "batch norm": (nn.BatchNorm(*np.exp(given(4, 3))), given(5, 3), True),
    "batch norm, images": (nn.BatchNorm(*np.exp(given(4, 3))), given(4, 3, 2, 2), False),
    "layer norm": (nn.LayerNorm(given(3), given(3)), given(5, 3), True),
    "layer norm, two axes": (nn.LayerNorm(given(3, 2), given(3, 2)), given(5, 3, 2), True),
    "rms norm": (nn.RMSNorm(given(3)), given(5, 3), True),
    "group norm": (nn.GroupNorm(given(4), given(4), 2), given(3, 4, 3), False),
    "conv 1d": (nn.Conv1d.init(2, 3, 3, 0, padding="same", dtype=D), given(3, 2, 6), True),
    "conv 2d": (
        nn.Conv2d.init(2, 4, (3, 2), 0, stride=2, groups=2, dtype=D), given(2, 2, 6, 5), True,
    ),
    "conv without bias": (nn.Conv2d.init(1, 2, 2, 0, bias=False, dtype=D), given(2, 1, 4, 4), True),
    "transposed 1d": (nn.ConvTranspose1d.init(2, 3, 3, 0, stride=2, dtype=D), given(2, 2, 4), True),
    "transposed 2d": (
        nn.ConvTranspose2d.init(4, 2, 2, 0, stride=2, groups=2, dtype=D), given(2, 4, 3, 3), True,
    ),
    "pools": (
        nn.Sequential(
            nn.Conv2d.init(1, 2, 2, 0, dtype=D), nn.MaxPool([2, 2]), nn.AveragePool((2, 1)),
        ),
        given(2, 1, 7, 5), True,
    ),
    "flatten": (nn.Sequential(nn.Flatten(), nn.Linear.init(6, 2, 0, D)), given(4, 2, 3), False),
    "attention": (nn.MultiHeadAttention.init(4, 2, 0, dtype=D), given(2, 3, 4), True),
    "transformer": (
        nn.TransformerBlock.init(4, 2, 0, 6, causal=True, dtype=D), given(2, 3, 4), True,
    ),
    "gru": (nn.GRU.init(3, 4, 0, dtype=D), given(2, 5, 3), True),
    "gru, last": (nn.GRU.init(3, 4, 0, last=True, reverse=True, dtype=D), given(2, 5, 3), True),
    "lstm": (nn.LSTM.init(3, 4, 0, dtype=D), given(2, 5, 3), True),
    "periodic": (nn.PeriodicEmbedding.init(3, 2, 0, dtype=D), given(5, 3), True),
    "plr": (nn.PLREmbedding.init(3, 4, 0, k=2, dtype=D), given(5, 3), True),
    "plr, lite": (nn.PLREmbedding.init(3, 4, 0, k=2, lite=True, dtype=D), given(5, 3), True),
    "batch ensemble": (nn.BatchEnsemble.init(3, 2, 4, 0, dtype=D), given(5, 4, 3), True),
    "tabm": (nn.TabM([3, 4, 2], members=3, dtype=D, activation="tanh"), given(5, 3), True),
}  # fmt: skip
every_layer = pytest.mark.parametrize(("layer", "x", "single"), LAYERS.values(), ids=LAYERS)


def probed(layer, x):
    """A number that depends on every element of the output."""
    y = layer(x)
    return np.sum(y * np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype))


@every_layer
def test_gradient_by_parameters_and_input_agrees_with_differences(layer, x, single):
    """By all that is learned: running statistics are taken as constants."""
    leaves, structure = flatten(layer)
    marks = nn.statistics(layer)

    def f(learned, x):
        rest = iter(learned)
        whole = [a if fixed else next(rest) for a, fixed in zip(leaves, marks, strict=True)]
        return probed(unflatten(structure, whole), x)

    learned = [a for a, fixed in zip(leaves, marks, strict=True) if not fixed]
    assert cr.check_grad(lambda args: f(*args), (learned, x))


@every_layer
def test_compiled_layer_and_its_gradients_are_the_eager_ones(layer, x, single):
    both = cr.value_and_grad(probed, argnums=(0, 1))
    (value, grads), (expected, expected_grads) = cr.compile(both)(layer, x), both(layer, x)
    np.testing.assert_allclose(value, expected, rtol=1e-11)
    for name, leaf in named_leaves(expected_grads).items():
        np.testing.assert_allclose(named_leaves(grads)[name], leaf, rtol=1e-9, atol=1e-11)


@every_layer
def test_float32_stays_float32(layer, x, single):
    """In the output, in every gradient, in new statistics, and on the way to them."""
    layer, x = tree_map(lambda a: a.astype(np.float32), layer), x.astype(np.float32)

    def step(layer, x):
        with nn.training() as mode:
            value = probed(layer, x)
        return value, mode.updated(layer)

    graph = cr.trace(cr.value_and_grad(step, has_aux=True), layer, x)
    assert "float64" not in {str(n.type.dtype) for n in graph.nodes}
    assert layer(x).dtype == np.float32


@every_layer
def test_a_single_example_gives_its_row_of_the_batch(layer, x, single):
    if single:
        for alone, row in zip(x, layer(x), strict=True):
            np.testing.assert_allclose(layer(alone), row, rtol=1e-12, atol=1e-14)


@every_layer
def test_layer_is_trained_by_the_compiled_step_as_by_hand(layer, x, single):
    """Three steps of gradient descent on any number of examples: the graph is symbolic in it."""

    def loss(layer, x):
        return np.mean(layer(x) ** 2)

    def in_training(layer, x):
        with nn.training() as mode:
            value = loss(layer, x)
        return value, mode.updated(layer)

    if "dropout" in repr(layer).lower() and flatten(layer)[0]:
        layer = layer.layers[0] if isinstance(layer, nn.Sequential) else layer
    x = np.concatenate([x, x[::-1]])
    run = cr.train(layer, loss, (x,), batch="all", epochs=3)
    expected, marks = layer, nn.statistics(layer)
    for _ in range(3):
        (_, after), grads = cr.value_and_grad(in_training, has_aux=True)(expected, x)
        moved = tree_map(lambda p, g: p - 0.01 * g, expected, grads)
        leaves = zip(flatten(moved)[0], flatten(after)[0], marks, strict=True)
        chosen = iter([b if is_statistic else a for a, b, is_statistic in leaves])
        expected = tree_map(lambda _, chosen=chosen: next(chosen), expected)
    for name, leaf in named_leaves(expected).items():
        np.testing.assert_allclose(named_leaves(run.model)[name], leaf, rtol=1e-9, atol=1e-11)


@every_layer
def test_predict_is_the_call(layer, x, single):
    np.testing.assert_allclose(cr.predict(layer, x), layer(x), rtol=1e-11, atol=1e-13)


@every_layer
def test_a_layer_prints_without_its_numbers_and_also_when_it_holds_none(layer, x, single):
    assert "array(" not in repr(layer)
    assert repr(tree_map(lambda _: "name", layer))


# -- formulas ----------------------------------------------------------------------------------


def test_gru_and_lstm_are_their_equations_step_by_step():
    x = given(2, 5, 3)
    for layer in (nn.GRU.init(3, 4, 0, dtype=D), nn.LSTM.init(3, 4, 0, dtype=D)):
        layer = tree_map(lambda a: given(*a.shape), layer)
        h = c = np.zeros((2, 4))
        rows = []
        for t in range(5):
            a = np.split(x[:, t] @ layer.weight.T + layer.bias, len(layer.bias) // 4, axis=1)
            u = np.split(h @ layer.recurrent.T + layer.recurrent_bias, len(a), axis=1)
            if len(a) == 3:
                r, z = special.expit(a[0] + u[0]), special.expit(a[1] + u[1])
                h = (1 - z) * np.tanh(a[2] + r * u[2]) + z * h
            else:
                i, f, o = (special.expit(a[k] + u[k]) for k in (0, 1, 3))
                c = f * c + i * np.tanh(a[2] + u[2])
                h = o * np.tanh(c)
            rows.append(h)
        np.testing.assert_allclose(layer(x), np.stack(rows, axis=1), rtol=1e-12)


def test_gru_of_pytorch():
    """torch.nn.GRU(1, 1), all weights and biases 0.5, on the series 1, -1 (torch 2.13)."""
    ones = np.full((3, 1), 0.5)
    layer = nn.GRU(ones, ones, ones[:, 0], ones[:, 0])
    series = np.array([[1.0], [-1.0]])
    np.testing.assert_allclose(layer(series)[:, 0], TORCH_GRU, rtol=1e-14)


TORCH_GRU = [0.1618545504983695, 0.23157331285431323]


def test_batch_norm_moves_its_statistics_as_pytorch_does():
    """The mean and the unbiased variance, by the momentum's share; normed by the biased one."""
    x = given(6, 3, 2)
    layer = nn.BatchNorm.init(3, momentum=0.3, dtype=D)
    with nn.training() as mode:
        y = layer(x)
    after = mode.updated(layer)
    np.testing.assert_allclose(y.mean(axis=(0, 2)), 0, atol=1e-15)
    np.testing.assert_allclose(y.var(axis=(0, 2)), 1, atol=1e-4)  # eps = 1e-5 beside it
    np.testing.assert_allclose(after.running_mean, 0.3 * x.mean(axis=(0, 2)))
    np.testing.assert_allclose(after.running_var, 0.7 + 0.3 * x.var(axis=(0, 2), ddof=1))
    assert layer.running_mean is not after.running_mean
    np.testing.assert_array_equal(layer.running_mean, 0)


def test_norms_give_mean_0_and_variance_1_where_they_say():
    x = given(3, 4, 5) * 3 + 1
    y = nn.LayerNorm.init(5, eps=0.0, dtype=D)(x)
    np.testing.assert_allclose(
        (y.mean(-1), y.var(-1)), (np.zeros((3, 4)), np.ones((3, 4))), atol=1e-14
    )
    groups = nn.GroupNorm.init(2, 4, eps=0.0, dtype=D)(x).reshape(3, 2, 10)
    np.testing.assert_allclose(groups.mean(-1), 0, atol=1e-14)
    np.testing.assert_allclose(groups.var(-1), 1, rtol=1e-13)
    rms = nn.RMSNorm.init(5, eps=0.0, dtype=D)(x)
    np.testing.assert_allclose((rms**2).mean(-1), 1, rtol=1e-13)


def test_attention_is_done_head_by_head():
    layer, x = LAYERS["attention"][0], given(3, 4)
    q, k, v = layer.query(x), layer.key(x), layer.value(x)
    heads = []
    for part in (slice(0, 2), slice(2, 4)):
        p = special.softmax(q[:, part] @ k[:, part].T / np.sqrt(2), axis=1)
        heads.append(p @ v[:, part])
    np.testing.assert_allclose(layer(x), layer.output(np.concatenate(heads, axis=1)), rtol=1e-12)
    causal = replace(layer, causal=True)
    np.testing.assert_allclose(causal(x)[0], layer.output(v[0]), rtol=1e-12)
    one = np.zeros((3, 3), bool)
    one[:, 1] = True
    np.testing.assert_allclose(layer(x, mask=one), np.tile(layer.output(v[1]), (3, 1)), rtol=1e-12)


def test_numbers_of_a_table_become_waves_and_then_features_of_their_own():
    plr, x = LAYERS["plr"][0], given(5, 3)
    turns = 2 * np.pi * x[:, :, None] * plr.periodic.frequencies
    waves = np.concatenate([np.cos(turns), np.sin(turns)], axis=2)
    np.testing.assert_allclose(plr.periodic(x), waves)
    by_feature = np.stack([waves[:, j] @ plr.weight[j] + plr.bias[j] for j in range(3)], axis=1)
    np.testing.assert_allclose(plr(x), np.maximum(by_feature, 0), rtol=1e-12, atol=1e-14)


def test_members_of_an_ensemble_are_the_networks_that_they_stand_for():
    """Member j has the matrix diag(s_j) W diag(r_j) in each layer and a head of its own."""
    model, x = LAYERS["tabm"][0], given(5, 3)
    (layer,) = model.layers
    for j in range(3):
        w = layer.s[j][:, None] * layer.weight * layer.r[j]
        hidden = np.tanh(x @ w.T + layer.bias[j])
        np.testing.assert_allclose(model(x)[:, j], hidden @ model.head[j] + model.head_bias[j])
    assert set(np.unique(layer.r)) == {-1.0, 1.0}


def test_embedding_reads_rows_and_gathers_their_gradients():
    layer, i = nn.Embedding.init(5, 2, rng=0, dtype=D), np.array([[1, 1], [4, 0]])
    np.testing.assert_array_equal(layer(i), layer.table[i])
    gradient = cr.grad(lambda layer: np.sum(layer(i)))(layer).table
    np.testing.assert_array_equal(gradient[:, 0], [1, 2, 0, 0, 1])

    def loss(model, i, y):
        return losses.cross_entropy(model(i), y)

    model = nn.Sequential(nn.Embedding.init(5, 4, rng=0), nn.Flatten(), nn.Linear.init(8, 2, rng=1))
    ids = np.random.default_rng(1).integers(0, 5, (200, 2))
    run = cr.train(model, loss, (ids, ids[:, 0] % 2), epochs=30)
    assert run.history.loss[-6:].mean() < 0.5 * run.history.loss[:6].mean()


def test_a_residual_block_with_a_last_layer_of_zeros_begins_as_the_identity():
    x = given(5, 3)
    block = nn.Residual(nn.Linear.init(3, 3, 0, D, scale="zeros"))
    np.testing.assert_array_equal(block(x), x)


# -- initial weights ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "variance"),
    [
        ("he", 2 / 100), ("he_uniform", 2 / 100), ("lecun", 1 / 100), ("lecun_uniform", 1 / 100),
        ("glorot", 2 / 300), ("glorot_normal", 2 / 300), ("torch", 1 / 300),
        ("truncated_normal", 0.02**2 * 0.774), ("zeros", 0.0), ("orthogonal", 1 / 200),
    ],
)  # fmt: skip
def test_initial_weights_have_the_variance_of_their_paper(scale, variance):
    """0.774: of a normal cut at two deviations. 20,000 draws: 4 % is four standard errors."""
    w = nn.Linear.init(100, 200, 0, D, scale).weight
    assert w.shape == (200, 100)
    np.testing.assert_allclose(w.var(), variance, rtol=0.04)
    if scale == "orthogonal":
        np.testing.assert_allclose(w.T @ w, np.eye(100), atol=1e-13)


def test_every_scale_is_tested_here():
    named = {scale for scale, _ in _scales()}
    assert named == set(nn.SCALES)


def _scales():
    return test_initial_weights_have_the_variance_of_their_paper.pytestmark[0].args[1]


def test_a_kernels_fan_in_is_its_window_times_its_channels():
    w = nn.Conv2d.init(8, 400, 5, rng=0, groups=2, dtype=D).weight
    np.testing.assert_allclose(w.var(), 2 / (4 * 25), rtol=0.03)


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Dropout(1.0), TrainingError, r"Dropout\(1.0\): expected a rate from 0"),
        (lambda: nn.GroupNorm.init(3, 4), ShapeError, "3 groups do not divide 4 channels"),
        (lambda: nn.MultiHeadAttention.init(6, 4, 0), ShapeError, "4 heads do not divide n=6"),
        (lambda: nn.BatchNorm.init(0), ShapeError, "BatchNorm: n=0"),
        (lambda: nn.BatchNorm.init(3, dtype=np.int64), DTypeError, "int64"),
        (lambda: nn.Conv2d.init(3, 4, (1, 2, 3), 0), ShapeError, "expected one size or 2 sizes"),
        (lambda: nn.Conv1d.init(3, 4, 3, 0, groups=2), ShapeError, "groups divide not both"),
        (lambda: nn.Linear.init(3, 4, 0, scale="hee"), TrainingError, "expected one of he, lecun"),
        (lambda: nn.TabM([3, 4]), ShapeError, "at least three sizes"),
        (lambda: nn.TransformerBlock.init(4, 2, 0, dropout=2), TrainingError, "dropout=2"),
    ],
)
def test_sizes_and_options_that_do_not_fit_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("batch norm", (5, 4), r"BatchNorm\(3\) at .*\[5, 4\]; expected \(batch, 3, ...\)"),
        ("batch norm", (5, 4, 3), "channels stand in front of the spatial axes"),
        ("layer norm", (5, 4), r"LayerNorm\(3\) at"),
        ("group norm", (4,), "GroupNorm"),
        ("gru", (5, 2), r"GRU\(3 -> 4\) at .*; expected \(batch, time, 3\)"),
        ("attention", (4,), r"expected \(..., time, n\)"),
        ("periodic", (5, 4), r"expected \(..., 3\)"),
        ("batch ensemble", (5, 3), r"expected \(..., 4 or 1, 3\)"),
        ("residual", (5, 4), "Linear"),
    ],
)
def test_inputs_of_another_shape_are_refused(name, shape, words):
    with pytest.raises(ShapeError, match=words):
        LAYERS[name][0](np.zeros(shape))


def test_a_residual_block_that_changes_the_shape_says_what_helps():
    with pytest.raises(ShapeError, match=r"shortcut=nn\.Linear\.init"):
        nn.Residual(nn.Linear.init(3, 4, 0))(np.zeros((2, 3), np.float32))


def test_columns_looked_up_are_rows_of_their_tables():
    layer = nn.EmbedColumns.init([(4, 2), (3, 5)], rng=0, dtype=D)
    numbers, first, second = given(5, 2), np.array([0, 3, 1, 1, 2]), np.array([2, 0, 0, 1, 1])
    want = np.column_stack([numbers, layer.tables[0][first], layer.tables[1][second]])
    x = np.column_stack([numbers, first, second])
    np.testing.assert_array_equal(layer(x), want)
    np.testing.assert_array_equal(layer(x[1]), want[1])
    np.testing.assert_allclose(cr.compile(layer)(x), want)
    assert not any(table[0].any() for table in layer.tables)
    assert repr(layer) == "EmbedColumns(4 -> 2, 3 -> 5)"


def test_tables_of_columns_are_learned_at_the_rows_that_were_read():
    layer = nn.EmbedColumns.init([(4, 2)], rng=0, dtype=D)
    x = np.array([[0.5, 1.0], [0.25, 1.0], [2.0, 3.0]])
    weight = given(3, 3)
    by_layer, by_x = cr.grad(lambda layer, x: np.sum(weight * layer(x)), argnums=(0, 1))(layer, x)
    assert by_layer.tables[0].tolist() == [
        [0, 0], (weight[0, 1:] + weight[1, 1:]).tolist(), [0, 0], weight[2, 1:].tolist(),
    ]  # fmt: skip
    assert by_x.tolist() == [[w[0], 0.0] for w in weight.tolist()]


def test_columns_looked_up_must_be_there():
    layer = nn.EmbedColumns.init([(4, 2), (3, 5)], rng=0)
    with pytest.raises(ShapeError, match="expected 2 columns or more"):
        layer(np.zeros((5, 1), np.float32))
    with pytest.raises(ShapeError):
        layer(np.array([[9.0, 0.0]]))
