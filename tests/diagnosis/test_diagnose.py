"""Verdicts on descents of which is known what they are."""

from types import SimpleNamespace

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.diagnosis.convergence import fitted_rate
from chainrule.diagnosis.record import Record
from chainrule.errors import TrainingError

ROWS = (np.zeros(8),)


def history(losses_, rate, batch):
    loss = np.asarray(losses_, float)
    steps = len(loss)
    return SimpleNamespace(
        loss=loss, learning_rate=np.full(steps, rate), batch=np.full(steps, batch)
    )


def quadratic(condition):
    curve = np.geomspace(4.0 / condition, 4.0, 5)

    def loss(p, x):
        return 0.5 * np.sum(curve * (p - 1) ** 2) + 0.0 * np.mean(x)

    def descend(rate, steps, momentum=0.0):
        p, b, record = np.zeros(5), np.zeros(5), []
        for _ in range(steps):
            record.append(0.5 * np.sum(curve * (p - 1) ** 2))
            b = momentum * b + curve * (p - 1)
            p = p - rate * b
        return p, history(record, rate, len(ROWS[0]))

    return loss, descend


# Of the bound 2/λ_max. A rate of 1.5 of it overflows after a while and is stopped before.
VERDICTS = {
    1e-8: "rate too small", 1e-6: "rate too small", 0.01: None, 0.1: None, 0.5: None, 0.9: None,
    0.97: None, 1.0: "oscillation", 1.02: "divergence", 1.2: "divergence", 1.5: "divergence",
}  # fmt: skip


@pytest.mark.parametrize("condition", [1.0, 30.0, 1000.0])
def test_on_quadratics_the_verdict_is_right_at_every_rate(condition):
    """λ_max is 4: stable below 2/4, and at it the steepest direction swings to and fro."""
    loss, descend = quadratic(condition)
    found = {}
    for share in VERDICTS:
        p, record = descend(share * 0.5, 200)
        result = cr.diagnose(p, loss, ROWS, record, optim.SGD(share * 0.5))
        np.testing.assert_allclose(result.curvature.largest, 4.0, rtol=1e-6)
        np.testing.assert_allclose(result.pace.bound, 0.5, rtol=1e-6)
        kinds = [finding.kind for finding in result.findings]
        found[share] = kinds[0] if kinds else None
        assert len(kinds) <= 1
    assert found == VERDICTS


def test_momentum_moves_the_bound_and_the_verdict():
    """2 (1 + β)/λ_max: with β = 0.9 a rate of 0.9 is still stable."""
    loss, descend = quadratic(10.0)
    for rate, kinds in ((0.9, set()), (1.0, {"divergence"})):
        p, record = descend(rate, 300, momentum=0.9)
        result = cr.diagnose(p, loss, ROWS, record, optim.SGD(rate, momentum=0.9))
        np.testing.assert_allclose(result.pace.bound, 0.95, rtol=1e-6)
        assert {f.kind for f in result.findings if f.severity != "note"} == kinds


def test_steps_left_are_those_of_the_slowest_direction():
    """After as many more, the loss is a hundredth; by κ, and by the fitted record."""
    loss, descend = quadratic(10.0)
    p, record = descend(0.25, 60)
    by_curvature = cr.diagnose(p, loss, ROWS, optimizer=0.25).convergence.steps_left
    later = descend(0.25, 60 + round(by_curvature))[0]
    np.testing.assert_allclose(loss(later, ROWS[0]) / loss(p, ROWS[0]), 0.01, rtol=0.1)
    np.testing.assert_allclose(
        np.log(100) / fitted_rate(Record.of(record)), by_curvature, rtol=0.15
    )


def test_a_saddle_a_minimum_and_a_plateau_are_told_apart():
    def saddle(p, x):
        return p[0] ** 2 - p[1] ** 2 + p[1] ** 4 / 4 + 0.0 * np.mean(x)

    found = cr.diagnose(np.zeros(2), saddle, ROWS, optimizer=0.1)
    assert [f.kind for f in found.findings] == ["saddle point"]
    np.testing.assert_allclose(np.abs(found.convergence.escape), [0, 1], atol=1e-9)
    assert "optim.escape" in str(found)
    found = cr.diagnose(np.array([0.0, 2**0.5]), saddle, ROWS, optimizer=0.1)
    assert (found.convergence.place, found.findings) == ("minimum", ())
    np.testing.assert_allclose(found.convergence.condition, 2.0)
    flat = cr.diagnose(np.array(-40.0), lambda p, x: 2 + np.tanh(p) + 0 * np.mean(x), ROWS)
    assert flat.convergence.place in ("plateau", "flat minimum")


def test_a_strict_maximum_is_called_one():
    found = cr.diagnose(np.zeros(2), lambda p, x: 3 - np.sum(p * p) + 0 * np.mean(x), ROWS)
    assert found.convergence.place == "maximum"
    assert [f.kind for f in found.findings] == ["maximum"]
    assert "saddle" not in str(found)


@pytest.mark.parametrize("written", [lambda p, x: np.mean(x) + 2, lambda p, x: 2 + 0 * np.sum(p)])
def test_a_constant_loss_has_no_gradient(written):
    found = cr.diagnose(np.ones(2), written, ROWS)
    assert [(f.severity, f.kind) for f in found.findings] == [("warning", "no gradient")]
    assert "does not depend on the parameters" in str(found)
    assert not found.is_fine


def test_a_hinge_that_is_satisfied_is_no_fault():
    found = cr.diagnose(np.ones(2), lambda p, x: np.maximum(0, np.mean(x) - np.sum(p)), ROWS)
    assert found.is_fine


