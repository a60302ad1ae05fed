"""The stochastic descent of an estimator: epochs, tolerance, early stopping, learning rates.

As ``sklearn.neural_network``: the same first weights, batches, losses and decisions, and so the
same weights but for rounding, where inputs are not scaled first.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule.compiler.native.threads import choose
from chainrule.estimators.programs import step_pool
from chainrule.estimators.rows import Rows
from chainrule.estimators.rules import AdamRule, Rule, SGDRule
from chainrule.evaluation.examples import Examples
from chainrule.training.keys import noise_keys
from chainrule.training.step import Step, carry

#: Seconds of one native call: Ctrl-C is answered in between.
_CHUNK: Final = 0.1
#: Steps of the first native call, before it is known how long one takes.
_FIRST: Final = 64
#: A learning rate below this is not divided any further.
_LEAST_RATE: Final = 1e-6


@dataclass
class Memory:
    """What a descent goes on with when ``partial_fit`` or a warm start continues it.

    Attributes:
        state: the solver's state, as leaves; empty before the first step.
        updates: steps done.
        rate: the learning rate of "invscaling" and "adaptive" as it is now.
        waited: epochs in a row without an improvement.
        seed: of dropout's masks.
        best: the weights of the best epoch, with early stopping.
    """

    rate: float
    seed: int = 0
    state: list[np.ndarray] = field(default_factory=list)
    updates: int = 0
    waited: int = 0
    best: list[np.ndarray] | None = None


class Descent:
    """Runs epochs over rows and keeps the estimator's public record of them.

    Args:
        model: the estimator: its settings are read and its ``loss_curve_`` and so on written.
        rows: to learn from.
        held_out: to validate on, or None.
        random: for the order of the rows.
    """

    def __init__(
        self, model: Any, rows: Rows, held_out: Rows | None, random: np.random.RandomState
    ) -> None:
        self.model, self.rows, self.held_out, self.random = model, rows, held_out, random
        self.memory: Memory = model._memory
        self.rule: Rule = (
            AdamRule() if model.solver == "adam" else SGDRule(bool(model.nesterovs_momentum))
        )
        self.batch = _batch_of(model, len(rows))

    def run(self, epochs: int, incremental: bool) -> None:
        """So many epochs, or fewer where the loss or the score improves no more."""
        model, rows = self.model, self.rows
        pool = step_pool(
            model._network, model._objective, self.rule, rows.targets, rows.w is not None
        )
        with pool.borrowed() as step:
            self._begin(step)
            try:
                self._epochs(step, epochs, incremental)
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=5)
            finally:
                self._keep(step)
        if model.early_stopping and self.memory.best is not None:
            model._set_leaves(self.memory.best)

    def _begin(self, step: Step) -> None:
        leaves, memory = self.model._leaves(), self.memory
        if not memory.state:
            memory.state = carry(self.model._params(), self.rule).state
        step.executable.set_state([*leaves, *memory.state])

    def _keep(self, step: Step) -> None:
        """The weights and the solver's state as they are now."""
        leaves, count = step.executable.get_state(), self.model._n_leaves
        self.model._set_leaves(leaves[:count])
        self.memory.state = leaves[count:]

    # -- epochs ----------------------------------------------------------------------------------

    def _epochs(self, step: Step, epochs: int, incremental: bool) -> None:
        model, examples = self.model, self.rows.examples()
        order = np.arange(len(self.rows), dtype=np.int32)
        model.n_iter_ = 0
        for _ in range(epochs):
            if model.shuffle:
                order = self._shuffled(order)
            total = self._pass(step, examples, order)
            model.n_iter_ += 1
            model.t_ += len(order)
            model.loss_ = total / len(order)
            model.loss_curve_.append(model.loss_)
            if model.verbose:
                print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")  # noqa: T201
            if self._has_ended(step) or incremental:
                return
        if epochs:
            not_converged(epochs)

    def _shuffled(self, order: np.ndarray) -> np.ndarray:
        """A fresh permutation of the last one, drawn as scikit-learn draws it."""
        drawn = np.arange(len(order))
        self.random.shuffle(drawn)
        return order[drawn]

    def _pass(self, step: Step, examples: Examples, order: np.ndarray) -> float:
        """All rows once, the last batch smaller; Σ rows · loss."""
        n, batch = len(order), self.batch
        threads = choose(self.model.threads, step.executable.operations(batch))
        whole, first, most, total = n // batch, 0, _FIRST, 0.0
        while first < whole:
            count = min(most, whole - first)
            start = perf_counter()
            rows = order[first * batch : (first + count) * batch]
            total += batch * self._steps(step, examples, rows, batch, threads)
            first += count
            spent = perf_counter() - start
            most = max(1, int(count * min(8.0, _CHUNK / max(spent, 1e-6))))
        rest = n - whole * batch
        if rest:
            total += rest * self._steps(step, examples, order[whole * batch :], rest, threads)
        return total

    def _steps(
        self, step: Step, examples: Examples, rows: np.ndarray, batch: int, threads: int
    ) -> float:
        """Steps of one batch size along these rows; the sum of their losses."""
        count, done = len(rows) // batch, self.memory.updates
        numbers = self._rates(done, count)
        columns = np.empty((count, 1 + numbers.shape[1]))
        columns[:, 0] = self.model.alpha
        columns[:, 1:] = numbers
        keys = noise_keys(self.memory.seed, done, count if step.draws else 0)
        columns = columns.astype(examples.arrays[0].dtype)
        (losses,) = step.run(columns, keys, rows, examples, batch, threads)
        self.memory.updates = done + count
        return float(np.sum(losses, dtype=np.float64))

    def _rates(self, done: int, count: int) -> np.ndarray:
        model = self.model
        if isinstance(self.rule, AdamRule):
            return AdamRule.numbers(
                model.learning_rate_init, done, count, model.beta_1, model.beta_2, model.epsilon
            )
        return SGDRule.numbers(self.memory.rate, count, model.momentum)

    # -- what the end of an epoch decides ---------------------------------------------------------

    def _has_ended(self, step: Step) -> bool:
        """Note the epoch; whether the descent ends with it."""
        model, memory = self.model, self.memory
        if self.held_out is not None:
            self._keep(step)
            self._validate(self.held_out)
        if not model.early_stopping:
            self._note_loss()
        if model.solver == "sgd" and model.learning_rate == "invscaling":
            memory.rate = model.learning_rate_init / (model.t_ + 1) ** model.power_t
        if memory.waited <= model.n_iter_no_change:
            return False
        return self._gives_up()

    def _note_loss(self) -> None:
        model, memory = self.model, self.memory
        loss = model.loss_curve_[-1]
        memory.waited = memory.waited + 1 if loss > model.best_loss_ - model.tol else 0
        if loss < model.best_loss_:
            model.best_loss_ = loss

    def _validate(self, held_out: Rows) -> None:
        """The loss and the score of the rows held out; the best weights so far."""
        model, memory = self.model, self.memory
        loss, score = model._judge(held_out)
        model.validation_loss_curve_.append(loss)
        if not model.early_stopping:
            return
        model.validation_scores_.append(score)
        if model.verbose:
            print(f"Validation score: {score:f}")  # noqa: T201
        memory.waited = memory.waited + 1 if score < model.best_validation_score_ + model.tol else 0
        if score > model.best_validation_score_:
            model.best_validation_score_ = score
            memory.best = [leaf.copy() for leaf in model._leaves()]

    def _gives_up(self) -> bool:
        """Stop; or with "adaptive" divide the learning rate, while it is not small."""
        model, memory = self.model, self.memory
        what = "Validation score" if model.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={model.tol:f} for {model.n_iter_no_change} "
            "consecutive epochs."
        )
        adapts = model.solver == "sgd" and model.learning_rate == "adaptive"
        if adapts and memory.rate > _LEAST_RATE:
            memory.rate /= 5.0
            memory.waited = 0
            message += f" Setting learning rate to {memory.rate:f}"
        else:
            adapts, message = False, f"{message} Stopping."
        if model.verbose:
            print(message)  # noqa: T201
        return not adapts


def _batch_of(model: Any, n: int) -> int:
    """Rows of a step, as scikit-learn takes them."""
    if model.batch_size == "auto":
        return min(200, n)
    if model.batch_size > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=6,
        )
    return int(np.clip(model.batch_size, 1, n))


def not_converged(max_iter: int) -> None:
    """scikit-learn's warning that ``max_iter`` was reached."""
    warnings.warn(
        f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the optimization "
        "hasn't converged yet.",
        ConvergenceWarning,
        stacklevel=7,
    )
