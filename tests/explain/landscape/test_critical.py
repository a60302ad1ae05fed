"""Critical points: known ones by name, degenerate ones by measurement, large ones by Lanczos."""

from __future__ import annotations

import json
from xml.dom import minidom

import numpy as np
import pytest

from chainrule import explain, losses, nn
from chainrule.errors import ChainruleError, DataError, TrainingError
from chainrule.tracing.trees import tree_map


def _rosenbrock(x, y):
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


#: (name, function, point, kind, whether the Hessian leaves it open)
KNOWN = [
    ("x² + y²", lambda x, y: x**2 + y**2, (0.0, 0.0), "minimum", False),
    ("x² - y²", lambda x, y: x**2 - y**2, (0.0, 0.0), "saddle", False),
    ("xy", lambda x, y: x * y, (0.0, 0.0), "saddle", False),
    ("-x² - 3y²", lambda x, y: -(x**2) - 3 * y**2, (0.0, 0.0), "maximum", False),
    ("monkey saddle", lambda x, y: x**3 - 3 * x * y**2, (0.0, 0.0), "saddle", True),
    ("dog saddle", lambda x, y: x**4 - 6 * x**2 * y**2 + y**4, (0.0, 0.0), "saddle", True),
    ("Peano", lambda x, y: (y - x**2) * (y - 3 * x**2), (0.0, 0.0), "saddle", True),
    ("x² + y³", lambda x, y: x**2 + y**3, (0.0, 0.0), "saddle", True),
    ("x² - y⁴", lambda x, y: x**2 - y**4, (0.0, 0.0), "saddle", True),
    ("x⁴ + y⁴", lambda x, y: x**4 + y**4, (0.0, 0.0), "minimum", True),
    ("x² + y⁶", lambda x, y: x**2 + y**6, (0.0, 0.0), "minimum", True),
    ("1 - x⁴ - y⁴", lambda x, y: 1 - x**4 - y**4, (0.0, 0.0), "maximum", True),
    ("-x² - y⁴", lambda x, y: -(x**2) - y**4, (0.0, 0.0), "maximum", True),
    ("valley", lambda x, y: (x - y) ** 2, (1.0, 1.0), "minimum", True),
    ("|x| + |y|", lambda x, y: np.abs(x) + np.abs(y), (0.0, 0.0), "minimum", True),
    ("constant", lambda x, y: 0 * x * y + 3, (1.0, 2.0), "plateau", True),
    ("dead", lambda x, y: np.maximum(x, 0) * y, (-1.0, 2.0), "plateau", True),
    ("Rosenbrock", _rosenbrock, (1.0, 1.0), "minimum", False),
    ("its valley", _rosenbrock, (0.5, 0.25), "none", False),
    ("its start", _rosenbrock, (-1.2, 1.0), "none", False),
    ("Himmelblau", lambda x, y: (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2, (3.0, 2.0),
     "minimum", False),
    ("exp tail", lambda x, y: np.exp(-x) + y**2, (10.0, 0.0), "none", False),
    ("saturated", lambda x, y: 1 / (1 + np.exp(-x - y)), (20.0, 20.0), "plateau", False),
    ("a line", lambda x, y: x + 0 * y, (0.0, 0.0), "none", False),
    ("tiny", lambda x, y: 1e-12 * (x**2 - y**2), (0.0, 0.0), "saddle", False),
    ("far up", lambda x, y: 1e6 + x**4 - y**4, (0.0, 0.0), "saddle", True),
    ("far out", lambda x, y: (x - 1e6) ** 2 + y**2, (1e6, 0.0), "minimum", False),
]  # fmt: skip
DRAWN = ("x² - y²", "1 - x⁴ - y⁴", "valley", "|x| + |y|", "dead", "its start", "tiny", "far out")


@pytest.mark.parametrize(
    ("f", "point", "kind", "is_open"), [case[1:] for case in KNOWN], ids=[c[0] for c in KNOWN]
)
def test_a_known_point_is_called_by_its_name(f, point, kind, is_open):
    """With an escape direction along which the loss was measured to fall, where there is one."""
    found = explain.critical_point(f, *point)
    assert (found.kind, found.is_degenerate) == (kind, is_open)
    if kind in ("saddle", "maximum"):
        u, value = found.escape.direction, f(*point)
        assert np.linalg.norm(u) == pytest.approx(1)
        for r, there in zip(found.escape.distances, found.escape.forwards, strict=True):
            assert there == pytest.approx(f(*(np.array(point) + r * u)) - value, abs=1e-12)
        assert min(*found.escape.forwards, *found.escape.backwards) < 0
    else:
        assert found.escape is None
    assert max(map(len, str(found).splitlines())) <= 100
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("name", DRAWN)
def test_every_kind_is_drawn_and_so_are_very_small_and_very_large_numbers(name):
    f, point = next(case[1:3] for case in KNOWN if case[0] == name)
    minidom.parseString(explain.critical_point(f, *point).svg())


@pytest.mark.parametrize(("seed", "n"), [(k, n) for k in range(4) for n in (2, 5, 12)])
def test_a_random_quadratic_in_random_axes_is_decided_by_its_signs(seed, n):
    """Eigenvalues drawn, axes turned, moved from the origin; zeros among some of them."""
    rng = np.random.default_rng((seed, n))
    values = rng.choice([-2.0, -0.5, 0.7, 3.0], n) if seed % 2 else rng.uniform(0.5, 4, n)
    axes = np.linalg.qr(rng.standard_normal((n, n)))[0]
    matrix, at = axes @ np.diag(values) @ axes.T, rng.normal(size=n)
    found = explain.critical_point(lambda p: (p - at) @ matrix @ (p - at) / 2 + 0.3, at)
    signs = set(np.sign(values))
    assert found.kind == {(1.0,): "minimum", (-1.0,): "maximum"}.get(tuple(signs), "saddle")
    np.testing.assert_allclose(found.spectrum.values, np.sort(values), atol=1e-12)
    assert found.newton_distance < 1e-12


@pytest.mark.parametrize("size", [3, 400])
def test_exact_and_lanczos_agree_on_a_saddle(size):
    """One negative eigenvalue among many: its value, its direction, by both ways."""
    curvatures = np.linspace(0.5, 3, size)
    curvatures[1] = -1.0
    found = explain.critical_point(lambda p: np.sum(curvatures * p**2) / 2, np.zeros(size))
    assert found.kind == "saddle"
    assert found.spectrum.smallest == pytest.approx(-1, abs=2e-3)
    assert abs(found.escape.direction[1]) > 0.99
    assert (found.spectrum.values is None) == (size > 200)
    json.dumps(found.to_json(), allow_nan=False)


def test_a_walk_goes_to_a_saddle_point_as_well_as_to_a_minimum():
    """Where the gradient is shortest, whichever way the loss goes."""
    saddle = explain.critical_point(
        lambda x, y: x**2 - y**2 + 0.1 * x**4, 0.3, 0.2, walk_first=True, seconds=120
    )
    assert saddle.kind == "saddle"
    np.testing.assert_allclose([saddle.point["x"], saddle.point["y"]], 0, atol=1e-8)
    minimum = explain.critical_point(_rosenbrock, 0.5, 0.25, walk_first=True, seconds=120)
    assert minimum.kind == "minimum"
    np.testing.assert_allclose([minimum.point["x"], minimum.point["y"]], 1, atol=1e-8)
    assert np.all(np.diff(minimum.walk.gradient_norms) < 0)


def _balanced():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3)).astype(np.float32)
    return np.concatenate([x, -x]), np.repeat([0, 1], 40)


