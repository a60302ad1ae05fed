"""The two kinds of stochastic solvers: scikit-learn's by name, and any of ``chainrule.optim``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from chainrule.estimators.rules import AdamRule, Rule, SGDRule
from chainrule.optim import Optimizer

#: A learning rate below this is not divided any further.
_LEAST_RATE: Final = 1e-6
#: Solvers by name that take one batch after the other.
STOCHASTIC: Final = ("adam", "sgd")


@dataclass
class Memory:
    """What a descent goes on with when ``partial_fit`` or a warm start continues it.

    Attributes:
        rate: the learning rate of "invscaling" and "adaptive" as it is now.
        seed: of dropout's masks.
        state: the solver's state, as leaves; empty before the first step.
        params: the weights that are descended, where an optimiser evaluates an average of them.
        updates: steps done; ``planned``, those that a schedule is laid out for.
        waited: epochs in a row without an improvement.
        best: the weights of the best epoch, with early stopping.
        deciding: what a batch schedule and a plateau have decided.
    """

    rate: float
    seed: int = 0
    state: list[np.ndarray] = field(default_factory=list)
    params: list[np.ndarray] | None = None
    updates: int = 0
    planned: int = 0
    waited: int = 0
    best: list[np.ndarray] | None = None
    deciding: dict[str, Any] | None = None


class Solver(Protocol):
    """A rule with its learning rates: the first ``learning_rates`` of a step's numbers."""

    rule: Rule
    learning_rates: int

    def numbers(self, memory: Memory, count: int) -> np.ndarray:
        """What the next ``count`` steps take, (count, rates)."""

    def end_epoch(self, memory: Memory, seen: int) -> None:
        """Renew the learning rate after an epoch; ``seen`` rows in all."""

    def slows_down(self, memory: Memory) -> bool:
        """Whether it lowers the learning rate where nothing improves, in place of stopping."""


class Named:
    """scikit-learn's "adam" and "sgd", with its learning rates."""

    def __init__(self, model: Any) -> None:
        self.model, self.learning_rates = model, 1
        self.rule: Rule = (
            AdamRule() if model.solver == "adam" else SGDRule(bool(model.nesterovs_momentum))
        )

    def numbers(self, memory: Memory, count: int) -> np.ndarray:
        model = self.model
        if isinstance(self.rule, AdamRule):
            given = model.beta_1, model.beta_2, model.epsilon
            return AdamRule.numbers(model.learning_rate_init, memory.updates, count, *given)
        return SGDRule.numbers(memory.rate, count, model.momentum)

    def end_epoch(self, memory: Memory, seen: int) -> None:
        model = self.model
        if model.solver == "sgd" and model.learning_rate == "invscaling":
            memory.rate = model.learning_rate_init / (seen + 1) ** model.power_t

    def slows_down(self, memory: Memory) -> bool:
        model = self.model
        adapts = model.solver == "sgd" and model.learning_rate == "adaptive"
        if not adapts or memory.rate <= _LEAST_RATE:
            return False
        memory.rate /= 5.0
        return True


class Given:
    """An optimiser of ``chainrule.optim`` with its schedule."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.rule: Rule = optimizer
        self._optimizer, self.learning_rates = optimizer, optimizer.rates

    def numbers(self, memory: Memory, count: int) -> np.ndarray:
        total = max(memory.planned, 1)
        steps = np.minimum(np.arange(memory.updates, memory.updates + count), total - 1)
        rates = np.asarray(self._optimizer.learning_rates(steps, total))
        return rates.reshape(count, -1)

    def end_epoch(self, memory: Memory, seen: int) -> None:
        """Its schedule says all."""

    def slows_down(self, memory: Memory) -> bool:
        return False


def solver_of(model: Any) -> Solver:
    """The solver that a model's ``solver`` names or is."""
    return Given(model.solver) if isinstance(model.solver, Optimizer) else Named(model)


def is_stochastic(solver: Any) -> bool:
    """Whether a solver takes one batch after the other."""
    return isinstance(solver, Optimizer) or solver in STOCHASTIC
