"""JAX with one jit call for each step."""

from __future__ import annotations

from typing import Any

import jax

from benchmarks.peers.jax_model import JaxDescent, JaxNetwork, State


class Stepped(JaxDescent):
    """The batch is gathered inside the jit, which is quicker than on the host."""

    def prepare(self, step: Any) -> None:
        """One function for the step."""

        def gather_and_step(state: State, x: jax.Array, y: jax.Array, rows: jax.Array) -> Any:
            return step(state, x[rows], y[rows])

        self.step = jax.jit(gather_and_step, donate_argnums=0)

    def epoch(self) -> None:
        """A call for each batch."""
        for rows in self.order():
            self.state, _ = self.step(self.state, self.x, self.y, rows)


class JaxStep(Stepped, JaxNetwork):
    """A network of dense layers."""
