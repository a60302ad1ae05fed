"""Losses and layers, hostile inputs, and what a derivation shows of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import html5lib
import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn
from chainrule.errors import TrainingError
from chainrule.explain.derivations.front import formulas
from chainrule.explain.notation import unicode

ROUNDING = 1e-10


def _targets(name: str, n: int) -> Any:
    rng = np.random.default_rng(1)
    given: dict[str, Any] = {
        "cross_entropy": rng.integers(0, 3, n),
        "kl_divergence": rng.dirichlet(np.ones(3), n),
        "binary_cross_entropy": rng.integers(0, 2, n),
        "hinge": rng.integers(0, 2, n),
        "poisson": rng.poisson(3, n).astype(float),
        "negative_binomial": rng.poisson(3, n).astype(float),
    }
    return given.get(name, rng.random(n) + 0.1)


OUTPUTS = {
    "cross_entropy": 3,
    "kl_divergence": 3,
    "gaussian": 2,
    "gamma": 2,
    "negative_binomial": 2,
}


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("name", sorted(losses.LOSSES))
def test_every_loss_has_formulas_that_agree(name: str, is_weighted: bool, rows: int) -> None:
    """Of one row and of a batch, with weights of the examples and without."""
    rng = np.random.default_rng(0)
    model = nn.MLP([4, 3, OUTPUTS.get(name, 1)], activation="tanh", rng=0)
    data = (rng.normal(size=(rows, 4)), _targets(name, rows))
    weights = (rng.random(rows) + 0.5,) if is_weighted else ()
    found = formulas(model, losses.LOSSES[name], (*data, *weights))
    assert found.difference < ROUNDING, str(found)
    assert all(len(line) <= 100 for line in str(found).splitlines())


@pytest.mark.parametrize("name", sorted(nn.ACTIVATIONS))
def test_every_activation_has_formulas_that_agree(name: str) -> None:
    """Whatever it is made of."""
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(5, 4)), rng.integers(0, 2, 5))
    found = formulas(nn.MLP([4, 3, 2], activation=name, rng=0), losses.cross_entropy, data)
    assert found.difference < ROUNDING, str(found)


def _models() -> dict[str, tuple[Any, Any]]:
    rng = np.random.default_rng(0)
    last = nn.Linear.init(12, 3, rng=rng)
    images, words = rng.normal(size=(3, 1, 5, 5)), rng.integers(0, 9, (3, 3))
    steps, rows = rng.normal(size=(3, 3, 4)), rng.normal(size=(3, 4))
    inner = nn.Linear.init(4, 4, rng=rng)
    end = nn.Linear.init(4, 3, rng=rng)
    convolution = nn.Conv2d.init(1, 3, 4, rng=rng)
    return {
        "convolution": (nn.Sequential(convolution, nn.relu, nn.Flatten(), last), images),
        "attention": (
            nn.Sequential(nn.MultiHeadAttention.init(4, 2, rng=rng), nn.Flatten(), last), steps),
        "transformer": (
            nn.Sequential(nn.TransformerBlock.init(4, 2, rng=rng), nn.Flatten(), last), steps),
        "recurrent": (
            nn.Sequential(nn.LSTM.init(4, 4, rng=rng), nn.Flatten(), last), steps),
        "embedding": (
            nn.Sequential(nn.Embedding.init(9, 4, rng=rng), nn.Flatten(), last), words),
        "layer norm": (nn.Sequential(inner, nn.LayerNorm.init(4), end), rows),
        "batch norm": (nn.Sequential(inner, nn.BatchNorm.init(4), end), rows),
        "root mean square norm": (nn.Sequential(inner, nn.RMSNorm.init(4), end), rows),
        "residual": (nn.Sequential(nn.Residual(inner), end), rows),
        "dropout": (nn.Sequential(inner, nn.Dropout(0.5), end), rows),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(_models()))
def test_layers_have_formulas_that_agree(name: str) -> None:
    """Those of arrays of many axes too."""
    model, x = _models()[name]
    found = formulas(model, losses.cross_entropy, (x, np.array([0, 2, 1])))
    assert found.difference < ROUNDING, str(found)


def test_attention_reads_as_in_the_paper() -> None:
    """softmax of the scaled products of queries and keys."""
    model, x = _models()["attention"]
    found = formulas(model, losses.cross_entropy, (x, np.array([0, 2, 1])))
    texts = [unicode(step.formula) for step in found.forward]
    assert "P = softmax((1/√2) (rearrange(Z⁽¹⁾) rearrange(Z⁽²⁾)ᵀ))" in texts


@dataclass(frozen=True)
class Own:
    W1: Any
    b1: Any
    W2: Any
    b2: Any

    def __call__(self, x: Any) -> Any:
        return np.tanh(x @ self.W1.T + self.b1) @ self.W2.T + self.b2


def test_a_users_own_dataclass_keeps_its_names() -> None:
    """W1 is W₁, and a penalty on it adds a second path."""
    rng = np.random.default_rng(0)
    own = Own(rng.normal(size=(5, 4)), rng.normal(size=5), rng.normal(size=(3, 5)), np.zeros(3))

    def loss(model: Any, x: Any, y: Any) -> Any:
        return losses.cross_entropy(model(x), y) + 0.01 * np.sum(model.W1**2)

    found = formulas(own, loss, (rng.normal(size=(6, 4)), rng.integers(0, 3, 6)))
    step = found.gradients[0].steps[0]
    assert unicode(step.formula) == "∂L/∂W₁ = 0.02 W₁ + Δ⁽¹⁾ᵀ X"
    assert "2 paths" in step.note
    assert found.difference < ROUNDING


HOSTILE: dict[str, tuple[Any, ...]] = {
    "float32": (
        lambda w, x: np.sum(np.square(w @ x)),
        np.ones((3, 4), np.float32), np.ones(4, np.float32)),
    "integers": (lambda w, k: np.sum(w * k), np.arange(4.0), np.arange(4)),
    "names": (
        lambda p, x: np.mean((x @ p["a_b<c>&"] + p["θ"]) ** 2),
        {"a_b<c>&": np.ones((4, 2)), "θ": np.zeros(2)}, np.ones((3, 4))),
    "no dependence": (lambda a, b: np.sum(a**2), np.ones(3), np.ones(2)),
    "one element": (lambda w, x: np.sum(w @ x.T), np.ones((1, 1)), np.ones((1, 1))),
    "inverse": (lambda a: np.sum(np.linalg.inv(a)), np.eye(3) + 0.1),
    "determinant": (lambda a: np.linalg.slogdet(a @ a.T)[1], np.eye(3) + 0.1),
    "solve": (lambda a, b: np.sum(np.linalg.solve(a, b) ** 2), np.eye(3) + 0.1, np.arange(3.0)),
    "eigenvalues": (lambda a: np.sum(np.linalg.eigvalsh(a + a.T) ** 3), np.diag([1.0, 2.0, 4.0])),
    "scan": (
        lambda w, x: np.sum(cr.scan(lambda c, v: (np.tanh(w * c + v), c), np.zeros(3), x)[0]),
        np.ones(3), np.ones((5, 3))),
    "einsum": (
        lambda a, b: np.sum(np.einsum("ijk,kl->ijl", a, b) ** 2),
        np.ones((2, 3, 4)), np.ones((4, 2))),
    "large logits": (
        lambda w, x: -cr.log_softmax(w @ x)[0], np.diag([900.0, -900.0, 1.0]), np.ones(3)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_hostile_inputs_are_shown_whole(name: str) -> None:
    """Formulas agree, the page is well-formed, plain data is plain."""
    found = formulas(*HOSTILE[name])
    assert found.difference < ROUNDING, str(found)
    assert all(len(line) <= 100 for line in str(found).splitlines())
    html5lib.HTMLParser(strict=True).parseFragment(found._repr_html_())
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["kind"] in (
        "arrays", "scalars")  # fmt: skip


def test_a_network_of_a_hundred_thousand_numbers_says_that_it_is_shown_by_layers() -> None:
    """784-128-10 stays a dozen lines."""
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(1, 784)), np.array([3]))
    found = formulas(nn.MLP([784, 128, 10], rng=0), losses.cross_entropy, data)
    assert "10⁵ terms" in found.note
    assert "by layers" in found.note
    assert len(str(found).splitlines()) < 50


@pytest.mark.slow
def test_five_hundred_operations_in_a_row_stay_short_lines() -> None:
    """Long formulas get letters, long sums partial sums."""

    def chain(w: Any, x: Any) -> Any:
        v = x
        for _ in range(170):
            v = np.tanh(v * w + 0.1)
        return np.sum(v)

    found = formulas(chain, np.full(3, 0.9), np.ones(3))
    assert found.difference < ROUNDING
    assert max(len(unicode(step.formula)) for step in found.steps) < 1500


def test_no_elements_are_refused_by_name() -> None:
    """An empty batch has no formula."""
    with pytest.raises(TrainingError, match="x is of shape"):
        formulas(lambda w, x: np.sum(w * x), np.ones(3), np.zeros((0, 3)))


def test_brute_force_of_a_network_says_why_not() -> None:
    """Every number would be written out."""
    rng = np.random.default_rng(0)
    data = (rng.normal(size=(2, 20)), np.array([1, 0]))
    with pytest.raises(TrainingError, match="brute force"):
        formulas(nn.MLP([20, 40, 2], rng=0), losses.cross_entropy, data, brute_force=True)


def test_formulas_of_nan_do_not_agree():
    model = nn.Linear(np.full((2, 2), np.nan), np.zeros(2))
    found = formulas(model, losses.cross_entropy, (np.ones((1, 2)), np.array([1])))
    assert "cannot be told" in str(found)
    assert "agree with automatic" not in str(found)
