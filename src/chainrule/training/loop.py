"""The loop around the native loop: chunks, epochs, record, decisions, interruption.

The native code runs for 50-100 ms at a time; between two chunks Python looks at the losses, shows
schedules what was measured, calls the callbacks, writes a checkpoint when one is due, and sees
whether it was asked to stop.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final, Protocol

import numpy as np

from chainrule.optim import Measurement
from chainrule.tracing.trees import flatten
from chainrule.training.advice import Advice
from chainrule.training.deciding import VARIANCE
from chainrule.training.descent import Descent
from chainrule.training.faults import FACTOR, MOST, Snapshot, first_bad, stop_error
from chainrule.training.keys import noise_keys
from chainrule.training.measures import columns
from chainrule.training.order import Chunk, Place
from chainrule.training.pace import Pace
from chainrule.training.rates import PlannedRates
from chainrule.training.record import mean_loss
from chainrule.training.reporting import Reporter
from chainrule.training.run import Stopped
from chainrule.training.signals import Asked, stop_signals
from chainrule.training.spent import NATIVE, WAITING, Spent

#: Check points an epoch, and in the run; operations between two, about 20 ms on one processor.
_CHECKS: Final = 20
_CHECKS_IN_ALL: Final = 50
_WORK: Final = 1e9


def check_interval(n: int, epochs: int, operations: float) -> int:
    """Rows between check points: a twentieth of the data, or more where that takes no time.

    A function of the numbers alone, not of the clock.

    Args:
        n: rows of the data.
        epochs: passes over them.
        operations: of one row's part in a step.
    """
    most = max(epochs * n // _CHECKS_IN_ALL, 1)
    return max(1, -(-n // _CHECKS), min(int(_WORK / max(operations, 1.0)), most))


class Keeper(Protocol):
    """What keeps a descent's checkpoints."""

    def save_if_due(self, descent: Descent) -> None:
        """A checkpoint, if the last one is old."""

    def save(self, descent: Descent, status: str) -> None:
        """A checkpoint now."""

    def save_best(self, descent: Descent) -> None:
        """Keep the weights of the best epoch so far."""


