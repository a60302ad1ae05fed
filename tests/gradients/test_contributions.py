"""What each example contributes to a gradient is what its own gradient is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.errors import TrainingError
from chainrule.evaluation.losses import as_function
from chainrule.tracing.trees import flatten

ROWS = 12


def example_variance(loss: Any, model: Any, data: tuple[np.ndarray, ...]) -> tuple[float, float]:
    """(|g|, tr Σ) by one gradient for each example."""
    function = cr.grad(as_function(loss))
    each = [function(model, *(a[k : k + 1] for a in data)) for k in range(ROWS)]
    rows = np.stack([np.concatenate([np.ravel(g) for g in flatten(e)[0]]) for e in each])
    return float(np.linalg.norm(rows.mean(0))), float(rows.var(0, ddof=1).sum())


def measured(loss: Any, model: Any, data: tuple[np.ndarray, ...]) -> tuple[float, float]:
    """The same as a step records it."""
    run = cr.train(
        model,
        loss,
        data,
        batch="all",
        epochs=1,
        record=["gradient_norm", "gradient_variance"],
        optimizer=optim.SGD(1e-3),
    )
    return float(run.history.gradient_norm[0]), float(run.history.gradient_variance[0])


def _conv(rng: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d.init(2, 3, 3, rng=rng, dtype=np.float64), nn.relu, nn.Flatten(),
        nn.Linear.init(3 * 4 * 4, 3, rng=rng, dtype=np.float64),
    )  # fmt: skip


def _images(rng: Any) -> np.ndarray:
    return rng.standard_normal((ROWS, 2, 6, 6))


def _rows(rng: Any) -> np.ndarray:
    return rng.standard_normal((ROWS, 5))


def _words(rng: Any) -> np.ndarray:
    return rng.integers(0, 7, (ROWS, 4))


def _mlp(rng: Any) -> Any:
    return nn.MLP([5, 8, 3], rng=1, dtype=np.float64)


def _attention(rng: Any) -> Any:
    table, block = (
        rng.standard_normal((7, 8)),
        nn.TransformerBlock.init(8, 2, rng=rng, dtype=np.float64),
    )
    return {"table": table, "block": block, "out": rng.standard_normal((8, 3))}


def _attention_loss(p: Any, words: Any, y: Any) -> Any:
    hidden = p["block"](nn.one_hot(words, 7, np.float64) @ p["table"]).mean(axis=1)
    return losses.cross_entropy(hidden @ p["out"], y)


def _lookup(rng: Any) -> Any:
    return {"table": rng.standard_normal((7, 8)), "out": rng.standard_normal((8, 3))}


def _lookup_loss(p: Any, words: Any, y: Any) -> Any:
    return losses.cross_entropy(nn.embedding(p["table"], words).mean(axis=1) @ p["out"], y)


def _normalised(rng: Any) -> Any:
    layers = [
        nn.Linear.init(5, 8, rng=rng, dtype=np.float64),
        nn.LayerNorm.init(8, dtype=np.float64),
    ]
    return nn.Sequential(*layers, nn.tanh, nn.Linear.init(8, 3, rng=rng, dtype=np.float64))


def _decayed(p: Any, x: Any, y: Any) -> Any:
    penalty = sum(np.sum(w * w) for w in flatten(p)[0])
    return losses.cross_entropy(p(x), y) + 0.01 * penalty


def _recurrent(kind: Any, **options: Any) -> Callable[..., Any]:
    def make(rng: Any) -> Any:
        layer = kind.init(5, 4, rng=rng, dtype=np.float64, **options)
        return nn.Sequential(layer, nn.Flatten(), _linear(rng, 4 * (1 if options else 6)))

    return make


def _linear(rng: Any, n_in: int) -> Any:
    return nn.Linear.init(n_in, 3, rng=rng, dtype=np.float64)


def _series(rng: Any) -> np.ndarray:
    return rng.standard_normal((ROWS, 6, 5))


def _unrolled(rng: Any) -> Any:
    shapes = {"w": (5, 4), "u": (4, 4), "b": (4,), "out": (4, 3)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def _unrolled_loss(p: Any, x: Any, y: Any) -> Any:
    h = np.tanh(x[:, 0] @ p["w"])
    for t in range(1, x.shape[1]):
        h = np.tanh(x[:, t] @ p["w"] + h @ p["u"] + p["b"])
    return losses.cross_entropy(h @ p["out"], y)


def _grouped(rng: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d.init(2, 4, 3, rng=rng, dtype=np.float64, groups=2), nn.relu, nn.Flatten(),
        _linear(rng, 4 * 4 * 4),
    )  # fmt: skip


def _ensemble(rng: Any) -> Any:
    layer = nn.BatchEnsemble.init(5, 4, members=3, rng=rng, dtype=np.float64)
    return {"layer": layer, "out": rng.standard_normal((4, 3))}


def _ensemble_loss(p: Any, x: Any, y: Any) -> Any:
    return losses.cross_entropy(np.tanh(p["layer"](x[:, None])).mean(axis=1) @ p["out"], y)


def _embedded(rng: Any) -> Any:
    layer = nn.PLREmbedding.init(5, 4, rng=rng, k=3, dtype=np.float64)
    return nn.Sequential(layer, nn.Flatten(), _linear(rng, 20))


def _unused(p: Any, x: Any, y: Any) -> Any:
    return losses.cross_entropy(x @ p["used"], y) + 0.1 * np.sum(p["penalised"] ** 2)


def _with_unused(rng: Any) -> Any:
    shapes = {"used": (5, 3), "penalised": (4,), "unused": (2, 2), "empty": (0, 3)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def _each_weighted(p: Any, x: Any, y: Any) -> Any:
    """The spread of the data is no parameter's matter; nor is an uncertainty that is learned."""
    spread = (x - np.mean(x, axis=0)) @ p["used"]
    each = losses.cross_entropy(spread, y) * np.exp(-p["penalised"][0])
    return each + np.sum(p["penalised"])