@pytest.mark.slow
def test_a_two_layer_network_with_zero_weights_stands_on_a_saddle():
    """Of a balanced problem: no gradient, but the two layers together bend both ways."""
    model = tree_map(np.zeros_like, nn.MLP([3, 4, 2], activation="tanh", rng=0))
    found = explain.critical_point(model, losses.cross_entropy, _balanced())
    assert found.kind == "saddle"
    assert found.unit == "nats"
    assert found.loss == pytest.approx(np.log(2))
    assert found.gradient_norm < 1e-12
    assert found.spectrum.counts[1] > 0  # the hidden biases do nothing yet
    assert min(found.escape.forwards) < 0
    assert min(found.escape.backwards) < 0
    assert set(found.escape_parts) == {
        "layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias",
    }  # fmt: skip


@pytest.mark.slow
def test_a_deeper_one_with_zero_weights_has_no_second_derivative_to_tell():
    """Three layers: the weights' Hessian is 0 there, and the order of the fall is 3."""
    model = tree_map(np.zeros_like, nn.MLP([3, 4, 4, 2], activation="tanh", rng=0))
    found = explain.critical_point(model, losses.cross_entropy, _balanced())
    assert found.is_degenerate
    assert found.kind == "saddle"
    assert found.escape.forwards[-1] < 0


