"""The stochastic descent of an estimator: epochs, tolerance, early stopping, callbacks.

As ``sklearn.neural_network``: the same first weights, batches, losses and decisions, and so the
same weights but for rounding, where inputs are not scaled first.
"""

from __future__ import annotations

import math
import warnings
from time import perf_counter
from typing import Any, Final

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from chainrule.compiler.native.limits import available
from chainrule.compiler.native.threads import choose
from chainrule.estimators.pacing import Batches
from chainrule.estimators.programs import step_pool
from chainrule.estimators.rows import Rows
from chainrule.estimators.solvers import Memory, solver_of
from chainrule.evaluation.examples import Examples
from chainrule.tracing.trees import flatten
from chainrule.training.keys import noise_keys
from chainrule.training.pace import Pace, pace
from chainrule.training.run import Progress
from chainrule.training.step import Step, carry, evaluated

#: Bytes of a sparse matrix's rows that are written out at a time.
_BLOCK: Final = 1 << 23


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
        self.solver = solver_of(model)
        self.batches = Batches(model, self.memory, len(rows))
        self.carried = carry(model._params(), self.solver.rule)
        self.seconds = 0.0
        self._pace: Pace | None = None
        self._paced = 0

    def run(self, epochs: int, incremental: bool) -> None:
        """So many epochs, or fewer where the loss or the score improves no more."""
        model, memory, rows = self.model, self.memory, self.rows
        if not memory.planned:
            memory.planned = model.max_iter * math.ceil(len(rows) / self.batches.size)
        pool = step_pool(
            model._network, model._objective, self.solver.rule, rows.targets, rows.w is not None,
            self.batches.sums,
        )  # fmt: skip
        with pool.borrowed() as step:
            self._begin(step)
            try:
                self._epochs(step, epochs, incremental)
            except KeyboardInterrupt:
                warnings.warn("Training interrupted by user.", stacklevel=5)
            finally:
                self._keep(step)
                self._close()
        is_over = model.stopped_ or not incremental
        if model.early_stopping and memory.best is not None and is_over:
            model._set_leaves(memory.best)
            memory.params = None

    def _begin(self, step: Step) -> None:
        memory = self.memory
        params = self.model._leaves() if memory.params is None else memory.params
        if not memory.state:
            memory.state = self.carried.state
        step.executable.set_state([*params, *memory.state])

    def _keep(self, step: Step) -> None:
        """The weights and the solver's state as they are now."""
        leaves, count = step.executable.get_state(), len(self.carried.params)
        tree = evaluated(self.carried, self.solver.rule, leaves)
        averaged = any(a is not b for a, b in zip(flatten(tree)[0], leaves[:count], strict=True))
        self.memory.state = leaves[count:]
        self.memory.params = leaves[:count] if averaged else None
        self.model._set_params_tree(tree)

    def _close(self) -> None:
        for callback in self.model.callbacks or ():
            if hasattr(callback, "close"):
                callback.close()

    # -- epochs ----------------------------------------------------------------------------------

    def _epochs(self, step: Step, epochs: int, incremental: bool) -> None:
        model, examples = self.model, None if self.rows.is_sparse else self.rows.examples()
        order = np.arange(len(self.rows), dtype=np.int32)
        model.n_iter_, model.stopped_ = 0, False
        for _ in range(epochs):
            if model.shuffle:
                order = self._shuffled(order)
            start, first = perf_counter(), self.memory.updates
            total, found = self._pass(step, examples, order)
            self.seconds += perf_counter() - start
            model.n_iter_ += 1
            model.t_ += len(order)
            model.loss_ = total / len(order)
            model.loss_curve_.append(model.loss_)
            if model.verbose:
                print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")  # noqa: T201
            if self._has_ended(step, first, found) or incremental:
                return
        if isinstance(model.solver, str):  # a schedule is meant to be gone through
            not_converged(epochs)

    def _shuffled(self, order: np.ndarray) -> np.ndarray:
        """A fresh permutation of the last one, drawn as scikit-learn draws it."""
        drawn = np.arange(len(order))
        self.random.shuffle(drawn)
        return order[drawn]

    def _pass(
        self, step: Step, examples: Examples | None, order: np.ndarray
    ) -> tuple[float, list[np.ndarray]]:
        """All rows once, the last batch smaller; Σ rows · loss, and what was measured of steps."""
        batch, first, total = self.batches.size, 0, 0.0
        going = self._going(step, batch)
        measured: list[list[np.ndarray]] = []
        while first < len(order):
            left = (len(order) - first) // batch
            count = self._bounded(going.steps(left)) if left else 0
            size = batch if count else len(order) - first
            start = perf_counter()
            rows = order[first : first + max(count, 1) * size]
            outputs = self._steps(step, examples, rows, size, going.threads)
            total += size * float(np.sum(outputs[0], dtype=np.float64))
            measured.append(outputs)
            first += len(rows)
            if count:
                going.took(count, perf_counter() - start)
        return total, [np.concatenate(parts) for parts in zip(*measured, strict=True)]

    def _going(self, step: Step, batch: int) -> Pace:
        """How many steps a native call takes and on how many threads: Ctrl-C is answered between.

        Of threads "None" the faster number, looked for now and then; results have the same bits.
        """
        if self._pace is None:
            asked = self.model.threads
            guess = choose(asked, step.executable.operations(batch))
            self._pace, self._paced = pace(asked, guess, available()), batch
        if batch != self._paced:
            self._pace.rescale(batch / self._paced)
            self._paced = batch
        return self._pace

    def _bounded(self, steps: int) -> int:
        """Fewer steps at a time where their rows are written out from a sparse matrix."""
        if not self.rows.is_sparse:
            return steps
        row = 8 * int(self.rows.x.shape[1]) * self.batches.size
        return max(1, min(steps, _BLOCK // max(row, 1)))

    def _steps(
        self, step: Step, examples: Examples | None, rows: np.ndarray, batch: int, threads: int
    ) -> list[np.ndarray]:
        """Steps of one batch size along these rows; the loss of each, and what is measured."""
        if examples is None:
            examples, rows = self.rows.taken(rows).examples(), np.arange(len(rows), dtype=np.int32)
        count, memory = len(rows) // batch, self.memory
        numbers = self.solver.numbers(memory, count)
        columns = np.empty((count, 1 + numbers.shape[1]))
        columns[:, 0] = self.model.alpha
        columns[:, 1:] = numbers
        columns[:, 1 : 1 + self.solver.learning_rates] *= self.batches.rate
        keys = noise_keys(memory.seed, memory.updates, count if step.draws else 0)
        dtype = examples.arrays[0].dtype
        outputs = step.run(columns.astype(dtype), keys, rows, examples, batch, threads)
        memory.updates += count
        return outputs

    # -- what the end of an epoch decides ---------------------------------------------------------

    def _has_ended(self, step: Step, first: int, found: list[np.ndarray]) -> bool:
        """Note the epoch; whether the descent ends with it."""
        model, memory = self.model, self.memory
        if self.held_out is not None:
            self._keep(step)
            self._validate(self.held_out)
        if not model.early_stopping:
            self._note_loss()
        self.solver.end_epoch(memory, model.t_)
        self.batches.end_epoch(model, found)
        if self._called_back(step, first, found[0]):
            model.stopped_ = True
        elif memory.waited > model.n_iter_no_change:
            model.stopped_ = self._gives_up()
        return bool(model.stopped_)

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
        best = model.best_validation_score_
        memory.waited = memory.waited + 1 if score < best + model.tol else 0
        if score > best:
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
        slower = self.solver.slows_down(memory)
        if slower:
            memory.waited = 0
        if model.verbose:
            then = f"Setting learning rate to {memory.rate:f}" if slower else "Stopping."
            print(f"{message} {then}")  # noqa: T201
        return not slower

    def _called_back(self, step: Step, first: int, losses: np.ndarray) -> bool:
        """Tell the callbacks of the epoch; whether one of them asks to stop."""
        model = self.model
        if not model.callbacks:
            return False
        self._keep(step)
        progress = self._progress(first, losses)
        wishes = [callback(progress) for callback in model.callbacks]
        return any(isinstance(wish, str) for wish in wishes)

    def _progress(self, first: int, losses: np.ndarray) -> Progress:
        model, steps = self.model, len(losses)
        curve = model.validation_loss_curve_
        done = model.n_iter_
        rate = float(self.solver.numbers(self.memory, 1)[0, 0]) * self.batches.rate
        return Progress(
            epoch=done, epochs=model.max_iter, step=self.memory.updates,
            steps=max(self.memory.planned, self.memory.updates), loss=model.loss_,
            learning_rate=rate, rows_per_second=done * len(self.rows) / max(self.seconds, 1e-9),
            seconds=self.seconds, seconds_left=self.seconds / done * (model.max_iter - done),
            epoch_end=True, validation_loss=curve[-1] if self.held_out is not None else None,
            batch=self.batches.size, first_step=first,
            recorded={"loss": losses, "batch": np.full(steps, self.batches.size)},
            model=model._params,
        )  # fmt: skip


def not_converged(max_iter: int) -> None:
    """scikit-learn's warning that ``max_iter`` was reached."""
    warnings.warn(
        f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the optimization "
        "hasn't converged yet.",
        ConvergenceWarning,
        stacklevel=7,
    )
