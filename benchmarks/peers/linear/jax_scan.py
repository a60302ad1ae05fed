"""Linear models in JAX: one jit call for each epoch, lax.scan over its examples."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.linear_models import LinearTask, start
from benchmarks.peers.jax_model import JaxDescent as OfNetworks
from benchmarks.peers.peer import Peer

Weights = tuple[jax.Array, jax.Array]


class JaxScan(Peer):
    """The permutation is drawn by NumPy on the host, as for networks."""

    def __init__(self, task: LinearTask, threads: int) -> None:
        super().__init__(task, threads)
        self.rng = np.random.default_rng(0)
        self.x, self.y = jnp.asarray(task.x), jnp.asarray(task.y)
        self.weights: Weights = jax.tree.map(jnp.array, start(task))
        gradient, rate = jax.grad(loss_of(task.logistic)), task.learning_rate

        def descend(weights: Weights, x: jax.Array, y: jax.Array, order: jax.Array) -> Weights:
            def body(weights: Weights, i: jax.Array) -> tuple[Weights, None]:
                g = gradient(weights, x[i], y[i])
                return jax.tree.map(lambda p, d: p - rate * d, weights, g), None

            return jax.lax.scan(body, weights, order)[0]

        self.descend = jax.jit(descend, donate_argnums=0)

    @staticmethod
    def versions() -> dict[str, str]:
        """As for networks."""
        return OfNetworks.versions()

    def epoch(self) -> None:
        """One call."""
        order = self.rng.permutation(len(self.x)).astype(np.int32)
        self.weights = self.descend(self.weights, self.x, self.y, order)

    def wait(self) -> None:
        """JAX returns before it has computed."""
        jax.block_until_ready(self.weights)

    def weights_now(self) -> Any:
        """The weight and the bias."""
        return tuple(map(np.asarray, self.weights))


def loss_of(logistic: bool) -> Any:
    """The loss of one example, or the mean of a batch's."""

    def loss(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
        z = x @ weights[0] + weights[1]
        if logistic:
            return jnp.mean(jax.nn.softplus(z) - y * z)
        return 0.5 * jnp.mean((z - y) ** 2)

    return loss
