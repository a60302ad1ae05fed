"""What both ways of JAX share: the loss, the step, the weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.machine import version
from benchmarks.networks import Layer, Task
from benchmarks.peers.peer import Peer

Weights = list[tuple[jax.Array, jax.Array]]


class JaxPeer(Peer):
    """Data and weights live on the device; the permutation is drawn by NumPy on the host.

    jax.random.permutation inside the jit sorts, and costs a small network as much as its steps.
    """

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        self.rng = np.random.default_rng(0)
        self.x, self.y = jnp.asarray(task.x), jnp.asarray(task.y, dtype=jnp.int32)
        self.weights: Weights = [(jnp.array(w.T), jnp.array(b)) for w, b in task.layers]

    @staticmethod
    def versions() -> dict[str, str]:
        """Versions of JAX and of the library under it."""
        return {"jax": version("jax"), "jaxlib": version("jaxlib")}

    def order(self) -> Any:
        """Rows of each step, (steps, batch)."""
        order = self.rng.permutation(len(self.task.x)).astype(np.int32)
        return order.reshape(-1, self.task.batch)

    def wait(self) -> None:
        """JAX returns before it has computed."""
        jax.block_until_ready(self.weights)

    def layers(self) -> list[Layer]:
        """Turned to (n_out, n_in)."""
        return [(np.asarray(weight).T, np.asarray(bias)) for weight, bias in self.weights]


def loss(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean softmax cross-entropy; by one_hot, whose gradient is no scatter."""
    for weight, bias in weights[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    z = x @ weights[-1][0] + weights[-1][1]
    picked = jax.nn.one_hot(y, z.shape[1]) * jax.nn.log_softmax(z)
    return -jnp.sum(picked) / x.shape[0]


def step(weights: Weights, x: jax.Array, y: jax.Array, rate: float) -> tuple[Weights, jax.Array]:
    """One step of SGD: the new weights and the loss before it."""
    value, g = jax.value_and_grad(loss)(weights, x, y)
    return jax.tree.map(lambda p, d: p - rate * d, weights, g), value
