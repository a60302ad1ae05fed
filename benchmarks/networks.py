"""The networks that are measured, with their data and their first weights: the same for all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Layer = tuple[Floats, Floats]  # weight (n_out, n_in), bias (n_out,)


@dataclass(frozen=True)
class Network:
    """A network of ReLU layers, its batch, and the steps that make one epoch."""

    sizes: tuple[int, ...]
    batch: int
    steps: int

    @property
    def name(self) -> str:
        """As it is called on the command line: the sizes and the batch."""
        return "-".join(map(str, self.sizes)) + f"/{self.batch}"

    @property
    def flops(self) -> int:
        """Products and sums of one step: forward, weights' gradient, and inputs' but the first."""
        pairs = [n_in * n_out for n_in, n_out in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(pairs) - pairs[0])


@dataclass(frozen=True)
class Task:
    """What a peer is given: x (rows, n_in), y (rows,), the first weights, batch, learning rate."""

    sizes: tuple[int, ...]
    x: Floats
    y: Labels
    layers: list[Layer]
    batch: int
    learning_rate: float

    @property
    def steps(self) -> int:
        """Steps of one epoch; the rows are a whole number of batches."""
        return len(self.x) // self.batch


NETWORKS: Final = {
    network.name: network
    for network in (
        Network((2, 16, 16, 2), batch=32, steps=1000),
        Network((20, 64, 64, 2), batch=32, steps=1000),
        Network((784, 128, 10), batch=128, steps=150),
        Network((784, 512, 512, 10), batch=128, steps=75),
        Network((2, 16, 16, 2), batch=1, steps=4000),
    )
}
USUAL: Final = tuple(name for name in NETWORKS if not name.endswith("/1"))


def make_task(network: Network, *, steps: int | None = None, learning_rate: float = 0.01) -> Task:
    """Normal inputs, labels of a noisy linear teacher, weights from N(0, 2/n_in), all from seed 0.

    The noise keeps the loss away from zero, so that no peer ends up with subnormal numbers.
    """
    rng = np.random.default_rng(0)
    n_in, n_out = network.sizes[0], network.sizes[-1]
    x = rng.standard_normal(((steps or network.steps) * network.batch, n_in), dtype=np.float32)
    scores = x @ rng.standard_normal((n_in, n_out), dtype=np.float32) / np.float32(n_in**0.5)
    y = (scores + rng.gumbel(scale=0.3, size=scores.shape)).argmax(axis=1)
    layers = [make_layer(rng, *pair) for pair in pairwise(network.sizes)]
    return Task(network.sizes, x, y, layers, network.batch, learning_rate)


def make_layer(rng: np.random.Generator, n_in: int, n_out: int) -> Layer:
    """Weights from N(0, 2/n_in) (He et al. 2015, arXiv:1502.01852, 2.2) and a bias of zeros."""
    weight = rng.standard_normal((n_out, n_in), dtype=np.float32) * np.float32((2 / n_in) ** 0.5)
    return weight, np.zeros(n_out, np.float32)


def mean_loss(layers: list[Layer], x: Floats, y: Labels) -> float:
    """Mean softmax cross-entropy in nats, in float64: the yardstick for every peer's weights."""
    h = x.astype(np.float64)
    for weight, bias in layers[:-1]:
        h = np.maximum(h @ weight.T + bias, 0)
    z = h @ layers[-1][0].T + layers[-1][1]
    z -= z.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]))
