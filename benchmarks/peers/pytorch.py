"""PyTorch, eager: the loop of its own tutorials, without a DataLoader (which is slower)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from benchmarks.machine import version
from benchmarks.networks import BETAS, EPSILON, MOMENTUM, Layer, Task
from benchmarks.peers.peer import Peer


class Descent(Peer):
    """A module and an optimiser of torch.optim; batches by index_select."""

    def __init__(self, task: Any, threads: int, model: nn.Module) -> None:
        super().__init__(task, threads)
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.x, self.y = torch.from_numpy(task.x), torch.from_numpy(task.y)
        self.model = model
        self.loss = nn.CrossEntropyLoss()
        self.optimizer = optimizer(task.optimizer, self.model.parameters(), task.learning_rate)

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


class PyTorch(Descent):
    """An nn.Sequential of dense layers."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads, build(task))

    def weights_now(self) -> list[Layer]:
        """nn.Linear keeps its weight as (n_out, n_in)."""
        linear = [part for part in self.model if isinstance(part, nn.Linear)]
        return [(part.weight.detach().numpy(), part.bias.detach().numpy()) for part in linear]


def optimizer(name: str, parameters: Iterable[nn.Parameter], rate: float) -> Optimizer:
    """In its quickest form: fused but for plain SGD, where that was no quicker."""
    if name == "sgd":
        return torch.optim.SGD(parameters, lr=rate)
    if name == "momentum":
        return torch.optim.SGD(parameters, lr=rate, momentum=MOMENTUM, fused=True)
    return torch.optim.Adam(parameters, lr=rate, betas=BETAS, eps=EPSILON, fused=True)


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
