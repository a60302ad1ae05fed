"""The loop around the native loop: chunks, epochs, record, interruption.

The native code runs for 50-100 ms at a time; between two chunks Python looks at the losses, calls
the callbacks, writes a checkpoint when one is due, and sees whether Ctrl-C was pressed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal, Protocol

import numpy as np

from chainrule.errors import TrainingError
from chainrule.evaluation.evaluator import Evaluator
from chainrule.evaluation.examples import Examples
from chainrule.tracing.trees import flatten
from chainrule.training.keys import noise_keys
from chainrule.training.order import Order
from chainrule.training.pace import Pace
from chainrule.training.run import Callback, History, Progress
from chainrule.training.step import Carried, Step, evaluated


class Keeper(Protocol):
    """What keeps a descent's checkpoints."""

    def save_if_due(self, descent: Descent) -> None:
        """A checkpoint, if the last one is old."""

    def save(self, descent: Descent, status: str) -> None:
        """A checkpoint now."""


@dataclass(eq=False)
class Descent:
    """A descent under way: what it works on and how far it is."""

    step: Step
    examples: Examples
    order: Order
    epochs: int
    optimizer: Any
    carried: Carried
    callbacks: tuple[Callback, ...]
    evaluator: Evaluator | None
    validation: Examples | None
    pace: Pace
    done: int = 0
    seconds: float = 0.0
    records: list[dict[str, Any]] = field(default_factory=list)
    losses: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rates: np.ndarray = field(default_factory=lambda: np.zeros(0))
    _all_rates: np.ndarray = field(default_factory=lambda: np.zeros(0))
    _begun: int = 0

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.epochs * self.order.steps_per_epoch

    def evaluated(self) -> list[np.ndarray]:
        """The parameters to evaluate and to keep: an average, if the optimiser keeps one."""
        return flatten(evaluated(self.carried, self.optimizer, self.leaves()))[0]

    def leaves(self) -> list[np.ndarray]:
        """Parameters and the optimiser's state as they are now."""
        return self.step.executable.get_state()

    def history(self) -> History:
        """The record so far."""
        return History(
            self.losses[: self.done].copy(), self.rates[: self.done].copy(), self.records
        )

    def restore(
        self, leaves: list[np.ndarray], done: int, losses: np.ndarray, records: list[dict[str, Any]]
    ) -> None:
        """Stand where an earlier descent stood."""
        self.step.executable.set_state(leaves)
        self.done, self.losses, self.records = done, losses, records

    # -- running ---------------------------------------------------------------------------------

    def run(self, store: Keeper | None) -> Literal["completed", "interrupted"]:
        """Go on until the last epoch has ended or Ctrl-C is pressed."""
        self._all_rates = self.optimizer.learning_rates(np.arange(self.steps), self.steps)
        self.rates = self._all_rates if self._all_rates.ndim == 1 else self._all_rates[:, 0]
        self.losses = np.concatenate([self.losses, np.zeros(self.steps - self.done)])
        self._begun = self.done
        with _interruptible() as interrupted:
            while self.done < self.steps and not interrupted.is_set():
                self._advance()
                if store is not None:
                    store.save_if_due(self)
        stopped: Literal["completed", "interrupted"]
        stopped = "completed" if self.done >= self.steps else "interrupted"
        if store is not None:
            store.save(self, stopped)
        return stopped

    def _advance(self) -> None:
        """One chunk, and what follows from it."""
        first = self.done
        start = perf_counter()
        order, count = self.order.steps_from(first, self.pace.steps(self._until_stop()))
        rates = self._all_rates[first : first + count].astype(self._rate_dtype)
        losses = np.zeros(count, self._loss_dtype)
        keys = noise_keys(self.order.seed, first, count)
        batch, threads = self.order.batch, self.pace.threads
        self.step.run(rates, keys, losses, order, self.examples, batch, threads)
        elapsed = perf_counter() - start
        self.seconds += elapsed
        self.losses[first : first + count] = losses
        self._check(first, losses)
        self.done += count
        self.pace.took(count, elapsed)
        self._report(first)

    def _until_stop(self) -> int:
        """Steps to the end of the epoch if something happens there, else to the end."""
        if self.evaluator is None:
            return self.steps - self.done
        per_epoch = self.order.steps_per_epoch
        return per_epoch - self.done % per_epoch

    @property
    def _rate_dtype(self) -> np.dtype:
        return np.dtype(np.result_type(*(p.dtype for p in self.carried.params)))

    @property
    def _loss_dtype(self) -> np.dtype:
        return self.step.executable.plan.graph.outputs[-1].type.dtype

    def _check(self, first: int, losses: np.ndarray) -> None:
        finite = np.isfinite(losses)
        if finite.all():
            return
        at = first + int(np.argmin(finite))
        rate, value = float(self.rates[at]), self.losses[at]
        if at == 0:
            raise TrainingError(
                f"the loss is {value} before the first update",
                "look for NaN, infinite or very large values in the data and the first weights",
            )
        raise TrainingError(
            f"the loss became {value} at step {at + 1} of {self.steps}, learning rate {rate:.3g}",
            f"try a learning rate of {min(rate / 10, 0.1):.1g}",
        )

    # -- reporting -------------------------------------------------------------------------------

    def _report(self, first: int) -> None:
        per_epoch = self.order.steps_per_epoch
        validation = None
        for epoch in range(first // per_epoch + 1, self.done // per_epoch + 1):
            validation = self._end_epoch(epoch)
        ended = self.done % per_epoch == 0
        if not self.callbacks:
            return
        progress = self._progress(first, ended, validation)
        for callback in self.callbacks:
            callback(progress)

    def _end_epoch(self, epoch: int) -> float | None:
        """Record an epoch that has just ended."""
        last = epoch * self.order.steps_per_epoch
        first = last - self.order.steps_per_epoch
        validation = None
        if self.evaluator is not None and self.validation is not None:
            validation = self.evaluator.mean(self.evaluated(), self.validation)
        self.records.append({
            "epoch": epoch,
            "step": last,
            "loss": float(np.mean(self.losses[first:last])),
            "validation_loss": validation,
            "learning_rate": float(self.rates[last - 1]),
            "seconds": self.seconds,
        })  # fmt: skip
        return validation

    def _progress(self, first: int, ended: bool, validation: float | None) -> Progress:
        rate = (self.done - self._begun) / max(self.seconds, 1e-9)
        return Progress(
            epoch=-(-self.done // self.order.steps_per_epoch), epochs=self.epochs,
            step=self.done, steps=self.steps, loss=float(np.mean(self.losses[first : self.done])),
            learning_rate=float(self.rates[self.done - 1]),
            rows_per_second=rate * self.order.batch, seconds=self.seconds,
            seconds_left=(self.steps - self.done) / max(rate, 1e-9),
            epoch_end=ended, validation_loss=validation,
        )  # fmt: skip


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that it is seen between chunks and never inside one."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
