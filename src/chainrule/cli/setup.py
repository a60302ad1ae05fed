"""What is trained, and how: chosen from the options and the schema, stored in config.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import nn, optim
from chainrule.cli.options import TrainOptions
from chainrule.cli.outcome import OptionError
from chainrule.data.schema import Schema
from chainrule.data.target import Target
from chainrule.errors import RunError
from chainrule.losses import LOSSES

SCHEDULES: dict[str, Callable[[float], Any]] = {
    "cosine": optim.cosine,
    "constant": optim.constant,
}


@dataclass(frozen=True, slots=True)
class Setup:
    """A network and its descent, in plain values.

    Fields:
        sizes: numbers per row: in, after each hidden layer, out.
        rate_rule: how the learning rate was chosen, in words.
    """

    sizes: tuple[int, ...]
    activation: str
    loss: str
    optimizer: str
    learning_rate: float
    rate_rule: str
    momentum: float
    schedule: str
    batch: int
    epochs: int
    seed: int
    threads: int | None

    def network(self) -> nn.MLP:
        """The network with its first weights."""
        return nn.MLP(self.sizes, rng=self.seed, activation=self.activation)

    def descent(self) -> optim.SGD:
        """The optimiser with its schedule."""
        return optim.SGD(SCHEDULES[self.schedule](self.learning_rate), momentum=self.momentum)

    def linear(self) -> Setup:
        """The same without hidden layers: the linear model to compare with."""
        return replace(self, sizes=(self.sizes[0], self.sizes[-1]))

    @property
    def is_linear(self) -> bool:
        """Whether there is no hidden layer."""
        return len(self.sizes) == 2

    def to_json(self) -> dict[str, object]:
        """The setup in JSON's own types."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Setup:
        """The setup that ``to_json`` gave.

        Raises:
            RunError: it is damaged.
        """
        try:
            return cls(**{**stored, "sizes": tuple(stored["sizes"])})
        except (KeyError, TypeError) as error:
            raise RunError(f"config.json is damaged: {error!r}") from error


def choose(options: TrainOptions, schema: Schema, rows: int) -> Setup:
    """The setup for ``rows`` training rows.

    Raises:
        OptionError: the loss does not fit the target.
    """
    loss = choose_loss(options.loss, schema.target)
    n_out = len(schema.target.classes) if loss == "cross_entropy" else 1
    batch = min(options.batch, rows)
    rate, rule = choose_rate(options, loss, batch)
    return Setup(
        sizes=(schema.width, *options.hidden, n_out),
        activation=options.activation,
        loss=loss,
        optimizer=options.optimizer,
        learning_rate=rate,
        rate_rule=rule,
        momentum=options.momentum,
        schedule=options.schedule,
        batch=batch,
        epochs=options.epochs,
        seed=options.seed,
        threads=options.threads,
    )


def choose_loss(asked: str, target: Target) -> str:
    """The loss that fits the target.

    Raises:
        OptionError: the loss that was asked for does not.
    """
    fitting = ["squared_error"]
    if target.task == "classification":
        fitting = ["binary_cross_entropy", "cross_entropy"] if target.binary else ["cross_entropy"]
    if asked not in ("auto", *fitting):
        raise OptionError(
            f"--loss {asked} does not fit the target {target.name!r} ({target.words}, because "
            f"{target.reason})",
            hint=f"--loss {fitting[0]}, or another --task",
        )
    return fitting[0] if asked == "auto" else asked


def choose_rate(options: TrainOptions, loss: str, batch: int) -> tuple[float, str]:
    """The learning rate, and in words how it was chosen.

    The automatic rate is 0.05 for 32 rows and momentum 0.9. It grows with the root of the batch
    and with ``1 - momentum``, up to 0.1; the squared error, which has twice the slope of its half,
    has half of it. At four times these rates small tables diverge; at half most are no better.
    """
    if options.learning_rate is not None:
        return options.learning_rate, "as asked"
    rate = min(0.05 * (batch / 32) ** 0.5 * (1 - options.momentum) / 0.1, 0.1)
    rate *= 0.5 if loss == "squared_error" else 1.0
    return float(f"{rate:.2g}"), "auto, by the batch and momentum"


def network_target(setup: Setup, target: Target, y: NDArray[Any]) -> NDArray[Any]:
    """The target as the loss takes it: class indices, 0 and 1, or scaled numbers: (n,)."""
    if setup.loss == "cross_entropy":
        return y
    if setup.loss == "binary_cross_entropy":
        return y.astype(np.float32)
    return ((y - target.mean) / target.scale).astype(np.float32)


def in_user_terms(setup: Setup, target: Target, output: NDArray[Any]) -> NDArray[np.float64]:
    """The network's output (n, n_out) as the user reads it.

    Returns:
        Probabilities (n, classes), or predictions in the target's own unit (n,).
    """
    linked = LOSSES[setup.loss].link(output.astype(np.float64))
    if target.task == "regression":
        numbers: NDArray[np.float64] = linked[:, 0] * target.scale + target.mean
        return numbers
    if setup.loss == "binary_cross_entropy":
        return np.concatenate([1 - linked, linked], axis=1)
    return np.asarray(linked)
