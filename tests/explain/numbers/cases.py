"""Models and functions of every kind that backpropagation is explained for."""

import numpy as np

import chainrule as cr
from chainrule import losses, nn
from chainrule.explain.numbers import backpropagation

RNG = np.random.default_rng(5)
X = RNG.normal(size=(4, 6)).astype(np.float32)
LABELS = np.array([0, 2, 1, 2])
IMAGES = RNG.normal(size=(2, 1, 8, 8)).astype(np.float32)
SERIES = RNG.normal(size=(2, 4, 8)).astype(np.float32)


def convolutional():
    return nn.Sequential(
        nn.Conv2d.init(1, 3, 3, rng=0),
        nn.relu,
        nn.MaxPool(2),
        nn.Flatten(),
        nn.Linear.init(27, 3, rng=1),
    )


def transformer():
    return nn.Sequential(nn.TransformerBlock.init(8, 2, rng=0), nn.Linear.init(8, 1, rng=2))


def residual(p, x, y):
    h = np.tanh(x @ p["w1"].T + p["b1"])
    h = h + nn.gelu(h @ p["w2"])
    out = h @ p["w3"]
    return np.mean((out[:, 0] - y) ** 2) + 1e-3 * np.sum(p["w1"] ** 2)


def branching(w, x):
    h = np.tanh(w * x)
    if h > 0:
        h = 2 * h
    for _ in range(3):
        h = np.sin(h) + w
    return h


def looping(w, xs):
    last, _ = cr.scan(lambda c, x: (np.tanh(w @ c + x), None), np.zeros(3), xs)
    return np.sum(last**2)


def checkpointed(w, x):
    block = cr.checkpoint(lambda a: np.tanh(a @ w) @ w)
    return np.sum(block(block(x)) ** 2)


PARAMETERS = {
    "w1": RNG.normal(size=(5, 6)),
    "b1": np.zeros(5),
    "w2": RNG.normal(size=(5, 5)),
    "w3": RNG.normal(size=(5, 1)),
}
CASES = {
    "mlp": (nn.MLP([6, 5, 3], rng=0), losses.cross_entropy, (X, LABELS)),
    "mlp64": (
        nn.MLP([6, 5, 3], rng=0, activation="tanh", dtype=np.float64),
        losses.cross_entropy,
        (X.astype(np.float64), LABELS),
    ),
    "integers": (
        nn.MLP([2, 3, 2], rng=0),
        losses.cross_entropy,
        (np.arange(4).reshape(2, 2), np.array([0, 1])),
    ),
    "convolutional": (convolutional(), losses.cross_entropy, (IMAGES, np.array([0, 2]))),
    "transformer": (transformer(), losses.squared_error, (SERIES, SERIES[..., :1])),
    "gru": (
        nn.GRU.init(8, 3, rng=0),
        lambda m, x, y: np.mean((m(x)[0][..., -1, :] - y) ** 2),
        (SERIES, SERIES[:, 0, :3]),
    ),
    "embedding": (
        nn.Sequential(nn.Embedding.init(7, 3, rng=0), nn.Flatten(), nn.Linear.init(6, 2, rng=0)),
        losses.cross_entropy,
        (np.array([[0, 6], [3, 3]]), np.array([0, 1])),
    ),
    "residual": (residual, PARAMETERS, X.astype(np.float64), RNG.normal(size=4)),
    "lecture": (lambda w, x, b, y: (w * x + b - y) ** 2, 2.0, 3.0, 1.0, 5.0),
    "branching": (branching, 0.5, 2.0),
    "looping": (looping, RNG.normal(size=(3, 3)), RNG.normal(size=(5, 3))),
    "checkpointed": (checkpointed, RNG.normal(size=(3, 3)), RNG.normal(size=(5, 3))),
    "eigenvalues": (lambda a: np.sum(np.linalg.eigh(a @ a.T)[0] ** 2), RNG.normal(size=(4, 4))),
    "lookup": (lambda w, i: np.sum(w[i] ** 2), np.arange(5.0), np.array([0, 3, 3])),
    "batched": (
        lambda a, b: np.sum(np.einsum("bij,bjk->bik", a, b) ** 2),
        RNG.normal(size=(2, 3, 4)),
        RNG.normal(size=(2, 4, 2)),
    ),
    "sorted": (lambda w: np.sum(np.sort(w) * np.arange(4.0)), RNG.normal(size=4)),
    "names": (
        lambda p: np.sum(p['a<b>&"'] ** 2) + p["日本 語"] ** 2,
        {'a<b>&"': np.ones(3), "日本 語": 2.0},
    ),
}


def explained(name):
    """The backward pass of a case."""
    return backpropagation(*CASES[name])
