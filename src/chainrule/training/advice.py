"""What a descent is told about itself: at the end of an epoch, and when its loss diverges."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

import numpy as np

from chainrule.diagnosis.finding import Finding, in_words
from chainrule.diagnosis.rule import Rule
from chainrule.diagnosis.watch import divergence_advice, watch
from chainrule.evaluation.examples import Examples
from chainrule.evaluation.objective import Objective
from chainrule.tracing.trees import paths
from chainrule.training.descent import Descent

#: Parameters of so many bytes are copied before each chunk, so that advice can be given on them.
_SMALL: Final = 1 << 22
#: Seconds between copies, and the first steps, before which each chunk is worth one.
_REMEMBER: Final = 0.25
_FIRST: Final = 100
#: The record is looked at when so many times the last look's time have passed.
_SELDOM: Final = 50
#: Steps after which weights should have moved, and how far, as a share of their length.
_FEW: Final = 50
_UNMOVED: Final = 1e-4


@dataclass(eq=False)
class Advice:
    """Looks at the record, and at the loss around the last finite parameters.

    Attributes:
        objective: makes the loss over all rows; called when the loss has diverged.
        rule: what the optimiser makes of a gradient.
        findings: what has been noticed, each kind once.
    """

    objective: Callable[[], Objective]
    rule: Rule
    findings: list[Finding] = field(default_factory=list)
    _last: list[np.ndarray] = field(default_factory=list)
    _next: list[np.ndarray] = field(default_factory=list)
    _at: int = 0
    _remember_at: float = 0.0
    _look_at: float = 0.0

    def before(self, descent: Descent) -> None:
        """Remember small parameters before a chunk; of large ones the first must do."""
        params, now = descent.carried.params, perf_counter()
        self._last = self._last or params
        is_due = descent.done < _FIRST or now >= self._remember_at
        if is_due and sum(p.nbytes for p in params) <= _SMALL:
            self._promote(descent)
            self._next, self._at = descent.leaves()[: len(params)], descent.done
            self._remember_at = now + _REMEMBER

    def _promote(self, descent: Descent) -> None:
        """Keep what was remembered before a chunk if the loss there was no worse than at first.

        Above that the descent is on its way up, and the curvature there is no advice.
        """
        losses = descent.record.since(0).get("loss", np.zeros(0))
        if self._next and len(losses) > self._at and losses[self._at] <= losses[0]:
            self._last = self._next

    def on_divergence(self, descent: Descent, rate: float, first: bool = False) -> str:
        """What to try, after a chunk in which the loss became NaN or infinite.

        ``first``: at the very first step, of which no learning rate is the cause.
        """
        examples, numbers = descent.cursor.at_hand() or (descent.examples, None)
        spoiled = _spoiled(examples, numbers)
        if spoiled:
            return f'{spoiled}: leave such rows out, or train with on_nan="skip"'
        if first or self.rule.kind != "gradient":
            return ""
        self._promote(descent)
        rule = self.rule
        return divergence_advice(
            self.objective(), self._last, rate, rule.momentum, nesterov=rule.nesterov,
            dampening=rule.dampening,
        )  # fmt: skip

    def at_epoch(self, descent: Descent) -> tuple[Finding, ...]:
        """What is noticed at the end of an epoch and was not before."""
        begun = perf_counter()
        if begun < self._look_at:
            return ()
        found = self.look(descent)
        self._look_at = perf_counter() + _SELDOM * (perf_counter() - begun)
        return found

    def look(self, descent: Descent) -> tuple[Finding, ...]:
        """What the record says that it did not say before."""
        record = descent.record.since(0)
        if not record:
            return ()
        found = watch(
            record["loss"], record["learning_rate"], record["batch"],
            steps_left=descent.steps - descent.done, rows=descent.cursor.n,
        )  # fmt: skip
        new = tuple(f for f in found if f.kind not in {old.kind for old in self.findings})
        self.findings += new
        return new

    def at_end(self, descent: Descent) -> tuple[Finding, ...]:
        """What is noticed when the descent has ended."""
        found = self.look(descent)
        unmoved = _unmoved(descent)
        if not unmoved or any(f.kind == "rate too small" for f in self.findings):
            return found
        self.findings = [f for f in self.findings if f.kind != "no progress"] + [*unmoved]
        return unmoved


def _unmoved(descent: Descent) -> tuple[Finding, ...]:
    """Weights that are still where they began, to a ten-thousandth of their length."""
    steps, kept = descent.record.length, len(descent.carried.params)
    if steps < _FEW or descent.done > steps:
        return ()
    pairs = list(zip(descent.carried.params, descent.leaves()[:kept], strict=True))
    length = math.sqrt(sum(float(np.sum(np.square(a, dtype=np.float64))) for a, _ in pairs))
    way = math.sqrt(sum(float(np.sum((b - np.float64(a)) ** 2)) for a, b in pairs))
    if not 0 < way < _UNMOVED * length:
        return ()
    rate = float(descent.record.since(0)["learning_rate"].max())
    what = (
        f"in {steps} steps the weights have moved by {in_words(way / length)} of their length; the"
        f" learning rate is {in_words(rate)}"
    )
    numbers = {"moved": way / length, "learning_rate": rate}
    more = "a learning rate 100 times as large, or cr.range_test"
    return (Finding("warning", "rate too small", what, numbers, more),)


def _spoiled(examples: Examples, numbers: np.ndarray | None = None) -> str:
    """Which of the data are not finite, in words; "" if all are. ``numbers``: of their rows."""
    names = paths(examples.tree(list(range(len(examples.arrays)))))
    for name, array in zip(names, examples.arrays, strict=True):
        if array.dtype.kind != "f":
            continue
        bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if bad.any():
            first = bad.argmax() if numbers is None else numbers[bad].min()
            some = "" if numbers is None else f" of the {len(bad):,} in memory"
            return f"data[{name}] is not finite in {bad.sum()} rows{some}, first in row {first}"
    return ""
