"""The networks that are measured, with their data and their first weights: the same for all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Layer = tuple[Floats, Floats]  # weight (n_out, n_in), bias (n_out,)


@dataclass(frozen=True)
class Network:
    """A network of ReLU layers, its batch, the steps that make one epoch, and the optimiser."""

    sizes: tuple[int, ...]
    batch: int
    steps: int
    optimizer: str = "sgd"

    @property
    def name(self) -> str:
        """As it is called on the command line: the sizes, the batch, and what is not plain SGD."""
        suffix = "" if self.optimizer == "sgd" else f":{self.optimizer}"
        return "-".join(map(str, self.sizes)) + f"/{self.batch}{suffix}"

    @property
    def flops(self) -> int:
        """Products and sums of one step: forward, weights' gradient, and inputs' but the first."""
        pairs = [n_in * n_out for n_in, n_out in pairwise(self.sizes)]
        return 2 * self.batch * (3 * sum(pairs) - pairs[0])


class Rows:
    """What every task has: examples x and y, rows first, of which ``batch`` make a step."""

    x: NDArray[Any]
    y: NDArray[Any]
    batch: int

    @property
    def steps(self) -> int:
        """Steps of one epoch; the rows are a whole number of batches."""
        return len(self.x) // self.batch

    @property
    def data_bytes(self) -> int:
        """Of the examples."""
        return self.x.nbytes + self.y.nbytes


@dataclass(frozen=True)
class Task(Rows):
    """What a peer is given: x (rows, n_in), y (rows,), the first weights, batch, optimiser."""

    sizes: tuple[int, ...]
    x: Floats
    y: Labels
    layers: list[Layer]
    batch: int
    learning_rate: float
    optimizer: str = "sgd"

    def loss(self, layers: list[Layer]) -> float:
        """The yardstick: the loss of these weights on all rows, in float64."""
        return mean_loss(layers, self.x, self.y)


NETWORKS: Final = {
    network.name: network
    for network in (
        Network((2, 16, 16, 2), batch=32, steps=1000),
        Network((20, 64, 64, 2), batch=32, steps=1000),
        Network((784, 128, 10), batch=128, steps=150),
        Network((784, 512, 512, 10), batch=128, steps=75),
        Network((2, 16, 16, 2), batch=1, steps=2000),
    )
}
USUAL: Final = tuple(name for name in NETWORKS if not name.endswith("/1"))
#: What every network is also descended with: SGD with momentum 0.9, and Adam as it was published.
MOMENTUM: Final = 0.9
BETAS: Final = (0.9, 0.999)
EPSILON: Final = 1e-8


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
    return Task(network.sizes, x, y, layers, network.batch, learning_rate, network.optimizer)


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


# -- networks of other layers ------------------------------------------------------------------


@dataclass(frozen=True)
class Convolutional:
    """3 x 3 convolutions with ReLU and 2 x 2 maxima behind each, then two dense layers.

    The border is padded with one zero all round, so that a convolution keeps the image's size.
    x: (batch, channels[0], side, side).
    """

    channels: tuple[int, ...] = (1, 16, 32)
    side: int = 28
    hidden: int = 128
    classes: int = 10
    batch: int = 64
    steps: int = 60

    name = "convolutional/64"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one example."""
        return self.channels[0], self.side, self.side

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Each array's shape, in the order in which the layers use them."""
        shapes: dict[str, tuple[int, ...]] = {}
        side = self.side
        for k, (n_in, n_out) in enumerate(pairwise(self.channels), 1):
            shapes[f"conv{k}.weight"], shapes[f"conv{k}.bias"] = (n_out, n_in, 3, 3), (n_out,)
            side //= 2
        sizes = self.channels[-1] * side * side, self.hidden, self.classes
        for k, (n_in, n_out) in enumerate(pairwise(sizes), 1):
            shapes[f"dense{k}.weight"], shapes[f"dense{k}.bias"] = (n_out, n_in), (n_out,)
        return shapes

    @property
    def flops(self) -> int:
        """Products and sums of one step: forward, weights' gradient, and inputs' but the first."""
        total, first, side = 0, 0, self.side
        for n_in, n_out in pairwise(self.channels):
            layer = 2 * self.batch * side * side * 9 * n_in * n_out
            total, first, side = total + 3 * layer, first or layer, side // 2
        flat = self.channels[-1] * side * side
        dense = 2 * self.batch * (flat * self.hidden + self.hidden * self.classes)
        return total - first + 3 * dense


@dataclass(frozen=True)
class Transformer:
    """One block with the norms in front, the mean over the places, and a dense layer.

    x + attention(norm(x)), then x + contract(GELU(expand(norm(x)))); the GELU is the exact one,
    x Φ(x); no dropout and no mask. x: (batch, places, width).
    """

    width: int = 128
    heads: int = 4
    places: int = 64
    expanded: int = 512
    classes: int = 10
    batch: int = 16
    steps: int = 40

    name = "transformer/16"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one example."""
        return self.places, self.width

    @property
    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Each array's shape, in the order of ``nn.TransformerBlock``'s leaves, then the head."""
        n, hidden = self.width, self.expanded
        layers = dict.fromkeys(("query", "key", "value", "output"), (n, n))
        layers |= {"expand": (hidden, n), "contract": (n, hidden), "head": (self.classes, n)}
        shapes: dict[str, tuple[int, ...]] = {}
        order = ["norm1", "query", "key", "value", "output", "norm2", "expand", "contract", "head"]
        for name in order:
            shapes[f"{name}.weight"] = layers.get(name, (n,))
            shapes[f"{name}.bias"] = layers.get(name, (n,))[:1]
        return shapes

    @property
    def flops(self) -> int:
        """Products and sums of one step; all but the input's gradient, which costs none here."""
        rows, n = self.batch * self.places, self.width
        dense = 2 * rows * (4 * n * n + 2 * n * self.expanded)
        return 3 * (dense + 4 * rows * self.places * n + 2 * self.batch * n * self.classes)


LAYERED: Final = {network.name: network for network in (Convolutional(), Transformer())}


def first_parameters(network: Convolutional | Transformer) -> dict[str, Floats]:
    """Weights from N(0, 2/n_in), biases of zeros, norms of ones, from seed 0."""
    rng = np.random.default_rng(0)
    return {name: _first(rng, name, shape) for name, shape in network.parameters.items()}


def _first(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Floats:
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    if len(shape) == 1:
        return np.ones(shape, np.float32)
    scale = np.float32((2 / np.prod(shape[1:])) ** 0.5)
    return rng.standard_normal(shape, dtype=np.float32) * scale


def make_examples(
    network: Convolutional | Transformer, *, steps: int | None = None
) -> tuple[Floats, Labels]:
    """Normal inputs and the labels of a noisy linear teacher, from seed 0."""
    rng = np.random.default_rng(0)
    rows = (steps or network.steps) * network.batch
    x = rng.standard_normal((rows, *network.input_shape), dtype=np.float32)
    flat = x.reshape(rows, -1)
    teacher = rng.standard_normal((flat.shape[1], network.classes), dtype=np.float32)
    scores = flat @ teacher / np.float32(flat.shape[1] ** 0.5)
    return x, (scores + rng.gumbel(scale=0.3, size=scores.shape)).argmax(axis=1)
