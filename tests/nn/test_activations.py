"""Activations: their formulas, derivatives, extremes and names."""

import math
import re

import numpy as np
import pytest

import chainrule as cr
from chainrule import nn
from chainrule.errors import TrainingError

SOFTMAX_AND_ALL = sorted(nn.ACTIVATIONS)
ELEMENTWISE = sorted(set(nn.ACTIVATIONS) - {"softmax", "log_softmax"})
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

# Each formula once more, by the standard library and for one number.
FORMULAS = {
    "identity": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: max(x, 0.01 * x),
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "selu": lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * math.expm1(x)),
    "gelu": lambda x: x * math.erfc(-x / math.sqrt(2)) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "celu": lambda x: x if x > 0 else math.expm1(x),
    "gelu_tanh": lambda x: x / (1 + math.exp(-2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "mish": lambda x: x * math.tanh(math.log1p(math.exp(x))),
    "log_sigmoid": lambda x: -math.log1p(math.exp(-x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "hard_tanh": lambda x: min(max(x, -1.0), 1.0),
    "hard_sigmoid": lambda x: min(max(x / 6 + 0.5, 0.0), 1.0),
    "hard_silu": lambda x: x * min(max(x / 6 + 0.5, 0.0), 1.0),
}


def test_every_elementwise_activation_has_its_formula_here():
    assert sorted(FORMULAS) == ELEMENTWISE


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activation_is_its_formula(name):
    """f(x) by NumPy equals f(x) by the standard library, also on either side of 0."""
    x = np.array([-6.0, -1.5, -1e-3, 0.0, 1e-3, 0.7, 5.0])
    expected = [FORMULAS[name](value) for value in x.tolist()]
    # 1e-15: GELU by erf loses what is below one unit of 1 in its left tail.
    np.testing.assert_allclose(nn.ACTIVATIONS[name](x), expected, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", SOFTMAX_AND_ALL)
def test_derivative_agrees_with_a_central_difference(name):
    """<v, f(x + h u) - f(x - h u)> / 2h equals <grad <v, f>, u> along random u and v."""
    rng = np.random.default_rng(0)
    x, u, v = rng.normal(size=(3, 4, 5))
    f = nn.ACTIVATIONS[name]
    h = 1e-6  # balances truncation h² with rounding eps / h in f64; no x is this near to 0
    difference = np.sum(v * (f(x + h * u) - f(x - h * u))) / (2 * h)
    gradient = cr.grad(lambda x: np.sum(v * f(x)))(x)
    np.testing.assert_allclose(np.sum(gradient * u), difference, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0), ("celu", 1.0), ("gelu", 0.5),
        ("gelu_tanh", 0.5), ("mish", 0.6), ("relu6", 0.0), ("hard_tanh", 1.0),
    ],
)  # fmt: skip
def test_derivative_at_zero_is_the_one_that_is_documented(name, slope):
    gradient = cr.grad(lambda x: np.sum(nn.ACTIVATIONS[name](x)))
    assert gradient(np.zeros(1)) == pytest.approx(slope, abs=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SOFTMAX_AND_ALL)
def test_activation_keeps_shape_and_dtype_and_so_does_its_gradient(name, dtype):
    x = np.linspace(-2, 2, 6, dtype=dtype).reshape(2, 3)
    f = nn.ACTIVATIONS[name]
    for result in (f(x), cr.grad(lambda x: np.sum(f(x)))(x)):
        assert (result.shape, result.dtype) == (x.shape, dtype)


@pytest.mark.parametrize("name", SOFTMAX_AND_ALL)
def test_traced_float32_activation_has_no_float64_in_its_graph(name):
    f = nn.ACTIVATIONS[name]
    graph = cr.trace(cr.value_and_grad(lambda x: np.sum(f(x))), np.zeros((2, 3), np.float32))
    assert {str(n.type.dtype) for n in graph.nodes} <= {"float32", "bool"}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SOFTMAX_AND_ALL)
def test_nothing_overflows_for_large_inputs(name, dtype):
    """Values and derivatives at ±10⁴ are finite, and NumPy warns of nothing (an error here)."""
    x = np.array([-1e4, -100.0, 100.0, 1e4], dtype)
    f = nn.ACTIVATIONS[name]
    assert np.isfinite(f(x)).all()
    assert np.isfinite(cr.grad(lambda x: np.sum(f(x)))(x)).all()


@pytest.mark.parametrize("name", SOFTMAX_AND_ALL)
def test_not_a_number_stays_visible(name):
    with np.errstate(invalid="ignore"):  # np.logaddexp warns of it too
        assert np.isnan(nn.ACTIVATIONS[name](np.array([np.nan]))).all()


def test_softmax_gives_probabilities_that_a_shift_does_not_change():
    z = np.array([[1.0, 2.0, 3.0], [1000.0, 0.0, -1000.0]])
    p = nn.softmax(z)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(nn.softmax(z - 7.0), p, rtol=1e-15)


@pytest.mark.parametrize("name", SOFTMAX_AND_ALL)
def test_compiled_activation_and_its_gradient_are_the_eager_ones(name):
    f = nn.ACTIVATIONS[name]
    g = np.linspace(0.5, 2.0, 9)
    both = cr.value_and_grad(lambda x: np.sum(g * f(x)))
    x = np.array([-1e4, -7.0, -3.5, -0.5, 0.0, 0.5, 2.0, 6.5, 1e4])
    for compiled, eager in zip(cr.compile(both)(x), both(x), strict=True):
        np.testing.assert_allclose(compiled, eager, rtol=1e-13, atol=1e-15)


def test_names_in_the_table_are_the_functions_own():
    assert all(name == f.__name__ and getattr(nn, name) is f for name, f in nn.ACTIVATIONS.items())


def test_activation_by_name_or_by_function_is_the_same():
    assert nn.activation("relu") is nn.relu
    assert nn.activation(np.sin) is np.sin


@pytest.mark.parametrize(("wrong", "near"), [("rleu", "relu"), ("GELU", "gelu"), ("swilu", "silu")])
def test_unknown_activation_names_the_nearest(wrong, near):
    with pytest.raises(TrainingError, match=re.escape(f"did you mean '{near}'?")):
        nn.activation(wrong)


def test_unknown_activation_with_nothing_near_lists_all():
    with pytest.raises(TrainingError, match="softmax, log_softmax, identity or a function"):
        nn.activation("zzz")
