"""Steps of networks whose examples are images and sequences: against NumPy, threads, targets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from chainrule import losses, nn, optim
from chainrule.compiler.native import target as targets
from chainrule.compiler.native.executable import Executable
from chainrule.evaluation.examples import take_examples
from chainrule.gradients.reverse import value_and_grad
from chainrule.tracing.trees import flatten, unflatten
from chainrule.training.step import Step, carry, compile_step, trace_step

STEPS = 3


def mean_places(x: Any) -> Any:
    return np.mean(x, axis=1)


def convolutional(rng: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    model = nn.Sequential(
        nn.Conv2d.init(2, 5, 3, rng=rng, padding=1), nn.relu, nn.MaxPool(2),
        nn.Conv2d.init(5, 18, (3, 2), rng=rng), nn.tanh, nn.AveragePool((2, 1)),
        nn.Flatten(), nn.Linear.init(18 * 2 * 4, 12, rng=rng), nn.relu,
        nn.Linear.init(12, 3, rng=rng),
    )  # fmt: skip
    return model, (2, 12, 10)


def one_channel(rng: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    model = nn.Sequential(
        nn.Conv2d.init(1, 17, 3, rng=rng, padding=1), nn.relu,
        nn.Conv2d.init(17, 4, (2, 3), rng=rng, dilation=(2, 1), padding=(1, 2)), nn.gelu,
        nn.MaxPool(2), nn.Flatten(), nn.Linear.init(4 * 5 * 5, 3, rng=rng),
    )  # fmt: skip
    return model, (1, 11, 9)


def strided(rng: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    model = nn.Sequential(
        nn.Conv2d.init(3, 6, 3, rng=rng, stride=2, padding=1), nn.relu,
        nn.Conv2d.init(6, 8, 3, rng=rng, dilation=2, padding="same"), nn.relu,
        nn.Conv2d.init(8, 8, 3, rng=rng, groups=2, padding=(0, 1)), nn.relu,
        nn.MaxPool(3, stride=1), nn.Flatten(), nn.Linear.init(8 * 3 * 4, 3, rng=rng),
    )  # fmt: skip
    return model, (3, 13, 11)


def transformer(rng: np.random.Generator) -> tuple[Any, tuple[int, ...]]:
    block = nn.TransformerBlock.init(24, 3, rng=rng, hidden=40)
    return nn.Sequential(block, mean_places, nn.Linear.init(24, 3, rng=rng)), (7, 24)


NETWORKS = {
    "convolutional": convolutional,
    "one channel": one_channel,
    "strided": strided,
    "transformer": transformer,
}


class Descent:
    """A few compiled steps of a network, and what NumPy makes of the same steps."""

    def __init__(self, name: str, batch: int) -> None:
        rng = np.random.default_rng(1)
        self.model, shape = NETWORKS[name](rng)
        self.batch = batch
        x = rng.normal(size=(STEPS * batch, *shape)).astype(np.float32)
        self.data = x, rng.integers(0, 3, len(x))
        self.examples = take_examples(self.data, np.float32)
        self.optimizer = optim.SGD(0.1)
        self.carried = carry(self.model, self.optimizer)
        loss = losses.cross_entropy
        traced = trace_step(self.carried, self.examples, loss, self.optimizer)
        self.step = compile_step(traced, self.carried, self.examples, gathers=True)

    def run(self, threads: int, target: Any = None) -> list[np.ndarray]:
        """Losses and parameters after the steps."""
        program = self.step.executable.program
        executable = Executable(replace(program, target=target or program.target))
        executable.set_state(self.carried.leaves)
        step = self.step
        same = Step(executable, step.constants, step.gathered, step.draws, step.recorded)
        order = np.arange(STEPS * self.batch, dtype=np.int32)
        rates, keys = np.full(STEPS, 0.1, np.float32), np.arange(STEPS)
        found = same.run(rates, keys, order, self.examples, self.batch, threads)
        return [*found, *executable.get_state()]

    def by_numpy(self) -> list[np.ndarray]:
        """The same in float64, eagerly."""
        leaves, structure = flatten(self.model)
        leaves, found = [np.asarray(leaf, np.float64) for leaf in leaves], []
        for k in range(STEPS):
            rows = slice(k * self.batch, (k + 1) * self.batch)
            x, y = self.data[0][rows].astype(np.float64), self.data[1][rows]
            value, g = value_and_grad(lambda m, x=x, y=y: losses.cross_entropy(m(x), y))(
                unflatten(structure, leaves)
            )
            found.append(value)
            leaves = [p - 0.1 * d for p, d in zip(leaves, flatten(g)[0], strict=True)]
        return [np.array(found), *leaves]


@pytest.mark.parametrize("batch", [1, 3, 16])
@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_steps_agree_with_numpy_and_threads_change_no_bit(name, batch):
    """float32 against float64: some 200 roundings of 6e-8 in a sum of terms of size 1."""
    descent = Descent(name, batch)
    alone = descent.run(1)
    for got, expected in zip(alone, descent.by_numpy(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)
    for threads in (2, 3, 8):
        for a, b in zip(alone, descent.run(threads), strict=True):
            assert a.tobytes() == b.tobytes(), threads


@pytest.mark.parametrize("bits", [128, 256])
@pytest.mark.parametrize("name", NETWORKS)
def test_narrower_vectors_compute_the_same_steps(name, bits):
    """Sums are taken in another order: some 200 roundings."""
    descent = Descent(name, 5)
    for a, b in zip(descent.run(2), descent.run(2, targets.host(bits)), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)
