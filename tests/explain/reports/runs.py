"""Small runs that the tests of the report share."""

from functools import cache

import numpy as np

import chainrule as cr
from chainrule import losses, nn, optim
from chainrule.explain.reports import report

ROWS = 120


def numbers():
    rng = np.random.default_rng(0)
    return rng.normal(size=(ROWS, 2)).astype(np.float32)


@cache
def classifier():
    """Two classes of points in the plane; everything recorded, rows held out, a schedule."""
    x = numbers()
    y = ((x**2).sum(axis=1) < 1.2).astype(np.int64)
    return cr.train(
        nn.MLP([2, 6, 2], rng=0), losses.cross_entropy, (x, y), validation=0.25,
        metrics=["accuracy"], optimizer=optim.SGD(optim.cosine(0.3), momentum=0.9), batch=16,
        epochs=12, record="all",
    )  # fmt: skip


@cache
def regression():
    """A regression of which nothing more was recorded than always is."""
    x = numbers()
    y = (2 * x[:, 0] - x[:, 1]).astype(np.float32)
    return cr.train(nn.MLP([2, 5, 1], rng=0), losses.squared_error, (x, y), epochs=6)


@cache
def line():
    """A function of a tree of arrays, with no model that can be called."""
    x = np.linspace(-1.0, 1.0, 64)

    def loss(p, x, y):
        return np.mean((p["w"] * x + p["b"] - y) ** 2)

    start = {"w": np.array(0.0), "b": np.array(0.0)}
    return cr.train(start, loss, (x, 3 * x + 1), optimizer=optim.SGD(0.1), epochs=5)


MADE = {"classifier": classifier, "regression": regression, "line": line}


@cache
def reported(name):
    """The report of one of these runs, made once for all tests."""
    return report(MADE[name](), title=f"A {name} & <co>")
