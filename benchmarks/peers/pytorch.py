"""PyTorch, eager: the loop of its own tutorials, without a DataLoader (which is slower)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from benchmarks.machine import version
from benchmarks.networks import Layer, Task
from benchmarks.peers.peer import Peer


class PyTorch(Peer):
    """An nn.Sequential with torch.optim.SGD; batches by index_select on a permuted tensor."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.x, self.y = torch.from_numpy(task.x), torch.from_numpy(task.y)
        self.model = build(task)
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=task.learning_rate)

    @staticmethod
    def versions() -> dict[str, str]:
        """PyTorch's version."""
        return {"torch": version("torch")}

    def epoch(self) -> None:
        """The permutation is a tensor and its batches are views of it."""
        for rows in torch.randperm(len(self.x)).split(self.task.batch):
            self.step(self.x.index_select(0, rows), self.y.index_select(0, rows))

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """One step."""
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.model(x), y).backward()
        self.optimizer.step()

    def layers(self) -> list[Layer]:
        """nn.Linear keeps its weight as (n_out, n_in)."""
        linear = [part for part in self.model if isinstance(part, nn.Linear)]
        return [(part.weight.detach().numpy(), part.bias.detach().numpy()) for part in linear]


def build(task: Task) -> nn.Sequential:
    """The task's network with the task's first weights."""
    parts: list[nn.Module] = []
    for (n_in, n_out), (weight, bias) in zip(pairwise(task.sizes), task.layers, strict=True):
        linear = nn.Linear(n_in, n_out)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight))
            linear.bias.copy_(torch.from_numpy(bias))
        parts += [linear, nn.ReLU()]
    return nn.Sequential(*parts[:-1])
