"""The learning rate found before a run: rates that grow, and what the loss makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from scipy.signal import lfilter

from chainrule.compiler.native.executable import operations
from chainrule.compiler.native.threads import choose
from chainrule.errors import TrainingError
from chainrule.evaluation.examples import Examples, take_examples
from chainrule.optim import SGD, BatchSchedule
from chainrule.optim.arguments import at_least
from chainrule.orders import as_order
from chainrule.training.keys import noise_keys
from chainrule.training.order import Cursor, Place
from chainrule.training.settings import batch_schedule, check_targets
from chainrule.training.step import Step, carry, compile_step, rates_of, trace_step

#: How much of the smoothed loss is kept from step to step; both ways, so that nothing lags.
_KEEP: Final = 0.9
#: Steps between looks at whether the loss has diverged.
_CHUNK: Final = 20
#: The loss has diverged once it is this many times its fall above where it began.
_FAR: Final = 4.0
#: Fewer steps than these say nothing.
_FEWEST: Final = 20


@dataclass(frozen=True, eq=False)
class RangeTest:
    """The result of ``range_test``.

    Attributes:
        rates: float64[steps], growing; up to where the loss diverged.
        losses: float64[steps], each step's on its own batch, before its update.
        smoothed: float64[steps], what the suggestion was read from.
        suggestion: a learning rate to train with.
        reason: why this one, in words.
        half, lowest, diverged: the rates by which half of the fall is done, of the lowest loss,
            and from which on the loss rises; None where there is none.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float
    reason: str
    half: float | None = None
    lowest: float | None = None
    diverged: float | None = None

    def __repr__(self) -> str:
        return f"RangeTest(suggestion {self.suggestion:.2g}: {self.reason})"


