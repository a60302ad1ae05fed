"""The convolutional network and the transformer block in JAX."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.layered_networks import LayeredTask, Parameters
from benchmarks.networks import Convolutional
from benchmarks.peers.jax_model import JaxDescent, cross_entropy
from benchmarks.peers.jax_scan import Scanned
from benchmarks.peers.jax_step import Stepped

Arrays = dict[str, jax.Array]


class JaxLayered(JaxDescent):
    """Dense weights are kept as (n_in, n_out), kernels as (3, 3, n_in, n_out), images NHWC."""

    def __init__(self, task: LayeredTask, threads: int) -> None:
        x = task.x
        logits: Callable[[Arrays, jax.Array], jax.Array] = partial(sequences, task.network)
        if isinstance(task.network, Convolutional):
            x, logits = np.ascontiguousarray(x.transpose(0, 2, 3, 1)), images
        weights = {name: jnp.array(turned(a)) for name, a in task.parameters.items()}
        super().__init__(task, threads, x, weights, partial(loss, logits))

    def weights_now(self) -> Parameters:
        """Turned back."""
        return {name: turned_back(np.asarray(a)) for name, a in self.state[0].items()}


class JaxStep(Stepped, JaxLayered):
    """With one jit call for each step."""


class JaxScan(Scanned, JaxLayered):
    """With one jit call for each epoch."""


def turned(a: Any) -> Any:
    """(n_out, n_in, ...) -> (..., n_in, n_out)."""
    return a.transpose(2, 3, 1, 0) if a.ndim == 4 else a.T


def turned_back(a: Any) -> Any:
    """(..., n_in, n_out) -> (n_out, n_in, ...)."""
    return a.transpose(3, 2, 0, 1) if a.ndim == 4 else a.T


def loss(logits: Any, p: Arrays, x: jax.Array, y: jax.Array) -> jax.Array:
    """Mean softmax cross-entropy."""
    return cross_entropy(logits(p, x), y)


def images(p: Arrays, x: jax.Array) -> jax.Array:
    """Logits of the convolutional network; a maximum over a reshape, quicker than reduce_window."""
    for k in (1, 2):
        x = jax.lax.conv_general_dilated(
            x, p[f"conv{k}.weight"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        x = jax.nn.relu(x + p[f"conv{k}.bias"])
        b, height, width, n = x.shape
        x = x.reshape(b, height // 2, 2, width // 2, 2, n).max(axis=(2, 4))
    x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
    return affine(p, "dense2", jax.nn.relu(affine(p, "dense1", x)))


def sequences(network: Any, p: Arrays, x: jax.Array) -> jax.Array:
    """Logits of the transformer block with its head."""
    h = norm(p, "norm1", x)
    b, places, width = x.shape
    q, k, v = (
        affine(p, name, h).reshape(b, places, network.heads, -1)
        for name in ("query", "key", "value")
    )
    scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / (width // network.heads) ** 0.5
    y = jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(scores), v).reshape(x.shape)
    x = x + affine(p, "output", y)
    h = jax.nn.gelu(affine(p, "expand", norm(p, "norm2", x)), approximate=False)
    x = x + affine(p, "contract", h)
    return affine(p, "head", x.mean(axis=1))


def affine(p: Arrays, name: str, x: jax.Array) -> jax.Array:
    """x W + b."""
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def norm(p: Arrays, name: str, x: jax.Array) -> jax.Array:
    """Layer norm over the last axis."""
    x = x - x.mean(axis=-1, keepdims=True)
    x = x * jax.lax.rsqrt((x * x).mean(axis=-1, keepdims=True) + 1e-5)
    return x * p[f"{name}.weight"] + p[f"{name}.bias"]
