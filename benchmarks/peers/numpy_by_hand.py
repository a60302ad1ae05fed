"""NumPy by hand: the formulas of the two passes, written out, in place where that is possible."""

from __future__ import annotations

import numpy as np

from benchmarks.machine import version
from benchmarks.networks import Floats, Labels, Layer, Task
from benchmarks.peers.peer import Peer


class NumpyByHand(Peer):
    """Weights are kept as (n_in, n_out), so that the forward products need no transposition."""

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        self.rng = np.random.default_rng(0)
        self.rows = np.arange(task.batch)
        self.rate = np.float32(task.learning_rate / task.batch)
        self.weights = [(np.ascontiguousarray(w.T), b.copy()) for w, b in task.layers]

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
        """Forward, then backward with each layer's update as soon as its gradient is known."""
        inputs = self.forward(x)
        g = inputs.pop()
        g -= g.max(axis=1, keepdims=True)
        np.exp(g, out=g)
        g /= g.sum(axis=1, keepdims=True)
        g[self.rows, y] -= 1
        g *= self.rate
        for k in range(len(self.weights) - 1, -1, -1):
            weight, bias = self.weights[k]
            below = g @ weight.T if k else g
            weight -= inputs[k].T @ g
            bias -= g.sum(axis=0)
            if k:
                below *= inputs[k] > 0
            g = below

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

    def layers(self) -> list[Layer]:
        """Turned back to (n_out, n_in)."""
        return [(weight.T, bias) for weight, bias in self.weights]


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
