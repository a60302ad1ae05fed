"""PyTorch's reverse mode on the usual loss."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from benchmarks.linear_models import LinearTask
from benchmarks.peers.full_batch.gradient import FullBatch
from benchmarks.peers.pytorch import PyTorch as OfNetworks


class PyTorch(FullBatch):
    """binary_cross_entropy_with_logits and torch.autograd.grad."""

    versions = OfNetworks.versions

    def __init__(self, task: LinearTask, threads: int) -> None:
        super().__init__(task, threads)
        torch.set_num_threads(threads)
        self.x, self.y = torch.from_numpy(task.x), torch.from_numpy(task.y)

    def gradient(self) -> tuple[Any, Any]:
        w = torch.tensor(self.w, requires_grad=True)
        b = torch.tensor(self.b, requires_grad=True)
        loss = functional.binary_cross_entropy_with_logits(torch.mv(self.x, w) + b, self.y)
        found = torch.autograd.grad(loss, (w, b))
        return found[0].numpy(), found[1].numpy()
