"""JAX with one jit call for each epoch: lax.scan over its steps."""

from __future__ import annotations

from typing import Any

import jax

from benchmarks.peers.jax_model import JaxDescent, JaxNetwork, State


class Scanned(JaxDescent):
    """The whole epoch is compiled; the losses of its steps come back as one array."""

    def prepare(self, step: Any) -> None:
        """One function for the epoch."""

        def descend(state: State, x: jax.Array, y: jax.Array, order: jax.Array) -> Any:
            def body(state: State, rows: jax.Array) -> Any:
                return step(state, x[rows], y[rows])

            return jax.lax.scan(body, state, order)

        self.descend = jax.jit(descend, donate_argnums=0)

    def epoch(self) -> None:
        """One call."""
        self.state, _ = self.descend(self.state, self.x, self.y, self.order())


class JaxScan(Scanned, JaxNetwork):
    """A network of dense layers."""
