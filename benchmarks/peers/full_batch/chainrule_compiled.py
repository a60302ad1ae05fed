"""Chainrule: one compiled function for the loss and its gradient."""

from __future__ import annotations

from typing import Any

import chainrule as cr
from benchmarks.linear_models import LinearTask
from benchmarks.peers.chainrule_train import Trained
from benchmarks.peers.full_batch.gradient import FullBatch
from benchmarks.peers.linear.chainrule_train import cross_entropy


class Chainrule(FullBatch):
    """``cr.compile(cr.value_and_grad(loss))``, called as a user would."""

    versions = Trained.versions

    def __init__(self, task: LinearTask, threads: int) -> None:
        super().__init__(task, threads)
        self.function = cr.compile(cr.value_and_grad(cross_entropy), threads=threads)

    def gradient(self) -> tuple[Any, Any]:
        params = {"w": self.w, "b": self.b}
        _, found = self.function(params, self.task.x, self.task.y)
        return found["w"], found["b"]
