"""What an optimiser does with a gradient, as far as a verdict on its learning rate needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Lion,
    NAdam,
    RMSprop,
    learning_rates,
)

#: Steps of the run that a schedule is asked for when no record says what it gave.
_STEPS: Final = 1000
#: Those whose step is about the learning rate in each element, whatever the gradient's length.
_BY_SIGN: Final = (Adam, AdamW, NAdam, RMSprop, Adagrad, Lion)
#: Wrappers under which a step is that of the optimiser inside.
_TRANSPARENT: Final = ("Average", "Accumulate", "Escape")


@dataclass(frozen=True)
class Rule:
    """How a step follows from the gradient.

    Attributes:
        kind: "gradient" (along it: ``optim.SGD``), "sign" (about the rate in each element) or
            "other", of which nothing is said.
        momentum, nesterov, dampening, weight_decay: as of ``optim.SGD``.
        rate: the largest planned learning rate, or None.
    """

    kind: Literal["gradient", "sign", "other"] = "gradient"
    momentum: float = 0.0
    nesterov: bool = False
    dampening: float = 0.0
    weight_decay: float = 0.0
    rate: float | None = None

    @property
    def reach(self) -> float:
        """How many times its own length a steady gradient's step goes in the long run."""
        return (1 - self.dampening) / (1 - self.momentum)


def rule_of(optimizer: Any) -> Rule:
    """The rule of an optimiser; of a number, gradient descent with that learning rate."""
    if optimizer is None:
        return Rule()
    if isinstance(optimizer, int | float | np.floating):
        return Rule(rate=float(optimizer))
    rate = _planned(optimizer)
    while type(optimizer).__name__ in _TRANSPARENT:
        optimizer = optimizer.optimizer
    if isinstance(optimizer, SGD):
        decay = 0.0 if optimizer.decoupled else optimizer.weight_decay
        return Rule(
            "gradient", optimizer.momentum, optimizer.nesterov, optimizer.dampening, decay, rate
        )
    kind: Any = "sign" if isinstance(optimizer, _BY_SIGN) else "other"
    return Rule(kind, rate=None if isinstance(optimizer, Adadelta) else rate)


def _planned(optimizer: Any) -> float | None:
    try:
        if hasattr(optimizer, "learning_rates"):
            rates = optimizer.learning_rates(np.arange(_STEPS), _STEPS)
        else:
            rates = learning_rates(optimizer, np.arange(_STEPS), _STEPS)
    except TrainingError:
        return None
    return float(np.max(rates))
