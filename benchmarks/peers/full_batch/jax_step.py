"""JAX: one jit call for the loss and its gradient."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.linear_models import LinearTask
from benchmarks.peers.full_batch.gradient import FullBatch
from benchmarks.peers.jax_model import JaxDescent
from benchmarks.peers.linear.jax_scan import loss_of


class JaxStep(FullBatch):
    """The data live on the device."""

    versions = JaxDescent.versions

    def __init__(self, task: LinearTask, threads: int) -> None:
        super().__init__(task, threads)
        self.x, self.y = jnp.asarray(task.x), jnp.asarray(task.y)
        self.function = jax.jit(jax.value_and_grad(loss_of(logistic=True)))

    def gradient(self) -> tuple[Any, Any]:
        _, found = self.function((self.w, self.b), self.x, self.y)
        return jax.device_get(found)
