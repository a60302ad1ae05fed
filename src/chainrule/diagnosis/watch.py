"""Verdicts by the record alone, cheap enough for the end of each epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from chainrule.diagnosis.curvature import curvature, stability_bound
from chainrule.diagnosis.finding import Finding, in_words, sorted_findings
from chainrule.diagnosis.record import Record
from chainrule.errors import ChainruleError
from chainrule.evaluation.examples import sample
from chainrule.evaluation.objective import Leaves, Objective

#: Rows that the bound is measured on after a divergence.
_ROWS: Final = 1024


def watch(
    loss: np.ndarray, learning_rate: Any = None, batch: Any = None, *, steps_left: int = 0,
    rows: int = 0,
) -> tuple[Finding, ...]:  # fmt: skip
    """What the record so far says of the learning rate; nothing where all is well.

    A pure function of the record, with no compilation: milliseconds for a million steps.

    Args:
        loss: float64[steps], each step's own, before its update.
        learning_rate: float64[steps] or one number, if known.
        batch: examples per update, [steps] or one number, if known.
        steps_left: updates that are still planned.
        rows: examples there are, if known.

    Example:
        >>> falling = 1.0 - 1e-8 * np.arange(1000)
        >>> print(watch(falling, 1e-8, 8, steps_left=9000, rows=8)[0])
        warning: rate too small: the loss falls by 10⁻⁸ a step: at this rate, 10⁻⁸, it halves in
        7·10⁷ steps; 10000 are planned
          try: a learning rate 1000 times as large, or cr.range_test
    """
    loss = np.asarray(loss, np.float64)
    rates, sizes = (
        np.broadcast_to(np.asarray(missing if given is None else given), loss.shape)
        for given, missing in ((learning_rate, math.nan), (batch, 0))
    )
    return judge_record(Record(loss, rates, sizes, rows), steps_left)


def judge_record(record: Record, steps_left: int = 0) -> tuple[Finding, ...]:
    """The same of a ``Record``."""
    if record.first_nonfinite is not None:
        return (_nonfinite(record, record.first_nonfinite),)
    if record.is_short:
        return ()
    for verdict in _VERDICTS:
        found = verdict(record, steps_left)
        if found is not None:
            return (found,)
    return ()


def _nonfinite(record: Record, at: int) -> Finding:
    rate = float(record.learning_rate[at])
    what = f"the loss became {record.loss[at]} at step {at + 1}"
    named = f", learning rate {rate:.3g}" if math.isfinite(rate) else ""
    return Finding(
        "serious", "divergence", what + named, {"step": at + 1, "learning_rate": rate},
        f"a learning rate of {in_words(rate / 10)}" if rate > 0 else "look at the data for NaN",
    )  # fmt: skip


def _divergence(record: Record, steps_left: int) -> Finding | None:
    """The loss has risen well above where it was, while the rate did not rise."""
    trend = record.trend
    rise = trend.last - min(trend.lowest, float(record.loss[0]))
    size = max(abs(trend.lowest), 0.1 * abs(trend.first), trend.first - trend.lowest)
    start = min(trend.first, float(record.loss[0]))
    above = trend.last - start
    is_above_start = above > 6 * trend.spread + 0.3 * abs(start) or above > 4 * abs(start) > 0
    is_climbing = rise > size and trend.direction(max(0.5, trend.lowest_at)) > 0.6
    if rise <= 5 * trend.noise or not (is_above_start or is_climbing):
        return None
    if not is_above_start and _rate_rose(record):
        return None
    at = 1 if record.loss[0] < trend.lowest else round(trend.lowest_at * record.steps)
    lowest = min(trend.lowest, float(record.loss[0]))
    numbers = {"loss": trend.last, "lowest": lowest, "step": at}
    what = (
        f"the loss has risen: {trend.last:.3g} now, {lowest:.3g} at its lowest, around step"
        f" {at}{_at_rate(record)}"
    )
    return Finding("serious", "divergence", what, numbers, _lower(record, 3))


def _rate_rose(record: Record) -> bool:
    """Whether a schedule has just raised the rate, as at a warm restart."""
    at = min(int(record.trend.lowest_at * record.steps), record.steps - 1)
    return bool(np.nanmax(record.learning_rate[at:], initial=0) > record.learning_rate[at] * 1.05)


def _oscillation(record: Record, steps_left: int) -> Finding | None:
    """Losses over all rows fall at every step; up and down is the rate's doing."""
    if not record.is_whole or _rate_rose(record):
        return None
    late = record.loss[record.steps // 2 :]
    steps = np.diff(late)
    size = max(float(np.median(np.abs(late))), 1e-300)
    is_rise = steps > 1e-4 * size
    rises, swing = float(np.mean(is_rise)), float(np.median(np.abs(steps)))
    if rises < 0.1:
        return None
    numbers = {"rises": rises, "swing": swing}
    is_falling = record.trend.direction(0.5) < -0.5 and record.trend.slope(0.5) < 0
    if is_falling:
        what = f"the loss over all rows rose at {rises:.0%} of the last steps, though it falls"
        return Finding("note", "overshoot", what + _at_rate(record), numbers, _lower(record, 2))
    what = f"the loss over all rows goes up and down by {swing:.2g} a step and does not fall"
    return Finding("warning", "oscillation", what + _at_rate(record), numbers, _lower(record, 2))


def _too_small(record: Record, steps_left: int) -> Finding | None:
    """The loss falls evenly, and so slowly that the run will not get far."""
    trend, planned = record.trend, record.steps + steps_left
    falling = -trend.slope()
    if not (falling > 0 and trend.last > 0 and trend.direction() < -0.6) or trend.fall > 0.05:
        return None
    if trend.first - trend.last < 3 * trend.noise or _has_flattened(record):
        return None
    halving = math.log(2) * trend.last / falling
    if halving < 10 * planned or _is_decaying(record):
        return None
    what = (
        f"the loss falls by {in_words(falling)} a step: at this rate{_named_rate(record)}, it"
        f" halves in {in_words(halving)} steps; {planned} are planned"
    )
    factor = min(10.0 ** math.floor(math.log10(halving / planned)), 1e3)
    advice = f"a learning rate {factor:.0f} times as large, or cr.range_test"
    numbers = {"halving_steps": halving, "fall_per_step": falling}
    return Finding("warning", "rate too small", what, numbers, advice)


def _has_flattened(record: Record) -> bool:
    """Whether the loss fell faster before: then it is near an end, not slow from the start."""
    return record.trend.slope(0.0, 0.5) < 3 * record.trend.slope(0.5)


def _is_decaying(record: Record) -> bool:
    """Whether the rate is below its largest already, or the batch above its smallest."""
    rates = record.learning_rate[np.isfinite(record.learning_rate)]
    falls = len(rates) > 0 and float(rates[-1]) < 0.99 * float(rates.max())
    return bool(falls or record.batch[-1] > record.batch.min())


def _no_progress(record: Record, steps_left: int) -> Finding | None:
    """The loss stands where it stood at the first step."""
    trend, steps = record.trend, record.steps
    if np.ptp(record.loss) == 0.0:
        advice = "a larger learning rate, or float64: in float32 a small step can be rounded away"
        what = f"the loss is {trend.last:.6g} at each of {steps} steps{_at_rate(record)}"
        return Finding("warning", "no progress", what, {"loss": trend.last}, advice)
    if steps < 200 or abs(trend.direction()) > 0.3 or trend.first - trend.lowest > 4 * trend.noise:
        return None
    if abs(float(record.loss[0]) - trend.last) > 6 * trend.spread:
        return None
    what = (
        f"the loss is {trend.last:.4g} after {steps} steps and was {trend.first:.4g}: within its"
        f" noise{_at_rate(record)}"
    )
    numbers = {"loss": trend.last, "noise": trend.noise}
    return Finding("note", "no progress", what, numbers, "cr.diagnose, which measures why")


def _noise_floor(record: Record, steps_left: int) -> Finding | None:
    """The loss fell, and now only moves about: what is left is the batches' noise."""
    trend = record.trend
    if record.is_whole or record.steps < 400 or steps_left < record.steps // 10:
        return None
    fell = max(trend.first, float(record.loss[0])) - trend.last
    drift = abs(trend.slope(0.5)) * record.steps / 2
    is_flat = abs(trend.direction(0.5)) < 0.5 and drift < 0.01 * fell + 3 * trend.noise
    if not is_flat or fell < 4 * trend.spread or trend.spread <= 0.02 * abs(trend.last):
        return None
    if _is_decaying(record):
        return None
    what = (
        f"the loss has stayed at {trend.last:.3g} for {record.steps // 2} steps, each batch's"
        f" being {trend.spread:.2g} away from it{_at_rate(record)}"
    )
    numbers = {"loss": trend.last, "spread": trend.spread}
    advice = "let the learning rate fall (optim.cosine), or the batch grow (optim.NoiseDriven)"
    return Finding("note", "noise floor", what, numbers, advice)


_VERDICTS: Final[tuple[Callable[[Record, int], Finding | None], ...]] = (
    _divergence, _oscillation, _no_progress, _too_small, _noise_floor,
)  # fmt: skip


def _at_rate(record: Record) -> str:
    return f", at learning rate {record.rate:.3g}" if math.isfinite(record.rate) else ""


def _named_rate(record: Record) -> str:
    return f", {in_words(record.rate)}" if math.isfinite(record.rate) else ""


def _lower(record: Record, by: float) -> str:
    if not record.rate > 0:
        return "a lower learning rate"
    return f"a learning rate of {in_words(record.rate / by)}"


# -- after a divergence ----------------------------------------------------------------------------


def divergence_advice(
    objective: Objective, leaves: Leaves, learning_rate: float, momentum: float = 0.0, *,
    nesterov: bool = False, dampening: float = 0.0, seconds: float = 1.0,
) -> str:  # fmt: skip
    """What to try after the loss became NaN or infinite, by the curvature before it did.

    Args:
        objective: the loss over the rows; at most 1024 of them are looked at.
        leaves: the last finite parameters.
        learning_rate: of the step that was too much.
        momentum: as of ``optim.SGD``, and so the others; 0 for any other optimiser.
        nesterov: Nesterov's form of it.
        dampening: of the momentum.
        seconds: for the products, compilation not counted.

    Returns:
        One sentence with a rate to try; it never raises for what the weights are.

    Example:
        >>> from chainrule.evaluation.examples import take_examples
        >>> rows = take_examples((np.array([10.0, -10.0]),), np.dtype(float))
        >>> objective = Objective(lambda w, x: np.mean((w * x - x) ** 2), np.array(0.0), rows)
        >>> divergence_advice(objective, [np.array(1e30)], 0.1)
        'the curvature λ_max = 200 allows learning rates below 2/λ_max = 0.01, this was 0.1; try
        0.005'
    """
    fallback = f"try a learning rate of {in_words(learning_rate / 10)}"
    few = objective.on(sample(objective.examples, _ROWS))
    try:
        found = curvature(few, leaves, ends="largest", tolerance=1e-2, seconds=seconds)
    except (ChainruleError, FloatingPointError, np.linalg.LinAlgError):
        return fallback
    bound = stability_bound(found.largest, momentum, nesterov=nesterov, dampening=dampening)
    if not (math.isfinite(bound) and bound > 0):
        return fallback
    name = "2/λ_max" if not momentum else f"{bound * found.largest:.3g}/λ_max"
    measured = (
        f"the curvature λ_max = {in_words(found.largest, 3)} allows learning rates below {name} ="
        f" {in_words(bound, 2)}"
    )
    if learning_rate > bound:
        return f"{measured}, this was {in_words(learning_rate, 2)}; try {in_words(bound / 2)}"
    return (
        f"{measured}, and this was {in_words(learning_rate, 2)}: single batches are steeper, or a"
        f" log or a division met 0; try optim.clip_norm, or {in_words(learning_rate / 3)}"
    )


__all__ = ["divergence_advice", "judge_record", "sorted_findings", "watch"]
