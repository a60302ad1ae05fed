"""What is measured: a row of the table each, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from benchmarks.layered_networks import make_layered
from benchmarks.linear_models import LOGISTIC, SQUARES, LinearModel, make_linear, mirrored
from benchmarks.networks import (
    LAYERED,
    NETWORKS,
    Convolutional,
    Network,
    Transformer,
    make_task,
)

CHECK_RATE: Final = 0.1  # large enough that each of a few steps changes the loss in its 2nd digit
ADAM_CHECK_RATE: Final = 1e-3  # each of its steps is of about this length in every weight
LAYERED_CHECK_RATE: Final = 0.01  # their losses are steeper


@dataclass(frozen=True)
class Unit:
    """How a time is shown: its name, and how many of it are a microsecond a step."""

    name: str
    factor: float = 1.0


STEP: Final = Unit("µs a step")
SAMPLE: Final = Unit("ns a sample", 1e3)
GRADIENT: Final = Unit("ms a gradient", 1e-3)


@dataclass(frozen=True)
class Row:
    """One thing that peers are compared in.

    Args:
        kind: decides the class of each peer; a peer that has none for it takes no part.
        make, make_check: the task to measure, and one of few rows whose losses are compared.
        asked: how many times as fast as the best peer Chainrule should be; None for another aim.
        against: the peer which that is about, if it is not the best one.
        bytes_read: of the data in one step, where that is what bounds it; else 0.
        fresh: whether compiling and memory are measured too, in new processes.
    """

    name: str
    title: str
    kind: str
    unit: Unit
    flops: int
    make: Callable[[], Any]
    make_check: Callable[[], Any]
    asked: float | None = None
    against: str | None = None
    bytes_read: int = 0
    fresh: bool = False


ASKED: Final = {
    "2-16-16-2/32": 10.0,
    "2-16-16-2/1": 8.0,
    "20-64-64-2/32": 4.0,
    "784-128-10/128": 1.8,
    "784-512-512-10/128": 1.5,
}


def network_rows() -> list[Row]:
    """Every network with every optimiser; momentum and Adam may lose 20 % of the lead."""
    plain = [of_network(n, ASKED[n.name], fresh=n.batch > 1) for n in NETWORKS.values()]
    others = [
        of_network(replace(n, optimizer=optimizer), 0.8 * ASKED[n.name])
        for optimizer in ("momentum", "adam")
        for n in NETWORKS.values()
    ]
    return plain + others


def of_network(network: Network, asked: float, fresh: bool = False) -> Row:
    """A network of dense layers."""
    rate = ADAM_CHECK_RATE if network.optimizer == "adam" else CHECK_RATE
    return Row(
        name=network.name,
        title=f"{network.name.replace('/', ', batch ')} ({network.flops / 1e6:.3g} MFLOP a step)",
        kind="network",
        unit=STEP,
        flops=network.flops,
        make=lambda: make_task(network),
        make_check=lambda: make_task(network, steps=1, learning_rate=rate),
        asked=asked,
        fresh=fresh,
    )


def linear_rows() -> list[Row]:
    """Pure SGD, one example a step."""
    return [
        of_linear(f"{loss.partition(' ')[0]}-{features}/1", LinearModel(loss, features, 10_000))
        for loss in (SQUARES, LOGISTIC)
        for features in (20, 200)
    ]


def of_linear(name: str, model: LinearModel) -> Row:
    """A linear model by SGD."""
    return Row(
        name=name,
        title=f"{model.loss}, {model.features} features, batch {model.batch}",
        kind="linear",
        unit=SAMPLE,
        flops=model.flops,
        make=lambda: make_linear(model),
        make_check=lambda: mirrored(model),
        asked=8.0,
        against="sklearn",
    )


def layered_rows() -> list[Row]:
    """The convolutional network and the transformer block, with every optimiser."""
    return [
        of_layers(network, optimizer)
        for optimizer in ("sgd", "momentum", "adam")
        for network in LAYERED.values()
    ]


def of_layers(network: Convolutional | Transformer, optimizer: str) -> Row:
    """A network of other layers than dense ones."""
    plain = optimizer == "sgd"
    kind, _, batch = network.name.partition("/")
    by = "" if plain else f" by {optimizer}"
    rate = ADAM_CHECK_RATE if optimizer == "adam" else LAYERED_CHECK_RATE
    return Row(
        name=network.name if plain else f"{network.name}:{optimizer}",
        title=f"{kind}, batch {batch}{by} ({network.flops / 1e6:.3g} MFLOP a step)",
        kind="layered",
        unit=STEP,
        flops=network.flops,
        make=lambda: make_layered(network, optimizer),
        make_check=lambda: make_layered(network, optimizer, steps=1, learning_rate=rate),
        asked=1.0,
        fresh=plain,
    )


def full_batch_row() -> Row:
    """The gradient of logistic regression over all rows: as quick as the data can be read."""
    model = LinearModel(LOGISTIC, features=100, rows=1_000_000, batch=1_000_000)
    few = replace(model, rows=1000, batch=1000)
    return Row(
        name="full-batch",
        title="gradient of logistic regression over 1,000,000 rows of 100 features",
        kind="full-batch",
        unit=GRADIENT,
        flops=model.flops,
        make=lambda: make_linear(model),
        make_check=lambda: make_linear(few, learning_rate=1.0),
        asked=None,
        bytes_read=4 * model.rows * model.features,
    )


ALL: Final = {
    row.name: row for row in (*network_rows(), *layered_rows(), *linear_rows(), full_batch_row())
}


def matching(patterns: str) -> list[str]:
    """Names of rows that one of the comma-separated names or patterns (*, ?) means, in order.

    Raises:
        ValueError: a pattern means none.
    """
    asked = [pattern.strip() for pattern in patterns.split(",")]
    for pattern in asked:
        if not any(fnmatchcase(name, pattern) for name in ALL):
            raise ValueError(f"no row is {pattern!r}; there are {', '.join(ALL)}")
    return [name for name in ALL if any(fnmatchcase(name, pattern) for pattern in asked)]
