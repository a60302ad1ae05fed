"""JAX with one jit call for each step."""

from __future__ import annotations

import jax

from benchmarks.networks import Task
from benchmarks.peers.jax_model import JaxPeer, Weights, step


class JaxStep(JaxPeer):
    """The batch is gathered inside the jit, which is quicker than on the host."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        rate = task.learning_rate

        def gather_and_step(
            weights: Weights, x: jax.Array, y: jax.Array, rows: jax.Array
        ) -> tuple[Weights, jax.Array]:
            return step(weights, x[rows], y[rows], rate)

        self.step = jax.jit(gather_and_step, donate_argnums=0)

    def epoch(self) -> None:
        """A call for each batch."""
        for rows in self.order():
            self.weights, _ = self.step(self.weights, self.x, self.y, rows)