def _twice(p: Any, x: Any, y: Any) -> Any:
    h = x @ p["w"]
    _, found = cr.scan(lambda h, _: (np.tanh(h @ p["u"]), h @ p["u"]), h, np.arange(3))
    return losses.cross_entropy(found[-1] @ p["out"], y)


def _summed_in_a_loop(p: Any, x: Any, y: Any) -> Any:
    def step(total: Any, part: Any) -> Any:
        return total + np.mean(np.tanh(part @ p["w"]) ** 2), None

    return cr.scan(step, np.zeros(()), np.moveaxis(x, 1, 0))[0] + np.sum(p["u"] ** 2)


MODELS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    "dense layers": (_mlp, _rows, losses.cross_entropy),
    "dense layers with decay in the loss": (_mlp, _rows, _decayed),
    "convolution": (_conv, _images, losses.cross_entropy),
    "grouped convolution": (_grouped, _images, losses.cross_entropy),
    "lookup": (_lookup, _words, _lookup_loss),
    "layer normalisation": (_normalised, _rows, losses.cross_entropy),
    "attention": (_attention, _words, _attention_loss),
    "GRU": (_recurrent(nn.GRU), _series, losses.cross_entropy),
    "GRU, last state": (_recurrent(nn.GRU, last=True), _series, losses.cross_entropy),
    "LSTM backwards": (_recurrent(nn.LSTM, last=True, reverse=True), _series, losses.cross_entropy),
    "recurrence step by step": (_unrolled, _series, _unrolled_loss),
    "scan": (_unrolled, _rows, _twice),
    "scan that adds up losses": (_unrolled, _series, _summed_in_a_loop),
    "BatchEnsemble": (_ensemble, _rows, _ensemble_loss),
    "TabM": (
        lambda rng: nn.TabM([5, 6, 4, 3], members=3, rng=rng, dtype=np.float64),
        _rows,
        losses.each_member(losses.cross_entropy),
    ),
    "PLR embeddings": (_embedded, _rows, losses.cross_entropy),
    "parameters that are unused, empty or only in a penalty": (_with_unused, _rows, _unused),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_variance_of_the_gradients_is_that_of_one_gradient_for_each_example(name: str) -> None:
    """|g| and tr Σ agree with a loop over the examples, in float64 to 1e-9."""
    make, draw, loss = MODELS[name]
    rng = np.random.default_rng(3)
    data = (draw(rng), rng.integers(0, 3, ROWS))
    model = make(rng)
    np.testing.assert_allclose(measured(loss, model, data), example_variance(loss, model, data),
                               rtol=1e-9)  # fmt: skip


def _weighted_loss(p: Any, x: Any, y: Any, w: Any) -> Any:
    return losses.cross_entropy(np.tanh(x @ p["used"]), y, w)


