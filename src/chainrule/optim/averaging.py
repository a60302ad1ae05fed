"""Averages of the iterates, to evaluate and to keep in place of the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from chainrule.errors import TrainingError
from chainrule.optim.arguments import at_least, fraction, one_of, optional
from chainrule.optim.optimizer import Array, Optimizer, Wrapper, counter, scaled, wide
from chainrule.tracing.trees import Tree, tree_map

#: A step that no run reaches.
NEVER: Final = np.iinfo(np.int64).max


@dataclass(frozen=True, repr=False)
class Average(Wrapper):
    """Averages the iterates; made by ``average``."""

    kind: str = "ema"
    decay: float = 0.999
    start: int | None = 0
    every: int = 1

    RANGES: ClassVar = {
        "kind": one_of("ema", "swa", "suffix"),
        "decay": fraction,
        "start": optional(at_least(0)),
        "every": at_least(1),
    }

    def init(self, params: Tree) -> Tree:
        """``average`` (of a suffix ``before`` too) like params; counts; ``inner``."""
        state = {
            "average": tree_map(np.array, params),
            "count": counter(),
            "start": np.asarray(NEVER if self.start is None else self.start),
            "updates": counter(),
            "inner": self.optimizer.init(params),
        }
        if self.kind == "suffix":
            windows = {"count_before": counter(), "window": np.ones((), np.int64)}
            state |= {"before": tree_map(np.array, params)} | windows
        return state

    def update(
        self, grads: Tree, state: Tree, params: Tree, learning_rate: Array
    ) -> tuple[Tree, Tree]:
        """See ``Optimizer.update``."""
        params, inner = self.optimizer.update(grads, state["inner"], params, learning_rate)
        updates = state["updates"] + 1
        past = updates - state["start"]  # after that many updates the first is taken
        is_due = (past > 0) & ((past - 1) % self.every == 0)
        new = state | {"updates": updates, "inner": inner}
        if self.kind == "suffix":
            new |= self._next_window(state, is_due)
        count = new["count"]
        share = np.where(is_due, self._share(wide(count)), 0.0)
        average = tree_map(
            lambda a, p: scaled(1 - share, a) + scaled(share, p), new["average"], params
        )
        return params, new | {"average": average, "count": count + np.where(is_due, 1, 0)}

    def evaluation(self, params: Tree, state: Tree) -> Tree:
        """The average; the parameters as they are while nothing has been averaged."""
        params = self.optimizer.evaluation(params, state["inner"])
        average, count = state["average"], wide(state["count"])
        if self.kind == "suffix":
            before = wide(state["count_before"])
            share = count / np.maximum(count + before, 1.0)
            average = tree_map(
                lambda a, b: scaled(share, a) + scaled(1 - share, b), average, state["before"]
            )
        is_begun = count > 0
        return tree_map(lambda a, p: np.where(is_begun, a, p), average, params)

    def begin_average(self, state: Tree) -> Tree:
        """Average from the next update on, where ``start`` is None and it has not begun."""
        is_waiting = state["start"] == NEVER
        return state | {"start": np.where(is_waiting, state["updates"], state["start"])}

    def _share(self, count: Array) -> Array:
        """What of the new average the newest iterate is; all of it, for the first."""
        if self.kind == "ema":
            return np.where(count > 0, 1 - self.decay, 1.0)
        return 1 / (count + 1)

    def _next_window(self, state: Tree, is_due: Array) -> dict[str, Tree]:
        """Windows of 1, 1, 2, 4, 8, ... iterates: when one is full it becomes the one before."""
        count, before, window = state["count"], state["count_before"], state["window"]
        is_full = is_due & (count == window)
        kept = tree_map(lambda a, b: np.where(is_full, a, b), state["average"], state["before"])
        return {
            "before": kept,
            "count_before": np.where(is_full, count, before),
            "count": np.where(is_full, 0, count),
            "window": np.where(is_full & (before > 0), 2 * window, window),
        }


def average(
    optimizer: Optimizer, kind: str = "ema", decay: float = 0.999, start: int | None = 0,
    every: int = 1,
) -> Average:  # fmt: skip
    """Average the iterates of another optimiser; ``evaluation(params, state)`` is the average.

    The steps are those of the inner optimiser; the average is what is evaluated and saved.

    * ``"ema"``: a = decay · a + (1 - decay) · p, from a = p at the first (PyTorch's
      ``AveragedModel`` with ``get_ema_multi_avg_fn``).
    * ``"swa"``: the mean of all that were taken (Izmailov et al. 2018; ``AveragedModel``). With
      ``start = (1 - α) · steps`` it is α-suffix averaging.
    * ``"suffix"``: the mean over the last half, or up to three quarters, at any time, with no
      number of steps given: over two windows, of which the newer is as long as all before.

    Args:
        optimizer: what updates.
        kind: "ema", "swa" or "suffix".
        decay: in [0, 1), for "ema".
        start: updates that are left out; None waits until a schedule decides
            (``optim.NoiseDriven(..., then="average")``).
        every: take every update of this number from there, from 1.

    Raises:
        TrainingError: an argument outside of its range.

    Source:
        Polyak & Juditsky 1992, Acceleration of Stochastic Approximation by Averaging; Izmailov et
        al. 2018, Averaging Weights Leads to Wider Optima and Better Generalization; suffix:
        Rakhlin, Shamir & Sridharan 2012, Making Gradient Descent Optimal for Strongly Convex
        Stochastic Optimization, section 4.

    Example:
        >>> from chainrule import optim
        >>> optimizer, p = average(optim.SGD(1.0), "swa", start=1), np.zeros(1)
        >>> state = optimizer.init(p)
        >>> for _ in range(3):  # 1, 2, 3
        ...     p, state = optimizer.update(np.array([-1.0]), state, p, 1.0)
        >>> p, optimizer.evaluation(p, state)
        (array([3.]), array([2.5]))
    """
    if kind == "suffix" and every != 1:
        raise TrainingError(f"average: every is {every}; a suffix takes every update")
    return Average(optimizer, kind, decay, start, every)
