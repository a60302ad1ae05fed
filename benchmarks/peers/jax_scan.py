"""JAX with one jit call for each epoch: lax.scan over its steps."""

from __future__ import annotations

import jax

from benchmarks.networks import Task
from benchmarks.peers.jax_model import JaxPeer, Weights, step


class JaxScan(JaxPeer):
    """The whole epoch is compiled; the losses of its steps come back as one array."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        rate = task.learning_rate

        def descend(
            weights: Weights, x: jax.Array, y: jax.Array, order: jax.Array
        ) -> tuple[Weights, jax.Array]:
            def body(weights: Weights, rows: jax.Array) -> tuple[Weights, jax.Array]:
                return step(weights, x[rows], y[rows], rate)

            return jax.lax.scan(body, weights, order)

        self.descend = jax.jit(descend, donate_argnums=0)

    def epoch(self) -> None:
        """One call."""
        self.weights, _ = self.descend(self.weights, self.x, self.y, self.order())
