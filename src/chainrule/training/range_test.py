"""The learning rate found before a run: rates that grow, and what the loss makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final, Literal

import numpy as np

from chainrule.compiler.native.threads import choose
from chainrule.errors import TrainingError
from chainrule.evaluation.examples import Examples, take_examples
from chainrule.optim import SGD, BatchSchedule
from chainrule.optim.arguments import at_least
from chainrule.optim.optimizer import check_optimizer
from chainrule.orders import as_order
from chainrule.training.keys import noise_keys
from chainrule.training.order import Cursor, Place
from chainrule.training.settings import batch_schedule, check_targets
from chainrule.training.step import Carried, Step, carry, compile_step, rates_of, trace_step

#: How much of the smoothed loss is kept from step to step; both ways, so that nothing lags.
_KEEP: Final = 0.9
#: Steps between looks at whether the loss has diverged.
_CHUNK: Final = 20
#: The loss has diverged once it is this many times its fall above where it began.
_FAR: Final = 4.0
#: Fewer steps than these say nothing.
_FEWEST: Final = 20
#: Where the loss diverges early, the rates begin anew, this much lower, so many times at most.
_LOWER: Final = 1e-6
_RESTARTS: Final = 4
#: They end this many times above the rate at which the loss had become so large.
_BEYOND: Final = 10.0
#: The suggestion is tried for so many steps, and divided by this until they do not diverge.
_TRIAL: Final = 100
_PART: Final = 3.0
_TRIALS: Final = 8


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
    far above where it began. Where it does so early, as on data that are not standardised, the
    rates begin anew from lower ones than ``least``. At last a hundred steps are made at the
    suggestion; while they diverge, a third of it is taken.

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
    check_optimizer(optimizer)
    walk = _walk(model, loss, data, optimizer, batch, as_order(order), steps, seed, threads)
    calm = _calm(walk)
    rates, losses = _tried(walk, calm, np.geomspace(least, most, steps))
    found = read(*_finite(rates, losses), cut=len(losses) < steps or _ends_far(losses, calm))
    if rates[0] < least:
        found = replace(found, reason=f"{found.reason}; rates from {rates[0]:.2g}, as it diverged")
    return _confirmed(found, walk, calm)


def _walk(
    model: Any, loss: Any, data: tuple[Any, ...], optimizer: Any, batch: Any, order: Any,
    steps: int, seed: int, threads: int | None,
) -> _Walk:  # fmt: skip
    carried = carry(model, optimizer)
    examples = take_examples(data, carried.dtype)
    check_targets(loss, model, examples)
    size = batch_schedule(batch, examples.rows, optimizer).start(examples.rows)[0].batch
    rated = rates_of(optimizer)
    traced = trace_step(carried, examples, loss, optimizer)
    step = compile_step(traced, carried, examples, size < examples.rows, rated)
    most = max(steps, _TRIAL)
    cursor = Cursor(order, examples.rows, most * size // examples.rows + most, seed)
    threads = choose(threads, step.executable.operations(size))
    return _Walk(step, carried, examples, cursor, size, threads, _shares(optimizer, rated))


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
    """The descent with any rates; each walk begins at the first weights and the first batch."""

    step: Step
    carried: Carried
    examples: Examples
    cursor: Cursor
    batch: int
    threads: int
    shares: np.ndarray

    def run(self, rates: np.ndarray) -> np.ndarray:
        """The losses, until one is not finite, which is the last, or they stay far above."""
        self.step.executable.set_state(self.carried.leaves)
        losses, place = np.zeros(0), Place()
        while len(losses) < len(rates) and not _has_diverged(losses):
            found, place = self._chunk(rates, len(losses), place)
            losses = np.concatenate([losses, found])
        finite = np.isfinite(losses)
        return losses if finite.all() else losses[: int(np.argmin(finite)) + 1]

    def _chunk(self, rates: np.ndarray, first: int, place: Place) -> tuple[np.ndarray, Place]:
        """Some steps more: their losses, and where in the data they end."""
        place = self.cursor.settled(place, self.batch)
        chunk = self.cursor.take(place, self.batch, min(_CHUNK, len(rates) - first))
        now = rates[first : first + chunk.steps]
        columns = now if len(self.shares) == 1 else now[:, None] * self.shares
        keys = noise_keys(self.cursor.seed, first, chunk.steps)
        found = self.step.run(
            columns.astype(self.carried.dtype), keys, chunk.rows, self.examples, chunk.batch,
            self.threads,
        )[0]  # fmt: skip
        return found.astype(np.float64), chunk.after


def _calm(walk: _Walk) -> np.ndarray:
    """The losses of a few batches at the first weights: steps with the rate 0."""
    losses = walk.run(np.zeros(_CHUNK))
    if not np.isfinite(losses).all():
        where = "" if len(losses) == 1 else f", on batch {len(losses)}"
        raise TrainingError(
            f"range_test: the loss is {losses[-1]} before the first update{where}",
            "look for NaN, infinite or very large values in the data and the first weights",
        )
    return losses


def _tried(walk: _Walk, calm: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates and losses; begun anew from lower rates while the loss diverges at the first of them.

    Two fifths of the steps must pass before, so that it is known what the loss is without.
    """
    losses = walk.run(rates)
    for _ in range(_RESTARTS):
        is_early = len(losses) < max(2 * len(rates) // 5, _FEWEST) or _is_far(losses[:_CHUNK], calm)
        if not (is_early and _ends_far(losses, calm)):
            break
        most = _BEYOND * rates[len(losses) - 1]
        rates = np.geomspace(rates[0] * _LOWER, most, len(rates))
        losses = walk.run(rates)
    return rates[: len(losses)], losses


def _finite(rates: np.ndarray, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = len(losses) if np.isfinite(losses[-1]) else max(1, len(losses) - 1)
    return rates[:kept], losses[:kept]


def _confirmed(found: RangeTest, walk: _Walk, calm: np.ndarray) -> RangeTest:
    """The suggestion, or so much less that steps at it do not diverge."""
    rate = found.suggestion
    for k in range(_TRIALS):
        rate = found.suggestion / _PART**k
        if not _ends_far(walk.run(np.full(_TRIAL, rate)), calm):
            break
    else:
        reason = f"{found.reason}; no rate was found that does not diverge: standardise the data"
        return replace(found, suggestion=rate, reason=reason)
    if not k:
        return found
    reason = f"{found.reason}; {found.suggestion:.2g} diverged when tried, {rate:.2g} does not"
    return replace(found, suggestion=rate, reason=reason)


def _ends_far(losses: np.ndarray, calm: np.ndarray) -> bool:
    return _is_far(losses[-_CHUNK // 2 :], calm)


def _is_far(losses: np.ndarray, calm: np.ndarray) -> bool:
    """Whether half of these lie far above what the loss is at the first weights."""
    start = float(np.median(calm))
    far = start + _FAR * max(0.1 * abs(start), _spread(calm))
    return not np.isfinite(losses).all() or bool(np.median(losses) > far)


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


def read(rates: np.ndarray, losses: np.ndarray, *, cut: bool = False) -> RangeTest:
    """What losses at growing rates suggest; ``cut``: they end because they diverged."""
    if len(losses) < _FEWEST:
        safe = float(rates[0]) / 10
        reason = f"the loss diverged within {len(losses)} steps, at {rates[-1]:.2g}: well below"
        return RangeTest(rates, losses, losses, safe, reason, diverged=float(rates[-1]))
    start = float(np.median(losses[:_CHUNK]))
    span = max(start - float(np.min(losses)), _noise(losses), 1e-12 * abs(start))
    smoothed = _smooth(np.minimum(losses, start + span))
    low = int(np.argmin(smoothed))
    fall = start - float(smoothed[low])
    if fall <= max(3 * _noise(losses) / math.sqrt(1 / (1 - _KEEP)), 1e-3 * abs(start)):
        seen = np.minimum(losses, start + 2 * _rise(losses, start))  # so that none outweighs all
        return _without_fall(rates, losses, _smooth(seen), start, cut)
    above = np.flatnonzero(smoothed[: low + 1] > start - fall / 2)
    half, lowest = (float(rates[k]) for k in (above[-1] if len(above) else 0, low))
    limit = smoothed[low] + max(0.1 * fall, 4 * _noise(losses) * math.sqrt((1 - _KEEP) / 2))
    below = np.flatnonzero(smoothed[low:] <= limit)  # after the last of them it stays above
    last = low + int(below[-1])
    diverged = float(rates[last + 1]) if last + 1 < len(rates) else None
    if cut:
        diverged = min(diverged or math.inf, _departure(rates, losses, start))
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
    rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, start: float, cut: bool
) -> RangeTest:
    """A tenth of where it rises; without that, a rate that is small for most problems."""
    rises = np.flatnonzero(smoothed > start + _rise(losses, start))
    diverged = float(rates[rises[0]]) if len(rises) else None
    if cut:
        diverged = min(diverged or math.inf, _departure(rates, losses, start))
    suggestion = diverged / 10 if diverged is not None else min(1e-2, float(rates[-1]))
    where = f"it rises from {diverged:.2g}: a tenth of that" if diverged else "nor does it rise"
    reason = f"the loss does not fall beyond its noise at any rate; {where}"
    return RangeTest(rates, losses, smoothed, suggestion, reason, diverged=diverged)


def _departure(rates: np.ndarray, losses: np.ndarray, start: float) -> float:
    """The rate from which on no loss of a list that ends far above is near its start again."""
    near = np.flatnonzero(losses <= start + _rise(losses, start))
    return float(rates[min(near[-1] + 1, len(rates) - 1)]) if len(near) else float(rates[0])


def _rise(losses: np.ndarray, start: float) -> float:
    """How far above where it began a smoothed loss must be to have risen."""
    return 3 * _noise(losses) + 1e-3 * abs(start)


def _smooth(losses: np.ndarray) -> np.ndarray:
    """Exponential averages with bias correction, forwards and backwards: no lag either way."""

    def one_way(x: np.ndarray) -> np.ndarray:
        return np.asarray(_averaged(x) / _averaged(np.ones_like(x)))

    return one_way(one_way(losses)[::-1])[::-1]


def _averaged(x: np.ndarray) -> np.ndarray:
    """Exponential averages that begin at 0; SciPy's lfilter would cost a second of imports."""
    parts = ((1 - _KEEP) * x).tolist()
    return np.array(list(accumulate(parts, lambda mean, part: part + _KEEP * mean)))


def _noise(losses: np.ndarray) -> float:
    """How far one batch's loss lies from the next one's, at the rates that change nothing."""
    return _spread(losses[: max(len(losses) // 3, 2)])


def _spread(losses: np.ndarray) -> float:
    """A loss's distance from its neighbours', as a standard deviation: from a normal's MAD."""
    if len(losses) < 2:
        return 0.0
    return 1.4826 * float(np.median(np.abs(np.diff(losses)))) / math.sqrt(2)