def test_a_straight_loss_has_no_stability_bound_and_is_not_called_fine():
    found = cr.diagnose(np.ones(2), lambda p, x: np.sum(p) + np.mean(x), ROWS, optimizer=0.1)
    assert [(f.severity, f.kind) for f in found.findings] == [("note", "no curvature")]
    assert "no rate is too large for stability" in str(found)
    assert "fine" not in str(found)
    below = cr.diagnose(-np.ones(2), lambda p, x: np.sum(p) + np.mean(x), ROWS, optimizer=0.1)
    assert [(f.severity, f.kind) for f in below.findings] == [("warning", "no curvature")]


def test_a_history_without_steps_is_as_none(classes):
    run = cr.train(nn.MLP([4, 8, 2], rng=0), losses.cross_entropy, classes, epochs=0)
    without = cr.diagnose(run.model, losses.cross_entropy, classes, batch=32)
    found = cr.diagnose(run.model, losses.cross_entropy, classes, run.history, batch=32)
    assert found.loss == without.loss
    assert found.findings == without.findings
    assert run.diagnose().loss == found.loss


@pytest.fixture(scope="module")
def classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def test_a_good_run_of_a_network_has_nothing_to_complain_of(classes):
    model = nn.MLP([4, 16, 2], rng=0)
    run = cr.train(model, losses.cross_entropy, classes, optimizer=optim.SGD(0.1), epochs=30)
    found = cr.diagnose(
        run.model, losses.cross_entropy, classes, run.history, optim.SGD(0.1), batch=32
    )
    assert found.findings == ()
    assert found.is_fine
    assert "fine" in str(found)
    assert found.pace.noise > 0
    assert [a.layer for a in found.activity] == ["layers.0"]


def test_dead_units_are_counted_by_layer(classes):
    """Biases far below every input: 9 of 16 units are 0 for every row."""
    model = nn.MLP([4, 16, 8, 2], rng=0)
    model.layers[0].bias[:9] = -100.0
    found = cr.diagnose(model, losses.cross_entropy, classes)
    first, second = found.activity
    assert (first.layer, first.units, first.dead) == ("layers.0", 16, 9)
    assert (second.layer, second.units) == ("layers.1", 8)
    verdict = found.finding("dead units")
    assert verdict.severity == "warning"
    assert "9 of 16 after layers.0" in verdict.what


RELUS = {
    "where": lambda z: np.where(z > 0, z, 0.0),
    "turned": lambda z: np.where(z <= 0, 0.0, z),
    "maximum": lambda z: np.maximum(0.0, z),
    "mask": lambda z: z * (z > 0),
    "relu6": nn.relu6,
}
NO_RELUS = {"elu": nn.elu, "leaky": nn.leaky_relu, "softplus": nn.softplus, "abs": np.abs}


@pytest.mark.parametrize("name", [*RELUS, *NO_RELUS])
def test_rectifiers_are_found_however_they_are_written(name, classes):
    activation = {**RELUS, **NO_RELUS}[name]
    params = {"w": np.eye(4), "b": np.array([0.0, -100.0, -100.0, 0.0]), "v": np.ones(4)}

    def loss(p, x, y):
        return np.mean((activation(x @ p["w"] + p["b"]) @ p["v"] - y) ** 2)

    found = cr.diagnose(params, loss, classes).activity
    assert [(a.layer, a.kind, a.dead) for a in found] == ([("w", "relu", 2)] * (name in RELUS))


def test_saturation_is_of_hidden_units_and_not_of_gates_or_predictions(classes):
    """SiLU's sigmoid is meant to close, and a last sigmoid is a probability."""
    model = nn.Sequential(
        nn.Linear.init(4, 8, rng=0), nn.tanh, nn.Linear.init(8, 8, rng=1), nn.silu,
        nn.Linear.init(8, 1, rng=2), nn.sigmoid,
    )  # fmt: skip
    model.layers[0].weight[:6] *= 1000.0
    found = cr.diagnose(model, losses.squared_error, (classes[0], classes[1] * 1.0))
    assert [(a.kind, a.units, a.saturated) for a in found.activity] == [("tanh", 8, 6)]
    assert found.finding("saturated units").severity == "warning"


def test_vanishing_gradients_of_a_deep_sigmoid_network_are_named(classes):
    """Each layer multiplies by at most a quarter of its small weights."""
    sizes = [4, *[8] * 4, 2]
    sigmoids = nn.MLP(sizes, rng=0, activation="sigmoid")
    for layer in sigmoids.layers:
        layer.weight[:] *= 0.1
    found = cr.diagnose(sigmoids, losses.cross_entropy, classes)
    assert found.finding("vanishing gradients") is not None
    assert found.flow.ratio < 1e-3
    assert found.flow.leaves[0].name.startswith("layers.0")
    fine = cr.diagnose(nn.MLP([4, 8, 8, 2], rng=0), losses.cross_entropy, classes)
    assert 1e-2 < fine.flow.ratio < 1e2
    assert fine.finding("vanishing gradients") is None


def test_a_loss_that_is_not_finite_and_a_tree_without_numbers_are_refused():
    with pytest.raises(TrainingError, match="first_nonfinite") as error:
        cr.diagnose(np.array(-1.0), lambda p, x: np.log(p) + np.mean(x), ROWS)
    assert "nan" in str(error.value)
    with pytest.raises(TrainingError, match="no parameters"):
        cr.diagnose({"k": np.array(1)}, lambda p, x: np.mean(x), ROWS)
