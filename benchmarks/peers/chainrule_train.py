"""Chainrule, as a user would call it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from benchmarks.machine import version
from benchmarks.networks import BETAS, EPSILON, MOMENTUM, Floats, Layer, Task
from benchmarks.peers.peer import MissingError, Peer, Turn

try:
    import chainrule as cr
    from chainrule import losses, nn, optim
    from chainrule.tracing import trees

    train = cr.train
except (ImportError, AttributeError) as error:
    raise MissingError(str(error)) from error

OPTIMIZERS: Final[dict[str, Callable[[float], Any]]] = {
    "sgd": optim.SGD,
    "momentum": lambda rate: optim.SGD(rate, momentum=MOMENTUM),
    "adam": lambda rate: optim.Adam(rate, betas=BETAS, eps=EPSILON),
}


class Trained(Peer):
    """A turn is one call of ``cr.train``, which goes on from the weights of the turn before.

    Its seconds are those of the whole call but for tracing and compiling, which every call does
    anew and reports. So they hold more than the run itself counts as training: the permutations,
    which the peers pay for too, and the checks of the arguments.
    """

    def __init__(self, task: Any, threads: int, model: Any, loss: Any, optimizer: Any) -> None:
        super().__init__(task, threads)
        self.turns = 0
        self.model, self.loss, self.optimizer = model, loss, optimizer

    @staticmethod
    def versions() -> dict[str, str]:
        """Versions of Chainrule and of the library that emits its machine code."""
        return {"chainrule": version("chainrule"), "llvmlite": version("llvmlite")}

    def epoch(self) -> None:
        """One call of ``cr.train`` for one epoch."""
        self.run(1)

    def run(self, epochs: int) -> Turn:
        """One call of ``cr.train`` for all epochs."""
        start = time.perf_counter()
        run = train(
            self.model,
            self.loss,
            data=(self.task.x, self.task.y),
            optimizer=self.optimizer,
            batch=self.task.batch,
            epochs=epochs,
            seed=self.turns,
            threads=self.threads,
        )
        wall = time.perf_counter() - start
        self.model = run.model
        self.turns += 1
        compiling = run.seconds["trace"] + run.seconds["compile"]
        seconds = wall - compiling
        return Turn(seconds, run.steps, compiling, seconds - run.seconds["train"])


class Chainrule(Trained):
    """A network of dense layers."""

    def __init__(self, task: Task, threads: int) -> None:
        given = [array for layer in task.layers for array in layer]
        model = with_leaves(nn.MLP(list(task.sizes), rng=0), given)
        optimizer = OPTIMIZERS[task.optimizer](task.learning_rate)
        super().__init__(task, threads, model, losses.cross_entropy, optimizer)

    def weights_now(self) -> list[Layer]:
        """Leaves come as weight, bias, weight, bias."""
        leaves = [np.asarray(leaf) for leaf in trees.flatten(self.model)[0]]
        return list(zip(leaves[::2], leaves[1::2], strict=True))


def with_leaves(model: Any, given: list[Floats]) -> Any:
    """The model with these weights."""
    leaves, structure = trees.flatten(model)
    assert [np.shape(a) for a in leaves] == [a.shape for a in given], "another order of leaves"
    return trees.unflatten(structure, given)
