"""JAX with one jit call for each step."""

from __future__ import annotations

import jax

from benchmarks.networks import Task
from benchmarks.peers.jax_model import JaxPeer, State, loss, step


class JaxStep(JaxPeer):
    """The batch is gathered inside the jit, which is quicker than on the host."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        update = self.update

        def gather_and_step(
            state: State, x: jax.Array, y: jax.Array, rows: jax.Array
        ) -> tuple[State, jax.Array]:
            return step(loss, update, state, x[rows], y[rows])

        self.step = jax.jit(gather_and_step, donate_argnums=0)

    def epoch(self) -> None:
        """A call for each batch."""
        for rows in self.order():
            self.state, _ = self.step(self.state, self.x, self.y, rows)