def range_test(
    model: Any, loss: Any, data: tuple[Any, ...], *, optimizer: Any = None,
    batch: int | Literal["all"] | BatchSchedule = 32, least: float = 1e-7, most: float = 10.0,
    steps: int = 300, order: Any = "reshuffle", seed: int = 0, threads: int | None = None,
) -> RangeTest:  # fmt: skip
    """Train for a few hundred steps with rates that grow, and read off a good one.

    The rate grows by the same factor at every step, over mini-batches in the order of the run,
    in native code. A copy of the model is trained; the model is as it was. The same seed gives
    the same suggestion.

    The suggestion lies halfway, by factors, between the rate by which half of the smoothed loss's
    fall is done and the rate of its lowest point, and is at most a third of the rate from which
    on it rises. (The steepest fall, which is often taken, lies at the first of these and is hard
    to tell from noise.) Single bad batches are smoothed away; the test ends when the loss stays
    far above where it began.

    Args:
        model: as for ``cr.train``, and so ``loss``, ``data``, ``order``, ``threads``.
        loss: a ``losses.Loss`` or a function.
        data: a tuple of arrays.
        optimizer: default ``SGD``; its own learning rate is not looked at. Where its groups have
            rates of their own, these keep their ratios, and the first is the one suggested.
        batch: examples per update, "all", or a schedule, of which the first size is taken.
        least: the first rate, > 0.
        most: the last one.
        steps: how many, from 20.
        order: of the examples.
        seed: of their order and of dropout.
        threads: how many run the step.

    Raises:
        TrainingError: an argument outside of its range; more examples in a batch than there are;
            the loss is not finite before the first update. DataError: data that do not fit.

    Source:
        Smith 2017, Cyclical Learning Rates for Training Neural Networks, 3.3.

    Example:
        >>> x = np.linspace(-1, 1, 64)
        >>> def loss(p, x, y):
        ...     return np.mean((p["w"] * x + p["b"] - y) ** 2)
        >>> start = {"w": np.array(0.0), "b": np.array(0.0)}
        >>> found = range_test(start, loss, (x, 3 * x + 1), batch="all")
        >>> found
        RangeTest(suggestion ...)
        >>> 0.02 < found.suggestion < 0.9  # unstable from 2/λ_max = 1
        True
    """
    _check(least, most, steps)
    optimizer = SGD(least) if optimizer is None else optimizer
    carried = carry(model, optimizer)
    examples = take_examples(data, carried.dtype)
    check_targets(loss, model, examples)
    size = batch_schedule(batch, examples.rows, optimizer).start(examples.rows)[0].batch
    rated = rates_of(optimizer)
    traced = trace_step(carried, examples, loss, optimizer)
    step = compile_step(traced, carried, examples, size < examples.rows, rated)
    rates = np.geomspace(least, most, steps)
    cursor = Cursor(as_order(order), examples.rows, steps * size // examples.rows + steps, seed)
    walk = _Walk(step, examples, cursor, size, threads, carried.dtype)
    losses = walk.run(rates, _shares(optimizer, rated))
    if not math.isfinite(losses[0]):
        raise TrainingError(
            f"range_test: the loss is {losses[0]} before the first update",
            "look for NaN, infinite or very large values in the data and the first weights",
        )
    return read(rates[: len(losses)], losses)


def _check(least: float, most: float, steps: int) -> None:
    if not (0 < least < most < math.inf):
        raise TrainingError(
            f"range_test: least {least!r}, most {most!r}; expected 0 < least < most"
        )
    at_least(_FEWEST)("range_test: steps", steps)


def _shares(optimizer: Any, rated: int) -> np.ndarray:
    """What each of an optimiser's rates is of the first: (rates,)."""
    if rated == 1:
        return np.ones(1)
    first = np.asarray(optimizer.learning_rates(np.arange(1), 1000))[0]
    return np.asarray(first / first[0] if first[0] > 0 else np.ones(rated))


@dataclass(frozen=True, eq=False)
class _Walk:
    """The descent with growing rates."""

    step: Step
    examples: Examples
    cursor: Cursor
    batch: int
    threads: int | None
    dtype: np.dtype

    def run(self, rates: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """The losses, until one is not finite or they stay far above the first."""
        threads = choose(self.threads, operations(self.step.executable.plan, self.batch))
        losses, place = np.zeros(0), Place()
        while len(losses) < len(rates) and not _has_diverged(losses):
            first = len(losses)
            place = self.cursor.settled(place, self.batch)
            chunk = self.cursor.take(place, self.batch, min(_CHUNK, len(rates) - first))
            now = rates[first : first + chunk.steps]
            columns = now if len(shares) == 1 else now[:, None] * shares
            keys = noise_keys(self.cursor.seed, first, chunk.steps)
            found = self.step.run(
                columns.astype(self.dtype), keys, chunk.rows, self.examples, chunk.batch, threads
            )[0]
            losses, place = np.concatenate([losses, found.astype(np.float64)]), chunk.after
        finite = np.isfinite(losses)
        return losses if finite.all() else losses[: max(1, int(np.argmin(finite)))]


def _has_diverged(losses: np.ndarray) -> bool:
    """One bad batch is none: half of the last chunk's losses must lie far above."""
    if not len(losses):
        return False
    if not np.isfinite(losses).all():
        return True
    start = float(np.median(losses[:_CHUNK]))
    smooth = _smooth(losses)
    fall = max(start - float(np.min(smooth)), 0.1 * abs(start), _noise(losses))
    return bool(np.median(losses[-_CHUNK // 2 :]) > start + _FAR * fall)


# -- reading ---------------------------------------------------------------------------------------


def read(rates: np.ndarray, losses: np.ndarray) -> RangeTest:
    """What losses at growing rates suggest."""
    if len(losses) < _FEWEST:
        safe = float(rates[0])
        reason = f"the loss diverged within {len(losses)} steps, at {rates[-1]:.2g}: the least rate"
        return RangeTest(rates, losses, losses, safe, reason, diverged=float(rates[-1]))
    start = float(np.median(losses[:_CHUNK]))
    span = max(start - float(np.min(losses)), _noise(losses), 1e-12 * abs(start))
    smoothed = _smooth(np.minimum(losses, start + span))
    low = int(np.argmin(smoothed))
    fall = start - float(smoothed[low])
    if fall <= max(3 * _noise(losses) / math.sqrt(1 / (1 - _KEEP)), 1e-3 * abs(start)):
        seen = np.minimum(losses, start + 2 * _rise(losses, start))  # so that none outweighs all
        return _without_fall(rates, losses, _smooth(seen), start)
    above = np.flatnonzero(smoothed[: low + 1] > start - fall / 2)
    half, lowest = (float(rates[k]) for k in (above[-1] if len(above) else 0, low))
    rises = np.flatnonzero(smoothed[low:] > smoothed[low] + 0.1 * fall)
    diverged = float(rates[low + rises[0]]) if len(rises) else None
    suggestion = min(math.sqrt(half * lowest), (diverged or math.inf) / 3)
    reason = _reason(half, lowest, diverged, suggestion)
    return RangeTest(rates, losses, smoothed, suggestion, reason, half, lowest, diverged)


def _reason(half: float, lowest: float, diverged: float | None, suggestion: float) -> str:
    found = f"half of the fall is done by {half:.2g}, the loss is lowest at {lowest:.2g}"
    rises = f"rises from {diverged:.2g}" if diverged else "does not diverge"
    is_third = suggestion < math.sqrt(half * lowest)
    chosen = "a third of the last" if is_third else "between the first two, by factors"
    return f"{found} and {rises}: {chosen}"


def _without_fall(
    rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, start: float
) -> RangeTest:
    """A tenth of where it rises; without that, a rate that is small for most problems."""
    rises = np.flatnonzero(smoothed > start + _rise(losses, start))
    diverged = float(rates[rises[0]]) if len(rises) else None
    suggestion = diverged / 10 if diverged is not None else min(1e-2, float(rates[-1]))
    where = f"it rises from {diverged:.2g}: a tenth of that" if diverged else "nor does it rise"
    reason = f"the loss does not fall beyond its noise at any rate; {where}"
    return RangeTest(rates, losses, smoothed, suggestion, reason, diverged=diverged)


def _rise(losses: np.ndarray, start: float) -> float:
    """How far above where it began a smoothed loss must be to have risen."""
    return 3 * _noise(losses) + 1e-3 * abs(start)


def _smooth(losses: np.ndarray) -> np.ndarray:
    """Exponential averages with bias correction, forwards and backwards: no lag either way."""

    def one_way(x: np.ndarray) -> np.ndarray:
        weights = lfilter([1 - _KEEP], [1, -_KEEP], np.ones_like(x))
        return np.asarray(lfilter([1 - _KEEP], [1, -_KEEP], x) / weights)

    return one_way(one_way(losses)[::-1])[::-1]


def _noise(losses: np.ndarray) -> float:
    """How far one batch's loss lies from the next one's, at the rates that change nothing."""
    early = losses[: max(len(losses) // 3, 2)]
    return 1.4826 * float(np.median(np.abs(np.diff(early)))) / math.sqrt(2)
