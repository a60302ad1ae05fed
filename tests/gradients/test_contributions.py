"""What each example contributes to a gradient is what its own gradient is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
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
        model, loss, data, batch="all", epochs=1, record="all", optimizer=optim.SGD(1e-3)
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


MODELS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    "dense layers": (_mlp, _rows, losses.cross_entropy),
    "dense layers with decay in the loss": (_mlp, _rows, _decayed),
    "convolution": (_conv, _images, losses.cross_entropy),
    "lookup": (_lookup, _words, _lookup_loss),
    "layer normalisation": (_normalised, _rows, losses.cross_entropy),
    "attention": (_attention, _words, _attention_loss),
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