def test_data_may_be_centred_and_weighted_by_the_batch() -> None:
    """cᵢ of weights wᵢ / Σ w, rows less their mean and a factor that is learned: one at a time."""
    rng = np.random.default_rng(3)
    x, y, w = rng.standard_normal((ROWS, 5)), rng.integers(0, 3, ROWS), rng.uniform(1, 2, ROWS)
    model = {"used": rng.standard_normal((5, 3)), "penalised": rng.standard_normal(2)}
    share, centred = w * ROWS / w.sum(), x - x.mean(0)
    for loss, data, own, each in (
        (_weighted_loss, (x, y, w), _shared_loss, (x, y, share)),
        (_each_weighted, (x, y), _factored, (centred, y)),
    ):
        found = measured(loss, model, data)
        np.testing.assert_allclose(found, example_variance(own, model, each), rtol=1e-9)


def _shared_loss(p: Any, x: Any, y: Any, share: Any) -> Any:
    return share[0] * losses.cross_entropy(np.tanh(x @ p["used"]), y)


def _plain(p: Any, x: Any, y: Any) -> Any:
    return losses.cross_entropy(x @ p["used"], y)


def _factored(p: Any, x: Any, y: Any) -> Any:
    return _plain(p, x, y) * np.exp(-p["penalised"][0]) + np.sum(p["penalised"])


def _less_mean(h: Any, _: Any) -> Any:
    return np.tanh(h) - np.mean(h, axis=0), None


def _contrastive(p: Any, x: Any, y: Any) -> Any:
    h = x @ p["w"]
    return losses.cross_entropy(h @ h.T, np.arange(len(x)))


COUPLED: dict[str, Any] = {
    "less their mean": lambda p, x, y: losses.cross_entropy(
        (x @ p["w"] - np.mean(x @ p["w"], axis=0)) @ p["out"], y
    ),
    "exp of a mean": lambda p, x, y: np.exp(losses.cross_entropy(x @ p["w"] @ p["out"], y)),
    "root of a mean": lambda p, x, y: np.sqrt(np.mean((x @ p["w"]) ** 2) + np.sum(p["out"] ** 2)),
    "product of means": lambda p, x, y: np.mean(x @ p["w"]) * np.mean(np.tanh(x @ p["w"])),
    "sorted": lambda p, x, y: np.mean(np.sort(x @ p["w"], axis=0)[:, 0] * x[:, 0]),
    "largest": lambda p, x, y: np.mean(np.max(np.tanh(x @ p["w"]), axis=0)),
    "running sum": lambda p, x, y: np.mean(np.cumsum(x @ p["w"], axis=0) ** 2),
    "turned round": lambda p, x, y: np.mean((x @ p["w"])[::-1] * (x @ p["w"])),
    "covariance": lambda p, x, y: np.sum(((x @ p["w"]).T @ np.tanh(x @ p["w"]) / len(x)) ** 2),
    "stopped mean": lambda p, x, y: np.mean(
        (x @ p["w"] - cr.stop_gradient(np.mean(x @ p["w"], axis=0))) ** 2
    ),
    "contrastive": _contrastive,
    "mean in a loop": lambda p, x, y: losses.cross_entropy(
        cr.scan(_less_mean, x @ p["w"], np.arange(3))[0] @ p["out"], y
    ),
    "loop over the batch": lambda p, x, y: np.mean(
        cr.scan(lambda h, row: (np.tanh(h + row), h), np.zeros(4), x @ p["w"])[1] @ p["out"]
    ),
    "softmax over the batch": lambda p, x, y: np.mean(
        x[:, :1] * np.exp(x @ p["w"]) / np.sum(np.exp(x @ p["w"]), axis=0)
    ),
}


@pytest.mark.parametrize("name", COUPLED)
def test_examples_that_act_on_one_another_have_no_gradients_of_their_own(name: str) -> None:
    """Each way for a row to depend on the others' parameters is a named error, and no number."""
    rng = np.random.default_rng(3)
    model = {"w": rng.standard_normal((5, 4)), "out": rng.standard_normal((4, 3))}
    with pytest.raises(TrainingError, match="act on one another"):
        measured(COUPLED[name], model, (_rows(rng), rng.integers(0, 3, ROWS)))


def test_batch_normalisation_in_training_is_named_in_the_error() -> None:
    """The first parameter whose gradient goes through the batch's statistics is named."""
    rng = np.random.default_rng(3)
    layers = [nn.Linear.init(5, 4, rng=rng, dtype=np.float64),
              nn.BatchNorm.init(4, dtype=np.float64), nn.relu, _linear(rng, 4)]  # fmt: skip
    with pytest.raises(TrainingError, match=r"in that of layers\.0\.weight: the examples of a"):
        measured(losses.cross_entropy, nn.Sequential(*layers),
                 (_rows(rng), rng.integers(0, 3, ROWS)))  # fmt: skip
