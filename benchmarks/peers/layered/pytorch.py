"""The convolutional network and the transformer block in PyTorch, eager."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from benchmarks.layered_networks import LayeredTask, Parameters
from benchmarks.networks import Convolutional, Transformer
from benchmarks.peers.pytorch import Descent

PACKED = ("query", "key", "value")


class PyTorch(Descent):
    """An nn.Module; the projections to queries, keys and values are one product, as is usual."""

    def __init__(self, task: LayeredTask, threads: int) -> None:
        convolutional = isinstance(task.network, Convolutional)
        model = images(task.network) if convolutional else Block(task.network)
        self.own = {name: f"{k}.{part}" for name, k, part in names(task.network)}
        super().__init__(task, threads, model)
        self.model.load_state_dict(self.given(task.parameters))

    def given(self, parameters: Parameters) -> dict[str, torch.Tensor]:
        """The task's parameters under the module's names."""
        found: dict[str, Any] = {}
        for name, array in parameters.items():
            found.setdefault(self.own[name], []).append(torch.from_numpy(array))
        return {name: torch.cat(parts) for name, parts in found.items()}

    def weights_now(self) -> Parameters:
        """The module's parameters under the task's names."""
        state = {name: t.detach().numpy() for name, t in self.model.state_dict().items()}
        found = {}
        for name in self.task.parameters:
            layer = name.partition(".")[0]
            array = state[self.own[name]]
            found[name] = array
            if layer in PACKED:
                found[name] = array.reshape(3, -1, *array.shape[1:])[PACKED.index(layer)]
        return found


def names(network: Convolutional | Transformer) -> list[tuple[str, str, str]]:
    """(name in the task, module, weight or bias)."""
    modules = {"conv1": "0", "conv2": "3", "dense1": "7", "dense2": "9"}
    modules |= dict.fromkeys(PACKED, "packed")
    found = []
    for name in network.parameters:
        layer, _, part = name.partition(".")
        found.append((name, modules.get(layer, layer), part))
    return found


def images(n: Convolutional) -> nn.Module:
    """The convolutional network."""
    first, second, third = n.channels
    flat = third * (n.side // 4) ** 2
    return nn.Sequential(
        nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(second, third, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(flat, n.hidden), nn.ReLU(), nn.Linear(n.hidden, n.classes),
    )  # fmt: skip


class Block(nn.Module):
    """The transformer block, by scaled_dot_product_attention."""

    def __init__(self, n: Transformer) -> None:
        super().__init__()
        self.heads = n.heads
        self.norm1, self.norm2 = nn.LayerNorm(n.width), nn.LayerNorm(n.width)
        self.packed = nn.Linear(n.width, 3 * n.width)
        self.output = nn.Linear(n.width, n.width)
        self.expand = nn.Linear(n.width, n.expanded)
        self.contract = nn.Linear(n.expanded, n.width)
        self.head = nn.Linear(n.width, n.classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (batch, classes)."""
        b, places, width = x.shape
        q, k, v = self.packed(self.norm1(x)).view(b, places, 3, self.heads, -1).unbind(2)
        y = functional.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        )
        x = x + self.output(y.transpose(1, 2).reshape(b, places, width))
        x = x + self.contract(functional.gelu(self.expand(self.norm2(x))))
        return self.head(x.mean(dim=1))
