"""Learning rates side by side: outcomes by what the losses did."""

from __future__ import annotations

import json

import numpy as np
import pytest

from chainrule import explain, losses, nn
from chainrule.errors import TrainingError

OUTCOMES = ("too small", "good", "overshooting", "diverging")


def mse(w, b, x, y):
    return np.mean((y - (w * x + b)) ** 2)


@pytest.mark.parametrize("seed", range(2))
def test_a_quadratic_has_one_of_each_and_the_bound(seed):
    """λ_max against numpy's eigenvalues; the four outcomes; the sweep turns at 2/λ_max."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    a = q @ np.diag(rng.uniform(0.5, 4.0, 4)) @ q.T
    found = explain.learning_rates(lambda w: w @ a @ w / 2, rng.normal(size=4))
    largest = np.linalg.eigvalsh(a)[-1]
    assert found.is_quadratic
    np.testing.assert_allclose(found.bound, 2 / largest, rtol=1e-6)
    assert found.outcomes == OUTCOMES
    rates, last = found.sweep.T
    assert np.all(last[rates < 0.999 * found.bound] < found.loss)
    assert np.all(last[rates > 1.5 * found.bound] > found.loss)


def test_the_lectures_rates_on_a_line():
    """1e-8 is too small and 1e-1 diverges on x from 0 to 6; Hessian of the mean of squares."""
    x = np.linspace(0, 6, 40)
    found = explain.learning_rates(mse, 0.0, 0.0, x, 2 * x + 1, wrt=("w", "b"), rates=[1e-8, 1e-1])
    assert found.outcomes == ("too small", "diverging")
    hessian = 2 * np.array([[np.mean(x * x), np.mean(x)], [np.mean(x), 1.0]])
    np.testing.assert_allclose(found.bound, 2 / np.linalg.eigvalsh(hessian)[-1], rtol=1e-9)
    assert set(found.pictures()) == {"loss by step", "loss by rate", "paths"}


def test_the_losses_are_those_of_a_descent_written_out():
    """θ ← θ - rate ∇f(θ), step by step."""
    found = explain.learning_rates(lambda w: (w - 3.0) ** 2, 0.0, rates=[0.1], steps=5)
    w, losses_ = 0.0, []
    for _ in range(6):
        losses_.append((w - 3) ** 2)
        w -= 0.1 * 2 * (w - 3)
    np.testing.assert_allclose(found.descents[0].losses, losses_, rtol=1e-14)


def test_where_f_is_not_quadratic_the_bound_is_said_to_be_local():
    """A logistic loss, whose gradient is bounded: no rate need diverge."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    y = np.where(x[:, 0] + rng.normal(size=60) > 0, 1.0, -1.0)
    found = explain.learning_rates(lambda w: np.mean(np.logaddexp(0, -y * (x @ w))), np.ones(3))
    assert not found.is_quadratic
    assert "local" in str(found)
    assert found.outcomes[:2] == ("too small", "good")


@pytest.mark.parametrize(
    ("f", "start", "outcomes"),
    [
        (lambda w: w**2, 0.0, {"not moving"}),
        (lambda w: 2 * w, 0.0, {"falling"}),
        (lambda w: -(w**2), 1.0, {"falling"}),
        (lambda w: w**4, 1.0, None),
    ],
    ids=["critical", "line", "concave", "flat bottom"],
)
def test_odd_functions_are_named_by_what_happens(f, start, outcomes):
    """No curvature upwards, no bound; pictures and JSON of each."""
    found = explain.learning_rates(f, start)
    assert outcomes is None or set(found.outcomes) <= outcomes | {"diverging"}
    json.dumps(found.to_json(), allow_nan=False)
    assert all(svg.startswith("<svg") for svg in found.pictures().values())
    assert all(len(line) <= 100 for line in str(found).splitlines())


def test_a_model_is_descended_on_its_data():
    """The loss at the start is the model's; rates in the order given."""
    x = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    model = nn.MLP([2, 4, 2], rng=0)
    found = explain.learning_rates(model, losses.cross_entropy, (x, y), rates=[0.5, 1e-6], steps=20)
    np.testing.assert_allclose(found.loss, losses.cross_entropy(model(x), y), rtol=1e-6)
    assert [d.rate for d in found.descents] == [1e-6, 0.5]
    assert found.outcomes[0] == "too small"


@pytest.mark.parametrize("options", [{"rates": [-1.0]}, {"rates": []}, {"steps": 0}], ids=str)
def test_rates_and_steps_are_above_0(options):
    """Else a message with what was given."""
    with pytest.raises(TrainingError, match="learning_rates"):
        explain.learning_rates(lambda w: w**2, 1.0, **options)


def test_a_saddle_has_no_rate_at_which_descent_converges():
    """λ_min < 0: below 2/λ_max too it runs away, and no share of an endless way is told."""
    found = explain.learning_rates(lambda w, b: w**2 - 4 * b**2, 1.0, 0.1)
    assert found.bends_down
    assert set(found.outcomes) <= {"falling", "diverging"}
    assert "runs away at any rate" in " ".join(str(found).split())
    flat = explain.learning_rates(lambda w, b: w**2 + b, 1.0, 0.1)
    assert "if f has a minimum" in " ".join(str(flat).split())


def test_an_orbit_of_two_points_does_not_settle():
    """sin beyond 2/λ_max: the descent ends in steps to and fro at one loss."""
    found = explain.learning_rates(np.sin, 1.0, rates=[1.0, 2.2])
    assert found.outcomes == ("good", "not settling")


def test_a_rate_near_the_bound_is_slow_and_not_too_small():
    found = explain.learning_rates(lambda a, b: (1 - a) ** 2 + 100 * (b - a * a) ** 2, -1.0, 1.0)
    assert found.outcomes[:3] == ("too small", "slow", "slow")
