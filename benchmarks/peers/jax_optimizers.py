"""SGD, momentum and Adam for JAX, written by hand on trees of weights."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.networks import BETAS, EPSILON, MOMENTUM

Tree = Any


def start(name: str, weights: Tree) -> Tree:
    """What the optimiser carries from step to step."""
    if name == "sgd":
        return ()
    zeros = jax.tree.map(jnp.zeros_like, weights)
    if name == "momentum":
        return zeros
    return zeros, jax.tree.map(jnp.zeros_like, weights), jnp.zeros((), jnp.float32)


def update(name: str, rate: float, weights: Tree, carried: Tree, g: Tree) -> tuple[Tree, Tree]:
    """New weights, and what is carried on."""
    if name == "sgd":
        return jax.tree.map(lambda p, d: p - rate * d, weights, g), carried
    if name == "momentum":
        velocity = jax.tree.map(lambda v, d: MOMENTUM * v + d, carried, g)
        return jax.tree.map(lambda p, v: p - rate * v, weights, velocity), velocity
    return adam(rate, weights, carried, g)


def adam(rate: float, weights: Tree, carried: Tree, g: Tree) -> tuple[Tree, Tree]:
    """Kingma & Ba 2015, algorithm 1."""
    first, second = BETAS
    mean, square, count = carried
    count = count + 1
    mean = jax.tree.map(lambda m, d: first * m + (1 - first) * d, mean, g)
    square = jax.tree.map(lambda s, d: second * s + (1 - second) * d * d, square, g)
    unbias_mean, unbias_square = 1 / (1 - first**count), 1 / (1 - second**count)

    def moved(p: jax.Array, m: jax.Array, s: jax.Array) -> jax.Array:
        return p - rate * (m * unbias_mean) / (jnp.sqrt(s * unbias_square) + EPSILON)

    return jax.tree.map(moved, weights, mean, square), (mean, square, count)
