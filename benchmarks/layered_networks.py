"""The task of a network of other layers than dense ones, and its yardstick in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from benchmarks.networks import (
    Convolutional,
    Floats,
    Labels,
    Rows,
    Transformer,
    first_parameters,
    make_examples,
)

Parameters = dict[str, Floats]
Wide = NDArray[np.float64]


@dataclass(frozen=True)
class LayeredTask(Rows):
    """What a peer is given: the network, x and y (rows first), the first parameters, optimiser."""

    network: Convolutional | Transformer
    x: Floats
    y: Labels
    parameters: Parameters
    learning_rate: float
    optimizer: str

    @property
    def batch(self) -> int:
        """Examples of a step."""
        return self.network.batch

    def loss(self, parameters: Parameters) -> float:
        """The yardstick: the mean cross-entropy of these parameters on all rows, in float64."""
        p = {name: np.asarray(a, np.float64) for name, a in parameters.items()}
        x = self.x.astype(np.float64)
        convolutional = isinstance(self.network, Convolutional)
        z = images(p, x) if convolutional else sequences(p, x, self.network.heads)
        z = z - z.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(len(z)), self.y]))


def make_layered(
    network: Convolutional | Transformer,
    optimizer: str,
    *,
    steps: int | None = None,
    learning_rate: float = 0.01,
) -> LayeredTask:
    """The network's examples and first parameters."""
    x, y = make_examples(network, steps=steps)
    return LayeredTask(network, x, y, first_parameters(network), learning_rate, optimizer)


def images(p: dict[str, Wide], x: Wide) -> Wide:
    """Logits of the convolutional network."""
    for k in (1, 2):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = sliding_window_view(padded, (3, 3), axis=(2, 3))
        y = np.einsum("bchwij,ocij->bohw", windows, p[f"conv{k}.weight"], optimize=True)
        y = np.maximum(y + p[f"conv{k}.bias"][:, None, None], 0)
        b, c, height, width = y.shape
        x = y.reshape(b, c, height // 2, 2, width // 2, 2).max(axis=(3, 5))
    h = np.maximum(affine(p, "dense1", x.reshape(len(x), -1)), 0)
    return affine(p, "dense2", h)


def sequences(p: dict[str, Wide], x: Wide, heads: int) -> Wide:
    """Logits of the transformer block with its head."""
    x = x + attention(p, norm(p, "norm1", x), heads)
    h = affine(p, "expand", norm(p, "norm2", x))
    h = h * 0.5 * (1 + np.vectorize(math.erf)(h / 2**0.5))
    x = x + affine(p, "contract", h)
    return affine(p, "head", x.mean(axis=1))


def attention(p: dict[str, Wide], x: Wide, heads: int) -> Wide:
    """Of each place to all places."""
    b, places, width = x.shape
    q, k, v = (
        affine(p, name, x).reshape(b, places, heads, -1).swapaxes(1, 2)
        for name in ("query", "key", "value")
    )
    scores = q @ k.swapaxes(-1, -2) / (width // heads) ** 0.5
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    y = (scores / scores.sum(axis=-1, keepdims=True)) @ v
    return affine(p, "output", y.swapaxes(1, 2).reshape(x.shape))


def affine(p: dict[str, Wide], name: str, x: Wide) -> Wide:
    """x Wᵀ + b."""
    found: Any = x @ p[f"{name}.weight"].T + p[f"{name}.bias"]
    return found


def norm(p: dict[str, Wide], name: str, x: Wide) -> Wide:
    """Layer norm over the last axis, epsilon 1e-5."""
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5)
    found: Any = x * p[f"{name}.weight"] + p[f"{name}.bias"]
    return found
