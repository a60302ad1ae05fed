"""NumPy by hand: the formulas of the two passes, written out, in place where that is possible."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchmarks.machine import version
from benchmarks.networks import Floats, Labels, Layer, Task
from benchmarks.peers.numpy_optimizers import OPTIMIZERS
from benchmarks.peers.peer import Peer


class NumpyByHand(Peer):
    """Weights are kept as (n_in, n_out), so that the forward products need no transposition.

    They are views of one vector, and their gradients of another: an update is a few calls.
    """

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        self.rng = np.random.default_rng(0)
        self.rows = np.arange(task.batch)
        parts = [part.ravel() for w, b in task.layers for part in (w.T, b)]
        vector = np.concatenate(parts)
        self.gradient = np.empty_like(vector)
        self.weights = as_layers(vector, task.sizes)
        self.gradients = as_layers(self.gradient, task.sizes)
        self.optimizer = OPTIMIZERS[task.optimizer](task.learning_rate, vector)
        self.scale = np.float32(self.optimizer.scale / task.batch)

    @staticmethod
    def versions() -> dict[str, str]:
        """NumPy's version and the kernels that its OpenBLAS has chosen."""
        return {"numpy": version("numpy"), "numpy's BLAS": blas()}

    def epoch(self) -> None:
        """The batch is gathered by np.take, which is quicker than x[rows]."""
        task = self.task
        order = self.rng.permutation(len(task.x))
        for rows in order.reshape(-1, task.batch):
            self.step(task.x.take(rows, axis=0), task.y.take(rows))

    def step(self, x: Floats, y: Labels) -> None:
        """Forward, backward, update."""
        inputs = self.forward(x)
        g = inputs.pop()
        g -= g.max(axis=1, keepdims=True)
        np.exp(g, out=g)
        g /= g.sum(axis=1, keepdims=True)
        g[self.rows, y] -= 1
        g *= self.scale
        for k in range(len(self.weights) - 1, -1, -1):
            weight, bias = self.gradients[k]
            np.matmul(inputs[k].T, g, out=weight)
            g.sum(axis=0, out=bias)
            if k:
                g = g @ self.weights[k][0].T
                g *= inputs[k] > 0
        self.optimizer.update(self.gradient)

    def forward(self, x: Floats) -> list[Floats]:
        """The input of every layer, and the logits last."""
        found = [x]
        for weight, bias in self.weights:
            z = found[-1] @ weight
            z += bias
            found.append(z)
            if len(found) <= len(self.weights):
                np.maximum(z, 0, out=z)
        return found

    def weights_now(self) -> list[Layer]:
        """Turned back to (n_out, n_in)."""
        return [(weight.T, bias) for weight, bias in self.weights]


def as_layers(vector: Floats, sizes: tuple[int, ...]) -> list[Layer]:
    """Views of a vector: of each layer a weight (n_in, n_out) and a bias."""
    found, begin = [], 0
    for n_in, n_out in pairwise(sizes):
        middle, end = begin + n_in * n_out, begin + (n_in + 1) * n_out
        found.append((vector[begin:middle].reshape(n_in, n_out), vector[middle:end]))
        begin = end
    return found


def blas() -> str:
    """Name, version, kernels and threads of the BLAS that is loaded."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown without threadpoolctl"
    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return ", ".join(
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}" for pool in found
    )
