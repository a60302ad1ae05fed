"""What both ways of JAX share: the descent, the step; the loss of dense layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.machine import version
from benchmarks.networks import Layer, Task
from benchmarks.peers import jax_optimizers
from benchmarks.peers.peer import Peer

Weights = list[tuple[jax.Array, jax.Array]]
State = tuple[Any, Any]  # the weights, and what the optimiser carries


class JaxDescent(Peer):
    """Data and weights live on the device; the permutation is drawn by NumPy on the host.

    jax.random.permutation inside the jit sorts, and costs a small network as much as its steps.
    """

    def __init__(
        self, task: Any, threads: int, x: Any, weights: Any, loss: Callable[..., jax.Array]
    ) -> None:
        super().__init__(task, threads)
        self.rng = np.random.default_rng(0)
        self.x, self.y = jnp.asarray(x), jnp.asarray(task.y, dtype=jnp.int32)
        self.state: State = weights, jax_optimizers.start(task.optimizer, weights)
        update = partial(jax_optimizers.update, task.optimizer, task.learning_rate)
        self.prepare(partial(step, loss, update))

    def prepare(self, step: Callable[..., tuple[State, jax.Array]]) -> None:
        """Compile what an epoch calls."""
        raise NotImplementedError

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
        jax.block_until_ready(self.state)


class JaxNetwork(JaxDescent):
    """A network of dense layers."""

    def __init__(self, task: Task, threads: int) -> None:
        weights: Weights = [(jnp.array(w.T), jnp.array(b)) for w, b in task.layers]
        super().__init__(task, threads, task.x, weights, loss)

    def weights_now(self) -> list[Layer]:
        """Turned to (n_out, n_in)."""
        return [(np.asarray(weight).T, np.asarray(bias)) for weight, bias in self.state[0]]


def loss(weights: Weights, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean softmax cross-entropy."""
    for weight, bias in weights[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    return cross_entropy(x @ weights[-1][0] + weights[-1][1], y)


def cross_entropy(z: jax.Array, y: jax.Array) -> jax.Array:
    """Of logits; by one_hot, whose gradient is no scatter."""
    return -jnp.sum(jax.nn.one_hot(y, z.shape[1]) * jax.nn.log_softmax(z)) / z.shape[0]


def step(
    loss: Callable[..., jax.Array], update: Callable[..., State], state: State, *batch: jax.Array
) -> tuple[State, jax.Array]:
    """One step: the new weights with what the optimiser carries, and the loss before it."""
    value, g = jax.value_and_grad(loss)(state[0], *batch)
    return update(*state, g), value
