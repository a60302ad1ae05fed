"""JAX with one jit call for each epoch: lax.scan over its steps."""

from __future__ import annotations

import jax

from benchmarks.networks import Task
from benchmarks.peers.jax_model import JaxPeer, State, loss, step


class JaxScan(JaxPeer):
    """The whole epoch is compiled; the losses of its steps come back as one array."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        update = self.update

        def descend(
            state: State, x: jax.Array, y: jax.Array, order: jax.Array
        ) -> tuple[State, jax.Array]:
            def body(state: State, rows: jax.Array) -> tuple[State, jax.Array]:
                return step(loss, update, state, x[rows], y[rows])

            return jax.lax.scan(body, state, order)

        self.descend = jax.jit(descend, donate_argnums=0)

    def epoch(self) -> None:
        """One call."""
        self.state, _ = self.descend(self.state, self.x, self.y, self.order())
