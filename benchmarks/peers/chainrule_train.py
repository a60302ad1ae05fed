"""Chainrule, as a user would call it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.machine import version
from benchmarks.networks import Layer, Task
from benchmarks.peers.peer import MissingError, Peer, Turn

try:
    import chainrule as cr
    from chainrule import losses, nn, optim
    from chainrule.tracing import trees

    train = cr.train
except (ImportError, AttributeError) as error:
    raise MissingError(str(error)) from error


class Chainrule(Peer):
    """A turn is one call of ``cr.train``, which goes on from the weights of the turn before.

    Its seconds are those of the whole call but for tracing and compiling, which every call does
    anew and reports. So they hold more than the run itself counts as training: the permutations,
    which the peers pay for too, and the checks of the arguments.
    """

    def __init__(self, task: Task, threads: int) -> None:
        super().__init__(task, threads)
        self.turns = 0
        self.model = with_layers(nn.MLP(list(task.sizes), rng=0), task.layers)

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
            losses.cross_entropy,
            data=(self.task.x, self.task.y),
            optimizer=optim.SGD(self.task.learning_rate),
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

    def layers(self) -> list[Layer]:
        """Leaves come as weight, bias, weight, bias."""
        leaves = [np.asarray(leaf) for leaf in trees.flatten(self.model)[0]]
        return list(zip(leaves[::2], leaves[1::2], strict=True))


def with_layers(model: Any, layers: list[Layer]) -> Any:
    """The model with these weights."""
    leaves, structure = trees.flatten(model)
    given = [array for layer in layers for array in layer]
    assert [np.shape(a) for a in leaves] == [a.shape for a in given], "not an MLP's order of leaves"
    return trees.unflatten(structure, given)