def test_a_fitted_line_stands_at_its_minimum():
    """Least squares solved; float32 parameters are looked at in float64."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 3))
    y = x @ [1.0, -2.0, 0.5] + rng.standard_normal(60)
    w = np.linalg.lstsq(x, y, rcond=None)[0].astype(np.float32)
    found = explain.critical_point(w, lambda w, x, y: np.mean((x @ w - y) ** 2), (x, y))
    assert found.kind == "minimum"
    assert not found.is_degenerate
    np.testing.assert_allclose(found.spectrum.values, np.linalg.eigvalsh(2 * x.T @ x / 60))


def test_rows_that_were_not_looked_at_are_said():
    """Their number, in the text and in the record."""
    x, y = _balanced()
    model = nn.MLP([3, 4, 2], rng=0)
    found = explain.critical_point(model, losses.cross_entropy, (x, y), rows=20)
    assert (found.rows, found.of_rows) == (20, 80)
    assert "20 of 80 rows" in str(found)
    assert found.kind == "none"
    assert "|g| =" in str(found)


def test_some_parameters_alone_can_be_asked_about():
    """The others are held where they are."""
    assert explain.critical_point(lambda x, y: x**2 - y**2, 0.0, 0.0, wrt="x").kind == "minimum"
    x, y = _balanced()
    model = nn.MLP([3, 4, 2], rng=0)
    found = explain.critical_point(model, losses.cross_entropy, (x, y), wrt="layers.1")
    assert found.parameters == 10
    assert found.spectrum.smallest > -1e-12  # convex in the last layer


@pytest.mark.parametrize(
    "call",
    [
        lambda: explain.critical_point(lambda x: x * np.nan, 1.0),
        lambda: explain.critical_point(np.sqrt, 0.0),
        lambda: explain.critical_point(lambda x: x, np.ones(3)),
        lambda: explain.critical_point(lambda x: x**2),
        lambda: explain.critical_point(lambda x: x**2, 0),
        lambda: explain.critical_point(lambda x: x**2, 0.0, wrt="y"),
        lambda: explain.critical_point(lambda x: x**2, 0.0, seconds=0),
        lambda: explain.critical_point(lambda x: x**2, 0.0, rows=0),
    ],
)
def test_what_is_no_point_of_a_loss_is_said(call):
    """By an error of Chainrule's with a message."""
    with pytest.raises(ChainruleError):
        call()


def test_data_of_differing_lengths_are_refused():
    """Before anything is compiled."""
    x, y = _balanced()
    with pytest.raises((DataError, TrainingError)):
        explain.critical_point(nn.MLP([3, 2], rng=0), losses.cross_entropy, (x, y[:-1]))