@dataclass(eq=False)
class Loop:
    """Runs a descent.

    Attributes:
        descent: what is run, and how far it is.
        pace: how long a chunk is, and how many threads run it.
        reporter: whom it tells.
        advice: what is said when the loss diverges, and at the end of an epoch.
        store: what keeps checkpoints, if any.
        interval: rows between check points, where a schedule does not name them itself.
        max_time: seconds of this run.
        reason: why it ended, in words.
        spent: seconds by what they went to.
    """

    descent: Descent
    pace: Pace
    reporter: Reporter
    advice: Advice
    interval: int
    store: Keeper | None = None
    max_time: float | None = None
    reason: str = ""
    spent: Spent = field(default_factory=Spent)
    _rates: PlannedRates = field(init=False)
    _before: float = 0.0

    def run(self) -> Stopped:
        """Go on until the last epoch has ended, or something stops it."""
        descent = self.descent
        total = descent.cursor.all_left(Place(), descent.deciding.first_batch)
        self._rates = PlannedRates(descent.optimizer, total)
        descent.record.expected = total
        self._before = descent.seconds
        self.reporter.begin(descent)
        try:
            with stop_signals(self.store is not None) as asked, self.spent.all():
                return self._run(asked)
        finally:
            descent.cursor.close()
            self.reporter.close()

    def _run(self, asked: Asked) -> Stopped:
        if not self.descent.done:
            self._plan_check()
        if not self.descent.faults.has_kept:
            self._keep_snapshot()
        while (stopped := self._stopped(asked)) is None:
            self._advance()
            if self.store is not None:
                with self.spent.on("checkpoints"):
                    self.store.save_if_due(self.descent)
        if self.store is not None:
            with self.spent.on("checkpoints"):
                self.store.save(self.descent, stopped)
        return stopped

    def _stopped(self, asked: Asked) -> Stopped | None:
        """Why the descent ends here; None while it does not."""
        descent, watch = self.descent, self.descent.watch
        if descent.place.epoch >= descent.cursor.epochs:
            self.reason = f"all {descent.cursor.epochs} epochs are done"
            return "completed"
        if watch.has_waited:
            self.reason = watch.why_stopped()
            return "early_stopping"
        if self.reporter.wish:
            self.reason = self.reporter.wish
            return "callback"
        if asked.is_set:
            self.reason = "interrupted"
            return "interrupted"
        if self.max_time is not None and descent.seconds - self._before >= self.max_time:
            self.reason = f"{self.max_time:.3g} s of training are over"
            return "max_time"
        return None

    # -- one chunk -------------------------------------------------------------------------------

    def _advance(self) -> None:
        """One chunk, and what follows from it."""
        descent, batch = self.descent, self.descent.deciding.batch
        first = descent.done
        self.advice.before(descent)
        start = begun = perf_counter()
        most = self.pace.steps(self._until_event(batch))
        if descent.cursor.waits:
            with self.spent.on(WAITING):
                descent.cursor.wait(descent.place)
            begun = perf_counter()
        with self.spent.on("order and rates"):
            chunk = descent.cursor.take(descent.place, batch, most)
            rates = self._rates_of(chunk)
            drawn = chunk.steps if descent.step.draws else 0
            keys = noise_keys(descent.cursor.seed, first, drawn)
        with self.spent.on(NATIVE):
            outputs = descent.step.run(
                rates.astype(descent.carried.dtype), keys, chunk.rows,
                chunk.examples or descent.examples, chunk.batch, self.pace.threads,
            )  # fmt: skip
        ended = perf_counter()
        self.spent.steps += chunk.steps
        descent.seconds += ended - start
        if chunk.is_timed:
            self.pace.took(chunk.steps, ended - begun)
        self._record(chunk, rates if rates.ndim == 1 else rates[:, 0], outputs)
        if self._has_fallen_back(first, outputs[0], bool(chunk.ends)):
            return
        descent.done, descent.place = first + chunk.steps, chunk.after
        epoch = self._end_epochs(first, chunk.ends)
        if descent.rows >= descent.check_rows and descent.place.epoch < descent.cursor.epochs:
            self._check(epoch)
        with self.spent.on("callbacks"):
            self.reporter.report(descent, first, epoch, self.store)

    def _rates_of(self, chunk: Chunk) -> np.ndarray:
        """The planned rates of a chunk's steps, times what has been decided."""
        deciding = self.descent.deciding
        planned = self.descent.cursor.planned(chunk, deciding.first_batch)
        return np.asarray(self._rates.at(planned) * deciding.rate)

    def _record(self, chunk: Chunk, rates: np.ndarray, outputs: list[np.ndarray]) -> None:
        losses, *sums = outputs
        made = {}
        if self.descent.faults.policy == "skip":
            made = {"skipped": sums.pop() != 0}
        made |= columns(dict(zip(self.descent.sums, sums, strict=True)), chunk.batch)
        base: dict[str, np.ndarray | int] = {
            "loss": losses, "learning_rate": rates, "batch": chunk.batch,
        }  # fmt: skip
        self.descent.record.append(chunk.steps, base | made)

    # -- where chunks end ------------------------------------------------------------------------

    def _until_event(self, batch: int) -> int:
        """Steps to where something happens: a check point, the end of an epoch, or the run's."""
        descent, left = self.descent, self.descent.cursor.left
        if descent.watch.looks or descent.deciding.plateau is not None:
            most = left(descent.place, batch)
        else:
            most = descent.cursor.all_left(descent.place, batch)
        if math.isinf(descent.check_rows):
            return most
        rows = max(1.0, descent.check_rows - descent.rows)
        return min(most, max(1, math.ceil(rows / batch)), max(1, left(descent.place, batch)))

    def _plan_check(self) -> None:
        """Set the next check point, by the place alone: a resumed run has the same ones."""
        descent = self.descent
        descent.check_rows = descent.deciding.next_check(descent.rows, self.interval)
        if descent.faults.keeps:
            descent.check_rows = min(descent.check_rows, descent.rows + self.interval)

    # -- epochs and checks -----------------------------------------------------------------------

    def _end_epochs(self, first: int, ends: tuple[int, ...]) -> dict[str, Any] | None:
        """Record the epochs that have just ended; the last of them, or None."""
        ended = None
        for end in ends:
            ended = self._end_epoch(first + end)
        return ended

    def _end_epoch(self, last: int) -> dict[str, Any]:
        descent = self.descent
        first = min(descent.epoch_step, last - 1)  # a batch that grows may leave an epoch none
        taken = descent.record.since(first).items()
        steps = {name: column[: last - first] for name, column in taken}
        weights = descent.evaluated() if descent.watch.looks else []
        ended: dict[str, Any] = {
            "epoch": len(descent.epochs) + 1,
            "step": last,
            "loss": mean_loss(steps["loss"], steps["batch"]),
            "validation_loss": None,
            **self._score(weights),
            "learning_rate": float(steps["learning_rate"][-1]),
            "batch": int(steps["batch"][-1]),
            "seconds": descent.seconds,
        }
        descent.epochs.append(ended)
        descent.epoch_step = last
        if descent.watch.is_best(ended):
            descent.watch.best = weights
            if self.store is not None:
                self.store.save_best(descent)
        if descent.deciding.plateau is not None:
            descent.deciding.at_epoch(self._measurement(ended, steps))
        return ended

    def _score(self, weights: list[np.ndarray]) -> dict[str, Any]:
        with self.spent.on("validation"):
            return dict(self.descent.watch.score(weights))

    def _check(self, epoch: dict[str, Any] | None) -> None:
        """Show the batch schedule what was measured since the last check."""
        descent, before = self.descent, self.descent.deciding.batch
        if descent.deciding.varies:
            steps = descent.record.since(descent.checked_step)
            decision = descent.deciding.at_check(self._measurement(epoch, steps))
            descent.checked_step, descent.checked_seconds = descent.done, descent.seconds
            if decision is not None and decision.average:
                self._begin_average()
        batch = descent.deciding.batch
        if batch != before:
            self.pace.rescale(batch / before)
            settled = descent.cursor.settled(descent.place, batch)
            if settled.epoch > descent.place.epoch:
                descent.place = settled
                self._end_epoch(descent.done)
        self._plan_check()
        self._keep_snapshot()

    def _measurement(
        self, epoch: dict[str, Any] | None, steps: dict[str, np.ndarray]
    ) -> Measurement:
        descent = self.descent
        norm, variance = steps.get("gradient_norm"), steps.get(VARIANCE)
        batch = int(steps["batch"][-1])
        return Measurement(
            step=descent.done, epoch=descent.epoch, examples=descent.rows,
            n=descent.cursor.n, batch=batch, learning_rate=float(steps["learning_rate"][-1]),
            loss=mean_loss(steps["loss"], steps["batch"]),
            gradient_square=None if norm is None else float(np.mean(norm**2)),
            variance=None if variance is None else float(np.mean(variance)),
            throughput=self._throughput(steps["batch"]),
            validation_loss=None if epoch is None else epoch["validation_loss"],
        )  # fmt: skip

    def _throughput(self, batches: np.ndarray) -> float | None:
        """Examples per second since the last check."""
        if self.descent.checked_seconds is None:
            return None
        seconds = self.descent.seconds - self.descent.checked_seconds
        return float(batches.sum()) / seconds if seconds > 0 else None

    def _begin_average(self) -> None:
        """Let the optimiser average from here on."""
        descent = self.descent
        params, state = descent.carried.trees(descent.leaves())
        state = descent.optimizer.begin_average(state)
        descent.step.executable.set_state([*flatten(params)[0], *flatten(state)[0]])

    # -- losses that are not finite --------------------------------------------------------------

    def _keep_snapshot(self) -> None:
        descent = self.descent
        if descent.faults.keeps:
            kept = len(descent.epochs), descent.watch.best
            descent.faults.keep(Snapshot(descent.leaves(), descent.stood(), *kept))

    def _has_fallen_back(self, first: int, losses: np.ndarray, looks: bool) -> bool:
        """Whether something was not finite and the descent stands at an earlier place now.

        Args:
            first: the chunk's first step.
            losses: of the chunk's steps.
            looks: whether to look at the weights too: a loss is that of the weights before it.

        Raises:
            TrainingError: by the policy, or where falling back does not help.
        """
        faults, bad = self.descent.faults, first_bad(losses)
        if faults.policy == "skip":
            faults.note_skipped(self.descent.record.since(first)["skipped"], first)
            return False
        is_spoiled = bad is None and looks and not self._has_finite_weights()
        if bad is None and not is_spoiled:
            return False
        bad = len(losses) - 1 if bad is None else bad
        at, rates = first + bad, self.descent.record.since(first)["learning_rate"]
        became = "a gradient became nan" if is_spoiled else f"the loss became {losses[bad]}"
        if faults.policy == "stop" or faults.count >= MOST or (at == 0 and not is_spoiled):
            rate = float(rates[bad])
            advice = self.advice.on_divergence(self.descent, rate, first=at == 0)
            raise stop_error(at, self.descent.steps, rate, became, advice)
        self._fall_back(at, became)
        return True

    def _has_finite_weights(self) -> bool:
        params = self.descent.leaves()[: len(self.descent.carried.params)]
        return all(bool(np.isfinite(leaf).all()) for leaf in params)

    def _fall_back(self, at: int, became: str) -> None:
        descent = self.descent
        snapshot, reached = descent.faults.take(at), descent.epoch
        factor = descent.deciding.fault_rate
        decisions = descent.deciding.decisions
        descent.stand(snapshot.leaves, snapshot.position, decisions)
        descent.watch.restore(snapshot.position["watch"], snapshot.best)
        descent.record.cut(descent.done)
        del descent.epochs[snapshot.epochs :]
        descent.deciding.fault_rate = factor
        descent.deciding.fell_back(
            descent.done, reached, FACTOR,
            f"roll back: {became} at step {at + 1}: back to step {descent.done}, "
            f"learning rate times {factor * FACTOR:.3g}",
        )  # fmt: skip
        self._keep_snapshot()
