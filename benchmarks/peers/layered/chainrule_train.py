"""The convolutional network and the transformer block in Chainrule."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.layered_networks import LayeredTask, Parameters
from benchmarks.networks import Convolutional, Transformer
from benchmarks.peers.chainrule_train import OPTIMIZERS, Trained, with_leaves
from chainrule import losses, nn
from chainrule.tracing import trees


class Chainrule(Trained):
    """Layers of ``nn``; their leaves are in the order of the task's parameters."""

    def __init__(self, task: LayeredTask, threads: int) -> None:
        n = task.network
        model = images(n) if isinstance(n, Convolutional) else sequences(n)
        model = with_leaves(model, list(task.parameters.values()))
        optimizer = OPTIMIZERS[task.optimizer](task.learning_rate)
        super().__init__(task, threads, model, losses.cross_entropy, optimizer)

    def weights_now(self) -> Parameters:
        """By the task's names."""
        leaves = trees.flatten(self.model)[0]
        return dict(zip(self.task.parameters, map(np.asarray, leaves), strict=True))


def images(n: Convolutional) -> Any:
    """The convolutional network."""
    first, second, third = n.channels
    flat = third * (n.side // 4) ** 2
    return nn.Sequential(
        nn.Conv2d.init(first, second, 3, rng=0, padding=1), nn.relu, nn.MaxPool(2),
        nn.Conv2d.init(second, third, 3, rng=0, padding=1), nn.relu, nn.MaxPool(2),
        nn.Flatten(), nn.Linear.init(flat, n.hidden, rng=0), nn.relu,
        nn.Linear.init(n.hidden, n.classes, rng=0),
    )  # fmt: skip


def sequences(n: Transformer) -> Any:
    """The transformer block with its head."""
    block = nn.TransformerBlock.init(n.width, n.heads, rng=0, hidden=n.expanded)
    return nn.Sequential(block, mean_place, nn.Linear.init(n.width, n.classes, rng=0))


def mean_place(x: Any) -> Any:
    """(batch, places, width) -> (batch, width)."""
    return np.mean(x, axis=1)
