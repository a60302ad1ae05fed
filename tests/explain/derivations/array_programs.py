"""Random programs on small arrays in NumPy, the same ones in every process."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

import chainrule as cr

Program = Callable[..., Any]

ELEMENTWISE: list[Callable[[Any], Any]] = [
    np.tanh, np.sin, np.exp, np.square, np.abs, np.negative, np.arctan, np.expm1,
    lambda v: np.maximum(v, 0),
    lambda v: np.where(v > 0, v, 0.1 * v),
    lambda v: np.clip(v, -0.5, 0.7),
    lambda v: 1 / (1 + np.exp(-v)),
    lambda v: np.log(1 + v * v),
    lambda v: np.sqrt(2 + v * v),
    lambda v: v / (1 + np.abs(v)),
    lambda v: v * scipy.special.expit(v),
    lambda v: 0.5 * v * (1 + scipy.special.erf(v / np.sqrt(2))),
    lambda v: np.logaddexp(0, v),
    lambda v: cr.stop_gradient(v) * v,
    lambda v: v**3,
]  # fmt: skip
BY_ROW: list[Callable[[Any], Any]] = [
    lambda v: v,
    lambda v: v - np.mean(v, axis=-1, keepdims=True),
    lambda v: v / np.sqrt(1 + np.sum(v * v, axis=-1, keepdims=True)),
    lambda v: cr.softmax(v, axis=-1),
    lambda v: cr.log_softmax(v, axis=-1),
    lambda v: np.concatenate([v[..., 1:], v[..., :1]], axis=-1),
    lambda v: v * np.max(v, axis=-1, keepdims=True),
    lambda v: np.cumsum(v, axis=-1),
    lambda v: np.sort(v, axis=-1),
]
COLUMNS: list[Callable[[Any], Any]] = [
    lambda v: v,
    lambda v: v - np.mean(v, axis=0),
    lambda v: v * (1 + np.sum(v, axis=0)),
    lambda v: (v.T @ v)[: v.shape[-1]] if v.ndim == 2 else np.outer(v, v),
]


def random_program(seed: int) -> tuple[Program, tuple[Any, ...]]:
    """A network of one to three layers with a loss, of a vector or a batch, and a point."""
    rng = np.random.default_rng([seed, 11])
    sizes = [int(n) for n in rng.integers(1, 5, int(rng.integers(2, 5)))]
    rows = int(rng.integers(1, 6))
    is_batch = bool(rng.random() < 0.6)
    picks = [[float(p) for p in rng.random(4)] for _ in sizes]
    x = rng.normal(size=(rows, sizes[0]) if is_batch else sizes[0])
    weights = [rng.normal(size=(m, n)) for n, m in itertools.pairwise(sizes)]
    biases = [rng.normal(size=m) for m in sizes[1:]]
    k, kind = sizes[-1], int(rng.integers(7))
    labels = rng.integers(0, k, rows) if is_batch else rng.integers(0, k)
    targets = rng.normal(size=(rows, k) if is_batch else k)

    def program(weights: Any, biases: Any, x: Any, y: Any, t: Any) -> Any:
        v = x
        for w, b, (first, second, third, fourth) in zip(weights, biases, picks, strict=False):
            v = v @ w.T + b if third < 0.7 else b * (v @ w.T)
            v = ELEMENTWISE[int(first * len(ELEMENTWISE))](v)
            v = BY_ROW[int(second * len(BY_ROW))](v) if fourth < 0.5 else v
            v = COLUMNS[int(fourth * 4)](v) if is_batch and third < 0.5 and fourth < 0.75 else v
        return _loss(kind, v, y, t)

    return program, (weights, biases, x, labels, targets)


def _loss(kind: int, v: Any, y: Any, t: Any) -> Any:
    if kind == 0:
        return np.mean((v - t) ** 2)
    if kind == 1 and v.shape[-1] > 1:
        if v.ndim == 1:
            return -cr.log_softmax(v)[y]
        return -np.mean(np.take_along_axis(cr.log_softmax(v), y[:, None], axis=-1))
    if kind == 2:
        return np.sum(np.logaddexp(0, v) - (t > 0) * v)
    if kind == 3:
        return np.sum(np.abs(v - t)) / v.size
    if kind == 4:
        return np.sqrt(1 + np.sum(v * v)) + np.mean(v * t)
    if kind == 5:
        return np.mean(cr.logsumexp(v, axis=-1)) + np.prod(np.tanh(v + t)) * 0.5
    return np.sum(np.sum(v * v, axis=-1) * np.sum(np.sin(v), axis=-1))
