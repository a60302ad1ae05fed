"""The final parameters are the same bits for any number of threads, processors to spare or not."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.tracing.trees import flatten


def _mlp():
    return nn.MLP([12, 33, 20, 3], rng=0), (12,), optim.SGD(0.1, momentum=0.9)


def _adam():
    return nn.MLP([12, 33, 3], rng=0), (12,), optim.Adam(0.01)


def _dropout():
    layers = nn.Linear.init(12, 33, rng=0), nn.relu, nn.Dropout(0.3), nn.Linear.init(33, 3, rng=1)
    return nn.Sequential(*layers), (12,), optim.SGD(0.1)


def _convolution():
    layers = nn.Conv2d.init(1, 5, 3, rng=0), nn.relu, nn.Flatten(), nn.Linear.init(180, 3, rng=1)
    return nn.Sequential(*layers), (1, 8, 8), optim.Adam(0.01)


@pytest.mark.parametrize("make", [_mlp, _adam, _dropout, _convolution])
def test_parameters_and_losses_are_the_same_bits_on_1_2_3_and_8_threads(make):
    """Batches of 37 of 100 rows: shares that end within tiles, threads without any rows."""
    model, shape, optimizer = make()
    rng = np.random.default_rng(0)
    data = rng.normal(size=(100, *shape)).astype(np.float32), rng.integers(0, 3, 100)
    found = []
    for threads in (1, 2, 3, 8):
        run = cr.train(
            model, losses.cross_entropy, data, optimizer=optimizer, batch=37, epochs=3,
            threads=threads,
        )  # fmt: skip
        found.append([run.history.loss, *flatten(run.model)[0]])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert np.array_equal(a, b)
